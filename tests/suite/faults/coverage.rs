//! A passing test shows how much its runs have tested.

use std::sync::Arc;

use timeloop::sync::Mutex;
use timeloop::time::{Duration, sleep, timeout};
use timeloop::{BranchKind, Explorer, spawn};

use super::explorer;
use crate::support::{Ended, child, is_child};

/// Run by the tests below: nothing depends on the schedule.
#[timeloop::test]
async fn one_task() {
    if is_child() {
        timeout(Duration::from_secs(1), async {}).await.unwrap();
    }
}

/// Run by the tests below: two tasks lock a mutex.
#[timeloop::test]
async fn two_tasks() {
    if is_child() {
        let mutex = Arc::new(Mutex::new(0));
        let tasks = [1, 2].map(|number| {
            let mutex = Arc::clone(&mutex);
            spawn(async move { *mutex.lock().await += number })
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*mutex.lock().await, 3);
    }
}

/// Returns what the test printed past the capture of its output. It must have passed.
#[track_caller]
fn printed(test: &str, vars: &[(&str, &str)]) -> String {
    let ended: Ended = child(&format!("faults::coverage::{test}"), vars);
    assert!(ended.passed(), "{ended:?}");
    ended.stderr
}

#[test]
fn c6_a_test_without_differences_says_so() {
    assert_eq!(
        printed("one_task", &[]),
        "\
timeloop: `suite::faults::coverage::one_task` passed, but all 1,001 runs took the same steps: the test has a single \
task, and nothing else depends on the schedule. One run would test as much: set `runs = 1`, which also silences this note
"
    );
    assert_eq!(printed("one_task", &[("TIMELOOP_RUNS", "1")]), "");
    assert_eq!(printed("one_task", &[("TIMELOOP_STRATEGY", "fifo")]), "");
    assert_eq!(printed("two_tasks", &[]), "");
}

#[test]
fn c6_the_summary_shows_what_the_runs_covered() {
    let summary = printed("two_tasks", &[("TIMELOOP_LOG", "summary"), ("TIMELOOP_RUNS", "200")]);
    let lines: Vec<_> = summary.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines[0], "timeloop: `suite::faults::coverage::two_tasks` passed in 201 schedules");
    assert!(lines[1].starts_with("  distinct schedules "), "{summary}");
    assert_eq!(lines[2], "  racing pairs       3, 1 in both orders (in 51 recorded runs)");
    assert_eq!(lines.len(), 3, "{summary}");
}

#[test]
fn c6_the_result_has_what_the_runs_covered() {
    let explore = |explorer: Explorer| {
        let exploration = explorer.runs(200).run(|| async {
            let mutex = Arc::new(Mutex::new(()));
            let locks = |mutex: &Arc<Mutex<()>>| {
                let mutex = Arc::clone(mutex);
                spawn(async move { drop(mutex.lock().await) })
            };
            let tasks = [locks(&mutex), locks(&mutex)];
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert!(exploration.passed());
        exploration.coverage
    };
    let explorer = explorer("faults::coverage");
    let by_default = explore(explorer.clone());
    assert!(by_default.distinct_schedules > 2, "{by_default:?}");
    assert_eq!((by_default.recorded_runs, by_default.racing_pairs), (0, 0));
    let coverage = explore(explorer.clone().coverage(true));
    assert_eq!(coverage.distinct_schedules, by_default.distinct_schedules, "recording changes no run");
    assert_eq!((coverage.racing_pairs, coverage.racing_pairs_both_ways), (1, 1), "{coverage:?}");
    assert_eq!(coverage, explore(explorer.clone().coverage(true).jobs(3)), "for any number of workers");
    // In FIFO order, the second task always comes second.
    let fifo = explore(explorer.strategy("fifo").coverage(true));
    assert_eq!((fifo.distinct_schedules, fifo.racing_pairs, fifo.racing_pairs_both_ways), (1, 1, 0));
}

#[test]
fn c6_branches_that_completed_are_counted() {
    let exploration =
        explorer("faults::coverage::branches").stalls(false).runs(100).coverage(true).run(|| async {
            let (sender, mut receiver) = timeloop::sync::mpsc::channel(1);
            let task = spawn(async move { sender.send(()).await.unwrap() });
            timeloop::select! {
                _ = task => {} // @task
                _ = receiver.recv() => {}
                () = std::future::pending() => {}
            }
            let _ = timeout(Duration::from_millis(1), async {}).await;
            let _ = timeout(Duration::from_millis(1), sleep(Duration::from_millis(2))).await;
        });
    assert!(exploration.passed(), "{}", exploration.report());
    let coverage = exploration.coverage;
    let [select, ready, late] = &coverage.branches[..] else { panic!("{:?}", coverage.branches) };
    let runs = coverage.recorded_runs;
    let [task, receiver, never] = select.completed[..] else { panic!("{select:?}") };
    assert!(task > 0 && receiver > 0 && never == 0 && task + receiver == runs, "{select:?}");
    assert_eq!((&ready.completed[..], &late.completed[..]), (&[runs, 0][..], &[0, runs][..]));
    assert_eq!((select.kind, ready.kind), (BranchKind::Select, BranchKind::Timeout));
    assert_eq!(select.site.line + 1, line_of("// @task"));
    let table = coverage.table();
    let file = file!();
    assert!(table.contains(&format!("\n  timeout at {file}:{}:", ready.site.line)), "{table}");
    assert!(table.contains(&format!(": completes {runs} times, expires never\n")), "{table}");
    assert!(table.contains(&format!(": completes never, expires {runs} times\n")), "{table}");
    assert!(table.contains(&format!("  `select!` at {}: 1st branch ", select.site)), "{table}");
    assert!(table.contains(" times, 3rd branch never\n"), "{table}");
}

/// Returns the line of this file that ends with this text.
fn line_of(text: &str) -> u32 {
    let source =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file!())).unwrap();
    (1..).zip(source.lines()).find(|(_, line)| line.ends_with(text)).expect("a line").0
}

