//! tokio-util's codecs and cancellation tokens over a simulated stream.

use std::io::ErrorKind;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt as _};
use http_depot::body::bytes_of;
use http_depot::lines;
use timeloop::net::{LinkModel, Network, TcpListener, TcpStream};
use timeloop::time::{Duration, sleep};
use timeloop::world::World;
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec, LinesCodecError};
use tokio_util::sync::CancellationToken;

use crate::support::explorer;

fn flaky() {
    Network::current().set_all(&LinkModel::flaky());
}

#[test]
fn lines_are_answered_until_the_stop() {
    explorer("lines::lines").check(|| async {
        flaky();
        let stop = CancellationToken::new();
        let until = stop.clone();
        World::current().node("lines").start(move || {
            let stop = until.clone();
            async move { lines::serve(TcpListener::bind("0.0.0.0:7").await.unwrap(), stop).await }
        });
        sleep(Duration::from_millis(1)).await;
        let mut one = Framed::new(TcpStream::connect("lines:7").await.unwrap(), LinesCodec::new());
        let mut other = Framed::new(TcpStream::connect("lines:7").await.unwrap(), LinesCodec::new());
        for number in 0..20 {
            one.feed(format!("sum {number} 1")).await.unwrap();
        }
        SinkExt::<String>::flush(&mut one).await.unwrap();
        other.send("ping").await.unwrap();
        for number in 0..20 {
            assert_eq!(one.next().await.unwrap().unwrap(), (number + 1).to_string());
        }
        assert_eq!(other.next().await.unwrap().unwrap(), "pong");
        stop.cancel();
        assert!(one.next().await.is_none());
        assert!(other.next().await.is_none());
        let refused = TcpStream::connect("lines:7").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_line_that_is_too_long_closes_its_connection_only() {
    explorer("lines::too_long").check(|| async {
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        timeloop::spawn(lines::serve(listener, CancellationToken::new()));
        let mut one = Framed::new(TcpStream::connect("127.0.0.1:7").await.unwrap(), LinesCodec::new());
        let mut other = Framed::new(TcpStream::connect("127.0.0.1:7").await.unwrap(), LinesCodec::new());
        // The server may close the connection before the whole line is sent.
        let sent = one.send("x".repeat(5_000)).await;
        assert!(matches!(sent, Ok(()) | Err(LinesCodecError::Io(_))), "{sent:?}");
        assert!(matches!(one.next().await, None | Some(Err(LinesCodecError::Io(_)))));
        other.send("ping").await.unwrap();
        assert_eq!(other.next().await.unwrap().unwrap(), "pong");
    });
}

#[test]
fn frames_arrive_complete_and_in_order() {
    explorer("lines::frames").check(|| async {
        flaky();
        let sizes = [0, 1, 1_459, 1_460, 1_461, 70_000, 3];
        World::current().node("sink").start(move || async move {
            let listener = TcpListener::bind("0.0.0.0:9").await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let mut frames = Framed::new(stream, LengthDelimitedCodec::new());
            for (seed, size) in (0..).zip(sizes) {
                let frame = frames.next().await.unwrap().unwrap();
                assert_eq!(frame, bytes_of(seed, size));
                frames.send(Bytes::from(frame.len().to_string())).await.unwrap();
            }
            assert!(frames.next().await.is_none());
        });
        sleep(Duration::from_millis(1)).await;
        let stream = TcpStream::connect("sink:9").await.unwrap();
        let mut frames = Framed::new(stream, LengthDelimitedCodec::new());
        for (seed, size) in (0..).zip(sizes) {
            frames.feed(bytes_of(seed, size)).await.unwrap();
        }
        SinkExt::<Bytes>::flush(&mut frames).await.unwrap();
        for size in sizes {
            assert_eq!(frames.next().await.unwrap().unwrap(), size.to_string());
        }
        SinkExt::<Bytes>::close(&mut frames).await.unwrap();
        assert!(frames.next().await.is_none());
    });
}

/// Cancelling a token cancels its child tokens and not its parent, and wakes the waiting tasks.
#[test]
fn cancelling_a_token_wakes_waiting_tasks() {
    explorer("lines::tokens").check(|| async {
        let all = CancellationToken::new();
        let some = all.child_token();
        let waiting = [all.clone(), some.clone(), some.child_token()].map(|token| {
            timeloop::spawn(async move { token.run_until_cancelled(std::future::pending::<()>()).await })
        });
        sleep(Duration::from_secs(1)).await;
        some.cancel();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(waiting.each_ref().map(|task| task.is_finished()), [false, true, true]);
        all.cancel();
        for task in waiting {
            assert_eq!(task.await.unwrap(), None);
        }
    });
}
