//! What reports and errors say.

use std::cell::Cell;
use std::rc::Rc;

use timeloop::net::{FaultPlan, TcpStream, UnixListener};
use timeloop::time::{Duration, sleep};
use timeloop::world::World;
use timeloop::{FailureKind, Resource, run, task};

use crate::support::{Folder, by_name, explorer, panic_text};

#[test]
fn d8_a_crash_has_one_line_and_its_step() {
    let found = explorer("faults::reports::d8").runs(300).run(|| async {
        let node = World::current().node("db").start(std::future::pending::<()>);
        let plan = task::spawn(FaultPlan::over(Duration::from_secs(10)).crashes(2).pauses(2).run());
        for number in 0..50 {
            sleep(Duration::from_millis(200)).await;
            assert!(node.is_up() || !plan.is_finished());
            // It takes two decisions: that it crashes, and when.
            assert!(!(20..25).contains(&number) || node.is_up(), "it is down");
        }
    });
    let report = found.report();
    let decisions = found.found.as_ref().and_then(|found| found.deviations_after());
    assert!(decisions.is_some_and(|decisions| decisions > 1), "{report}");
    let (_, rest) = report.split_once("Failing schedule: FIFO order, except\n").expect("a schedule");
    let (schedule, table) = rest.split_once("\nSteps").expect("a table");
    let lines: Vec<_> = schedule.lines().filter(|line| line.contains("crashes")).collect();
    assert_eq!(lines.len(), 1, "{report}");
    let step = |line: &str| line.split_whitespace().find_map(|word| word.parse::<u32>().ok());
    let row = table.lines().find(|line| line.contains("  node db crashes")).expect("the crash is a step");
    assert_eq!(step(lines[0]), step(row), "{report}");
    assert!(step(row).is_some(), "{report}");
}

/// The first mention of a task without a name says where it was spawned, and the later ones do not.
#[test]
fn d9_a_task_without_a_name_is_introduced_once() {
    let found = explorer("faults::reports::d9").runs(50).run(|| async {
        let last = Rc::new(Cell::new(0));
        let [one, two] = [Rc::clone(&last), Rc::clone(&last)];
        let first = task::spawn(async move { one.set(1) }); // @first
        let second = task::spawn(async move { two.set(2) }); // @second
        let both = [task::spawn(async {}), task::spawn(async {})]; // @idle
        first.await.unwrap();
        second.await.unwrap();
        for idle in both {
            idle.await.unwrap();
        }
        assert_eq!(last.get(), 2);
    });
    let report = by_name!(found.report());
    let (critical, _) = report.split_once("\nFailing schedule").expect("a schedule");
    for introduction in ["`root.1` (spawned at <first>)", "`root.2` (spawned at <second>)"] {
        assert!(critical.contains(introduction), "{report}");
    }
    // The tasks that only the table mentions are listed below it.
    assert!(report.contains("\n    spawned: root.3, root.4 at <idle>\n"), "{report}");
    assert_eq!(report.matches("spawned").count(), 3, "{report}");
}

/// A list of blocked tasks, or the line about the task that failed, introduces a task as well.
#[test]
fn d9_tasks_are_not_introduced_twice() {
    let found = explorer("faults::reports::d9_blocked").runs(50).run(|| async {
        let notify = Rc::new(timeloop::sync::Notify::new());
        let theirs = Rc::clone(&notify);
        let waits = task::spawn(async move { theirs.notified().await }); // @waits
        task::spawn(async move { notify.notify_waiters() }); // @notifies
        waits.await.unwrap();
    });
    let report = by_name!(found.report());
    assert!(report.contains("- `root.1`, spawned at <waits>:21, has waited at <waits>"), "{report}");
    assert!(report.contains("`root.2` (spawned at <notifies>)"), "{report}");
    assert_eq!(report.matches("spawned").count(), 2, "{report}");
}

#[test]
fn d14_an_unknown_name_lists_the_nodes() {
    run(0, || async {
        for name in ["db", "web"] {
            World::current().node(name).build();
        }
        let error = TcpStream::connect("bd:1").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Other);
        assert_eq!(
            error.to_string(),
            "failed to lookup address information: Name or service not known (there is no node `bd`; the nodes are \
             `test`, `db`, `web`)"
        );
        timeloop::net::Network::current().set_addresses("db", &[]);
        let error = TcpStream::connect("db:1").await.unwrap_err();
        assert_eq!(error.to_string(), "failed to lookup address information: Name or service not known");
    })
    .unwrap();
}

