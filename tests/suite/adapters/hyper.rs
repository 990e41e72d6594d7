//! The hyper adapter. The package `examples/http` tests it with hyper itself.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Executor as _, Read as _, Timer as _, Write as _};
use timeloop::adapters::hyper::{Executor, Io, Timer};
use timeloop::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use timeloop::net::{TcpListener, TcpStream};
use timeloop::time::{Duration, Instant, sleep};
use timeloop::world::{Node, World};

use crate::support::panic_text;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_timer_is_virtual() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let real = Timer::new().now();
        Timer::new().sleep(3_600 * SECOND).await;
        assert_eq!(Timer::new().now() - real, 3_600 * SECOND);
        Timer::new().sleep_until(real + 3_601 * SECOND).await;
        Timer::new().sleep_until(real).await;
        assert_eq!(start.elapsed(), 3_601 * SECOND);
    })
    .unwrap();
}

#[test]
fn a_reset_changes_the_deadline_of_a_sleep() {
    /// A sleep of another timer, which never ends.
    struct Forever;

    impl Future for Forever {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

    impl hyper::rt::Sleep for Forever {}

    timeloop::run(0, || async {
        let timer = Timer::new();
        let start = Instant::now();
        for (first, second) in [(10, 20), (20, 10)] {
            let begin = Instant::now();
            let mut sleep = timer.sleep(first * SECOND);
            // The timer is set before the reset.
            assert!(poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await);
            timer.reset(&mut sleep, timer.now() + second * SECOND);
            sleep.await;
            assert_eq!(begin.elapsed(), second * SECOND);
        }
        let mut forever: Pin<Box<dyn hyper::rt::Sleep>> = Box::pin(Forever);
        timer.reset(&mut forever, timer.now() + SECOND);
        forever.await;
        assert_eq!(start.elapsed(), 31 * SECOND);
    })
    .unwrap();
}

#[test]
fn a_timer_follows_the_clock_of_the_node() {
    timeloop::run(0, || async {
        let node = World::current().node("fast").clock_drift_ppm(100_000).build();
        let start = Instant::now();
        let elapsed = node.spawn(async {
            let begin = Timer::new().now();
            Timer::new().sleep(11 * SECOND).await;
            Timer::new().now() - begin
        });
        assert_eq!(elapsed.await.unwrap(), 11 * SECOND);
        let took = start.elapsed();
        assert!(took.abs_diff(10 * SECOND) < SECOND / 1_000, "{took:?}");
    })
    .unwrap();
}

#[test]
fn the_executor_spawns_on_the_node_of_the_caller_without_send() {
    timeloop::run(0, || async {
        let ran = Rc::new(Cell::new(0));
        let node = World::current().node("web").build();
        let seen = ran.clone();
        node.spawn(async move {
            Executor::new().execute(async move {
                assert_eq!(Node::current().name(), "web");
                seen.set(seen.get() + 1);
                sleep(60 * SECOND).await;
                seen.set(seen.get() + 1);
            });
        })
        .await
        .unwrap();
        sleep(SECOND).await;
        assert_eq!(ran.get(), 1);
        node.crash();
        sleep(3_600 * SECOND).await;
        assert_eq!((ran.get(), Rc::strong_count(&ran)), (1, 1));
    })
    .unwrap();
}

#[test]
fn a_panic_in_an_executed_future_fails_the_run() {
    let failure = timeloop::run(0, || async {
        Executor::new().execute(async { panic!("no such page") });
        sleep(SECOND).await;
    })
    .unwrap_err();
    assert!(failure.message().contains("no such page"), "{failure}");
}

/// Returns both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:80").await.unwrap();
    let connecting = timeloop::spawn(TcpStream::connect("127.0.0.1:80"));
    let (accepted, _) = listener.accept().await.unwrap();
    (accepted, connecting.await.unwrap().unwrap())
}

#[test]
fn bytes_pass_in_both_directions() {
    timeloop::run(0, || async {
        let (one, mut other) = pair().await;
        let mut one = Io::new(one);
        assert!(hyper::rt::Write::is_write_vectored(&one));
        let slices = [IoSlice::new(b"two "), IoSlice::new(b""), IoSlice::new(b"slices")];
        let count = poll_fn(|cx| Pin::new(&mut one).poll_write_vectored(cx, &slices)).await.unwrap();
        // A writer without vectored writes would write only the first slice.
        assert_eq!(count, 10);
        poll_fn(|cx| Pin::new(&mut one).poll_flush(cx)).await.unwrap();
        poll_fn(|cx| Pin::new(&mut one).poll_shutdown(cx)).await.unwrap();
        let mut text = String::new();
        other.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "two slices");

        other.write_all(b"hello").await.unwrap();
        drop(other);
        sleep(SECOND).await;
        let mut bytes = [0; 4];
        let mut text = Vec::new();
        loop {
            let mut buffer = hyper::rt::ReadBuf::new(&mut bytes);
            poll_fn(|cx| Pin::new(&mut one).poll_read(cx, buffer.unfilled())).await.unwrap();
            if buffer.filled().is_empty() {
                break;
            }
            text.push(buffer.filled().to_vec());
        }
        assert_eq!(text, [b"hell".to_vec(), b"o".to_vec()]);
    })
    .unwrap();
}

/// Adapts from tokio's traits to hyper's and back.
#[test]
fn a_stream_can_be_wrapped_twice() {
    timeloop::run(0, || async {
        let (one, mut other) = pair().await;
        let mut one = Io::new(Io::new(one));
        one.write_all(b"there").await.unwrap();
        other.write_all(b"and back").await.unwrap();
        let mut there = [0; 5];
        other.read_exact(&mut there).await.unwrap();
        one.shutdown().await.unwrap();
        drop(other);
        let mut back = Vec::with_capacity(3);
        one.read_to_end(&mut back).await.unwrap();
        assert_eq!((&there, &back[..]), (b"there", &b"and back"[..]));
        assert!(one.into_inner().into_inner().peer_addr().is_ok());
    })
    .unwrap();
}

#[test]
fn an_error_passes_through() {
    timeloop::run(0, || async {
        let (one, other) = pair().await;
        other.set_linger(Some(Duration::ZERO)).unwrap();
        drop(other);
        sleep(SECOND).await;
        let mut one = Io::new(one);
        let mut bytes = [0; 4];
        let mut buffer = hyper::rt::ReadBuf::new(&mut bytes);
        let error = poll_fn(|cx| Pin::new(&mut one).poll_read(cx, buffer.unfilled())).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(buffer.filled().is_empty());
    })
    .unwrap();
}

/// Safe code can do this. Bytes that were never read must not count as read.
#[test]
fn a_reader_that_replaces_its_buffer_panics() {
    struct Swaps;

    impl AsyncRead for Swaps {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            *buffer = ReadBuf::new(Box::leak(Box::new([0; 100])));
            buffer.advance(100);
            Poll::Ready(Ok(()))
        }
    }

    let text = panic_text(|| {
        let mut bytes = [0; 4];
        let mut buffer = hyper::rt::ReadBuf::new(&mut bytes);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = pin!(Io::new(Swaps)).poll_read(&mut cx, buffer.unfilled());
    });
    assert!(text.contains("the reader replaced the buffer that it was given"), "{text}");
}
