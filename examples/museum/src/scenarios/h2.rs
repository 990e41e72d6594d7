//! h2 0.4.5, fixed in 0.4.6 (h2#791, found as hyper#3724): the client hangs at a reset.
//!
//! A response whose headers are larger than the client accepts makes the client reset the stream, which
//! does not wake the task that waits for the response. It shows when that task waits before the connection
//! reads the headers.

use std::future::poll_fn;

use http::{Request, Response};
use timeloop::task::yield_now;

/// Oversized response headers, client and server over an in-memory pipe.
pub(crate) async fn scenario() {
    let (client, server) = tokio::io::duplex(1 << 16);

    let server = timeloop::spawn(async move {
        let mut connection = h2::server::handshake(server).await.expect("the client shakes hands");
        while let Some(request) = connection.accept().await {
            let Ok((_request, mut respond)) = request else { break };
            let response = Response::builder().header("large", "x".repeat(200)).body(()).unwrap();
            let _the_client_may_be_gone = respond.send_response(response, true);
        }
    });

    let (mut requests, connection) = h2::client::Builder::new()
        .max_header_list_size(100)
        .handshake::<_, bytes::Bytes>(client)
        .await
        .expect("the server shakes hands");
    let connection = timeloop::spawn(connection);

    poll_fn(|cx| requests.poll_ready(cx)).await.expect("the connection is open");
    let request = Request::builder().uri("http://museum/").body(()).unwrap();
    let (response, body) = requests.send_request(request, true).expect("a first request can be sent");
    for _ in 0..5 {
        yield_now().await;
    }
    assert!(response.await.is_err(), "the response is too large");

    drop((requests, body));
    let _reset_or_closed = connection.await.unwrap();
    server.await.unwrap();
}
