//! The network in failure reports: the socket that a task waits for, why it waits, and nodes and links in trouble.

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{Network, TcpListener, TcpStream, UdpSocket};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::world::World;
use timeloop::{Failure, run};

use crate::support::{by_name, explorer};

/// Returns the part of a deadlock report about waiting tasks and the network.
fn described(failure: Failure) -> String {
    assert_eq!(failure.kind, timeloop::FailureKind::Deadlock, "{failure}");
    let text = failure.to_string();
    let (_, rest) = text.split_once('\n').expect("the report lists waiting tasks");
    // Omits where the tasks were spawned.
    let parts = rest.trim_start().split(", spawned at ");
    parts
        .enumerate()
        .map(|(index, part)| if index == 0 { part } else { &part[part.find(", ").unwrap() + 1..] })
        .collect()
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_read_over_a_cut_link() {
    async fn serve() {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4];
        loop {
            stream.read_exact(&mut request).await.unwrap(); // @request
            stream.write_all(b"answer").await.unwrap();
        }
    }
    let failure = run(1, || async {
        World::current().node("server").start(serve); // @start
        sleep(MS).await;
        let mut stream = TcpStream::connect("server:80").await.unwrap(); // @connect
        sleep(MS).await;
        let _cut = Network::current().cut("server", "test"); // @cut
        stream.read_exact(&mut [0; 6]).await.unwrap(); // @read
    });
    assert_eq!(by_name!(described(failure.unwrap_err())), "\
  `root` has waited at <read> since virtual time 3 ms; it is reading from the TCP connection `10.0.0.1:32768` (test) → `10.0.0.2:80` (server), opened at <connect>:26: nothing is in flight, the link `server` → `test` is cut, and `serve` on server (root.1) at the other end is reading, too
  `serve` on server (root.1) has waited at <request> since virtual time 2.5 ms (for 500 µs); it is reading from the TCP connection `10.0.0.1:32768` (test) → `10.0.0.2:80` (server), opened at <connect>:26: nothing is in flight, the link `server` → `test` is cut, and `root` at the other end is reading, too
  network:
  - the link `server` → `test` is cut (since virtual time 3 ms, by the code at <cut>:39)");
}

#[test]
fn an_accept_without_clients() {
    let failure = run(1, || async {
        let server = World::current().node("server").start(|| async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap(); // @bind
            listener.accept().await.unwrap(); // @accept
        });
        server.until_down().await; // @until down
    });
    assert_eq!(by_name!(described(failure.unwrap_err())), "\
  `root` has waited at <until down> since virtual time 0 s; it waits for node `server` to go down; the node is up and has 1 task
  `main` on server (root.1) has waited at <accept> since virtual time 0 s; it is accepting on the TCP listener `0.0.0.0:80` of node `server`, bound at <bind>:28: no client is connecting");
}

#[test]
fn a_read_from_a_paused_node() {
    let failure = run(1, || async {
        let server = World::current().node("server").start(|| async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap(); // @accept 2
                stream.write_all(b"hello").await.unwrap();
            }
        });
        sleep(MS).await;
        server.pause(); // @pause
        let mut stream = TcpStream::connect("server:80").await.unwrap(); // @connect 2
        stream.write_all(b"anybody there?").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap(); // @read 2
    });
    assert_eq!(by_name!(described(failure.unwrap_err())), "\
  `root` has waited at <read 2> since virtual time 2 ms (for 500 µs); it is reading from the TCP connection `10.0.0.1:32768` (test) → `10.0.0.2:80` (server), opened at <connect 2>:26: node `server` is paused, nothing is in flight, and 14 bytes sent have not been read
  `main` on server (root.1) has waited at <accept 2> since virtual time 2.5 ms for its node to be resumed
  network:
  - node `server` is paused (since virtual time 1 ms, by the code at <pause>:16)");
}

#[test]
fn two_writers_that_do_not_read() {
    async fn writes(mut stream: TcpStream) {
        stream.write_all(&vec![0; 1 << 20]).await.unwrap(); // @write
        stream.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
    }
    let failure = run(1, || async {
        World::current().node("server").start(|| async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            writes(listener.accept().await.unwrap().0).await; // @server writes
        });
        sleep(MS).await;
        writes(TcpStream::connect("server:80").await.unwrap()).await; // @client
    });
    assert_eq!(by_name!(described(failure.unwrap_err())), "\
  `root` has waited at <write> since virtual time 2 ms (for 1 ms); it is writing to the TCP connection `10.0.0.1:32768` (test) → `10.0.0.2:80` (server), opened at <client>:16: the buffers are full, 131,072 bytes sent have not been read, and `main` on server (root.1) at the other end is writing, too
  `main` on server (root.1) has waited at <write> since virtual time 2.5 ms (for 500 µs); it is writing to the TCP connection `10.0.0.1:32768` (test) → `10.0.0.2:80` (server), opened at <client>:16: the buffers are full, 131,072 bytes sent have not been read, and `root` at the other end is writing, too");
}

