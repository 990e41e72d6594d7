//! A client that tries again until it is answered.
//!
//! Always true: a request that may have been carried out is the same when it is sent again; an attempt takes no longer than its
//! patience.

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
use crate::wire::{Tapped, Wire};

/// A connection to the store.
pub type Connection = TlsStream<Tapped<TcpStream>>;

/// A client of the store.
#[expect(missing_debug_implementations, reason = "tokio-rustls' connectors have none")]
pub struct Client {
    connector: TlsConnector,
    address: String,
    wire: Wire,
    /// How long an attempt may take.
    patience: Duration,
    connection: Option<Connection>,
    told: Told,
}

/// What a client has been through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// Handshakes in which certificates were shown.
    pub full: u32,
    /// Handshakes with a ticket.
    pub resumed: u32,
    /// Attempts that came to nothing.
    pub failed: u32,
    /// Connections that were cut off without a word.
    pub cut_off: u32,
    /// Requests that were answered.
    pub answered: u32,
}

impl Client {
    /// A client of the store at an address, such as `store:443`.
    pub fn new(connector: TlsConnector, address: impl Into<String>, wire: Wire) -> Self {
        let (patience, connection, told) = (Duration::from_secs(3), None, Told::default());
        Self { connector, address: address.into(), wire, patience, connection, told }
    }

    /// What it has been through.
    #[must_use]
    pub fn told(&self) -> Told {
        self.told
    }

    /// Adds to what it has been through before.
    pub fn goes_on_from(&mut self, told: Told) {
        self.told = told;
    }

    /// A new connection.
    ///
    /// # Errors
    /// Those of TCP, and those of the handshake.
    pub async fn connect(&mut self) -> io::Result<Connection> {
        let stream = TcpStream::connect(&*self.address).await?;
        stream.set_nodelay(true)?;
        let connection = self.connector.connect(store_name(), self.wire.tap(stream)).await?;
        match connection.get_ref().1.handshake_kind() {
            Some(HandshakeKind::Resumed) => self.told.resumed += 1,
            _ => self.told.full += 1,
        }
        Ok(connection)
    }

    /// One attempt to be answered.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect) and of the connection, which is given up then.
    pub async fn ask_once(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        request.write(&mut connection).await?;
        let value = read_value(&mut connection).await?;
        self.connection = Some(connection);
        self.told.answered += 1;
        Ok(value)
    }

    /// Asks until it is answered.
    pub async fn ask(&mut self, request: &Request) -> Vec<u8> {
        loop {
            match timeout(self.patience, self.ask_once(request)).await {
                Ok(Ok(value)) => return value,
                Ok(Err(error)) => {
                    assert_ne!(
                        error.kind(),
                        io::ErrorKind::InvalidData,
                        "TLS sees no corrupted byte: {error}"
                    );
                    self.told.cut_off += u32::from(error.kind() == io::ErrorKind::UnexpectedEof);
                }
                Err(_) => {}
            }
            self.told.failed += 1;
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Says that there is no more to ask, and waits to hear the same.
    ///
    /// # Errors
    /// Those of the connection: `UnexpectedEof` where it was cut off.
    pub async fn end(&mut self) -> io::Result<()> {
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        connection.shutdown().await?;
        match connection.read(&mut [0]).await? {
            0 => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "an answer to no question")),
        }
    }
}
