//! Links between nodes: latency, loss, partitions, crashes and name lookup.

use std::io::ErrorKind;

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{LinkModel, Network, TcpListener, TcpStream, UdpSocket, lookup_host};
use timeloop::time::{Duration, Instant, sleep, timeout};
use timeloop::world::{Node, World};

use crate::support::{explorer, panic_text};

fn run<F: Future<Output = ()>>(f: impl Fn() -> F + Sync) {
    explorer("net::links").varied_io(false).runs(20).check(f);
}

/// Starts a node that echoes at port 7.
fn echo(name: &str) -> Node {
    World::current().node(name).start(|| async {
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            timeloop::spawn(async move {
                let (mut reads, mut writes) = stream.split();
                let _ = timeloop::io::copy(&mut reads, &mut writes).await;
            });
        }
    })
}

async fn send_and_receive(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, text.as_bytes());
    Ok(())
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn packets_take_the_latency_of_the_link() {
    run(|| async {
        let _echo = echo("echo");
        let network = Network::current();
        network.set_latency("test", "echo", 20 * MS);
        sleep(MS).await;
        let start = Instant::now();
        let mut stream = TcpStream::connect("echo:7").await.unwrap();
        assert_eq!(start.elapsed(), 40 * MS);
        send_and_receive(&mut stream, "hello").await.unwrap();
        assert_eq!(start.elapsed(), 80 * MS);
        network.set_link("echo", "test", &LinkModel::new().latency(5 * MS));
        send_and_receive(&mut stream, "hello").await.unwrap();
        assert_eq!(start.elapsed(), 105 * MS);
    });
}

