//! A warehouse: what is in stock is sold once.
//!
//! Built for its tests, `tokio` is timeloop; see `tests.rs`.

#[cfg(test)]
extern crate timeloop as tokio;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use tokio::sync::Mutex;

/// What is sold.
pub type Item = u8;

/// What is in stock, by item.
#[derive(Debug, Default)]
pub struct Warehouse {
    stock: Mutex<BTreeMap<Item, u32>>,
}

impl Warehouse {
    /// A warehouse with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts so many of an item into stock, and says how many there are now.
    pub async fn deliver(&self, item: Item, count: u32) -> u32 {
        let mut stock = self.stock.lock().await;
        let now = stock.entry(item).or_default();
        *now += count;
        *now
    }

    /// Takes so many of an item out of stock; false, and nothing is taken, if there are fewer.
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

    /// The same in a hurry: looks, lets go of the stock, and takes. What it saw may be gone by then.
    pub async fn order_hastily(&self, item: Item, count: u32) -> bool {
        if self.count(item).await < count {
            return false;
        }
        let mut stock = self.stock.lock().await;
        let now = stock.entry(item).or_default();
        *now = now.saturating_sub(count);
        true
    }

    /// How many of an item are in stock.
    pub async fn count(&self, item: Item) -> u32 {
        self.stock.lock().await.get(&item).copied().unwrap_or(0)
    }
}
