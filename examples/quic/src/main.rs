//! A demo of the echo server, then measurements: `cargo run --release`, or with `figures` for the measurements only.

use std::time::{Duration, Instant};

use quic_mirror::world::{address_of, client_endpoint, start_server, transport};
use quic_mirror::{Client, exchange, tls};
use timeloop::adapters::quinn as quic;
use timeloop::net::{LinkModel, Network, UdpSocket};
use timeloop::time::sleep;

fn main() -> Result<(), timeloop::Failure> {
    if std::env::args().nth(1).as_deref() != Some("figures") {
        timeloop::run(7, demo)?;
    }
    figures()
}

/// Prints an event with its virtual time.
fn print_event(event: &str) {
    println!("{:>8.3} s  {event}", quic_mirror::world::since_start().as_secs_f64());
}

async fn demo() {
    let server = start_server(|socket| socket);
    let network = Network::current();
    network
        .set_all(&LinkModel::new().latency_with_tail(Duration::from_millis(20), Duration::from_millis(60)));
    let endpoint = client_endpoint(transport(), |socket| socket).await;
    let mut client = Client::new(endpoint.clone(), address_of(&server));

    client.exchange(1, 10_000).await;
    print_event("a handshake, and an echo of 10 kB");
    let connection = client.connection().await.expect("the client is connected");
    let mut streams = timeloop::task::JoinSet::new();
    for number in 2..52 {
        let connection = connection.clone();
        streams.spawn(async move { exchange(&connection, number, 10_000).await });
    }
    while let Some(ended) = streams.join_next().await {
        ended.expect("no byte changes").expect("the exchange succeeds");
    }
    print_event("50 concurrent streams with 10 kB each");
    network.set_all(&LinkModel::flaky());
    client.exchange(52, 500_000).await;
    let lost = connection.stats().path.lost_packets;
    print_event(&format!("500 kB over a flaky link: {lost} packets were lost and sent again"));
    network.set_all(&LinkModel::new().mtu(1_300));
    client.exchange(53, 100_000).await;
    let mtu = connection.stats().path.current_mtu;
    print_event(&format!("the MTU of the link is 1,300 bytes now: packets have {mtu}"));
    let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a port is free");
    endpoint.rebind_abstract(quic::socket(socket)).expect("the host is up");
    client.exchange(54, 10_000).await;
    print_event("the client has migrated to another port");
    server.crash();
    print_event("the server crashes");
    sleep(Duration::from_millis(300)).await;
    server.restart();
    let reason = connection.closed().await;
    print_event(&format!("the server is back and has lost the connection: {reason}"));
    client.exchange(55, 10_000).await;
    print_event("another handshake");
    let cut = network.isolate("server");
    let reason = client.connection().await.expect("the client is connected").closed().await;
    print_event(&format!("the server is isolated: {reason}"));
    cut.heal();
    client.exchange(56, 10_000).await;
    print_event(&format!("done: {} connections, {} retried exchanges", client.connections, client.retries));
    endpoint.close(0_u32.into(), b"done");
    endpoint.wait_idle().await;
}

#[expect(clippy::disallowed_methods, reason = "the program measures real time")]
fn real_now() -> Instant {
    Instant::now()
}

/// Measures handshakes, exchanges and throughput.
fn figures() -> Result<(), timeloop::Failure> {
    let rate = |count: f64, start: Instant| count / start.elapsed().as_secs_f64();
    let start = real_now();
    timeloop::run(1, || async {
        let server = start_server(|socket| socket);
        for _ in 0..500 {
            let endpoint = client_endpoint(transport(), |socket| socket).await;
            let connecting = endpoint.connect(address_of(&server), tls::NAME).expect("the address is valid");
            connecting.await.expect("the server answers").close(0_u32.into(), b"");
            endpoint.wait_idle().await;
        }
    })?;
    println!("{:>8.0} handshakes per second, each with a new endpoint", rate(500.0, start));
    let start = real_now();
    timeloop::run(1, || async {
        let server = start_server(|socket| socket);
        let endpoint = client_endpoint(transport(), |socket| socket).await;
        let connection = endpoint.connect(address_of(&server), tls::NAME).expect("the address is valid");
        let connection = connection.await.expect("the server answers");
        for number in 0..5_000 {
            exchange(&connection, number, 100).await.expect("the server answers");
        }
    })?;
    println!("{:>8.0} sequential exchanges of 100 bytes per second", rate(5_000.0, start));
    println!("\nEcho of 2 MB, latency 10 ms, 1 MB per second:");
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
                    endpoint.connect(address_of(&server), tls::NAME).expect("the address is valid");
                let connection = connection.await.expect("the server answers");
                let start = timeloop::time::Instant::now();
                exchange(&connection, 1, 2_000_000).await.expect("the server answers");
                start.elapsed()
            })?;
        }
        real += start.elapsed();
        let kilobytes = 2_000.0 * runs as f64 / taken.as_secs_f64();
        println!("{:>8.1} % of packets lost: {kilobytes:>5.0} kB per second", 100.0 * loss);
    }
    println!("{:>8.0} MB per second of real time", 2.0 * 2.0 * 30.0 / real.as_secs_f64());
    Ok(())
}
