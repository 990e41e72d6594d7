//! One feature per test, with many schedules.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use quic_mirror::world::{PORT, address_of, client_endpoint, server_endpoint, start_server, transport};
use quic_mirror::{exchange, message, tls};
use quinn::{Connection, ConnectionError, Endpoint, Runtime as _};
use timeloop::adapters::quinn as quic;
use timeloop::net::{LinkModel, Network, UdpSocket};
use timeloop::time::{Instant, sleep, timeout};
use timeloop::world::World;
use timeloop::{Explorer, task};

fn check<F: Future<Output = ()>>(f: impl Fn() -> F + Sync) {
    // The tests check times to the millisecond, so none may pass while a task is ready.
    let explorer = Explorer::new("quic").runs(20).stalls(false);
    explorer.without_environment().without_regressions().check(f);
}

/// Starts the server, and connects a client on the test's own node.
async fn client() -> (Endpoint, Connection) {
    let server = start_server(|socket| socket);
    let endpoint = client_endpoint(transport(), |socket| socket).await;
    let connection = endpoint.connect(address_of(&server), tls::NAME).unwrap().await.unwrap();
    (endpoint, connection)
}

#[test]
fn many_streams_share_a_connection() {
    check(|| async {
        let (endpoint, connection) = client().await;
        let mut tasks = task::JoinSet::new();
        for number in 0..50 {
            let connection = connection.clone();
            tasks.spawn(async move { exchange(&connection, number, 1 << (number % 17)).await.unwrap() });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        assert_eq!(endpoint.stats().outgoing_handshakes, 1);
        connection.close(0_u32.into(), b"done");
        endpoint.wait_idle().await;
    });
}

#[test]
fn datagrams_may_be_lost_but_are_never_changed() {
    check(|| async {
        let (_endpoint, connection) = client().await;
        Network::current().set_all(&LinkModel::new().loss(0.1).duplicates(0.1).reorders(0.1));
        for number in 0..200 {
            connection.send_datagram(message(number, 50).into()).unwrap();
            sleep(Duration::from_millis(5)).await;
        }
        let mut seen = std::collections::BTreeSet::new();
        while let Ok(Ok(datagram)) = timeout(Duration::from_secs(1), connection.read_datagram()).await {
            let number = u64::from_le_bytes(datagram[..8].try_into().unwrap());
            assert_eq!(datagram, message(number, 50));
            assert!(seen.insert(number), "{number} arrives twice");
        }
        // The baseline run delivers all datagrams.
        assert!((100..=200).contains(&seen.len()), "{} of 200", seen.len());
    });
}

#[test]
fn a_client_discovers_the_mtu() {
    check(|| async {
        let (_endpoint, connection) = client().await;
        exchange(&connection, 1, 100_000).await.unwrap();
        sleep(Duration::from_secs(3)).await;
        // An MTU of 1,500 allows 1,472 bytes, but quinn stops at this size.
        assert_eq!(connection.stats().path.current_mtu, 1_452);

        Network::current().set_all(&LinkModel::new().mtu(1_300));
        exchange(&connection, 2, 100_000).await.unwrap();
        let path = connection.stats().path;
        assert_eq!((path.current_mtu, path.black_holes_detected), (1_200, 1));

        Network::current().set_all(&LinkModel::new().mtu(1_400));
        let endpoint = client_endpoint(transport(), |socket| socket).await;
        let connection = endpoint.connect(connection.remote_address(), tls::NAME).unwrap().await.unwrap();
        exchange(&connection, 3, 100_000).await.unwrap();
        sleep(Duration::from_secs(3)).await;
        // The headers take 28 bytes. quinn stops within 20 bytes of the maximum.
        assert!((1_352..=1_372).contains(&connection.stats().path.current_mtu));
    });
}

#[test]
fn a_connection_migrates_with_its_client() {
    check(|| async {
        let server = World::current().node("server").build();
        let (one, other): (IpAddr, IpAddr) = ([10, 1, 0, 1].into(), [10, 2, 0, 1].into());
        let accepted = server.spawn(async {
            let endpoint = server_endpoint(transport(), |socket| socket).await;
            let connection = endpoint.accept().await.unwrap().await.unwrap();
            let first = connection.remote_address();
            let (_, mut receives) = connection.accept_bi().await.unwrap();
            receives.read_to_end(100).await.unwrap();
            (first, connection.remote_address())
        });
        let address = address_of(&server);
        let moved = World::current().node("client").address(one).address(other).build().spawn(async move {
            let endpoint = client_endpoint(transport(), |socket| socket).await;
            let connection = endpoint.connect(address, tls::NAME).unwrap().await.unwrap();
            sleep(Duration::from_millis(100)).await;
            let socket = UdpSocket::bind((other, 0)).await.unwrap();
            endpoint.rebind_abstract(quic::socket(socket)).unwrap();
            let (mut sends, _receives) = connection.open_bi().await.unwrap();
            sends.write_all(b"from elsewhere").await.unwrap();
            sends.finish().unwrap();
            connection.closed().await;
        });
        let (first, second) = accepted.await.unwrap();
        // The server's socket is an IPv6 socket.
        assert_eq!((first.ip().to_canonical(), second.ip().to_canonical()), (one, other));
        moved.await.unwrap();
    });
}

#[test]
fn answers_come_from_the_destination_address() {
    check(|| async {
        let addresses: [IpAddr; 2] = [[10, 9, 0, 1].into(), [10, 9, 0, 2].into()];
        World::current().node("server").address(addresses[0]).address(addresses[1]).start(|| async {
            quic_mirror::serve(server_endpoint(transport(), |socket| socket).await).await;
        });
        let endpoint = client_endpoint(transport(), |socket| socket).await;
        for address in addresses {
            let connecting = endpoint.connect((address, PORT).into(), tls::NAME).unwrap();
            exchange(&connecting.await.unwrap(), 1, 5_000).await.unwrap();
        }
    });
}

#[test]
fn a_session_is_resumed_without_a_round_trip() {
    check(|| async {
        let (endpoint, connection) = client().await;
        let address = connection.remote_address();
        exchange(&connection, 1, 1_000).await.unwrap();
        connection.close(0_u32.into(), b"");
        endpoint.wait_idle().await;

        Network::current().set_all(&LinkModel::new().latency(Duration::from_millis(50)));
        let start = Instant::now();
        let Ok((connection, accepted)) = endpoint.connect(address, tls::NAME).unwrap().into_0rtt() else {
            panic!("there is no session");
        };
        exchange(&connection, 2, 500).await.unwrap();
        assert!(accepted.await);
        assert_eq!(start.elapsed(), Duration::from_millis(100));
        connection.close(0_u32.into(), b"");
        endpoint.wait_idle().await;

        // A crash of the server loses its sessions.
        World::current().get("server").unwrap().restart();
        let Ok((connection, accepted)) = endpoint.connect(address, tls::NAME).unwrap().into_0rtt() else {
            panic!("there is no session");
        };
        assert!(exchange(&connection, 3, 500).await.is_err());
        assert!(!accepted.await);
        exchange(&connection, 3, 500).await.unwrap();
    });
}

#[test]
fn a_silent_connection_times_out() {
    check(|| async {
        let (_endpoint, connection) = client().await;
        exchange(&connection, 1, 1_000).await.unwrap();
        // Waits for delayed acknowledgements.
        sleep(Duration::from_millis(100)).await;
        let start = Instant::now();
        let _cut = Network::current().isolate("server");
        assert_eq!(connection.closed().await, ConnectionError::TimedOut);
        let elapsed = start.elapsed();
        assert!(elapsed > Duration::from_secs(4) && elapsed <= Duration::from_secs(6), "{elapsed:?}");
    });
}

#[test]
fn a_restarted_server_resets_connections() {
    check(|| async {
        let (_endpoint, connection) = client().await;
        exchange(&connection, 1, 1_000).await.unwrap();
        let server = World::current().get("server").unwrap();
        server.crash();
        let start = Instant::now();
        sleep(Duration::from_millis(500)).await;
        server.restart();
        assert_eq!(connection.closed().await, ConnectionError::Reset);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    });
}

/// Serves only clients with a validated address.
async fn serve_validated(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        if !incoming.remote_address_validated() {
            incoming.retry().unwrap();
            continue;
        }
        let connection = incoming.await.unwrap();
        task::spawn(async move { connection.closed().await });
    }
}

