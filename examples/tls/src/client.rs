//! A client that retries until it gets a response.
//!
//! # Invariants
//! A retried request is identical to the first one, because that one may have been executed. An attempt takes no longer than
//! the time limit.

use std::io;
use std::time::Duration;

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::TcpStream;
use timeloop::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::HandshakeKind;

use crate::store::{Request, read_value};
use crate::tls::store_name;
use crate::wire::{Recorded, Wire};

/// A connection to the store.
pub type Connection = TlsStream<Recorded<TcpStream>>;

/// A client of the store.
#[expect(missing_debug_implementations, reason = "tokio-rustls' connectors have none")]
pub struct Client {
    connector: TlsConnector,
    address: String,
    wire: Wire,
    /// The time limit of an attempt.
    attempt_limit: Duration,
    connection: Option<Connection>,
    counters: Counters,
}

/// Counts the events of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counters {
    /// Full handshakes, with certificates.
    pub full: u32,
    /// Handshakes with a ticket.
    pub resumed: u32,
    /// Failed attempts.
    pub failed: u32,
    /// Connections that were closed without `close_notify`.
    pub truncated: u32,
    /// Successful requests.
    pub answered: u32,
}

impl Client {
    /// Creates a client of the store at an address, such as `store:443`.
    pub fn new(connector: TlsConnector, address: impl Into<String>, wire: Wire) -> Self {
        let (attempt_limit, connection, counters) = (Duration::from_secs(3), None, Counters::default());
        Self { connector, address: address.into(), wire, attempt_limit, connection, counters }
    }

    /// Returns the counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Continues counting from these counters.
    pub fn set_counters(&mut self, counters: Counters) {
        self.counters = counters;
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Returns errors of TCP and of the handshake.
    pub async fn connect(&mut self) -> io::Result<Connection> {
        let stream = TcpStream::connect(&*self.address).await?;
        stream.set_nodelay(true)?;
        let connection = self.connector.connect(store_name(), self.wire.record(stream)).await?;
        match connection.get_ref().1.handshake_kind() {
            Some(HandshakeKind::Resumed) => self.counters.resumed += 1,
            _ => self.counters.full += 1,
        }
        Ok(connection)
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// Returns errors of [`connect`](Self::connect) and of the connection, which is then dropped.
    pub async fn request_once(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        request.write(&mut connection).await?;
        let value = read_value(&mut connection).await?;
        self.connection = Some(connection);
        self.counters.answered += 1;
        Ok(value)
    }

    /// Sends a request, with retries until it succeeds.
    pub async fn request(&mut self, request: &Request) -> Vec<u8> {
        loop {
            match timeout(self.attempt_limit, self.request_once(request)).await {
                Ok(Ok(value)) => return value,
                Ok(Err(error)) => {
                    assert_ne!(
                        error.kind(),
                        io::ErrorKind::InvalidData,
                        "TLS reports a corrupt byte: {error}"
                    );
                    self.counters.truncated += u32::from(error.kind() == io::ErrorKind::UnexpectedEof);
                }
                Err(_) => {}
            }
            self.counters.failed += 1;
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Closes the connection, and waits for the store's `close_notify`.
    ///
    /// # Errors
    /// Returns errors of the connection; `UnexpectedEof` if it ends without `close_notify`.
    pub async fn close(&mut self) -> io::Result<()> {
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        connection.shutdown().await?;
        match connection.read(&mut [0]).await? {
            0 => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "an unexpected response")),
        }
    }
}
