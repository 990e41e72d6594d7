//! A warehouse: every item in stock is sold once.
//!
//! When it is built for its tests, `tokio` is timeloop; see `tests.rs`.

#[cfg(test)]
extern crate timeloop as tokio;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use tokio::sync::Mutex;

/// An item.
pub type Item = u8;

/// The stock, by item.
#[derive(Debug, Default)]
pub struct Warehouse {
    stock: Mutex<BTreeMap<Item, u32>>,
}

impl Warehouse {
    /// Creates an empty warehouse.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds this many of an item to the stock, and returns the new count.
    pub async fn deliver(&self, item: Item, count: u32) -> u32 {
        let mut stock = self.stock.lock().await;
        let now = stock.entry(item).or_default();
        *now += count;
        *now
    }

    /// Takes this many of an item from the stock. Returns false, and takes nothing, if there are fewer.
    pub async fn order(&self, item: Item, count: u32) -> bool {
        let mut stock = self.stock.lock().await;
        match stock.get_mut(&item) {
            Some(now) if *now >= count => {
                *now -= count;
                true
            }
            _ => count == 0,
        }
    }

    /// Takes in a hurry: checks, releases the lock, and takes. The stock may have changed by then.
    pub async fn order_hastily(&self, item: Item, count: u32) -> bool {
        if self.count(item).await < count {
            return false;
        }
        let mut stock = self.stock.lock().await;
        let now = stock.entry(item).or_default();
        *now = now.saturating_sub(count);
        true
    }

    /// Returns the stock of an item.
    pub async fn count(&self, item: Item) -> u32 {
        self.stock.lock().await.get(&item).copied().unwrap_or(0)
    }
}
