//! Tests with cases: `#[timeloop::test]` below the attributes of rstest and test-case, as `#[tokio::test]`.

use std::sync::Arc;

use frameworks::Bank;
use rstest::{fixture, rstest};
use test_case::test_case;
use timeloop::spawn;
use timeloop::time::Duration;

/// Whether the cases with a bug fail: only when `tests/reports.rs` runs them.
fn shows_the_bug() -> bool {
    std::env::var_os("SHOW_THE_BUG").is_some()
}

async fn check(bank: Arc<Bank>, amount: i64, delay: Option<Duration>) {
    let before = bank.audit().await;
    let transfer = spawn({
        let bank = Arc::clone(&bank);
        async move { bank.transfer(amount, delay.filter(|_| shows_the_bug())).await }
    });
    assert_eq!(bank.audit().await, before, "money is missing");
    transfer.await.unwrap();
}

/// Called anew in each run.
#[fixture]
fn bank(#[default(100)] balance: i64) -> Arc<Bank> {
    Arc::new(Bank::new(balance))
}

#[rstest]
#[case::at_once(30, None)]
#[case::delayed(30, Some(Duration::from_millis(5)))]
#[timeloop::test]
async fn with_rstest(bank: Arc<Bank>, #[case] amount: i64, #[case] delay: Option<Duration>) {
    check(bank, amount, delay).await;
}

#[rstest]
#[timeloop::test(runs = 50)]
async fn with_values(
    #[with(7)] bank: Arc<Bank>,
    #[values(1, 2)] amount: i64,
    #[values(None, Some(Duration::from_millis(5)))] delay: Option<Duration>,
) {
    check(bank, amount, delay).await;
}

#[test_case(30, None; "at once")]
#[test_case(30, Some(Duration::from_millis(5)); "delayed")]
#[timeloop::test]
async fn with_test_case(amount: i64, delay: Option<Duration>) {
    check(Arc::new(Bank::new(100)), amount, delay).await;
}
