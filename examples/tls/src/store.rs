//! The store: what it is asked and what it answers, over whatever stream.
//!
//! Always true: what was acknowledged is in the store; a stream that ends otherwise than by its own protocol is an error.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use timeloop::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest value.
pub const LONGEST: u32 = 1 << 20;

/// The values by key; a clone is the same store.
#[derive(Clone, Debug, Default)]
pub struct Store {
    values: Rc<RefCell<BTreeMap<u32, Versioned>>>,
}

/// A value, and its version.
type Versioned = (u32, Vec<u8>);

/// What it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To keep a value by its key, unless it has a later version: so a request that comes late, by a connection that its
    /// sender has given up, undoes nothing. The answer is the value that was sent.
    Put(u32, u32, Vec<u8>),
    /// For a value; the answer is empty where there is none.
    Get(u32),
}

impl Request {
    /// Sends it.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let (kind, key, version, value) = match self {
            Self::Put(key, version, value) => (1, *key, *version, value.as_slice()),
            Self::Get(key) => (2, *key, 0, &[][..]),
        };
        let mut frame = Vec::with_capacity(13 + value.len());
        frame.push(kind);
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&(value.len() as u32).to_be_bytes());
        frame.extend_from_slice(value);
        stream.write_all(&frame).await?;
        stream.flush().await
    }

    /// Receives one; `None` where the other side has said that there is no more.
    ///
    /// # Errors
    /// Those of the stream, and a request that is none.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut kind = [0];
        if stream.read(&mut kind).await? == 0 {
            return Ok(None);
        }
        let (key, version) = (stream.read_u32().await?, stream.read_u32().await?);
        let value = read_value(stream).await?;
        match kind {
            [1] => Ok(Some(Self::Put(key, version, value))),
            [2] => Ok(Some(Self::Get(key))),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a request of no known kind")),
        }
    }
}

/// Receives an answer.
///
/// # Errors
/// Those of the stream, and a length that is none.
pub async fn read_value(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a value that is too long"));
    }
    let mut value = vec![0; length as usize];
    stream.read_exact(&mut value).await?;
    Ok(value)
}

impl Store {
    /// The value of a key, empty where there is none.
    #[must_use]
    pub fn get(&self, key: u32) -> Vec<u8> {
        self.values.borrow().get(&key).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Answers requests until the other side says that there are no more, and says so then too: how many there were.
    ///
    /// # Errors
    /// Those of the stream: `UnexpectedEof` where it was cut off.
    pub async fn serve(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<u32> {
        let mut count = 0;
        while let Some(request) = Request::read(stream).await? {
            let value = match request {
                Request::Put(key, version, value) => {
                    let mut values = self.values.borrow_mut();
                    let kept = values.entry(key).or_default();
                    if kept.0 <= version {
                        *kept = (version, value.clone());
                    }
                    value
                }
                Request::Get(key) => self.get(key),
            };
            stream.write_u32(value.len() as u32).await?;
            stream.write_all(&value).await?;
            stream.flush().await?;
            count += 1;
        }
        stream.shutdown().await?;
        Ok(count)
    }
}
