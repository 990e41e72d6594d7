//! TCP: listeners, sockets, streams, and the stream halves of `tokio::net::tcp`.

mod halves;
pub(super) mod listener;
pub(super) mod socket;
pub(super) mod stream;

pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
