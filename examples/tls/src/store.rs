//! The store and its protocol, over any stream.
//!
//! # Invariants
//! Acknowledged values are in the store. A stream that ends without a proper shutdown is an error.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use timeloop::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The maximum size of a value.
pub const VALUE_BYTES_MAX: u32 = 1 << 20;

/// The values by key. Clones share the values.
#[derive(Clone, Debug, Default)]
pub struct Store {
    values: Rc<RefCell<BTreeMap<u32, Versioned>>>,
}

/// A value, and its version.
type Versioned = (u32, Vec<u8>);

/// A request to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Stores a value with a key and a version, unless the store has a later version. So a request that arrives late, over
    /// a connection that its sender has dropped, overwrites nothing. The response is the value.
    Put(u32, u32, Vec<u8>),
    /// Returns a value; empty if there is none.
    Get(u32),
}

impl Request {
    /// Sends the request.
    ///
    /// # Errors
    /// Returns errors of the stream.
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

    /// Receives a request; `None` at the end of the stream.
    ///
    /// # Errors
    /// Returns errors of the stream, and an error for an invalid request.
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
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a request of an unknown kind")),
        }
    }
}

/// Receives a response.
///
/// # Errors
/// Returns errors of the stream, and an error for an invalid size.
pub async fn read_value(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    if length > VALUE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a value that is too large"));
    }
    let mut value = vec![0; length as usize];
    stream.read_exact(&mut value).await?;
    Ok(value)
}

impl Store {
    /// Returns the value of a key; empty if there is none.
    #[must_use]
    pub fn get(&self, key: u32) -> Vec<u8> {
        self.values.borrow().get(&key).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Serves requests until the client shuts down the stream, and shuts it down too. Returns the number of requests.
    ///
    /// # Errors
    /// Returns errors of the stream; `UnexpectedEof` if it ends without a proper shutdown.
    pub async fn serve(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<u32> {
        let mut count = 0;
        while let Some(request) = Request::read(stream).await? {
            let value = match request {
                Request::Put(key, version, value) => {
                    let mut values = self.values.borrow_mut();
                    let stored = values.entry(key).or_default();
                    if stored.0 <= version {
                        *stored = (version, value.clone());
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
