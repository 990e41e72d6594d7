//! Events of `tracing` in the report of a failing run, as a user gets them.

use std::process::Command;
use std::sync::Arc;

use frameworks::Bank;
use timeloop::adapters::tracing::layer;
use timeloop::spawn;
use timeloop::time::{Duration, sleep};
use timeloop::world::World;
use tracing::{Instrument as _, debug, info, info_span};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Whether `report_has_the_events` runs the tests.
fn is_child() -> bool {
    std::env::var_os("SHOW_THE_BUG").is_some()
}

fn log() {
    let _ = tracing_subscriber::registry().with(layer().with_filter(LevelFilter::DEBUG)).try_init();
}

/// Fails when the transfer runs before the audit.
#[timeloop::test]
async fn money_is_missing() {
    log();
    if !is_child() {
        return;
    }
    let bank = Arc::new(Bank::new(100));
    info!("opens");
    tracing::trace!("is not selected");
    let ledger = World::current().node("ledger").build();
    let audit = ledger.spawn({
        let bank = Arc::clone(&bank);
        async move {
            sleep(Duration::from_millis(2)).await;
            debug!("audits");
            bank.audit().await
        }
        .instrument(info_span!("audit", id = 7))
    });
    let transfer = spawn(async move { bank.transfer(30, Some(Duration::from_millis(5))).await });
    let sum = audit.await.unwrap();
    info!(sum, "audited");
    assert_eq!(sum, 200, "money is missing");
    transfer.await.unwrap();
}

/// Logs in a thousand runs, and passes.
#[timeloop::test]
async fn passes() {
    log();
    if is_child() {
        info!("in a run that passes");
        let task = spawn(async {});
        sleep(Duration::from_millis(1)).await;
        task.await.unwrap();
    }
}

/// Runs a test of this binary as cargo does. Returns everything that it prints.
fn run(test: &str, vars: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("a test knows its binary"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIMELOOP_") {
            command.env_remove(name);
        }
    }
    command.args([test, "--exact"]).env("CI", "true").env("SHOW_THE_BUG", "1").env_remove("RUST_BACKTRACE");
    let output = command.envs(vars.iter().copied()).output().expect("the tests' binary runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Returns the lines of the section `Log`, with single spaces.
fn log_of(printed: &str) -> Vec<String> {
    let (_, log) = printed.split_once("\nLog\n").unwrap_or_else(|| panic!("no log in {printed}"));
    let lines = log.lines().take_while(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn report_has_the_events_of_the_failing_run() {
    let printed = run("money_is_missing", &[]);
    let log = log_of(&printed);
    assert_eq!(log[0], "step time task event", "{printed}");
    assert_eq!(log[1], "1 0 s `root` INFO tracing: opens", "{printed}");
    assert!(log[2].ends_with(" 2 ms `root.1` on ledger DEBUG audit{id=7}: tracing: audits"), "{printed}");
    assert!(log[3].ends_with(" 2 ms `root` INFO tracing: audited sum=170"), "{printed}");
    assert_eq!(log.len(), 4, "the events of no other run: {printed}");
    assert_eq!(printed.matches("INFO tracing: opens").count(), 1, "{printed}");

    let token = printed.split("TIMELOOP_REPLAY=").nth(1).and_then(|rest| rest.split(' ').next());
    let replayed = run("money_is_missing", &[("TIMELOOP_REPLAY", token.expect("a token"))]);
    assert_eq!(log_of(&replayed), log);
}

#[test]
fn a_test_that_passes_prints_its_events_on_request() {
    let printed = run("passes", &[]);
    assert!(printed.contains("1 passed") && !printed.contains("in a run that passes"), "{printed}");
    let printed = run("passes", &[("TIMELOOP_LOG", "steps"), ("TIMELOOP_RUNS", "20")]);
    assert_eq!(log_of(&printed)[1..], ["1 0 s `root` INFO tracing: in a run that passes"], "{printed}");
}
