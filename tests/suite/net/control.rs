//! Control of the network and of sockets by the test, and errors for invalid arguments.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{FaultPlan, LinkModel, Network, TcpListener, TcpSocket, TcpStream, UdpSocket};
use timeloop::time::{Duration, Instant, sleep, timeout};
use timeloop::world::{Node, World};

use crate::support::{explorer, panic_text};

fn run<F: Future<Output = ()>>(f: impl Fn() -> F + Sync) {
    explorer("net::control").varied_io(false).runs(5).check(f);
}

const MS: Duration = Duration::from_millis(1);

/// Starts a node that accepts all connections at port 7 and keeps them open.
fn keep_connections(name: &str) -> Node {
    World::current().node(name).start(|| async {
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await.unwrap());
        }
    })
}

/// Returns how long connecting to the node takes; `None` after ten seconds.
async fn connect_time(name: &str) -> Option<Duration> {
    let start = Instant::now();
    let connected = timeout(Duration::from_secs(10), TcpStream::connect((name, 7))).await;
    connected.ok().map(|connected| {
        connected.unwrap();
        start.elapsed()
    })
}

#[test]
fn clogging_or_isolating_a_node_affects_all_its_links() {
    run(|| async {
        let _nodes = ["one", "two"].map(keep_connections);
        sleep(MS).await;
        let network = Network::current();
        network.clog_node("one", Duration::from_secs(2));
        assert_eq!(
            connect_time("one").await,
            Some(Duration::from_secs(2) + MS),
            "clogged packets arrive after the clog"
        );
        assert_eq!(connect_time("two").await, Some(MS));
        let cut = network.isolate("one");
        assert_eq!(connect_time("one").await, None);
        assert_eq!(connect_time("two").await, Some(MS));
        cut.heal();
        assert_eq!(connect_time("one").await, Some(MS));
        network.swizzle(&["one", "two"], Duration::from_secs(4)).await;
        // The first node was clogged from 0 s to 2 s, the second from 1 s to 3 s.
        assert_eq!(connect_time("one").await, Some(MS));
        assert!(connect_time("two").await > Some(MS));
    });
}

#[test]
fn a_partition_can_be_one_way() {
    run(|| async {
        World::current().node("one").start(|| async {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
            let mut bytes = [0; 8];
            loop {
                let (count, from) = socket.recv_from(&mut bytes).await.unwrap();
                socket.send_to(&bytes[..count], from).await.unwrap();
            }
        });
        sleep(MS).await;
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let network = Network::current();
        let mut bytes = [0; 8];
        for (cut, answers) in [
            (network.partition_one_way(&["test"], &["one"]), false),
            (network.partition_one_way(&["one"], &["test"]), false),
        ] {
            socket.send_to(b"x", "one:9").await.unwrap();
            assert_eq!(timeout(Duration::from_secs(1), socket.recv(&mut bytes)).await.is_ok(), answers);
            cut.heal();
        }
        socket.send_to(b"y", "one:9").await.unwrap();
        assert_eq!(socket.recv(&mut bytes).await.unwrap(), 1);
        assert_eq!(bytes[0], b'y', "lost datagrams stay lost");
    });
}

#[test]
fn latencies_follow_the_model() {
    run(|| async {
        let _node = keep_connections("one");
        sleep(MS).await;
        let network = Network::current();
        network.set_between("test", "one", &LinkModel::new().latencies(&[3 * MS, 5 * MS]));
        for _ in 0..20 {
            let took = connect_time("one").await.unwrap();
            assert!([6 * MS, 8 * MS, 10 * MS].contains(&took), "{took:?}");
        }
        network.set_between("test", "one", &LinkModel::new().latency_with_tail(10 * MS, 50 * MS));
        for _ in 0..20 {
            assert!(connect_time("one").await.unwrap() > 2 * MS);
        }
    });
}

