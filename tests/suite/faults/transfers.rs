//! C2: a stream is not a sequence of messages. A read or a write may move a part of the bytes that it could move.

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{LinkModel, Network, TcpListener, TcpStream, UnixStream};
use timeloop::time::{Duration, sleep};
use timeloop::world::World;
use timeloop::{Domain, Exploration};

use super::explorer;

const MS: Duration = Duration::from_millis(1);

/// Reads once what was written at once.
async fn one_read(model: Option<LinkModel>, bytes: usize) {
    if let Some(model) = &model {
        Network::current().set_all(model);
    }
    let world = World::current();
    let server = world.node("server").build();
    let server = server.spawn(async move {
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; bytes];
        let read = stream.read(&mut buffer).await.unwrap();
        assert_eq!(read, bytes, "a part of the message");
    });
    world
        .node("client")
        .build()
        .spawn(async move {
            let mut stream = loop {
                match TcpStream::connect("server:7").await {
                    Ok(stream) => break stream,
                    Err(_) => sleep(10 * MS).await,
                }
            };
            stream.write_all(&vec![1; bytes]).await.unwrap();
            // The connection stays open.
            sleep(Duration::from_secs(10)).await;
        })
        .await
        .unwrap();
    server.await.unwrap();
}

/// Asserts that a failure was found that only a decision about a transfer explains.
#[track_caller]
fn assert_split(exploration: &Exploration, says: &str) {
    let found = exploration.found.as_ref().expect("a part is moved");
    let deviations = found.shrunk.deviations().unwrap();
    assert!(deviations.iter().any(|deviation| deviation.domain == Domain::Io), "{}", found.report);
    assert!(found.report.contains(says), "{}", found.report);
}

#[test]
fn c2_one_read_does_not_get_what_one_write_wrote() {
    let links: [fn() -> Option<LinkModel>; 8] = [
        || None,
        || Some(LinkModel::new().latency(MS)),
        || Some(LinkModel::new().latency_between(MS, 50 * MS)),
        || Some(LinkModel::new().latency(MS).mtu(576)),
        || Some(LinkModel::new().latency(MS).loss(0.2)),
        || Some(LinkModel::new().latency(MS).reorders(0.3)),
        || Some(LinkModel::new().latency(MS).bandwidth(100_000)),
        || Some(LinkModel::flaky()),
    ];
    for model in links {
        for bytes in [8_000, 60_000] {
            let exploration = explorer("c2::read").stalls(false).run(move || one_read(model(), bytes));
            assert_split(&exploration, "s only ");
        }
    }
}

#[test]
fn c2_a_write_may_be_short() {
    let exploration = explorer("c2::write").run(|| async {
        let listener = TcpListener::bind("127.0.0.1:7").await.unwrap();
        let mut stream = TcpStream::connect("127.0.0.1:7").await.unwrap();
        assert_eq!(stream.write(b"hello").await.unwrap(), 5);
        drop(listener);
    });
    assert_split(&exploration, "`root` writes only 1 of 5 bytes to a tcp connection");
}

#[test]
fn c2_unix_streams_are_split() {
    let reads = explorer("c2::unix_read").run(|| async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"hello").await.unwrap();
        assert_eq!(other.read(&mut [0; 9]).await.unwrap(), 5);
    });
    assert_split(&reads, "only 1 of 5 bytes from a unix stream");
    let writes = explorer("c2::unix_write").run(|| async {
        let (mut one, _other) = UnixStream::pair().unwrap();
        assert_eq!(one.write(b"hello").await.unwrap(), 5);
    });
    assert_split(&writes, "`root` writes only 1 of 5 bytes to a unix stream");
}

#[test]
fn c2_streams_in_memory_are_split() {
    let reads = explorer("c2::duplex_read").run(|| async {
        let (mut one, mut other) = timeloop::io::duplex(64);
        one.write_all(b"hello").await.unwrap();
        assert_eq!(other.read(&mut [0; 9]).await.unwrap(), 5);
    });
    assert_split(&reads, "`root` reads only 1 of 5 bytes from a duplex stream");
    let writes = explorer("c2::simplex_write").run(|| async {
        let (_reader, mut writer) = timeloop::io::simplex(3);
        assert_eq!(writer.write(b"hello").await.unwrap(), 3);
    });
    assert_split(&writes, "`root` writes only 1 of 3 bytes to a simplex stream");
}

/// The failing schedule names the step in which the table shows the read.
#[test]
fn c2_a_short_read_has_the_step_of_its_task() {
    let exploration = explorer("c2::step").run(|| async {
        let (mut one, mut other) = timeloop::io::duplex(64);
        timeloop::spawn(async move { one.write_all(b"hello").await.unwrap() });
        assert_eq!(other.read(&mut [0; 9]).await.unwrap(), 5);
    });
    let report = exploration.found.expect("a read may be short").report;
    assert!(report.contains("  step 3  `root` reads only 1 of 5 bytes from a duplex stream"), "{report}");
    let row = report.lines().find(|line| line.trim_start().starts_with("3  ")).expect("the table has step 3");
    assert!(row.contains("root ") && row.contains("receives from `duplex stream`"), "{report}");
}

/// Code that repeats short reads and writes passes, and loses nothing.
#[test]
fn c2_all_bytes_arrive_in_order() {
    let sent: Vec<u8> = (0..20_000_u32).map(|number| (number % 251) as u8).collect();
    let (tcp, memory) = (sent.clone(), sent);
    let exploration = explorer("c2::tcp").runs(200).run(move || {
        let sent = tcp.clone();
        async move {
            let listener = TcpListener::bind("127.0.0.1:7").await.unwrap();
            let bytes = sent.clone();
            let writer = timeloop::spawn(async move {
                let mut stream = TcpStream::connect("127.0.0.1:7").await.unwrap();
                stream.write_all(&bytes).await.unwrap();
                stream.shutdown().await.unwrap();
            });
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            writer.await.unwrap();
            assert!(received == sent);
        }
    });
    assert!(exploration.passed(), "{}", exploration.report());
    let exploration = explorer("c2::duplex").runs(200).run(move || {
        let sent = memory.clone();
        async move {
            let (mut one, mut other) = timeloop::io::duplex(100);
            let bytes = sent.clone();
            let writer = timeloop::spawn(async move { one.write_all(&bytes).await.unwrap() });
            let mut received = Vec::new();
            other.read_to_end(&mut received).await.unwrap();
            writer.await.unwrap();
            assert!(received == sent);
        }
    });
    assert!(exploration.passed(), "{}", exploration.report());
}
