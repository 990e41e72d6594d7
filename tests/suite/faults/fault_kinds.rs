//! Each kind of fault finds a bug that no other kind finds here, is shrunk to, and is named in the report.

use std::cell::RefCell;
use std::rc::Rc;

use timeloop::net::{FaultPlan, TcpListener, TcpStream, UdpSocket, lookup_host};
use timeloop::time::{Duration, Instant, SystemTime, sleep, timeout};
use timeloop::world::World;
use timeloop::{Domain, spawn};

use crate::support::explorer;

const MS: Duration = Duration::from_millis(1);

/// How long a plan lasts.
const OVER: Duration = Duration::from_secs(8);

/// Explores the test under a plan with one kind of fault, and without faults. Returns the report's words, and how many
/// faults the shrunk schedule has.
fn found_by<Fut: Future<Output = ()>>(
    name: &str,
    add: fn(FaultPlan) -> FaultPlan,
    test: fn(Option<FaultPlan>) -> Fut,
) -> (String, usize) {
    let explorer = explorer(&format!("faults::fault_kinds::{name}")).stalls(false);
    let calm = explorer.clone().runs(20).run(|| test(None));
    assert!(calm.passed(), "without faults it passes: {}", calm.report());
    let found = explorer.runs(500).run(|| test(Some(add(FaultPlan::over(OVER)))));
    let found = found.found.unwrap_or_else(|| panic!("`{name}` finds nothing"));
    let deviations = found.shrunk.deviations().expect("it is shrunk");
    let faults =
        deviations.iter().filter(|deviation| deviation.domain == Domain::Fault && deviation.index == 0);
    (found.report.split_whitespace().collect::<Vec<_>>().join(" "), faults.count())
}

fn start(plan: Option<FaultPlan>) {
    if let Some(plan) = plan {
        spawn(plan.run());
    }
}

/// Node `b` counts the datagrams that node `a` sends to it.
async fn counts(plan: Option<FaultPlan>) {
    const COUNT: usize = 80;
    let b = World::current().node("b").build();
    let a = World::current().node("a").build();
    let to = b.address();
    let received = b.spawn(async {
        let socket = UdpSocket::bind("0.0.0.0:1").await.unwrap();
        let mut bytes = [0; 1];
        let mut received = 0;
        while timeout(Duration::from_secs(5), socket.recv(&mut bytes)).await.is_ok() {
            received += 1;
        }
        received
    });
    start(plan);
    a.spawn(async move {
        let socket = UdpSocket::bind("0.0.0.0:1").await.unwrap();
        for _ in 0..COUNT {
            sleep(100 * MS).await;
            socket.send_to(&[0], (to, 1)).await.unwrap();
        }
    });
    assert_eq!(received.await.unwrap(), COUNT, "each datagram arrives once");
}

#[test]
fn flaky_links() {
    let (report, faults) = found_by("flaky_links", |plan| plan.flaky_links(2), counts);
    assert_eq!(faults, 1, "{report}");
    assert!(report.contains("the link between `b` and `a` is flaky"), "{report}");
    assert!(report.contains(" is lost ") || report.contains(" is duplicated "), "{report}");
}

/// Node `b` expects a datagram of `a` at least each second, and never two at once.
async fn expects_a_rhythm(plan: Option<FaultPlan>) {
    let b = World::current().node("b").build();
    let a = World::current().node("a").build();
    let to = b.address();
    let watcher = b.spawn(async {
        let socket = UdpSocket::bind("0.0.0.0:1").await.unwrap();
        let mut bytes = [0; 1];
        let mut last: Option<Instant> = None;
        while timeout(Duration::from_secs(5), socket.recv(&mut bytes)).await.is_ok() {
            let gap = last.map_or(100 * MS, |last| last.elapsed());
            assert!(gap > Duration::ZERO, "two arrive at once");
            last = Some(Instant::now());
        }
    });
    start(plan);
    a.spawn(async move {
        let socket = UdpSocket::bind("0.0.0.0:1").await.unwrap();
        for _ in 0..80 {
            sleep(100 * MS).await;
            socket.send_to(&[0], (to, 1)).await.unwrap();
        }
    });
    watcher.await.unwrap();
}

#[test]
fn holds() {
    let (report, faults) = found_by("holds", |plan| plan.holds(2), expects_a_rhythm);
    assert_eq!(faults, 1, "{report}");
    assert!(report.contains("the link `a` → `b` holds its packets"), "{report}");
}

/// When each node has last received a datagram of each other one.
type LastSeen = Rc<RefCell<Vec<Vec<Instant>>>>;

/// Starts nodes that send a datagram to each other node, and to the test, every 200 ms.
fn start_pinging(names: &'static [&'static str]) -> LastSeen {
    let world = World::current();
    let count = names.len();
    let last_seen: LastSeen = Rc::new(RefCell::new(vec![vec![Instant::now(); count]; count + 1]));
    let listens = |last_seen: LastSeen, number: usize| async move {
        let socket = UdpSocket::bind("0.0.0.0:1").await.unwrap();
        let mut bytes = [0; 1];
        while socket.recv(&mut bytes).await.is_ok() {
            last_seen.borrow_mut()[number][usize::from(bytes[0])] = Instant::now();
        }
    };
    for (number, name) in names.iter().enumerate() {
        let node = world.node(*name).build();
        node.spawn(listens(Rc::clone(&last_seen), number));
        node.spawn(async move {
            let socket = UdpSocket::bind("0.0.0.0:2").await.unwrap();
            loop {
                sleep(200 * MS).await;
                for other in names.iter().chain(&["test"]) {
                    let _ = socket.send_to(&[number as u8], format!("{other}:1")).await;
                }
            }
        });
    }
    spawn(listens(Rc::clone(&last_seen), count));
    last_seen
}