#[cfg(feature = "net")]
mod faults {
    use timeloop::net::{FaultPlan, UdpSocket};
    use timeloop::world::{Node, World};

    use super::*;

    /// Starts a node that sends every datagram back.
    fn echo() -> Node {
        World::current().node("echo").start(|| async {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
            let mut bytes = [0; 8];
            loop {
                let (count, from) = socket.recv_from(&mut bytes).await.unwrap();
                let _ = socket.send_to(&bytes[..count], from).await;
            }
        })
    }

    /// Sends this number of datagrams, and pauses after each.
    async fn work(node: &Node, count: u32, pause: Duration) {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for _ in 0..count {
            let _ = socket.send_to(b"ping", (node.address(), 9)).await;
            sleep(pause).await;
            let _ = socket.try_recv(&mut [0; 8]);
        }
    }

    fn plan() -> FaultPlan {
        let plan = FaultPlan::over(Duration::from_secs(3)).nodes(["echo", "test"]).partitions(3);
        plan.lasting(Duration::from_millis(5), Duration::from_millis(500))
    }

    fn crashes() -> FaultPlan {
        let plan = FaultPlan::over(Duration::from_secs(3)).nodes(["echo"]).crashes(2).pauses(2);
        plan.lasting(Duration::from_millis(5), Duration::from_millis(500))
    }

    #[test]
    fn c6_faults_that_hit_nothing_are_counted() {
        for plan in [plan, crashes] {
            let counts = |count, pause| {
                let exploration =
                    explorer("faults::coverage::plan").runs(200).stalls(false).run(|| async move {
                        let node = echo();
                        let plan = spawn(plan().run());
                        work(&node, count, pause).await;
                        plan.await.unwrap();
                    });
                assert!(exploration.passed(), "{}", exploration.report());
                (exploration.coverage.faults, exploration.coverage.table(), exploration.notes)
            };
            // 66 ms of work, and a plan of 3 s around it.
            let (short, table, _) = counts(66, Duration::from_millis(1));
            assert!(short.begun > 100 && short.hits() < short.begun / 4, "{short:?}");
            assert!(table.contains(" while a task ran\n"), "{table}");
            let (long, _, notes) = counts(300, Duration::from_millis(10));
            assert!(long.hits() > long.begun * 3 / 4, "{long:?}");
            assert_eq!(notes, [""; 0]);
        }
    }

    #[test]
    fn c6_a_fault_plan_that_hits_nothing_says_so() {
        for plan in [plan, crashes] {
            let exploration = explorer("faults::coverage::late").runs(100).run(|| async move {
                let node = echo();
                work(&node, 66, Duration::from_millis(1)).await;
                // The last datagrams arrive.
                sleep(Duration::from_secs(1)).await;
                plan().run().await;
            });
            let counts = exploration.coverage.faults;
            assert!(counts.begun > 0 && counts.hits() == 0, "{counts:?}");
            let [note] = &exploration.notes[..] else { panic!("{:?}", exploration.notes) };
            assert!(note.contains("` passed, but no task ran during any of the "), "{note}");
            assert!(
                note.ends_with(" runs. Shorten the plan, or keep the work running until it ends"),
                "{note}"
            );
        }
    }
}
