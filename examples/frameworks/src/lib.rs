//! A bank with a bug, whose tests are written with rstest and with test-case.

use timeloop::sync::Mutex;
use timeloop::time::{Duration, sleep};

/// The balances of two accounts.
#[derive(Debug)]
pub struct Bank([Mutex<i64>; 2]);

impl Bank {
    /// Creates the accounts, each with this balance.
    pub fn new(balance: i64) -> Self {
        Self([Mutex::new(balance), Mutex::new(balance)])
    }

    /// Transfers an amount between the accounts. With `delay`, the bank writes its ledger between the two bookings, where an
    /// audit sees neither balance.
    pub async fn transfer(&self, amount: i64, delay: Option<Duration>) {
        let mut from = self.0[0].lock().await;
        *from -= amount;
        if let Some(delay) = delay {
            drop(from);
            sleep(delay).await;
            *self.0[1].lock().await += amount;
        } else {
            *self.0[1].lock().await += amount;
        }
    }

    /// Returns the sum of the balances.
    pub async fn audit(&self) -> i64 {
        let first = self.0[0].lock().await;
        *first + *self.0[1].lock().await
    }
}
