//! What is measured: the two ends of a connection, written once for all three networks.
//!
//! Always true: a side adds nodes and sockets alone; each write is flushed, since madsim sends nothing before.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The bytes of a message.
pub(crate) const MESSAGE: usize = 64;
/// The bytes that are read at most at once.
const MOST: usize = 64 * 1_024;
/// The port that servers listen at.
pub(crate) const PORT: u16 = 7;

/// What passes between the two ends.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// So many messages there, each answered before the next is sent.
    RoundTrips(u64),
    /// So many bytes one way, with writes of this length, and a byte back at the end.
    Bulk { bytes: u64, write: usize },
}

impl Work {
    /// The end that connects.
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
