//! What a test can turn at the network and at sockets, and what it is told where that makes no sense.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{FaultPlan, LinkModel, Network, TcpListener, TcpSocket, TcpStream, UdpSocket};
use timeloop::time::{Duration, Instant, sleep, timeout};
use timeloop::world::{Node, World};

use crate::support::{explorer, panic_text};

fn run<F: Future<Output = ()>>(f: impl Fn() -> F + Sync) {
    explorer("net::knobs").runs(5).check(f);
}

const MS: Duration = Duration::from_millis(1);

/// A node that takes every connection at port 7 and keeps it.
fn keeper(name: &str) -> Node {
    World::current().node(name).start(|| async {
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await.unwrap());
        }
    })
}

/// How long a connection to this node takes to come about, if less than ten seconds.
async fn connects(name: &str) -> Option<Duration> {
    let start = Instant::now();
    let connected = timeout(Duration::from_secs(10), TcpStream::connect((name, 7))).await;
    connected.ok().map(|connected| {
        connected.unwrap();
        start.elapsed()
    })
}

#[test]
fn a_node_that_is_clogged_or_cut_off_is_so_from_all_others() {
    run(|| async {
        let _nodes = ["one", "two"].map(keeper);
        sleep(MS).await;
        let network = Network::current();
        network.clog_node("one", Duration::from_secs(2));
        assert_eq!(connects("one").await, Some(Duration::from_secs(2) + MS), "it goes on where it stood");
        assert_eq!(connects("two").await, Some(MS));
        let cut = network.isolate("one");
        assert_eq!(connects("one").await, None);
        assert_eq!(connects("two").await, Some(MS));
        cut.heal();
        assert_eq!(connects("one").await, Some(MS));
        network.swizzle(&["one", "two"], Duration::from_secs(4)).await;
        // The first was clogged for two seconds of those four, the second till the third.
        assert_eq!(connects("one").await, Some(MS));
        assert!(connects("two").await > Some(MS));
    });
}

#[test]
fn a_partition_may_be_of_one_way() {
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
        assert_eq!(bytes[0], b'y', "what was lost stays lost");
    });
}

#[test]
fn latencies_are_those_that_were_given() {
    run(|| async {
        let _node = keeper("one");
        sleep(MS).await;
        let network = Network::current();
        network.set_between("test", "one", &LinkModel::new().latencies(&[3 * MS, 5 * MS]));
        for _ in 0..20 {
            let took = connects("one").await.unwrap();
            assert!([6 * MS, 8 * MS, 10 * MS].contains(&took), "{took:?}");
        }
        network.set_between("test", "one", &LinkModel::new().latency_with_tail(10 * MS, 50 * MS));
        for _ in 0..20 {
            assert!(connects("one").await.unwrap() > 2 * MS);
        }
    });
}

#[test]
fn a_longer_datagram_is_lost_with_any_of_its_pieces() {
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
        // Where nothing is drawn, nothing is lost.
        assert!(come == [60, 60] || (come[0] > 40 && come[1] < 30), "{come:?}");
    });
}

#[test]
fn silence_counts_as_the_end_after_as_long_as_the_test_says() {
    run(|| async {
        let _node = keeper("one");
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
fn groups_of_ipv6_are_joined_and_left() {
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
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "that is no group");
    });
}

#[cfg(unix)]
#[test]
fn who_is_at_the_other_end_is_this_very_program() {
    run(|| async {
        let (one, other) = timeloop::net::UnixStream::pair().unwrap();
        let (mine, theirs) = (one.peer_cred().unwrap(), other.peer_cred().unwrap());
        assert_eq!((mine.uid(), mine.gid()), (theirs.uid(), theirs.gid()));
        assert_eq!(mine.pid(), theirs.pid());
    });
}

