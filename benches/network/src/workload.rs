//! The workloads: both ends of a connection, written once for all three networks.
//!
//! Each write is flushed, because madsim sends nothing before a flush.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The size of a message.
pub(crate) const MESSAGE: usize = 64;
/// The maximum number of bytes per read.
const MOST: usize = 64 * 1_024;
/// The port of the server.
pub(crate) const PORT: u16 = 7;

/// A workload.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// Sends that many messages, each answered before the next is sent.
    RoundTrips(u64),
    /// Sends that many bytes, with writes of this size, and gets one byte back at the end.
    Bulk { bytes: u64, write: usize },
}

impl Work {
    /// Runs the client's end.
    pub(crate) async fn client<S: AsyncRead + AsyncWrite + Unpin>(self, stream: &mut S) {
        match self {
            Self::RoundTrips(count) => {
                let mut message = [0; MESSAGE];
                for number in 0..count {
                    message[..8].copy_from_slice(&number.to_le_bytes());
                    stream.write_all(&message).await.unwrap();
                    stream.flush().await.unwrap();
                    let mut answer = [0; MESSAGE];
                    stream.read_exact(&mut answer).await.unwrap();
                    assert_eq!(answer, message);
                }
            }
            Self::Bulk { bytes, write } => {
                let chunk = vec![7; write];
                for _ in 0..bytes / write as u64 {
                    stream.write_all(&chunk).await.unwrap();
                    stream.flush().await.unwrap();
                }
                assert_eq!(stream.read_u8().await.unwrap(), 7);
            }
        }
    }

    /// The end that accepts.
    pub(crate) async fn server<S: AsyncRead + AsyncWrite + Unpin>(self, stream: &mut S) {
        match self {
            Self::RoundTrips(count) => {
                let mut message = [0; MESSAGE];
                for _ in 0..count {
                    stream.read_exact(&mut message).await.unwrap();
                    stream.write_all(&message).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
            Self::Bulk { bytes, .. } => {
                let mut chunk = vec![0; MOST];
                let mut left = bytes;
                while left > 0 {
                    let length = stream.read(&mut chunk).await.unwrap();
                    assert!(length > 0 && chunk[length - 1] == 7);
                    left -= length as u64;
                }
                stream.write_all(&[7]).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    }
}