#[test]
fn bandwidth_delays_bytes() {
    run(|| async {
        let _echo = echo("echo");
        let network = Network::current();
        network.set_link("test", "echo", &LinkModel::new().latency(Duration::ZERO).bandwidth(1_000_000));
        sleep(MS).await;
        let mut stream = TcpStream::connect("echo:7").await.unwrap();
        let start = Instant::now();
        send_and_receive(&mut stream, &"x".repeat(100_000)).await.unwrap();
        assert!((100 * MS..110 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    });
}

#[test]
fn a_partitioned_connection_continues_after_healing() {
    run(|| async {
        let _echo = echo("echo");
        sleep(MS).await;
        let mut stream = TcpStream::connect("echo:7").await.unwrap();
        let cut = Network::current().partition(&[&["test"], &["echo"]]);
        assert!(timeout(Duration::from_secs(5), send_and_receive(&mut stream, "lost?")).await.is_err());
        cut.heal();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"lost?");
    });
}

#[test]
fn silence_ends_in_a_timeout() {
    run(|| async {
        let address = (echo("echo").address(), 7);
        sleep(MS).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _cut = Network::current().cut("echo", "test");
        let start = Instant::now();
        // The data arrives, and its acknowledgement is lost.
        assert_eq!(send_and_receive(&mut stream, "hello").await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!((924..926).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        assert_eq!(stream.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let start = Instant::now();
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(127));
        Network::current().set_connect_timeout(Duration::from_secs(2));
        let start = Instant::now();
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        // The port is closed, and the reset is lost too.
        let nobody = TcpStream::connect((address.0, 8)).await;
        assert_eq!(nobody.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_crashed_host_is_silent_and_resets_after_its_restart() {
    run(|| async {
        let node = echo("echo");
        sleep(MS).await;
        let mut stream = TcpStream::connect("echo:7").await.unwrap();
        send_and_receive(&mut stream, "hello").await.unwrap();
        node.crash();
        let pending = timeout(Duration::from_secs(3_600), stream.read(&mut [0; 1])).await;
        assert!(pending.is_err(), "the crash is silent");
        assert!(timeout(Duration::from_secs(1), send_and_receive(&mut stream, "hello")).await.is_err());
        node.restart();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let mut stream = TcpStream::connect("echo:7").await.unwrap();
        send_and_receive(&mut stream, "hello").await.unwrap();
    });
}

#[test]
fn a_node_that_shuts_down_closes_its_connections() {
    run(|| async {
        let node = World::current().node("echo").start(|| async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            let _stream = listener.accept().await.unwrap();
            timeloop::world::shutdown_requested().await;
        });
        sleep(MS).await;
        let mut stream = TcpStream::connect("echo:7").await.unwrap();
        sleep(10 * MS).await;
        node.shutdown().await;
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        assert_eq!(TcpStream::connect("echo:7").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn held_packets_arrive_after_the_release() {
    run(|| async {
        let _echo = echo("echo");
        sleep(MS).await;
        let network = Network::current();
        let mut stream = TcpStream::connect("echo:7").await.unwrap();
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        network.hold("test", "echo");
        stream.write_all(b"held").await.unwrap();
        let mut answer = [0; 4];
        assert!(timeout(Duration::from_secs(60), stream.read_exact(&mut answer)).await.is_err());
        network.release("test", "echo");
        let start = Instant::now();
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(start.elapsed(), MS);
        network.clog("test", "echo", Duration::from_secs(2));
        send_and_receive(&mut stream, "clogged").await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(2) + 2 * MS);
        assert_ne!(port, 0);
    });
}

#[test]
fn datagrams_are_lost_duplicated_and_reordered_but_streams_are_not() {
    let seen = std::sync::Mutex::new([false; 3]);
    run(|| async {
        World::current().node("sink").start(|| async {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
            loop {
                let mut bytes = [0; 8];
                let (count, from) = socket.recv_from(&mut bytes).await.unwrap();
                socket.send_to(&bytes[..count], from).await.unwrap();
            }
        });
        let _echo = echo("echo");
        sleep(MS).await;
        Network::current().set_all(&LinkModel::flaky().loss(0.1));
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for number in 0..50_u8 {
            socket.send_to(&[number], "sink:9").await.unwrap();
            sleep(MS).await;
        }
        sleep(Duration::from_secs(60)).await;
        let mut numbers = Vec::new();
        let mut bytes = [0; 8];
        while socket.try_recv(&mut bytes).is_ok() {
            numbers.push(bytes[0]);
        }
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        let reordered = sorted != numbers;
        let before = sorted.len();
        sorted.dedup();
        let now = [sorted.len() < 50, sorted.len() < before, reordered];
        {
            let mut seen = seen.lock().unwrap();
            *seen = [seen[0] | now[0], seen[1] | now[1], seen[2] | now[2]];
        }
        let mut stream = TcpStream::connect("echo:7").await.unwrap();
        for number in 0..50 {
            send_and_receive(&mut stream, &number.to_string()).await.unwrap();
        }
    });
    assert_eq!(seen.into_inner().unwrap(), [true; 3]);
}

#[test]
fn names_resolve_to_nodes_unless_overridden() {
    run(|| async {
        let node = echo("echo");
        sleep(MS).await;
        let network = Network::current();
        let addresses: Vec<_> = lookup_host("echo:7").await.unwrap().map(|address| address.ip()).collect();
        assert_eq!(addresses, node.addresses());
        network.fail_lookups("echo");
        let error = TcpStream::connect("echo:7").await.unwrap_err();
        let text = "failed to lookup address information: Temporary failure in name resolution";
        assert_eq!(error.to_string(), text);
        network.restore_lookups("echo");
        TcpStream::connect("echo:7").await.unwrap();
        network.set_addresses("db", &node.addresses());
        TcpStream::connect("db:7").await.unwrap();
        let error = TcpStream::connect("nowhere:7").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to lookup address information: Name or service not known (there is no node `nowhere`; the nodes are `test`, `echo`)"
        );
    });
}

#[test]
fn a_foreign_address_cannot_be_bound() {
    run(|| async {
        let node = echo("echo");
        let error = TcpListener::bind((node.address(), 80)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    });
}

#[test]
fn invalid_arguments_panic() {
    let text = |f: fn(&Network)| {
        panic_text(|| {
            timeloop::run(1, || async move {
                World::current().node("db-1").start(std::future::pending::<()>);
                f(&Network::current());
            })
            .map_err(|failure| panic!("{}", failure.message()))
            .unwrap();
        })
    };
    assert_eq!(
        text(|network| drop(network.partition(&[&["db-1"], &["db-2"]]))),
        "there is no node `db-2`; the nodes are `test`, `db-1`"
    );
    assert_eq!(
        text(|network| drop(network.partition(&[&["db-1"], &["db-1"]]))),
        "node `db-1` is in two groups of a partition; put it in one"
    );
    assert_eq!(
        text(|network| network.hold("db-1", "db-1")),
        "node `db-1` has no link to itself, and its loopback can't be changed; name two different nodes"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().bandwidth(0))),
        "a bandwidth of 0 would let no data through; set at least 1 byte per second, or cut the link"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().latency_between(5 * MS, MS))),
        "the minimum latency, 5ms, exceeds the maximum, 1ms; swap them"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().loss(-0.5))),
        "a probability must be between 0 and 1, not -0.5"
    );
}
