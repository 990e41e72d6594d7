//! C3: every awaited operation is a preemption point.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{Network, TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream, lookup_host};
use timeloop::sync::{Barrier, Mutex, Notify, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};
use timeloop::task::{JoinSet, spawn, spawn_blocking, yield_now};
use timeloop::time::{Duration, Instant, advance, sleep};
use timeloop::world::World;
use timeloop::{Estimates, Limits, Seed, SeedVersion, StoredSchedule, StrategySpec, run_from};

use super::explorer;

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// Asserts that another task runs between the beginning and the end of the operation, and returns whether one did.
async fn is_preempted(operation: fn() -> Boxed) -> bool {
    let flag = Rc::new(Cell::new(false));
    let operation = operation();
    let other = Rc::clone(&flag);
    spawn(async move { other.set(true) });
    let before = flag.get();
    operation.await;
    before != flag.get()
}

macro_rules! operations {
    ($($name:literal => $operation:expr,)*) => {
        [$(($name, (|| Box::pin($operation) as Boxed) as fn() -> Boxed)),*]
    };
}

#[test]
fn c3_every_awaited_operation_is_a_preemption_point() {
    let operations = operations! {
        "mutex lock" => async { drop(Mutex::new(()).lock().await) },
        "rwlock read" => async { drop(RwLock::new(()).read().await) },
        "semaphore acquire" => async { drop(Semaphore::new(1).acquire().await.unwrap()); },
        "mpsc send" => async { let (tx, _rx) = mpsc::channel(1); tx.send(1).await.unwrap(); },
        "mpsc recv" => async { let (tx, mut rx) = mpsc::channel(1); tx.try_send(1).unwrap(); rx.recv().await.unwrap(); },
        "mpsc reserve" => async { let (tx, _rx) = mpsc::channel::<u32>(1); drop(tx.reserve().await.unwrap()); },
        "oneshot recv" => async { let (tx, rx) = oneshot::channel(); tx.send(1).unwrap(); rx.await.unwrap(); },
        "broadcast recv" => async { let (tx, mut rx) = broadcast::channel(1); tx.send(1).unwrap(); rx.recv().await.unwrap(); },
        "watch changed" => async { let (tx, mut rx) = watch::channel(1); tx.send(2).unwrap(); rx.changed().await.unwrap(); },
        "watch wait_for" => async { let (_tx, mut rx) = watch::channel(1); rx.wait_for(|n| *n == 1).await.unwrap(); },
        "notified" => async { let n = Notify::new(); n.notify_one(); n.notified().await; },
        "barrier of one" => async { Barrier::new(1).wait().await; },
        "yield_now" => yield_now(),
        "advance" => advance(Duration::from_millis(1)),
        "join of a task" => async { spawn(async {}).await.unwrap(); },
        "join_next" => async { let mut set = JoinSet::new(); set.spawn(async {}); set.join_next().await; },
        "spawn_blocking" => async { spawn_blocking(|| ()).await.unwrap(); },
        "tcp bind" => async { TcpListener::bind("127.0.0.1:7").await.unwrap(); },
        "udp bind" => async { UdpSocket::bind("127.0.0.1:7").await.unwrap(); },
        "udp send_to" => async { UdpSocket::bind("127.0.0.1:7").await.unwrap().send_to(b"x", "127.0.0.1:8").await.unwrap(); },
        "lookup_host of an address" => async { drop(lookup_host("127.0.0.1:7").await.unwrap()); },
        "lookup_host of a name" => async { World::current().node("db").build(); drop(lookup_host("db:7").await.unwrap()); },
        "tcp connect" => async { TcpStream::connect("127.0.0.1:9").await.unwrap_err(); },
        "unix connect" => async { UnixStream::connect("/run/nobody").await.unwrap_err(); },
        "duplex write" => async { let (mut a, _b) = timeloop::io::duplex(64); a.write_all(b"x").await.unwrap(); },
        "duplex shutdown" => async { let (mut a, _b) = timeloop::io::duplex(64); a.shutdown().await.unwrap(); },
        "duplex read" => async {
            let (mut a, b) = timeloop::io::duplex(64);
            drop(b);
            assert_eq!(a.read(&mut [0]).await.unwrap(), 0);
        },
        "simplex write" => async { let (_r, mut w) = timeloop::io::simplex(64); w.write_all(b"x").await.unwrap(); },
        "until_down" => async { let node = World::current().node("db").build(); node.crash(); node.until_down().await; },
        "node shutdown" => async { let _ = World::current().node("db").build().shutdown().await; },
        "join! of two locks" => async {
            let lock = Arc::new(Mutex::new(()));
            timeloop::join!(async { drop(lock.lock().await) }, async { drop(lock.lock().await) });
        },
    };
    let never: Vec<_> = operations
        .into_iter()
        .filter(|(name, operation)| {
            let explorer = explorer(name).runs(100).stalls(false);
            explorer.run(move || async move { assert!(!is_preempted(*operation).await) }).passed()
        })
        .map(|(name, _)| name)
        .collect();
    assert_eq!(never, [""; 0]);
}