#[test]
fn d15_names_in_a_report_are_escaped() {
    const FORGED: &str = "x\n\nreplay     rm -rf /\u{1b}[2J\u{202e}";
    let folder = Folder::new();
    let exploration = explorer(&format!("faults::d15{FORGED}")).runs(50).run(|| {
        let path = folder.0.join(FORGED.replace('/', "-"));
        async move {
            let listener = UnixListener::bind(&path).unwrap();
            let resource = std::rc::Rc::new(Resource::new(FORGED));
            let builder = task::Builder::new().name(FORGED);
            let blocked = builder
                .spawn(async move {
                    resource.write().await;
                    listener.accept().await.unwrap();
                })
                .unwrap();
            blocked.await.unwrap();
        }
    });
    assert_eq!(exploration.found.as_ref().map(|found| found.failure.kind), Some(FailureKind::Deadlock));
    let report = exploration.report();
    assert!(!report.contains(|character: char| character.is_control() && character != '\n'), "{report:?}");
    assert!(!report.contains('\u{202e}'), "{report:?}");
    assert_eq!(report.lines().filter(|line| line.starts_with("replay ")).count(), 1, "{report}");
    assert!(
        report.matches("x\\n\\nreplay").count() >= 4,
        "the test, the task, the resource, the socket: {report}"
    );
    let failure = exploration.found.unwrap().failure;
    let blocked = failure.blocked[0].to_string();
    assert!(!blocked.contains('\n'), "{blocked}");
}

#[test]
fn refused_names_of_nodes() {
    let refused = |name: &'static str| {
        let failure = run(0, move || async move { World::current().node(name).build() }).unwrap_err();
        failure.message()
    };
    let accepted = "can't be the name of a node; accepted are 1 to 253 letters, digits, `-`, `_` and `.`";
    assert_eq!(refused(""), format!("`` {accepted}"));
    assert_eq!(refused("a\n\u{1b}[2J"), format!("`a\\n\\u{{1b}}[2J` {accepted}"));
    assert_eq!(refused("fd00::1"), format!("`fd00::1` {accepted}"));
    assert!(refused("10.0.0.9").contains("it is an IP address"), "{}", refused("10.0.0.9"));
    assert!(refused("localhost").contains("it always means the node that looks it up"));
    assert!(refused("db.").contains("a lookup removes the `.` at its end"));
    assert!(refused("test").contains("already exists"));
}

/// With and without a first task, and also if the node's own task asks for it.
#[test]
fn restarts_without_end_at_one_instant_are_a_livelock() {
    let explorer = explorer("faults::reports::livelock").max_polls_per_instant(5_000).runs(1);
    let kind = |exploration: timeloop::Exploration| exploration.found.map(|found| found.failure.kind);
    let restarted = explorer.run(|| async {
        let node = World::current().node("db").start(std::future::pending::<()>);
        for _ in 0..1_000_000 {
            node.restart();
            task::yield_now().await;
        }
    });
    assert_eq!(kind(restarted), Some(FailureKind::Livelock));
    let supervised = explorer.run(|| async {
        let node = World::current().node("db").start(|| async {
            timeloop::world::Node::current().crash();
            std::future::pending::<()>().await;
        });
        for _ in 0..1_000_000 {
            node.until_down().await;
            node.restart();
        }
    });
    assert_eq!(kind(supervised), Some(FailureKind::Livelock));
}

#[test]
fn plans_that_can_do_nothing_are_refused() {
    let plan = || FaultPlan::over(Duration::from_secs(1));
    let refused = |names: &'static [&'static str], plan: FaultPlan| {
        let failure = run(0, || {
            let plan = plan.clone();
            async move {
                for name in names {
                    World::current().node(*name).build();
                }
                plan.run().await;
            }
        });
        let message = failure.unwrap_err().message();
        let (_, why) = message.split_once("reports.rs:").expect("the place of the call");
        why.split_once(' ').expect("a reason").1.to_owned()
    };
    assert_eq!(refused(&["a"], plan()), "has no faults; add some, as in `.partitions(3)`");
    assert_eq!(refused(&["a"], plan().crashes(0)), "has no faults; add some, as in `.partitions(3)`");
    assert_eq!(refused(&[], plan().crashes(1)), "has no nodes; declare nodes before it runs, or name some");
    assert_eq!(
        refused(&["a"], plan().crashes(1).nodes([])),
        "has no nodes; declare nodes before it runs, or name some"
    );
    assert_eq!(
        refused(&["a"], plan().one_way_cuts(1).holds(2).splits(1)),
        "has a single node, and its faults need two; declare another, or name `test` too"
    );
    assert_eq!(
        refused(&["a", "b"], plan().crashes(1).nodes(["a", "c"])),
        "names `c`, and the nodes are `a`, `b`; declare it first"
    );
    assert_eq!(
        refused(&["a", "b"], plan().crashes(1).nodes(["a", "a"])),
        "names node `a` twice; name it once"
    );
    assert_eq!(
        refused(&["a"], plan().clock_jumps(1).nodes(["test", "a"])),
        "has crashes, pauses or clock jumps, and `test` is among its nodes; the test's own node can only be cut off"
    );
    assert_eq!(
        refused(&["a", "b"], plan().crashes(1).swizzles(1).keep_up(2)),
        "has 2 nodes of which 2 must stay up, so none of its faults can happen; lower `keep_up`, or declare more nodes"
    );
    assert_eq!(
        panic_text(|| drop(plan().clock_jumps(1_001))),
        "a fault plan can't have 1001 faults of one kind; give 1000 or fewer"
    );
    // These can do something.
    run(0, || async {
        for name in ["a", "b"] {
            World::current().node(name).build();
        }
        FaultPlan::over(Duration::from_nanos(1)).crashes(1).keep_up(1).run().await;
        FaultPlan::over(Duration::from_secs(1)).partitions(1).nodes(["test", "a"]).run().await;
    })
    .unwrap();
}