#[test]
fn a_token_validates_the_address_of_a_client() {
    check(|| async {
        let server = World::current().node("server").start(|| async {
            serve_validated(server_endpoint(transport(), |socket| socket).await).await;
        });
        let endpoint = client_endpoint(transport(), |socket| socket).await;
        endpoint.connect(address_of(&server), tls::NAME).unwrap().await.unwrap();

        // A token is valid for 15 s by the server's clock; later it is rejected.
        let network = Network::current();
        network.set_link("server", "test", &LinkModel::new().latency(Duration::from_millis(500)));
        let jump = task::spawn(async move {
            sleep(Duration::from_millis(100)).await;
            server.clock().jump_ahead(Duration::from_secs(16));
        });
        let lost =
            endpoint.connect(address_of(&World::current().get("server").unwrap()), tls::NAME).unwrap().await;
        assert!(matches!(lost, Err(ConnectionError::ConnectionClosed(_))), "{lost:?}");
        jump.await.unwrap();
    });
}

#[test]
fn congestion_control_uses_the_bandwidth_and_reacts_to_loss() {
    async fn seconds(model: LinkModel) -> f64 {
        let (_endpoint, connection) = client().await;
        let model = model.latency(Duration::from_millis(10)).bandwidth(1_000_000).queue(50_000);
        Network::current().set_all(&model);
        let start = Instant::now();
        exchange(&connection, 1, 2_000_000).await.unwrap();
        start.elapsed().as_secs_f64()
    }
    let mut slowest = 0.0;
    for (seed, loss) in [(1, 0.0), (2, 0.002), (3, 0.02)] {
        let model = || LinkModel::new().loss(loss);
        let taken = timeloop::run(seed, || seconds(model())).unwrap();
        assert!((2.1..60.0).contains(&taken), "2 MB at 1 MB per second took {taken} s with a loss of {loss}");
        assert!(taken > slowest, "{taken} s with a loss of {loss}, {slowest} s with less loss");
        slowest = taken;
        assert!(loss > 0.0 || taken < 3.0, "2 MB at 1 MB per second took {taken} s without loss");
    }
}