/// The connected UDP socket is bound before: the operation is `connect` alone.
#[test]
fn c3_udp_connect_is_a_preemption_point() {
    let exploration = explorer("c3::udp_connect").runs(100).stalls(false).run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:7").await.unwrap();
        let flag = Rc::new(Cell::new(false));
        let other = Rc::clone(&flag);
        spawn(async move { other.set(true) });
        let before = flag.get();
        socket.connect("127.0.0.1:8").await.unwrap();
        assert_eq!(before, flag.get());
    });
    let found = exploration.found.expect("another task runs before the socket is connected");
    assert!(
        found.report.contains("`root` changes `udp socket` only after `root.1` has started"),
        "{}",
        found.report
    );
}

/// A server that signals that it is ready before it listens.
async fn ready_too_early() {
    let (ready, is_ready) = oneshot::channel();
    timeloop::spawn(async move {
        ready.send(()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:7000").await.unwrap();
        drop(listener.accept().await);
    });
    is_ready.await.unwrap();
    TcpStream::connect("127.0.0.1:7000").await.unwrap();
}

#[test]
fn c3_a_client_may_connect_before_the_server_listens() {
    let found = explorer("c3::ready").run(ready_too_early).found.expect("the connection is refused");
    assert!(found.report.contains("`address`"), "{}", found.report);
    let exhaustive = explorer("c3::ready").strategy("exhaustive").run(ready_too_early);
    assert!(exhaustive.found.is_some(), "{}", exhaustive.report());
}

#[test]
fn c3_a_client_may_connect_before_the_unix_server_listens() {
    let exploration = explorer("c3::unix_ready").strategy("exhaustive").run(|| async {
        let server = timeloop::spawn(async {
            let listener = UnixListener::bind("/run/server").unwrap();
            listener.accept().await.map(drop)
        });
        yield_now().await;
        UnixStream::connect("/run/server").await.unwrap();
        server.await.unwrap().unwrap();
    });
    assert!(exploration.found.is_some(), "{}", exploration.report());
}

#[test]
fn c3_a_lookup_takes_time() {
    let lookup = || async {
        World::current().node("db").build();
        let start = Instant::now();
        assert!(lookup_host("db:7").await.is_ok());
        assert_eq!(start.elapsed(), Duration::ZERO);
    };
    let found = explorer("c3::lookup").stalls(false).run(lookup).found.expect("it takes some time");
    assert!(found.report.contains("looks up `db`, which takes 100 µs"), "{}", found.report);
    // Not in the baseline run.
    assert!(explorer("c3::lookup").strategy("fifo").runs(1).run(lookup).passed());
}

#[test]
fn c3_a_name_may_change_while_it_is_looked_up() {
    let exploration = explorer("c3::renamed").strategy("exhaustive").run(|| async {
        Network::current().set_addresses("service", &["10.0.0.1".parse().unwrap()]);
        timeloop::spawn(async { Network::current().fail_lookups("service") });
        assert!(lookup_host("service:7").await.is_ok());
    });
    assert!(exploration.found.is_some(), "{}", exploration.report());
}

/// Seeds that were stored before these operations became preemption points repeat their runs.
#[test]
fn c3_seeds_of_version_1_do_not_preempt_there() {
    let runs = |version| {
        (0..200).filter(move |seed| {
            let (seed, strategy) = (Seed(*seed), StrategySpec::Pct { depth: 3 });
            let mut estimates = Estimates::default();
            estimates.steps = 4;
            let schedule = StoredSchedule::Seeded { seed, strategy, estimates, version };
            let token = schedule.to_token("c3");
            assert_eq!(StoredSchedule::from_token(&token, "c3"), Ok(schedule.clone()));
            run_from(&schedule, &Limits::default(), || async {
                let preempted =
                    is_preempted(|| Box::pin(async { drop(TcpListener::bind("127.0.0.1:7").await) })).await;
                // Ends all other tasks.
                sleep(Duration::from_millis(1)).await;
                assert!(!preempted);
            })
            .result
            .is_err()
        })
    };
    assert_eq!(runs(SeedVersion::V1).count(), 0);
    assert!(runs(SeedVersion::V2).count() > 10);
}

/// A task that never waits ends its step after some operations, whichever they are.
#[test]
fn c3_a_task_that_only_writes_in_memory_lets_others_run() {
    for strategy in ["fifo", "random"] {
        let exploration = explorer("c3::endless").strategy(strategy).runs(1).run(|| async {
            let done = Rc::new(Cell::new(false));
            let other = Rc::clone(&done);
            spawn(async move { other.set(true) });
            let (mut one, mut other) = timeloop::io::duplex(64);
            while !done.get() {
                one.write_u8(7).await.unwrap();
                assert_eq!(other.read_u8().await.unwrap(), 7);
            }
        });
        assert!(exploration.passed(), "{}", exploration.report());
    }
}
