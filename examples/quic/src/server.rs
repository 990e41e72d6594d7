//! The echo server.

use quinn::{Connection, Endpoint, RecvStream, SendStream};

/// Serves connections until the endpoint is closed.
pub async fn serve(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        timeloop::spawn(async move {
            // 0-RTT data is served before the handshake is complete.
            let Ok(connecting) = incoming.accept() else { return };
            if let Ok((connection, _)) = connecting.into_0rtt() {
                serve_connection(connection).await;
            }
        });
    }
}

/// Serves one connection until it is closed.
async fn serve_connection(connection: Connection) {
    let datagrams = connection.clone();
    timeloop::spawn(async move {
        while let Ok(datagram) = datagrams.read_datagram().await {
            // A datagram that does not fit into the send buffer is dropped.
            let _lost = datagrams.send_datagram(datagram);
        }
    });
    while let Ok((sends, receives)) = connection.accept_bi().await {
        timeloop::spawn(async move {
            // The client observes the error.
            let _gone = echo(sends, receives).await;
        });
    }
}

/// Echoes a stream while it arrives.
async fn echo(mut sends: SendStream, mut receives: RecvStream) -> Result<(), Box<dyn std::error::Error>> {
    while let Some(chunk) = receives.read_chunk(64 * 1024, true).await? {
        sends.write_chunk(chunk.bytes).await?;
    }
    sends.finish()?;
    Ok(())
}
