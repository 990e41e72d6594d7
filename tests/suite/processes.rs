//! A process for each run: what a run leaves in statics does not reach the next one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use timeloop::sync::Mutex;
use timeloop::task;

use crate::support::{Ended, child, is_child};

static RUNS: AtomicU64 = AtomicU64::new(0);

/// Run by the tests below: fails from the 20th run of a process on.
#[timeloop::test]
async fn counts_in_a_static() {
    if is_child() {
        assert!(RUNS.fetch_add(1, Relaxed) < 20, "it outlives the run");
    }
}

/// Fails in some order, if the static is as at the start of a process.
#[timeloop::test(strategy = "random")]
async fn races_in_a_static() {
    static SUM: AtomicU64 = AtomicU64::new(0);

    if is_child() {
        let add = || async {
            let sum = SUM.load(Relaxed);
            task::yield_now().await;
            SUM.store(sum + 1, Relaxed);
        };
        let first = task::spawn(add());
        first.await.unwrap();
        let tasks = [task::spawn(add()), task::spawn(async {})];
        task::yield_now().await;
        SUM.fetch_add(1, Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        println!("the sum is {}", SUM.load(Relaxed));
        assert_eq!(SUM.load(Relaxed), 3, "an update was lost");
    }
}

/// Ends in a deadlock in some orders.
#[timeloop::test(strategy = "pct(depth = 2)")]
async fn locks_in_two_orders() {
    if is_child() {
        let [one, two] = [(), ()].map(|()| std::rc::Rc::new(Mutex::new(())));
        let other = (one.clone(), two.clone());
        let task = task::Builder::new().name("other").spawn_local(async move {
            let _two = other.1.lock().await;
            let _one = other.0.lock().await;
        });
        let _one = one.lock().await;
        let _two = two.lock().await;
        drop((_one, _two));
        task.unwrap().await.unwrap();
    }
}

/// A node crashes, packets are late, and a read is short.
#[timeloop::test(runs = 300)]
async fn loses_a_node() {
    use std::time::Duration;

    use timeloop::net::{FaultPlan, TcpListener, TcpStream};
    use timeloop::time::{sleep, timeout};
    use timeloop::world::World;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    if is_child() {
        let node = World::current().node("db").start(|| async {
            let listener = TcpListener::bind("0.0.0.0:9").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.write_all(b"whole").await;
            }
        });
        let plan = FaultPlan::over(Duration::from_secs(10)).crashes(1).pauses(1);
        let plan = task::spawn(plan.run());
        sleep(Duration::from_secs(4)).await;
        if let Ok(mut stream) = TcpStream::connect((node.address(), 9)).await {
            let mut bytes = [0; 8];
            let read = timeout(Duration::from_secs(60), stream.read(&mut bytes)).await;
            assert_eq!(read.unwrap().unwrap_or(5), 5);
        }
        plan.abort();
    }
}

/// Runs a test with a process for each of its runs.
fn apart(test: &str, vars: &[(&str, &str)]) -> Ended {
    let settings = format!("hermetic::processes::{test}=processes");
    child(&format!("processes::{test}"), &[vars, &[("TIMELOOP_TESTS", &settings)]].concat())
}

#[test]
fn statics_are_as_at_the_start_of_a_process() {
    let together = child("processes::counts_in_a_static", &[("TIMELOOP_JOBS", "1")]);
    assert!(together.printed().contains("failed: nondeterminism"), "{together:?}");
    let ended = apart("counts_in_a_static", &[("TIMELOOP_RUNS", "50")]);
    assert!(ended.passed(), "{ended:?}");
}

#[test]
fn a_failure_is_shrunk_and_replayed_as_ever() {
    let ended = apart("races_in_a_static", &[("TIMELOOP_RUNS", "100")]);
    let report = ended.printed();
    assert!(report.contains("an update was lost"), "{ended:?}");
    assert!(report.contains("Critical order (checked)"), "{report}");
    let line = report.lines().find_map(|line| line.strip_prefix("replay ")).expect("a replay line");
    let token = line.split("TIMELOOP_REPLAY=").nth(1).expect("a token").split(' ').next().expect("a token");
    let ended = apart("races_in_a_static", &[("TIMELOOP_REPLAY", token)]);
    assert!(ended.printed().contains("the sum is 2\n"), "what the test prints: {ended:?}");
    assert!(ended.printed().contains("failed under the replayed schedule"), "{ended:?}");
    assert!(ended.printed().contains("panicked at"), "{ended:?}");
    assert!(ended.printed().contains("Critical order (checked)"), "{ended:?}");
}

/// Whatever a run returns crosses the border between processes: the reports are equal.
#[test]
fn without_statics_a_process_makes_no_difference() {
    let tests = ["locks_in_two_orders", "loses_a_node"];
    for test in tests {
        let vars = [("TIMELOOP_LOG", "steps"), ("TIMELOOP_RUNS", "300"), ("TIMELOOP_JOBS", "1")];
        let together = child(&format!("processes::{test}"), &vars);
        let report = together.printed();
        assert!(report.contains("\nreplay "), "{together:?}");
        // Each process stores the schedule in a folder of its own.
        let without_folder = |report: &str| {
            let lines = report.lines().filter(|line| !line.starts_with("stored "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(without_folder(apart(test, &vars).printed()), without_folder(report));
    }
}

/// As the process of the test would.
#[test]
fn a_process_that_ends_ends_the_test() {
    let ended = apart("exits", &[("TIMELOOP_RUNS", "5")]);
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.stderr.contains("has ended the process"), "{ended:?}");
    let ended = apart("exits", &[("TIMELOOP_RUNS", "many")]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("TIMELOOP_RUNS=`many` is not a number of runs"), "{ended:?}");
}

#[timeloop::test]
async fn exits() {
    if is_child() {
        std::process::exit(7);
    }
}
