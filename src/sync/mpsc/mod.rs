//! Queues with many senders and one receiver: tokio's `mpsc`, announcing its operations.
//!
//! Every message arrives once and in order. Both halves are one resource, identified by where the channel was created.
//!
//! ```
//! use timeloop::sync::mpsc;
//!
//! let sum = timeloop::run(1, || async {
//!     let (tx, mut rx) = mpsc::channel(1);
//!     for number in 1..=3 {
//!         let tx = tx.clone();
//!         timeloop::spawn(async move { tx.send(number).await });
//!     }
//!     drop(tx);
//!     let mut sum = 0;
//!     while let Some(number) = rx.recv().await {
//!         sum += number;
//!     }
//!     sum
//! });
//! assert_eq!(sum.unwrap(), 6);
//! ```

mod bounded;
pub mod error;
mod permit;
mod receiver;
mod unbounded;

use std::panic::Location;

use timeloop_sim::Access;

use crate::engine::CameOut;
use crate::engine::announce::{Action, ResourceId};
use crate::sync::channel::{Half, Handles};

pub use bounded::{Receiver, Sender, WeakSender, channel};
pub use permit::{OwnedPermit, Permit, PermitIterator};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};

/// The channel's name in reports.
const NAME: &str = "mpsc channel";

/// Describes receiving a message.
fn receiving<'a>(id: &'a ResourceId, at: &'static Location<'static>) -> Action<'a> {
    Action { id, name: NAME, access: Access::Receive, at }
}

/// Records how an operation that does not wait came out.
#[inline]
fn came_out<T, E>(id: &ResourceId, result: &Result<T, E>, is_closed: impl FnOnce(&E) -> bool) {
    if let Err(error) = result {
        id.came_out(if is_closed(error) { CameOut::Closed } else { CameOut::Failed });
    }
}

/// Returns the handles of the channel's senders.
fn senders(id: ResourceId) -> Handles {
    Handles { id, channel: NAME, name: "senders of an mpsc channel", half: Half::Sending }
}
