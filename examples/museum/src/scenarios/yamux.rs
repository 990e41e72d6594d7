//! yamux 0.13.3, fixed in 0.13.4 (rust-yamux#194): data is lost at close.
//!
//! A stream hands its frames to the connection through a channel. Closing the connection collects what is
//! still in that channel, and then closes the socket without having sent it. It shows when the connection is
//! not resumed between the last write and the request to close.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_channel::oneshot;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::task::yield_now;
use tokio_util::compat::TokioAsyncReadCompatExt;
use yamux::{Config, Connection, Mode};

/// A client writes three times and closes; the server reads to the end.
pub(crate) async fn scenario() {
    // Two one-way pipes: as over a network, writing to a peer that is gone is no error at once.
    let (server_reads, client_writes) = tokio::io::simplex(4096);
    let (client_reads, server_writes) = tokio::io::simplex(4096);
    let client = tokio::io::join(client_reads, client_writes).compat();
    let server = tokio::io::join(server_reads, server_writes).compat();
    let mut client = Connection::new(client, Config::default(), Mode::Client);
    let mut server = Connection::new(server, Config::default(), Mode::Server);

    let mut stream = poll_fn(|cx| client.poll_new_outbound(cx)).await.expect("a first stream can be opened");
    let (close, closing) = oneshot::channel::<()>();
    let client = timeloop::spawn(async move {
        let mut closing = pin!(closing);
        let mut close_requested = false;
        poll_fn(|cx| {
            close_requested = close_requested || closing.as_mut().poll(cx).is_ready();
            if close_requested {
                return client.poll_close(cx);
            }
            match client.poll_next_inbound(cx) {
                Poll::Ready(_) => panic!("the server opens no stream and stays to the end"),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
        .expect("closing succeeds");
    });
    let writer = timeloop::spawn(async move {
        for part in [b"one ", b"two ", b"six "] {
            stream.write_all(part).await.expect("the connection is open");
            yield_now().await;
        }
        close.send(()).expect("the connection is open");
        stream
    });
    let server = timeloop::spawn(async move {
        let inbound = poll_fn(|cx| server.poll_next_inbound(cx)).await;
        let reader = inbound.map(|stream| {
            let mut stream = stream.expect("the first frame is sound");
            timeloop::spawn(async move {
                let mut text = Vec::new();
                let _reset_or_closed = stream.read_to_end(&mut text).await;
                text
            })
        });
        while let Some(Ok(_)) = poll_fn(|cx| server.poll_next_inbound(cx)).await {}
        match reader {
            Some(reader) => reader.await.unwrap(),
            None => Vec::new(),
        }
    });

    let _stream = writer.await.unwrap();
    client.await.unwrap();
    let text = String::from_utf8(server.await.unwrap()).expect("the client writes text");
    assert_eq!(text, "one two six ", "data was lost at close");
}
