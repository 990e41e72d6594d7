//! What goes over the wire: frames of a length and a message.
//!
//! Always true: a frame is sent by one write; one that is longer than it may be ends the connection.

use std::io;

use openraft::error::{InstallSnapshotError, RaftError};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::TcpStream;

use crate::{Answer, Command, Types};

/// The port that nodes listen on.
pub const PORT: u16 = 7_000;

/// Bytes of a message.
const FRAME_MAX: u32 = 16 << 20;

/// What a node is asked, by its peers or by clients.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are openraft's, but for the last")]
pub enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<u64>),
    Snapshot(InstallSnapshotRequest<Types>),
    /// A client's operation, by number.
    Client(Command),
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are openraft's, but for the last two")]
pub enum Response {
    Append(Result<AppendEntriesResponse<u64>, RaftError<u64>>),
    Vote(Result<VoteResponse<u64>, RaftError<u64>>),
    Snapshot(Result<InstallSnapshotResponse<u64>, RaftError<u64, InstallSnapshotError>>),
    /// The operation is done.
    Done(Answer),
    /// The operation may be done or not. This node does not lead; another may, and has this number.
    NotHere(Option<u64>),
}

/// The bytes of a value.
///
/// # Panics
/// Never: there is none that has no bytes.
#[must_use]
pub fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("what is sent or kept has bytes")
}

/// The value of bytes that this program has made itself.
///
/// # Panics
/// When the bytes are somebody else's.
#[must_use]
pub fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> T {
    postcard::from_bytes(bytes).expect("what was kept is what was written")
}

/// Sends a message.
///
/// # Errors
/// When the connection is gone.
pub async fn send<T: Serialize>(stream: &mut TcpStream, message: &T) -> io::Result<()> {
    let frame = postcard::to_extend(message, vec![0; 4]).map_err(io::Error::other)?;
    let mut frame = frame;
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    stream.write_all(&frame).await
}

/// Waits for a message.
///
/// # Errors
/// When the connection is gone, or what comes is no message.
pub async fn receive<T: DeserializeOwned>(stream: &mut TcpStream) -> io::Result<T> {
    let length = stream.read_u32_le().await?;
    if length > FRAME_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await?;
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}