/// Two pairs of nodes must not be apart from each other: both would continue alone.
async fn two_pairs(plan: Option<FaultPlan>) {
    let last_seen = start_pinging(&["a", "b", "c", "d"]);
    start(plan);
    for _ in 0..40 {
        sleep(200 * MS).await;
        let last_seen = last_seen.borrow();
        let apart = |one: usize, other: usize| last_seen[one][other].elapsed() > 900 * MS;
        let pairs = [[0, 1], [2, 3]];
        let whole = pairs.iter().all(|[one, other]| !apart(*one, *other) && !apart(*other, *one));
        let between = pairs[0].iter().flat_map(|one| pairs[1].map(|other| (*one, other)));
        let split = between.into_iter().all(|(one, other)| apart(one, other) && apart(other, one));
        assert!(!(whole && split), "two pairs work alone");
    }
}

#[test]
fn splits() {
    let (report, faults) = found_by("splits", |plan| plan.splits(3), two_pairs);
    assert_eq!(faults, 1, "{report}");
    assert!(report.contains("the network is split into groups ("), "{report}");
    assert!(report.contains("`a`, `b` | `c`, `d`") || report.contains("`c`, `d` | `a`, `b`"), "{report}");
}

/// Node `a` is silent, then both are, and then only `b` is.
async fn relay(plan: Option<FaultPlan>) {
    let last_seen = start_pinging(&["a", "b"]);
    start(plan);
    let mut stage = 0;
    for _ in 0..40 {
        sleep(200 * MS).await;
        let silent = [0, 1].map(|node| last_seen.borrow()[2][node].elapsed() > 300 * MS);
        stage = match (stage, silent) {
            (0 | 1, [true, false]) => 1,
            (1 | 2, [true, true]) => 2,
            (2, [false, true]) => 3,
            _ => 0,
        };
        assert!(stage < 3, "`b` takes over from `a`, and back");
    }
}

#[test]
fn swizzles() {
    let (report, faults) =
        found_by("swizzles", |plan| plan.swizzles(3).lasting(2_000 * MS, 4_000 * MS), relay);
    assert_eq!(faults, 1, "{report}");
    assert!(report.contains("nodes `a`, `b` are cut off one after the other"), "{report}");
}

/// A client that takes a name for an address that always exists.
async fn looks_up(plan: Option<FaultPlan>) {
    World::current().node("a").build();
    start(plan);
    for _ in 0..80 {
        sleep(100 * MS).await;
        assert_eq!(lookup_host("a:1").await.expect("the name is known").count(), 2);
    }
}

#[test]
fn failing_lookups() {
    let (report, faults) = found_by("failing_lookups", |plan| plan.failing_lookups(2), looks_up);
    assert_eq!(faults, 1, "{report}");
    assert!(report.contains("lookups of `a` fail"), "{report}");
}

/// A node that takes its wall clock for a monotonic one.
async fn measures(plan: Option<FaultPlan>) {
    let node = World::current().node("a").build();
    start(plan);
    let measured = node.spawn(async {
        let mut last = SystemTime::now();
        for _ in 0..90 {
            sleep(100 * MS).await;
            let now = SystemTime::now();
            assert!(now >= last, "time runs backwards");
            last = now;
        }
    });
    measured.await.unwrap();
}

#[test]
fn clock_jumps() {
    let (report, faults) = found_by("clock_jumps", |plan| plan.clock_jumps(2), measures);
    assert_eq!(faults, 1, "{report}");
    // A jump of 100 ms is as long as the sleep.
    assert!(report.contains("the wall clock of node `a` jumps ahead by 1 s"), "{report}");
}

/// When a plan with all kinds of faults has ended, everything is as before.
#[test]
fn a_plan_undoes_each_kind() {
    explorer("faults::fault_kinds::undone").stalls(false).varied_io(false).runs(60).check(|| async {
        let world = World::current();
        let names = ["a", "b", "c"];
        for name in names {
            world.node(name).start(|| async {
                let listener = TcpListener::bind("0.0.0.0:1").await.unwrap();
                let mut accepted = Vec::new();
                loop {
                    accepted.push(listener.accept().await.unwrap());
                }
            });
        }
        sleep(MS).await;
        let plan = FaultPlan::over(OVER).partitions(3).one_way_cuts(3).clogs(3).crashes(3).pauses(3);
        plan.flaky_links(3).holds(3).splits(3).swizzles(3).failing_lookups(3).clock_jumps(3).run().await;
        sleep(MS).await;
        for name in names {
            let node = world.get(name).unwrap();
            assert!(node.is_up() && !node.is_paused(), "{name} is up");
            assert_eq!(node.clock().now(), SystemTime::now(), "its clock is right");
            for other in names.into_iter().filter(|other| *other != name) {
                let start = Instant::now();
                let connected = node.spawn(TcpStream::connect(format!("{other}:1"))).await.unwrap();
                connected.unwrap_or_else(|error| panic!("{name} reaches {other}: {error}"));
                assert_eq!(start.elapsed(), MS, "the link is as fast as before");
            }
        }
    });
}
