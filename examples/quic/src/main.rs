//! A day of a mirror, and how fast such days go by: `cargo run --release`, or with `figures` for the latter alone.

use std::time::{Duration, Instant};

use quic_mirror::world::{address_of, client_endpoint, start_server, transport};
use quic_mirror::{Client, exchange, tls};
use timeloop::adapters::quinn as quic;
use timeloop::net::{LinkModel, Network, UdpSocket};
use timeloop::time::sleep;

fn main() -> Result<(), timeloop::Failure> {
    if std::env::args().nth(1).as_deref() != Some("figures") {
        timeloop::run(7, story)?;
    }
    figures()
}

/// Tells what happens, with the time of the simulation.
fn tell(what: &str) {
    println!("{:>8.3} s  {what}", quic_mirror::world::since_start().as_secs_f64());
}

async fn story() {
    let server = start_server(|socket| socket);
    let network = Network::current();
    network
        .set_all(&LinkModel::new().latency_with_tail(Duration::from_millis(20), Duration::from_millis(60)));
    let endpoint = client_endpoint(transport(), |socket| socket).await;
    let mut client = Client::new(endpoint.clone(), address_of(&server));

    client.exchange(1, 10_000).await;
    tell("a handshake, and 10 kB there and back");
    let connection = client.connection().await.expect("it is there");
    let mut streams = timeloop::task::JoinSet::new();
    for number in 2..52 {
        let connection = connection.clone();
        streams.spawn(async move { exchange(&connection, number, 10_000).await });
    }
    while let Some(ended) = streams.join_next().await {
        ended.expect("no byte changes").expect("nothing is lost for good");
    }
    tell("50 streams at once, 10 kB each");
    network.set_all(&LinkModel::flaky());
    client.exchange(52, 500_000).await;
    let lost = connection.stats().path.lost_packets;
    tell(&format!("500 kB on a bad day: {lost} packets were lost and sent again"));
    network.set_all(&LinkModel::new().mtu(1_300));
    client.exchange(53, 100_000).await;
    let mtu = connection.stats().path.current_mtu;
    tell(&format!("the line takes no more than 1,300 bytes now: packets have {mtu}"));
    let socket = UdpSocket::bind("0.0.0.0:0").await.expect("some port is free");
    endpoint.rebind_abstract(quic::socket(socket)).expect("the host is up");
    client.exchange(54, 10_000).await;
    tell("the client has moved to another port, and the connection with it");
    server.crash();
    tell("the server crashes");
    sleep(Duration::from_millis(300)).await;
    server.restart();
    let reason = connection.closed().await;
    tell(&format!("it is back, and knows nothing of the connection: {reason}"));
    client.exchange(55, 10_000).await;
    tell("another handshake, and on it goes");
    let cut = network.isolate("server");
    let reason = client.connection().await.expect("it is there").closed().await;
    tell(&format!("the server is cut off: {reason}"));
    cut.heal();
    client.exchange(56, 10_000).await;
    tell(&format!(
        "all is well: {} connections, {} exchanges tried again",
        client.connections, client.retries
    ));
    endpoint.close(0_u32.into(), b"done");
    endpoint.wait_idle().await;
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the machine")]
fn real_now() -> Instant {
    Instant::now()
}

/// How fast it goes by.
fn figures() -> Result<(), timeloop::Failure> {
    let rate = |count: f64, start: Instant| count / start.elapsed().as_secs_f64();
    let start = real_now();
    timeloop::run(1, || async {
        let server = start_server(|socket| socket);
        for _ in 0..500 {
            let endpoint = client_endpoint(transport(), |socket| socket).await;
            let connecting = endpoint.connect(address_of(&server), tls::NAME).expect("the address is one");
            connecting.await.expect("the server is there").close(0_u32.into(), b"");
            endpoint.wait_idle().await;
        }
    })?;
    println!("{:>8.0} handshakes a second, each with an endpoint of its own", rate(500.0, start));
    let start = real_now();
    timeloop::run(1, || async {
        let server = start_server(|socket| socket);
        let endpoint = client_endpoint(transport(), |socket| socket).await;
        let connection = endpoint.connect(address_of(&server), tls::NAME).expect("the address is one");
        let connection = connection.await.expect("the server is there");
        for number in 0..5_000 {
            exchange(&connection, number, 100).await.expect("the server is there");
        }
    })?;
    println!("{:>8.0} exchanges of 100 bytes a second, one after another", rate(5_000.0, start));
    println!("\n2 MB there and back, 10 ms each way, 1 MB a second:");
    let mut real = Duration::ZERO;
    for (number, loss) in [0.0, 0.001, 0.005, 0.01, 0.02, 0.05].into_iter().enumerate() {
        let start = real_now();
        let (mut taken, runs) = (Duration::ZERO, 5);
        for seed in 0..runs {
            taken += timeloop::run(seed + 100 * number as u64, || async move {
                let model = LinkModel::new().latency(Duration::from_millis(10)).bandwidth(1_000_000);
                Network::current().set_all(&model.queue(50_000).loss(loss));
                let server = start_server(|socket| socket);
                let endpoint = client_endpoint(transport(), |socket| socket).await;
                let connection =
                    endpoint.connect(address_of(&server), tls::NAME).expect("the address is one");
                let connection = connection.await.expect("the server is there");
                let start = timeloop::time::Instant::now();
                exchange(&connection, 1, 2_000_000).await.expect("the server is there");
                start.elapsed()
            })?;
        }
        real += start.elapsed();
        let kilobytes = 2_000.0 * runs as f64 / taken.as_secs_f64();
        println!("{:>8.1} % of packets lost: {kilobytes:>5.0} kB a second", 100.0 * loss);
    }
    println!("{:>8.0} MB a second of the machine's time", 2.0 * 2.0 * 30.0 / real.as_secs_f64());
    Ok(())
}