#[test]
fn sockets_of_the_operating_system_are_rejected() {
    check(|| async {
        let error = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap_err();
        assert_eq!(error.to_string(), "no async runtime found");
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = quic::Runtime.wrap_udp_socket(socket).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "a run cannot use a socket of the operating system; pass a `timeloop::adapters::quinn::socket` to \
             `Endpoint::new_with_abstract_socket` or `Endpoint::rebind_abstract`"
        );
    });
}

#[test]
fn connections_can_be_dropped_after_their_run() {
    let kept = timeloop::run(1, || async { client().await }).unwrap();
    kept.1.close(0_u32.into(), b"too late");
    assert_eq!(kept.1.close_reason(), Some(ConnectionError::LocallyClosed));
    assert!(kept.0.connect(kept.1.remote_address(), tls::NAME).is_err());
}

#[test]
fn timers_of_quinn_use_virtual_time() {
    check(|| async {
        let runtime: Arc<dyn quinn::Runtime> = Arc::new(quic::Runtime);
        let start = runtime.now();
        let mut timer = runtime.new_timer(start + Duration::from_secs(3_600));
        timer.as_mut().reset(start + Duration::from_secs(7_200));
        std::future::poll_fn(|cx| timer.as_mut().poll(cx)).await;
        assert_eq!(runtime.now() - start, Duration::from_secs(7_200));
        timer.as_mut().reset(start + Duration::from_secs(7_201));
        std::future::poll_fn(|cx| timer.as_mut().poll(cx)).await;
        assert_eq!(runtime.now() - start, Duration::from_secs(7_201));
    });
}
