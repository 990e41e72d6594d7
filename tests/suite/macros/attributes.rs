//! `#[timeloop::test]` and `#[timeloop::main]`: their arguments and expansions.
//!
//! # Invariants
//! A setting is tested by its effect on a run, or by the report of the exceeded limit.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[timeloop::test]
async fn without_arguments() {
    assert_eq!(timeloop::spawn(async { 5 }).await.unwrap(), 5);
}

#[timeloop::test()]
async fn with_empty_arguments() {}

static RUNS_MADE: AtomicU32 = AtomicU32::new(0);

#[timeloop::test(runs = 7, seed = 3, jobs = 2)]
async fn the_number_of_runs_is_respected() {
    let earlier = RUNS_MADE.fetch_add(1, Ordering::Relaxed);
    // The baseline run comes first.
    assert!(earlier < 1 + 7, "{earlier} runs before this one");
}

const STUCK_AFTER: Duration = Duration::from_secs(30);

#[timeloop::test(
    runs = 2 + 3,
    seed = 7,
    strategy = "random",
    stalls = false,
    jobs = 1,
    max_steps = 10_000,
    max_polls_per_instant = 1_000,
    max_virtual_time = "1h 30m",
    stuck_after = STUCK_AFTER,
)]
async fn with_every_setting() {
    timeloop::time::sleep(Duration::from_secs(3_600)).await;
}

#[timeloop::test(runs = 1, max_virtual_time = "59s")]
#[should_panic(expected = "virtual time")]
async fn a_limit_given_as_text_is_respected() {
    timeloop::time::sleep(Duration::from_secs(60)).await;
}

#[timeloop::test(runs = 5, flavor = "multi_thread", worker_threads = 4, start_paused = true)]
async fn with_tokios_arguments() {}

#[timeloop::test(runs = 5)]
async fn with_a_result() -> Result<(), std::num::ParseIntError> {
    let number: u32 = "5".parse()?;
    assert_eq!(number, 5);
    Ok(())
}

#[timeloop::test(runs = 5)]
#[should_panic(expected = "InvalidDigit")]
async fn an_error_fails_the_run() -> Result<(), std::num::ParseIntError> {
    let _: u32 = "five".parse()?;
    Ok(())
}

#[timeloop::test(runs = 5)]
#[should_panic(expected = "boo")]
async fn a_panic_fails_the_run() {
    panic!("boo");
}

#[should_panic = "boo"]
#[timeloop::test(runs = 5)]
async fn attributes_before_it_are_kept() {
    panic!("boo");
}

#[timeloop::test(runs = 100)]
#[should_panic(expected = "second went first")]
async fn some_order_fails() {
    let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let spawn = |number| {
        let order = order.clone();
        timeloop::spawn(async move { order.borrow_mut().push(number) })
    };
    let (first, second) = timeloop::join!(spawn(1), spawn(2));
    first.and(second).unwrap();
    assert_eq!(*order.borrow(), [1, 2], "second went first");
}

#[cfg(any())]
#[timeloop::test]
async fn cfg_attributes_are_kept() {
    compile_error!("this is not to be compiled");
}

/// Documentation is kept,
/// and so is `pub(super)`.
#[timeloop::test(runs = 5)]
#[expect(unused_variables, reason = "lint levels stay")]
pub(super) async fn attributes_of_every_kind() {
    let unused = 5;
}

#[timeloop::test(runs = 5)]
async fn r#match() {}

mod renamed {
    pub(super) mod inner {
        pub(in super::super) use timeloop as clock;
    }

    #[timeloop::test(runs = 5, crate = super::renamed::inner::clock)]
    async fn with_the_path_of_the_crate() {}

    #[timeloop::test(runs = 5, crate = "self::inner::clock")]
    async fn with_the_path_of_the_crate_in_quotes() {}

    #[timeloop::main(crate = inner::clock)]
    pub(super) async fn main() -> u32 {
        5
    }
}

#[timeloop::test(runs = 5)]
#[should_panic(expected = "macros::attributes::the_report_names_the_test")]
async fn the_report_names_the_test() {
    panic!("boo");
}

#[timeloop::test(runs = 1, epoch = "365d", max_tasks = 1)]
#[should_panic(expected = "raise `max_tasks`")]
async fn settings_reach_the_run() {
    let since_1970 = timeloop::time::SystemTime::now().duration_since(timeloop::time::UNIX_EPOCH).unwrap();
    assert_eq!(since_1970, Duration::from_secs(365 * 86_400));
    timeloop::spawn(async {});
}

mod programs {
    #[timeloop::main(seed = 3)]
    pub(super) async fn ends_well() -> Result<u32, String> {
        timeloop::time::sleep(std::time::Duration::from_secs(31_536_000)).await;
        Ok(timeloop::spawn(async { 5 }).await.unwrap())
    }

    pub(super) mod failing {
        #[timeloop::main(flavor = "current_thread")]
        pub(in super::super) async fn main() {
            std::future::pending().await
        }
    }

    #[timeloop::main]
    pub(super) async fn waits_for_ever() {
        std::future::pending().await
    }
}

#[test]
fn another_function_than_main_panics_with_the_failure() {
    let text = crate::support::panic_text(programs::waits_for_ever);
    assert!(text.contains("deadlock"), "{text}");
}

#[test]
fn main_returns_the_output_of_its_body() {
    assert_eq!(programs::ends_well(), Ok(5));
    assert_eq!(renamed::main(), 5);
}

/// Set if this test binary runs itself, to observe how a program ends.
const CHILD: &str = "SUITE_RUNS_THE_FAILING_PROGRAM";

#[test]
fn main_prints_the_failure_and_exits_with_101() {
    if std::env::var_os(CHILD).is_some() {
        programs::failing::main();
        unreachable!("the program ends before this");
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "macros::attributes::main_prints_the_failure_and_exits_with_101", "--nocapture"]);
    let output = child.env(CHILD, "1").output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(101), "{stdout}{stderr}");
    assert!(stderr.contains("deadlock"), "{stderr}");
    // The program ended with this code, not a failing test.
    assert!(stdout.contains("running 1 test") && !stdout.contains("test result"), "{stdout}");
}
