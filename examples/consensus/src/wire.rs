//! The wire format: frames of a length and a message.
//!
//! A frame is sent with one write. A frame that exceeds the maximum size ends the connection.

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

/// The port of the nodes.
pub const PORT: u16 = 7_000;

/// The maximum size of a message.
const FRAME_MAX: u32 = 16 << 20;

/// A request to a node, from a peer or a client.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "all but the last are openraft's")]
pub enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<u64>),
    Snapshot(InstallSnapshotRequest<Types>),
    /// A client's operation.
    Client(Command),
}

/// A response of a node.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "all but the last two are openraft's")]
pub enum Response {
    Append(Result<AppendEntriesResponse<u64>, RaftError<u64>>),
    Vote(Result<VoteResponse<u64>, RaftError<u64>>),
    Snapshot(Result<InstallSnapshotResponse<u64>, RaftError<u64, InstallSnapshotError>>),
    /// The operation is done.
    Done(Answer),
    /// The operation may be done or not. This node is not the leader; the leader's number follows if it is known.
    NotLeader(Option<u64>),
}

/// Serializes a value.
///
/// # Panics
/// Never: all values can be serialized.
#[must_use]
pub fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("the value can be serialized")
}

/// Deserializes a value that [`encoded`] has serialized.
///
/// # Panics
/// If the bytes are invalid.
#[must_use]
pub fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> T {
    postcard::from_bytes(bytes).expect("the stored bytes are valid")
}

/// Sends a message.
///
/// # Errors
/// Returns an error if the connection is closed.
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
/// Returns an error if the connection is closed, or the message is invalid.
pub async fn receive<T: DeserializeOwned>(stream: &mut TcpStream) -> io::Result<T> {
    let length = stream.read_u32_le().await?;
    if length > FRAME_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too large"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await?;
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}