#[test]
fn two_readers_that_do_not_write() {
    let failure = run(1, || async {
        let listener = TcpListener::bind("127.0.0.1:80").await.unwrap(); // @bind 2
        let client = timeloop::spawn(async {
            let mut stream = TcpStream::connect("127.0.0.1:80").await.unwrap(); // @connect 3
            stream.read_u8().await.unwrap(); // @client reads
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        timeloop::select! {
            byte = stream.read_u8() => drop(byte),
            end = client => drop(end),
            more = listener.accept() => drop(more), // @server accepts
        }
    });
    assert_eq!(by_name!(described(failure.unwrap_err())), "\
  `root` has waited at <server accepts> since virtual time 0 s; it is reading from the TCP connection `127.0.0.1:32768` → `127.0.0.1:80`, opened at <connect 3>:30: nothing is in flight, and `root.1` at the other end is reading, too; or it is accepting on the TCP listener `127.0.0.1:80`, bound at <bind 2>:24: no client is connecting
  `root.1` has waited at <client reads> since virtual time 0 s; it is reading from the TCP connection `127.0.0.1:32768` → `127.0.0.1:80`, opened at <connect 3>:30: nothing is in flight, and `root` at the other end is reading, too");
}

#[test]
fn a_crashed_node() {
    let failure = run(1, || async {
        let server = World::current().node("server").start(|| async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            let _stream = listener.accept().await.unwrap();
            std::future::pending::<()>().await;
        });
        sleep(MS).await;
        let mut stream = TcpStream::connect("server:80").await.unwrap(); // @connect 4
        sleep(MS).await;
        server.crash(); // @crash
        if timeout(MS, stream.read_u8()).await.is_err() {
            stream.read_u8().await.unwrap(); // @read 3
        }
    });
    assert_eq!(by_name!(described(failure.unwrap_err())), "\
  `root` has waited at <read 3> since virtual time 4 ms; it is reading from the TCP connection `10.0.0.1:32768` (test) → `10.0.0.2:80` (server), opened at <connect 4>:26: node `server` is down
  network:
  - node `server` is down (crashed at 3 ms, by the code at <crash>:16)");
}

#[test]
fn held_datagrams() {
    let failure = run(1, || async {
        World::current().node("sink").start(|| async {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap(); // @bind udp
            let mut bytes = [0; 8];
            loop {
                socket.recv(&mut bytes).await.unwrap(); // @recv
            }
        });
        sleep(MS).await;
        Network::current().hold("test", "sink"); // @hold
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap(); // @bind own
        socket.connect("sink:9").await.unwrap();
        socket.send(b"one").await.unwrap();
        socket.send(b"two").await.unwrap();
        socket.recv(&mut [0; 8]).await.unwrap(); // @answer
    });
    assert_eq!(by_name!(described(failure.unwrap_err())), "\
  `root` has waited at <answer> since virtual time 1 ms; it is receiving on the UDP socket `10.0.0.1:32768`, bound at <bind own>:22, connected to `10.0.0.2:9` (sink): nothing is in flight, and the link `test` → `sink` is held
  `main` on sink (root.1) has waited at <recv> since virtual time 0 s (for 1 ms); it is receiving on the UDP socket `0.0.0.0:9` of node `sink`, bound at <bind udp>:26: 2 datagrams are held by a link
  network:
  - the link `test` → `sink` is held (since virtual time 1 ms, by the code at <hold>:28)");
}

#[cfg(unix)]
#[test]
fn unix_sockets() {
    use timeloop::net::{UnixDatagram, UnixListener, UnixStream};

    let failure = run(1, || async {
        let listener = UnixListener::bind("/run/app.sock").unwrap(); // @unix listener
        timeloop::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap(); // @unix accept
                timeloop::spawn(async move {
                    stream.read_u8().await.unwrap(); // @unix read
                    // It stays open.
                    std::mem::forget(stream);
                }); // @unix serve
            }
        });
        let silent = UnixStream::connect("/run/app.sock").await.unwrap(); // @unix silent
        let _writer = timeloop::spawn(async {
            let mut stream = UnixStream::connect("/run/app.sock").await.unwrap(); // @unix connect
            stream.write_all(&vec![0; 1 << 20]).await.unwrap(); // @unix write
        });
        let log = UnixDatagram::bind("/run/log.sock").unwrap(); // @unix bind
        timeloop::spawn(async {
            let line = UnixDatagram::unbound().unwrap(); // @unbound
            loop {
                line.send_to(b"line", "/run/log.sock").await.unwrap(); // @unix send
            }
        });
        let (one, _other) = UnixDatagram::pair().unwrap(); // @pair
        one.recv(&mut [0; 8]).await.unwrap(); // @unix recv
        drop((log, silent));
    });
    assert_eq!(by_name!(described(failure.unwrap_err())), "\
  `root` has waited at <unix recv> since virtual time 0 s; it is receiving on the Unix datagram socket, created at <pair>:29: no datagram is queued
  `root.1` has waited at <unix accept> since virtual time 0 s; it is accepting on the Unix listener `/run/app.sock`, bound at <unix listener>:24: no client is connecting
  `root.2` has waited at <unix write> since virtual time 0 s; it is writing to the Unix stream `/run/app.sock`, opened at <unix connect>:30: the buffers are full, and 172,031 bytes sent have not been read
  `root.3` has waited at <unix send> since virtual time 0 s; it is sending on the Unix datagram socket `/run/log.sock`, created at <unbound>:24: the receiver's queue is full (11 datagrams)
  `root.1.1` has waited at <unix read> since virtual time 0 s; it is reading from the Unix stream `/run/app.sock`, opened at <unix silent>:22: nothing is in flight");
}

/// Cancelled waits are not described. Waits of futures polled by other tasks are.
#[test]
fn only_current_waits_are_described() {
    use futures_util::StreamExt as _;
    use futures_util::stream::FuturesUnordered;

    let failure = run(1, || async {
        let listener = TcpListener::bind("127.0.0.1:80").await.unwrap(); // @bind 3
        let socket = UdpSocket::bind("127.0.0.1:9").await.unwrap(); // @bind 4
        assert!(timeout(MS, listener.accept()).await.is_err());
        let mut bytes = [[0; 8]; 2];
        let [one, other] = &mut bytes;
        let nap = async {
            sleep(MS).await;
            Ok(0)
        };
        let all = [Box::pin(socket.recv(one)) as std::pin::Pin<Box<dyn Future<Output = _>>>];
        let mut all: FuturesUnordered<_> = all.into_iter().collect();
        all.push(Box::pin(nap));
        all.push(Box::pin(socket.recv(other)));
        while all.next().await.is_some() {} // @all
        drop(listener);
    });
    assert_eq!(
        by_name!(described(failure.unwrap_err())),
        "\
  `root` has waited at <all> since virtual time 2 ms; it is receiving on the UDP socket `127.0.0.1:9`, bound at <bind 4>:22: nothing is in flight"
    );
}

/// A panic or an error is reported with the state of the network.
#[test]
fn the_state_of_the_network_at_a_failure() {
    for returns in [false, true] {
        let found = explorer("net::reports::broken").run(move || async move {
            let world = World::current();
            let nodes = ["a", "b", "c"].map(|name| world.node(name).start(std::future::pending::<()>));
            let network = Network::current();
            sleep(MS).await;
            nodes[0].crash(); // @crash a
            nodes[1].pause(); // @pause b
            let _ = network.isolate("c"); // @isolate
            sleep(MS).await;
            let _ = network.cut("test", "a"); // @cut a
            network.hold("b", "a"); // @hold b
            network.clog("a", "b", 5 * MS); // @clog
            network.fail_lookups("a");
            network.fail_lookups("c");
            let _ = network.partition(&[&["test"], &["b"]]); // @partition
            if returns {
                return Err::<(), &str>("nothing works");
            }
            panic!("nothing works");
        });
        let report = by_name!(found.report());
        let (_, rest) =
            report.split_once("\nNetwork when the run failed\n").unwrap_or_else(|| panic!("{report}"));
        let (network, _) = rest.split_once("\n\n").unwrap();
        assert_eq!(
            network.trim_start(),
            "\
  - node `a` is down (crashed at 1 ms, by the code at <crash a>:22)
  - node `b` is paused (since virtual time 1 ms, by the code at <pause b>:22)
  - node `c` is cut off from all other nodes (since virtual time 1 ms, by the code at
    <isolate>:29)
  - the link `test` → `a` is cut (since virtual time 2 ms, by the code at <cut a>:29)
  - the link between `test` and `b` is cut (since virtual time 2 ms, by the code at
    <partition>:29)
  - the link `a` → `b` is clogged until time 7 ms (since virtual time 2 ms, by the code at
    <clog>:21)
  - the link `b` → `a` is held (since virtual time 2 ms, by the code at <hold b>:21)
  - and 2 more"
        );
    }
}

#[test]
fn a_healthy_network_is_not_described() {
    let exploration = explorer("net::reports::healthy").run(|| async {
        World::current().node("a").start(std::future::pending::<()>);
        let network = Network::current();
        network.cut("a", "test").heal();
        network.hold("a", "test");
        network.release("a", "test");
        network.clog("a", "test", MS);
        sleep(2 * MS).await;
        let _listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        panic!("unrelated");
    });
    assert!(!exploration.report().contains("The network"), "{}", exploration.report());
}
