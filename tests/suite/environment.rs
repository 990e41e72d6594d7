//! The environment variables that users set: an invalid value is reported with the accepted form.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use timeloop::task;

use crate::support::{Ended, child, is_child};

static RUNS: AtomicU64 = AtomicU64::new(0);

/// Run by the tests below: two tasks that may run in either order, and a failure in the 600th run.
#[timeloop::test(jobs = 1)]
async fn counts_its_runs() {
    if is_child() {
        let tasks = [task::spawn(async {}), task::spawn(async {})]; // @spawns
        for task in tasks {
            task.await.unwrap(); // @awaits
        }
        let runs = RUNS.fetch_add(1, Relaxed) + 1;
        let most = std::env::var("MOST_RUNS").map_or(1_001, |most| most.parse().unwrap());
        assert!(runs <= most, "more than {most} runs");
    }
}

fn counts(vars: &[(&str, &str)]) -> Ended {
    child("environment::counts_its_runs", vars)
}

/// Returns what the test printed. It must have ended the process without a run.
fn error(name: &str, value: &str) -> String {
    let ended = counts(&[(name, value), ("MOST_RUNS", "0")]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    ended.stderr
}

#[test]
fn bad_values() {
    assert_eq!(error("TIMELOOP_RUNS", "abc"), "
timeloop: `suite::environment::counts_its_runs`: TIMELOOP_RUNS=`abc` is not a number of runs; accepted is 1 to 18446744073709551615, as in TIMELOOP_RUNS=5000
");
    assert_eq!(error("TIMELOOP_RUNS", "0"), "
timeloop: `suite::environment::counts_its_runs`: TIMELOOP_RUNS=`0` is not a number of runs; accepted is 1 to 18446744073709551615, as in TIMELOOP_RUNS=5000
");
    assert_eq!(error("TIMELOOP_SEED", "seven"), "
timeloop: `suite::environment::counts_its_runs`: TIMELOOP_SEED=`seven` is not a seed; accepted are a decimal number up to 18446744073709551615 (TIMELOOP_SEED=7), `0x` and up to 40 hex digits (TIMELOOP_SEED=0x1f), up to 40 hex digits with at least one letter (TIMELOOP_SEED=$(git rev-parse HEAD)), and `random`
");
    assert_eq!(error("TIMELOOP_JOBS", "0"), "
timeloop: `suite::environment::counts_its_runs`: TIMELOOP_JOBS=`0` is not a number of threads; accepted is 1 to 1024, as in TIMELOOP_JOBS=4 (the default is one per core, and 1 under nextest)
");
    assert_eq!(error("TIMELOOP_STRATEGY", "foo"), "
timeloop: `suite::environment::counts_its_runs`: TIMELOOP_STRATEGY=`foo` is not a strategy; accepted are `portfolio`, `random`, `fifo`, `pct` (`pct(depth = 3)`), `pos`, `urw`, `surw`, `delay` (`delay(bound = 2)`), `lockstep`, `starve`, `stall` and `exhaustive` (`exhaustive(delays = 2)`, `exhaustive(preemptions = 2)`)
");
    assert_eq!(error("TIMELOOP_CHECK", "yes"), "
timeloop: `suite::environment::counts_its_runs`: TIMELOOP_CHECK=`yes` is not a number of seeds to run twice; accepted is 0 to 18446744073709551615, as in TIMELOOP_CHECK=100
");
    assert_eq!(error("TIMELOOP_LOG", "debug"), "
timeloop: `suite::environment::counts_its_runs`: TIMELOOP_LOG=`debug` is not a log level; accepted are `silent`, `summary`, `progress` and `steps`
");
}

#[test]
fn several_bad_values_are_reported_at_once() {
    let ended = counts(&[("TIMELOOP_RUNS", "many"), ("TIMELOOP_STRATEGY", "best")]);
    assert_eq!(ended.stderr, "
timeloop: `suite::environment::counts_its_runs`: TIMELOOP_RUNS=`many` is not a number of runs; accepted is 1 to 18446744073709551615, as in TIMELOOP_RUNS=5000
TIMELOOP_STRATEGY=`best` is not a strategy; accepted are `portfolio`, `random`, `fifo`, `pct` (`pct(depth = 3)`), `pos`, `urw`, `surw`, `delay` (`delay(bound = 2)`), `lockstep`, `starve`, `stall` and `exhaustive` (`exhaustive(delays = 2)`, `exhaustive(preemptions = 2)`)
");
}

/// A misspelt name produces a warning, even in a passing test, and the test still runs.
#[test]
fn unknown_names() {
    let warning = |name: &str| {
        let ended = counts(&[(name, "1")]);
        assert!(ended.passed(), "{ended:?}");
        ended.stderr
    };
    assert_eq!(
        warning("TIMELOOP_SEDE"),
        "\
timeloop: `TIMELOOP_SEDE` is not a variable of timeloop and has no effect; did you mean `TIMELOOP_SEED`?
"
    );
    assert_eq!(warning("TIMELOOP_COLOR"), "\
timeloop: `TIMELOOP_COLOR` is not a variable of timeloop and has no effect; accepted are TIMELOOP_SEED, TIMELOOP_RUNS, TIMELOOP_JOBS, TIMELOOP_STRATEGY, TIMELOOP_REPLAY, TIMELOOP_CHECK, TIMELOOP_LOG, TIMELOOP_STALLS, TIMELOOP_TESTS, TIMELOOP_HERMETIC, TIMELOOP_REGRESSIONS, TIMELOOP_RESULTS, TIMELOOP_COMMAND
");
    assert_eq!(warning("TIMELOOPS"), "");
    assert_eq!(warning("TIMELOOP_RUNS"), "");
}

#[test]
fn good_values_take_effect() {
    for (vars, passes) in [
        // The baseline run comes first.
        ([("TIMELOOP_RUNS", "40"), ("MOST_RUNS", "41")], true),
        ([("TIMELOOP_RUNS", "41"), ("MOST_RUNS", "41")], false),
        ([("TIMELOOP_RUNS", "1_001"), ("MOST_RUNS", "1001")], false),
        ([("TIMELOOP_RUNS", ""), ("MOST_RUNS", "1001")], true),
        // Each seed is run twice before the others.
        ([("TIMELOOP_CHECK", "5"), ("MOST_RUNS", "1011")], true),
        ([("TIMELOOP_CHECK", "5"), ("MOST_RUNS", "1010")], false),
        ([("TIMELOOP_TESTS", "suite::environment::counts_its_runs=runs:9"), ("MOST_RUNS", "10")], true),
        ([("TIMELOOP_TESTS", "suite::environment::counts_its_runs=skip"), ("MOST_RUNS", "0")], true),
        ([("TIMELOOP_TESTS", "suite::environment::counts=skip"), ("MOST_RUNS", "0")], false),
    ] {
        let ended = counts(&vars);
        assert_eq!(ended.passed(), passes, "{vars:?}: {ended:?}");
        assert_eq!(ended.stderr, "");
    }
}

/// Run by the test below: a task panics whose join handle is gone.
#[timeloop::test(runs = 20)]
async fn forgets_a_task_that_panics() {
    if is_child() {
        drop(task::spawn(async { panic!("forgotten") }));
        task::yield_now().await;
        task::yield_now().await;
    }
}

/// Run by the test below: counts on reads that return all bytes.
#[cfg(feature = "net")]
#[timeloop::test(runs = 100, stalls = false)]
async fn reads_all_bytes_at_once() {
    use timeloop::net::{TcpListener, TcpStream};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    if is_child() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"whole").await.unwrap();
        timeloop::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(server.read(&mut [0; 64]).await.unwrap(), 5);
    }
}

#[test]
fn a_single_test_is_as_lenient_as_its_settings() {
    let tests = [
        ("environment::forgets_a_task_that_panics", "ignore_unobserved_panics"),
        #[cfg(feature = "net")]
        ("environment::reads_all_bytes_at_once", "varied_io:off"),
    ];
    for (test, setting) in tests {
        assert!(!child(test, &[]).passed(), "{test}");
        let settings = format!("suite::{test}={setting}");
        let ended = child(test, &[("TIMELOOP_TESTS", &settings)]);
        assert!(ended.passed(), "{ended:?}");
    }
}

/// Another program that runs tests, such as `cargo timeloop`, has its own command for a replay.
#[test]
fn the_replay_line_starts_with_the_command_of_the_variable() {
    let ended = counts(&[("TIMELOOP_COMMAND", "cargo timeloop replay"), ("MOST_RUNS", "0")]);
    let line = ended.stdout.lines().find(|line| line.starts_with("replay "));
    let line = line.unwrap_or_else(|| panic!("a replay line: {ended:?}"));
    assert!(line.starts_with("replay     cargo timeloop replay TL1"), "{line}");
    assert!(line.ends_with(" environment::counts_its_runs -- --exact"), "{line}");
}

#[test]
fn a_random_seed_is_reported_with_the_failure() {
    // The baseline run passes.
    let ended = counts(&[("TIMELOOP_SEED", "random"), ("MOST_RUNS", "1")]);
    let by =
        ended.printed().lines().find_map(|line| line.strip_prefix("found by   seed ")).expect("a failure");
    let seed: u64 = by.split(' ').next().unwrap().parse().unwrap();
    let again = counts(&[("TIMELOOP_SEED", &seed.to_string()), ("MOST_RUNS", "1")]);
    assert!(again.printed().contains(&format!("\nfound by   seed {seed} (run 1, ")), "{again:?}");
}

#[test]
fn every_step_is_listed_on_request() {
    let ended = counts(&[("TIMELOOP_LOG", "steps"), ("MOST_RUNS", "0")]);
    assert!(ended.printed().contains("\nSteps"), "{ended:?}");
}

/// A test that passes prints the steps of its baseline run, past the capture of its output.
#[test]
fn steps_of_a_passing_test_are_listed_on_request() {
    let ended = counts(&[("TIMELOOP_LOG", "steps"), ("TIMELOOP_RUNS", "5")]);
    assert!(ended.passed(), "{ended:?}");
    // The numbers depend on the seeds.
    let covered =
        |line: &&str| line.starts_with("  distinct schedules ") || line.starts_with("  racing pairs ");
    assert_eq!(ended.stderr.lines().filter(covered).count(), 2, "{ended:?}");
    let printed: Vec<&str> = ended.stderr.lines().filter(|line| !covered(line)).collect();
    assert_eq!(
        crate::support::by_name!(printed.join("\n")),
        "
timeloop: `suite::environment::counts_its_runs` passed in # schedules

Steps of the baseline run (FIFO order)
    step  time  task    ran from → to
       1   0 s  root    start → <awaits>
       2   0 s  root.1  start → end
       3   0 s  root.2  start → end
       4   0 s  root    <awaits> → end
    spawned: root.1, root.2 at <spawns>
"
    );
}
