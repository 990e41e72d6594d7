//! The client: sends messages, compares the answers, and retries when the connection is lost.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint};
use timeloop::time::sleep;

/// An exchange failed because of the network or the server and can be retried.
#[derive(Debug)]
pub struct Lost(pub Box<dyn std::error::Error + Send + Sync>);

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Lost {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// Sends a message on a new stream, and receives the echo concurrently.
///
/// # Panics
/// If the echo differs from the message.
pub async fn exchange(connection: &Connection, number: u64, length: usize) -> Result<(), Lost> {
    let (mut sends, mut receives) = connection.open_bi().await?;
    let sent = crate::message(number, length);
    let send = async {
        sends.write_all(&sent).await?;
        sends.finish()?;
        Ok::<(), Lost>(())
    };
    let receive = async {
        let mut at = 0;
        while let Some(chunk) = receives.read_chunk(usize::MAX, true).await? {
            let expected = sent.get(at..at + chunk.bytes.len());
            assert_eq!(Some(&chunk.bytes[..]), expected, "message {number} differs from byte {at} on");
            at += chunk.bytes.len();
        }
        assert_eq!(at, length, "the echo of message {number} is too short");
        Ok::<(), Lost>(())
    };
    timeloop::try_join!(send, receive)?;
    Ok(())
}

/// A client that keeps a connection, and reconnects when it is lost.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    server: SocketAddr,
    connection: Option<Connection>,
    /// The number of connections.
    pub connections: u32,
    /// The number of retried exchanges.
    pub retries: u32,
    /// Why the last connection was lost.
    pub last_loss: Option<ConnectionError>,
}

impl Client {
    /// Creates a client of the server at this address.
    pub fn new(endpoint: Endpoint, server: SocketAddr) -> Self {
        Self { endpoint, server, connection: None, connections: 0, retries: 0, last_loss: None }
    }

    /// Returns the connection, reconnecting if it is closed.
    pub async fn connection(&mut self) -> Result<Connection, Lost> {
        if let Some(connection) = &self.connection {
            match connection.close_reason() {
                None => return Ok(connection.clone()),
                Some(reason) => self.last_loss = Some(reason),
            }
        }
        let connection = self.endpoint.connect(self.server, crate::tls::NAME)?.await?;
        self.connections += 1;
        Ok(self.connection.insert(connection).clone())
    }

    /// Exchanges a message, with retries until that succeeds.
    pub async fn exchange(&mut self, number: u64, length: usize) {
        loop {
            let attempt = async {
                let connection = self.connection().await?;
                exchange(&connection, number, length).await
            };
            if attempt.await.is_ok() {
                return;
            }
            self.retries += 1;
            sleep(Duration::from_millis(100)).await;
        }
    }
}
