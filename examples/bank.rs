//! A bank that loses money for an instant: the race is found, shrunk, reported, and replayed from its token.
//!
//! ```text
//! cargo run --example bank
//! ```
//!
//! The output is the same in every process and on every machine.
#![expect(clippy::print_stdout, reason = "the example prints to standard output")]

use std::sync::Arc;

use timeloop::sync::Mutex;
use timeloop::task::yield_now;
use timeloop::{Exploration, Explorer, Settings, StrategySpec, spawn};

type Accounts = Arc<[Mutex<i64>; 2]>;

/// Moves money from the first account to the second. Each lock is held for one statement: between the two, the money is in
/// neither account.
async fn transfer(accounts: Accounts, amount: i64) {
    *accounts[0].lock().await -= amount;
    yield_now().await; // the ledger would be written here
    *accounts[1].lock().await += amount;
}

/// Returns the sum of the accounts.
async fn audit(accounts: Accounts) -> i64 {
    *accounts[0].lock().await + *accounts[1].lock().await
}

/// The test. A test suite would use the attribute `#[timeloop::test]`.
async fn money_is_neither_made_nor_lost() {
    let accounts = Accounts::new([Mutex::new(100), Mutex::new(0)]);
    let audit = spawn(audit(accounts.clone()));
    let transfer = spawn(transfer(accounts, 30));
    assert_eq!(audit.await.unwrap(), 100, "money was made or lost");
    transfer.await.unwrap();
}

/// Explores the test of the bank, with this program's own settings.
fn bank() -> Explorer {
    Explorer::new("bank::money_is_neither_made_nor_lost")
        .command("cargo run --example bank")
        .without_regressions()
        .silent()
}

fn main() {
    println!("1. In its turn, first in and first out, as tokio's own test runtime would run it:\n");
    let calm: Exploration =
        bank().without_environment().strategy(StrategySpec::Fifo).runs(1).run(money_is_neither_made_nor_lost);
    print!("{}", calm.report());

    println!("\n2. Under up to 1,000 schedules:\n");
    // Uses the environment: with the report's last line, this replays instead of exploring.
    let exploration = bank().run(money_is_neither_made_nor_lost);
    print!("{}", exploration.report());
    let found = exploration.found.expect("the audit can run between the two halves of the transfer");

    println!("\n3. The token alone, as from a colleague's message:\n");
    let replay = [("TIMELOOP_REPLAY".to_owned(), found.token.clone())];
    let settings = Settings::from_vars(replay).expect("a token is accepted");
    let again = bank().environment(settings).run(money_is_neither_made_nor_lost);
    let again = again.found.expect("a replay fails as the run did");
    assert_eq!(again.fingerprint, found.fingerprint);
    assert_eq!(again.trace_hash, found.trace_hash);
    println!("{}: the same failure, trace hash {:016x}", found.token, again.trace_hash);
}
