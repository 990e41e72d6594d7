//! The server: sends back what it is sent.

use quinn::{Connection, Endpoint, RecvStream, SendStream};

/// Serves whoever connects, until the endpoint is closed.
pub async fn serve(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        timeloop::spawn(async move {
            // Data that came along with the first packet is served before the handshake is done.
            let Ok(connecting) = incoming.accept() else { return };
            if let Ok((connection, _)) = connecting.into_0rtt() {
                reflect(connection).await;
            }
        });
    }
}

/// Serves one client, until it has gone.
async fn reflect(connection: Connection) {
    let datagrams = connection.clone();
    timeloop::spawn(async move {
        while let Ok(datagram) = datagrams.read_datagram().await {
            // What does not fit any more is lost, as others are on their way.
            let _lost = datagrams.send_datagram(datagram);
        }
    });
    while let Ok((sends, receives)) = connection.accept_bi().await {
        timeloop::spawn(async move {
            // Whoever is at the other end learns of it.
            let _gone = echo(sends, receives).await;
        });
    }
}

/// Sends back a stream, while it comes.
async fn echo(mut sends: SendStream, mut receives: RecvStream) -> Result<(), Box<dyn std::error::Error>> {
    while let Some(chunk) = receives.read_chunk(64 * 1024, true).await? {
        sends.write_chunk(chunk.bytes).await?;
    }
    sends.finish()?;
    Ok(())
}
