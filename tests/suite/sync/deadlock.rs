//! A deadlock over any of the primitives names the waiting tasks and the lines where they wait.

use std::rc::Rc;

use timeloop::sync::{
    Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, SetOnce, broadcast, mpsc, oneshot, watch,
};
use timeloop::task::yield_now;
use timeloop::{BlockedTask, Failure, FailureKind};

/// Returns the text of the line where a task waits, which must be in this file.
fn line_of(blocked: &BlockedTask) -> &'static str {
    let site = blocked.waits_at.as_ref().expect("tests have debug information");
    assert_eq!(site.file, file!());
    include_str!("deadlock.rs").lines().nth(site.line as usize - 1).unwrap().trim()
}

fn assert_deadlock(failure: &Failure) {
    assert_eq!(failure.kind, FailureKind::Deadlock, "{failure}");
}

/// Runs a root that waits for ever, and returns the line where it does.
fn waits<F: Future>(root: impl Fn() -> F) -> &'static str {
    let failure = timeloop::run(1, || async { drop(root().await) }).unwrap_err();
    assert_deadlock(&failure);
    let [blocked] = &*failure.blocked else { panic!("one task waits: {failure}") };
    assert_eq!(blocked.task.path.to_string(), "root");
    line_of(blocked)
}

#[test]
fn locks_and_permits() {
    let line = waits(|| async {
        let lock = Mutex::new(());
        let _held = lock.lock().await;
        let _again = lock.lock().await; // for ever
    });
    assert_eq!(line, "let _again = lock.lock().await; // for ever");
    let line = waits(|| async {
        let lock = RwLock::new(());
        let _held = lock.write().await;
        let _read = lock.read().await;
    });
    assert_eq!(line, "let _read = lock.read().await;");
    let line = waits(|| async {
        let lock = RwLock::new(());
        let _held = lock.read().await;
        let _write = lock.write().await;
    });
    assert_eq!(line, "let _write = lock.write().await;");
    let line = waits(|| async {
        let semaphore = Semaphore::new(1);
        semaphore.acquire_many(2).await.unwrap().forget();
    });
    assert_eq!(line, "semaphore.acquire_many(2).await.unwrap().forget();");
}

#[test]
fn channels() {
    let line = waits(|| async {
        let (_tx, mut rx) = mpsc::channel::<()>(1);
        rx.recv().await.unwrap(); // bounded
    });
    assert_eq!(line, "rx.recv().await.unwrap(); // bounded");
    let line = waits(|| async {
        let (tx, _rx) = mpsc::channel(1);
        tx.send(1).await.unwrap();
        tx.send(2).await.unwrap();
    });
    assert_eq!(line, "tx.send(2).await.unwrap();");
    let line = waits(|| async {
        let (_tx, mut rx) = mpsc::unbounded_channel::<()>();
        rx.recv().await.unwrap(); // unbounded
    });
    assert_eq!(line, "rx.recv().await.unwrap(); // unbounded");
    let line = waits(|| async {
        let (_tx, rx) = oneshot::channel::<()>();
        rx.await.unwrap();
    });
    assert_eq!(line, "rx.await.unwrap();");
    let line = waits(|| async {
        let (_tx, mut rx) = broadcast::channel::<()>(1);
        rx.recv().await.unwrap(); // broadcast
    });
    assert_eq!(line, "rx.recv().await.unwrap(); // broadcast");
}

#[test]
fn a_watch_channel() {
    let line = waits(|| async {
        let (_tx, mut rx) = watch::channel(());
        rx.changed().await.unwrap();
    });
    assert_eq!(line, "rx.changed().await.unwrap();");
    let line = waits(|| async {
        let (_tx, mut rx) = watch::channel(0);
        let _seen = rx.wait_for(|&value| value > 0).await.unwrap();
    });
    assert_eq!(line, "let _seen = rx.wait_for(|&value| value > 0).await.unwrap();");
    let line = waits(|| async {
        let (tx, _rx) = watch::channel(());
        tx.closed().await;
    });
    assert_eq!(line, "tx.closed().await;");
}

#[test]
fn signals_barriers_and_cells() {
    let line = waits(|| async { Notify::new().notified().await });
    assert_eq!(line, "let line = waits(|| async { Notify::new().notified().await });");
    let line = waits(|| async { Barrier::new(2).wait().await });
    assert_eq!(line, "let line = waits(|| async { Barrier::new(2).wait().await });");
    let line = waits(|| async { *SetOnce::<()>::new().wait().await });
    assert_eq!(line, "let line = waits(|| async { *SetOnce::<()>::new().wait().await });");
    let line = waits(|| async {
        let (cell, never) = (OnceCell::new(), Notify::new());
        cell.get_or_init(|| never.notified()).await;
    });
    assert_eq!(line, "cell.get_or_init(|| never.notified()).await;");
}

/// A future that never wakes anything need not take a waker. Then its task is reported without a line.
#[test]
fn a_future_without_a_waker_has_no_location() {
    let failure = timeloop::run(1, std::future::pending::<()>).unwrap_err();
    assert_deadlock(&failure);
    assert_eq!(failure.blocked[0].waits_at, None);
}

/// Two tasks that take two locks in opposite order: some seed deadlocks, and the failure names both.
#[test]
fn opposite_orders_of_locking_are_reported_task_by_task() {
    let run = |seed| {
        timeloop::run(seed, || async {
            let (first, second) = (Rc::new(Mutex::new(())), Rc::new(Mutex::new(())));
            let opposite = timeloop::spawn({
                let (first, second) = (Rc::clone(&first), Rc::clone(&second));
                async move {
                    let _second = second.lock().await;
                    yield_now().await;
                    let _first = first.lock().await; // holds the second
                }
            });
            let held = first.lock().await;
            yield_now().await;
            drop(second.lock().await); // holds the first
            drop(held);
            opposite.await.unwrap();
        })
    };
    assert!((0..50).any(|seed| run(seed).is_ok()), "some order is harmless");
    let failure = (0..50).find_map(|seed| run(seed).err()).expect("some order is not");
    assert_deadlock(&failure);
    let blocked =
        |index: usize| (failure.blocked[index].task.path.to_string(), line_of(&failure.blocked[index]));
    assert_eq!(failure.blocked.len(), 2);
    assert_eq!(blocked(0), ("root".to_owned(), "drop(second.lock().await); // holds the first"));
    assert_eq!(blocked(1), ("root.1".to_owned(), "let _first = first.lock().await; // holds the second"));
    assert!(failure.to_string().contains("spawned at"), "{failure}");
}
