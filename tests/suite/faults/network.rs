//! Links, nodes and fault plans.

use std::io::ErrorKind;

use timeloop::io::AsyncWriteExt as _;
use timeloop::net::{FaultPlan, LinkModel, Network, TcpListener, TcpStream, UdpSocket};
use timeloop::time::{Duration, Instant, sleep};
use timeloop::world::{Node, World};

use crate::support::{explorer, panic_text};

/// Starts a node that accepts connections and reads what arrives.
fn start_server() -> Node {
    World::current().node("server").start(|| async {
        let listener = TcpListener::bind("0.0.0.0:1").await.unwrap();
        let mut accepted = Vec::new();
        loop {
            accepted.push(listener.accept().await.unwrap());
        }
    })
}

#[test]
fn a15_nothing_passes_a_link_that_loses_everything() {
    // The baseline run too.
    explorer("faults::network::a15").stalls(false).runs(10).check(|| async {
        let server = start_server();
        sleep(Duration::from_millis(1)).await;
        let network = Network::current();
        let mut early = TcpStream::connect("server:1").await.unwrap();
        let lossless = LinkModel::new();
        network.set_all(&lossless.clone().loss(1.0));
        let start = Instant::now();
        let error = TcpStream::connect((server.address(), 1)).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed()), (ErrorKind::TimedOut, Duration::from_secs(127)));
        // Data of a connection from before is sent again until the link passes packets.
        early.write_all(b"late").await.unwrap();
        sleep(Duration::from_secs(10)).await;
        network.set_all(&lossless);
        TcpStream::connect("server:1").await.unwrap();

        let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
        let peer = World::current().node("peer").build();
        let received = peer.spawn(async {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
            sleep(Duration::from_secs(5)).await;
            let mut bytes = [0; 8];
            std::iter::from_fn(|| socket.try_recv(&mut bytes).ok()).collect::<Vec<_>>()
        });
        sleep(Duration::from_millis(1)).await;
        network.set_link("test", "peer", &lossless.clone().loss(1.0));
        socket.send_to(b"lost", "peer:9").await.unwrap();
        network.set_link("test", "peer", &lossless.duplicates(1.0));
        socket.send_to(b"twice", "peer:9").await.unwrap();
        assert_eq!(received.await.unwrap(), [5, 5]);
    });
    let cut = explorer("faults::network::a15_reported").runs(1).run(|| async {
        start_server();
        Network::current().set_link("test", "server", &LinkModel::new().loss(1.0));
        TcpStream::connect("server:1").await.unwrap();
    });
    let report = cut.report().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        report.contains("the link `test` → `server` is losing every packet, because its loss is set to 1"),
        "{report}"
    );
}

/// A probability just below 1 is not rounded to 1.
#[test]
fn a15_a_link_that_loses_almost_everything_passes_something() {
    explorer("faults::network::a15_almost").stalls(false).runs(1).check(|| async {
        start_server();
        sleep(Duration::from_millis(1)).await;
        Network::current().set_all(&LinkModel::new().loss(0.999_999_9));
        // The baseline run loses nothing.
        let _ = TcpStream::connect("server:1").await;
    });
}

#[test]
fn b10_short_long_and_large_plans() {
    for nanos in [1, 2, 3, 5, 255, 10_000_000, 20_000_000, 50_000_000] {
        let over = Duration::from_nanos(nanos);
        explorer("faults::network::b10").runs(100).check(|| async move {
            for name in ["a", "b", "c"] {
                World::current().node(name).build();
            }
            let start = Instant::now();
            FaultPlan::over(over).partitions(3).crashes(3).clogs(3).pauses(3).run().await;
            assert_eq!(start.elapsed(), over);
            for node in World::current().nodes() {
                assert!(node.is_up() && !node.is_paused(), "{node} is as before");
            }
        });
    }
    let century = Duration::from_secs(100 * 365 * 86_400);
    timeloop::run(3, || async move {
        let node = World::current().node("a").build();
        FaultPlan::over(century).crashes(5).pauses(5).run().await;
        assert!(node.is_up());
    })
    .unwrap();
    let plan = || FaultPlan::over(Duration::from_secs(1));
    assert_eq!(
        panic_text(|| drop(FaultPlan::over(Duration::MAX))),
        "a fault plan of 18446744073709551615.999999999s is too long: its faults are spread over all of it; give 100 \
         years or less"
    );
    assert_eq!(
        panic_text(|| drop(plan().partitions(u32::MAX))),
        "a fault plan can't have 4294967295 faults of one kind; give 1000 or fewer"
    );
    assert_eq!(
        panic_text(|| drop(plan().lasting(Duration::ZERO, Duration::from_millis(5)))),
        "a fault that lasts no time does nothing; give a shortest time above zero, such as 1 ms"
    );
}
