//! Handles of a live run on a real thread.

use std::pin::pin;
use std::task::{Context, Waker};

use timeloop::net::{TcpListener, TcpStream, UdpSocket};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::world::World;
use timeloop::{FailureKind, run, spawn};

const SECOND: Duration = Duration::from_secs(1);

/// Calls `f` on a real thread and waits for it.
#[expect(clippy::disallowed_methods, reason = "the mistake that is tested")]
fn on_a_thread<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> std::thread::Result<R> {
    std::thread::spawn(f).join()
}

/// The run must end as an escape, whatever the code under test makes of the answer.
fn escapes<Fut: Future>(what: &str, make: impl Fn() -> Fut) {
    let Err(failure) = run(1, make) else { panic!("{what}: the run passes") };
    assert_eq!(failure.kind, FailureKind::Escape, "{what}: {failure}");
    assert!(
        failure.message().starts_with("a real thread used or dropped something of the run "),
        "{failure}"
    );
}

#[test]
fn b12_a_handle_on_a_thread_is_an_escape() {
    escapes("abort()", || async {
        let task = spawn(sleep(SECOND));
        let handle = task.abort_handle();
        on_a_thread(move || handle.abort()).unwrap();
        assert!(task.await.is_err(), "the thread has aborted it");
    });
    escapes("is_finished()", || async {
        let task = spawn(sleep(SECOND));
        let handle = task.abort_handle();
        assert!(!on_a_thread(move || handle.is_finished()).unwrap(), "it has not ended");
        task.await.unwrap();
    });
    escapes("a JoinHandle that is awaited", || async {
        let task = spawn(async {
            sleep(SECOND).await;
            5
        });
        let polled = on_a_thread(move || {
            pin!(task).poll(&mut Context::from_waker(Waker::noop())).map(|result| result.unwrap())
        });
        assert!(polled.unwrap().is_pending(), "it is not cancelled");
    });
    escapes("a JoinHandle that is dropped", || async {
        let task = spawn(sleep(SECOND));
        on_a_thread(move || drop(task)).unwrap();
        sleep(2 * SECOND).await;
    });
    escapes("a stream that is dropped", || async {
        let listener = TcpListener::bind("127.0.0.1:1").await.unwrap();
        let client = TcpStream::connect("127.0.0.1:1").await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        on_a_thread(move || drop(client)).unwrap();
        server.readable().await.unwrap();
    });
    escapes("a socket that is used", || async {
        let socket = UdpSocket::bind("127.0.0.1:1").await.unwrap();
        on_a_thread(move || socket.try_send_to(b"x", "127.0.0.1:1".parse().unwrap())).unwrap().unwrap();
    });
    escapes("a timer that is dropped", || async {
        let mut timer = Box::pin(sleep(100 * SECOND));
        assert!(timeout(SECOND, timer.as_mut()).await.is_err());
        on_a_thread(move || drop(timer)).unwrap();
    });
    escapes("a node", || async {
        let node = World::current().node("db").build();
        assert!(on_a_thread(move || node.is_up()).is_err(), "it panics, too");
        sleep(SECOND).await;
    });
}

/// After the run, a handle belongs to nothing.
#[test]
fn b12_a_handle_of_an_ended_run_is_no_escape() {
    let handle = run(1, || async { spawn(std::future::pending::<()>()).abort_handle() }).unwrap();
    run(2, || async {
        let handle = handle.clone();
        assert!(on_a_thread(move || handle.is_finished()).unwrap());
        sleep(SECOND).await;
    })
    .unwrap();
}