#[test]
fn a_fragmented_datagram_is_lost_with_any_fragment() {
    run(|| async {
        World::current().node("one").start(|| async {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
            let mut bytes = vec![0; 10_000];
            loop {
                let (count, from) = socket.recv_from(&mut bytes).await.unwrap();
                socket.send_to(&bytes[..count.min(1)], from).await.unwrap();
            }
        });
        sleep(MS).await;
        let network = Network::current();
        network.set_link("test", "one", &LinkModel::new().mtu(576).loss(0.1));
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let mut come = [0; 2];
        for _ in 0..60 {
            for (which, len) in [(0, 500), (1, 9_000)] {
                socket.send_to(&vec![0; len], "one:9").await.unwrap();
                let answer = timeout(10 * MS, socket.recv(&mut [0; 8])).await;
                come[which] += u32::from(answer.is_ok());
            }
        }
        // The baseline run loses nothing.
        assert!(come == [60, 60] || (come[0] > 40 && come[1] < 30), "{come:?}");
    });
}

#[test]
fn the_silence_timeout_can_be_set() {
    run(|| async {
        let _node = keep_connections("one");
        sleep(MS).await;
        let network = Network::current();
        network.set_silence_timeout(Duration::from_secs(5));
        let mut stream = TcpStream::connect("one:7").await.unwrap();
        let _cut = network.cut("test", "one");
        let start = Instant::now();
        stream.write_all(b"x").await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    });
}

#[test]
fn ipv6_groups_are_joined_and_left() {
    run(|| async {
        let socket = UdpSocket::bind("[::]:9").await.unwrap();
        let group: Ipv6Addr = "ff02::1234".parse().unwrap();
        assert!(socket.multicast_loop_v6().unwrap());
        let error = socket.leave_multicast_v6(&group, 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        socket.join_multicast_v6(&group, 0).unwrap();
        assert_eq!(socket.join_multicast_v6(&group, 0).unwrap_err().kind(), ErrorKind::AddrInUse);
        socket.leave_multicast_v6(&group, 0).unwrap();
        socket.set_multicast_loop_v6(false).unwrap();
        assert!(!socket.multicast_loop_v6().unwrap());
        let four = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        four.set_tos_v4(16).unwrap();
        assert_eq!(four.tos_v4().unwrap(), 16);
        let error = four.join_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "not a multicast address");
    });
}

#[cfg(unix)]
#[test]
fn peer_credentials_are_fixed() {
    run(|| async {
        let (one, other) = timeloop::net::UnixStream::pair().unwrap();
        let (mine, theirs) = (one.peer_cred().unwrap(), other.peer_cred().unwrap());
        assert_eq!((mine.uid(), mine.gid()), (theirs.uid(), theirs.gid()));
        assert_eq!(mine.pid(), theirs.pid());
    });
}

#[test]
fn fault_durations_respect_their_bounds() {
    run(|| async {
        let _node = keep_connections("one");
        let start = Instant::now();
        let plan = FaultPlan::over(Duration::from_secs(10))
            .one_way_cuts(3)
            .lasting(MS, Duration::from_secs(1))
            .nodes(["one", "test"]);
        plan.run().await;
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert_eq!(connect_time("one").await, Some(MS), "then all is whole");
    });
    assert_eq!(
        panic_text(|| drop(FaultPlan::over(Duration::from_secs(1)).lasting(5 * MS, MS))),
        "the shortest fault, 5ms, is longer than the longest, 1ms; swap them"
    );
    assert_eq!(
        panic_text(|| drop(FaultPlan::over(MS).lasting(MS, 5 * MS))),
        "faults of up to 5ms do not fit into a plan of 1ms; make the plan longer"
    );
    assert_eq!(
        panic_text(|| drop(FaultPlan::over(Duration::ZERO))),
        "a fault plan needs a duration above zero"
    );
}