#[test]
fn faults_last_as_long_as_they_may() {
    run(|| async {
        let _node = keeper("one");
        let start = Instant::now();
        let plan = FaultPlan::over(Duration::from_secs(10))
            .one_way_cuts(3)
            .lasting(MS, Duration::from_secs(1))
            .nodes(["one", "test"]);
        plan.run().await;
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert_eq!(connects("one").await, Some(MS), "then all is whole");
    });
    assert_eq!(
        panic_text(|| drop(FaultPlan::over(Duration::from_secs(1)).lasting(5 * MS, MS))),
        "faults that last at least 5ms can't end within 1ms; swap them"
    );
    assert_eq!(
        panic_text(|| drop(FaultPlan::over(MS).lasting(MS, 5 * MS))),
        "faults that last 5ms have no room in a plan over 1ms; make it longer"
    );
    assert_eq!(
        panic_text(|| drop(FaultPlan::over(Duration::ZERO))),
        "a fault plan over no time has no room for a fault; give it some time"
    );
}

/// Each is what the real API gives, or says what would make sense.
#[test]
fn bad_input_is_told() {
    run(|| async {
        let node = keeper("one");
        sleep(MS).await;
        let foreign = (node.address(), 80);
        let text = "Cannot assign requested address (os error 99)";
        assert_eq!(TcpListener::bind(foreign).await.unwrap_err().to_string(), text);
        assert_eq!(UdpSocket::bind(foreign).await.unwrap_err().to_string(), text);
        let socket = TcpSocket::new_v4().unwrap();
        assert_eq!(socket.bind(foreign.into()).unwrap_err().to_string(), text);
        let error = TcpStream::connect("nowhere:7").await.unwrap_err();
        assert_eq!(error.to_string(), "failed to lookup address information: Name or service not known");
        let error = TcpStream::connect("one").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::InvalidInput, "invalid socket address".into())
        );
        let network = Network::current();
        let nobody = "there is no node `nobody`; there are `test`, `one`";
        assert_eq!(panic_text(|| drop(network.partition(&[&["one"], &["nobody"]]))), nobody);
        assert_eq!(panic_text(|| drop(network.partition_one_way(&["nobody"], &["one"]))), nobody);
        assert_eq!(panic_text(|| drop(network.isolate("nobody"))), nobody);
        assert_eq!(panic_text(|| drop(network.cut("one", "nobody"))), nobody);
        assert_eq!(panic_text(|| network.clog_node("nobody", MS)), nobody);
        assert_eq!(
            panic_text(|| network.set_silence_timeout(Duration::ZERO)),
            "a timeout of zero would end every connection; give at least 1 ns"
        );
    });
    assert_eq!(
        panic_text(|| drop(LinkModel::new().bandwidth(0))),
        "a bandwidth of 0 lets nothing pass; give at least 1 byte a second, or cut the link"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().mtu(575))),
        "a link passes packets of 576 bytes at least; an MTU of 575 is too small"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().latencies(&[]))),
        "there is no latency to choose from; give at least one"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().latency(Duration::from_secs(3_601)))),
        "a latency of 3601s is more than an hour; cut the link instead"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().latency_with_tail(5 * MS, MS))),
        "a median latency of 5ms does not go with 1ms at 99 %; give 0 < median <= p99"
    );
    assert_eq!(
        panic_text(|| drop(LinkModel::new().loss(f64::NAN))),
        "a chance is a number from 0 to 1; NaN is not"
    );
}

/// A writer that waited for room of a host that crashed was never told: it hung where a real one is reset or times out.
#[test]
fn who_waits_for_room_learns_that_the_other_side_has_crashed() {
    run(|| async {
        let node = keeper("one");
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
        assert!(!writer.is_finished(), "silence is no end yet");
        node.restart();
        let kind = timeout(Duration::from_secs(130), writer).await.expect("it is tried again").unwrap();
        assert_eq!(kind, ErrorKind::ConnectionReset);
    });
}

/// The new connection was taken for one of those that had crashed, and reset.
#[test]
fn a_host_that_crashes_while_it_is_asked_answers_once_it_is_back() {
    run(|| async {
        let node = keeper("one");
        sleep(MS).await;
        let client = timeloop::spawn(TcpStream::connect("one:7"));
        sleep(MS / 4).await;
        node.crash();
        sleep(MS).await;
        node.restart();
        let mut stream = client.await.unwrap().unwrap();
        stream.write_all(b"x").await.unwrap();
        let quiet = timeout(Duration::from_secs(1), stream.read(&mut [0; 1])).await;
        assert!(quiet.is_err(), "it is a whole connection: {quiet:?}");
    });
}