/// Each error is that of the real API, or describes a valid argument.
#[test]
fn bad_input_is_rejected() {
    run(|| async {
        let node = keep_connections("one");
        sleep(MS).await;
        let foreign = (node.address(), 80);
        let text = "Cannot assign requested address (os error 99)";
        assert_eq!(TcpListener::bind(foreign).await.unwrap_err().to_string(), text);
        assert_eq!(UdpSocket::bind(foreign).await.unwrap_err().to_string(), text);
        let socket = TcpSocket::new_v4().unwrap();
        assert_eq!(socket.bind(foreign.into()).unwrap_err().to_string(), text);
        let error = TcpStream::connect("nowhere:7").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to lookup address information: Name or service not known (there is no node `nowhere`; the nodes are `test`, `one`)"
        );
        let error = TcpStream::connect("one").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::InvalidInput, "invalid socket address".into())
        );
        let network = Network::current();
        let nobody = "there is no node `nobody`; the nodes are `test`, `one`";
        assert_eq!(panic_text(|| drop(network.partition(&[&["one"], &["nobody"]]))), nobody);
        assert_eq!(panic_text(|| drop(network.partition_one_way(&["nobody"], &["one"]))), nobody);
        assert_eq!(panic_text(|| drop(network.isolate("nobody"))), nobody);
        assert_eq!(panic_text(|| drop(network.cut("one", "nobody"))), nobody);
        assert_eq!(panic_text(|| network.clog_node("nobody", MS)), nobody);
        assert_eq!(
            panic_text(|| network.set_silence_timeout(Duration::ZERO)),
            "a timeout of zero would fail every connection; set at least 1 ns"
        );
    });
    assert_eq!(
        panic_text(|| drop(LinkModel::new().bandwidth(0))),
        "a bandwidth of 0 would let no data through; set at least 1 byte per second, or cut the link"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().mtu(575))),
        "an MTU of 575 is too small; the minimum is 576 bytes"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().latencies(&[]))),
        "the list of latencies is empty; pass at least one"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().latency(Duration::from_secs(3_601)))),
        "a latency of 3601s exceeds one hour; cut the link instead"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().latency_with_tail(5 * MS, MS))),
        "the median latency must be above zero and at most the 99th percentile; the median is 5ms, the 99th \
         percentile 1ms"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().loss(f64::NAN))),
        "a probability must be between 0 and 1, not NaN"
    );
}

/// Regression: a writer that waited for capacity at a crashed host hung, where a real one is reset or times out.
#[test]
fn a_blocked_writer_fails_when_its_peer_has_crashed() {
    run(|| async {
        let node = keep_connections("one");
        sleep(MS).await;
        let mut stream = TcpStream::connect("one:7").await.unwrap();
        let writer = timeloop::spawn(async move {
            loop {
                if let Err(error) = stream.write_all(&[0; 4_096]).await {
                    return error.kind();
                }
            }
        });
        sleep(Duration::from_secs(1)).await;
        node.crash();
        sleep(Duration::from_secs(10)).await;
        assert!(!writer.is_finished(), "the silence timeout is not over");
        node.restart();
        let kind = timeout(Duration::from_secs(130), writer).await.expect("it is tried again").unwrap();
        assert_eq!(kind, ErrorKind::ConnectionReset);
    });
}

/// Regression: the new connection was mistaken for a crashed one and reset.
#[test]
fn a_host_that_crashes_during_a_handshake_answers_after_its_restart() {
    run(|| async {
        let node = keep_connections("one");
        sleep(MS).await;
        let client = timeloop::spawn(TcpStream::connect("one:7"));
        sleep(MS / 4).await;
        node.crash();
        sleep(MS).await;
        node.restart();
        let mut stream = client.await.unwrap().unwrap();
        stream.write_all(b"x").await.unwrap();
        let pending = timeout(Duration::from_secs(1), stream.read(&mut [0; 1])).await;
        assert!(pending.is_err(), "the connection is established: {pending:?}");
    });
}
