//! The metrics of a loop.

use std::future::pending;

use timeloop::runtime::Handle;
use timeloop::spawn;
use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep};

use crate::support::{fifo, panic_text};

#[test]
fn counts_tasks_and_timers() {
    fifo().block_on(async {
        let metrics = Handle::current().metrics();
        let counts = || (metrics.num_alive_tasks(), metrics.global_queue_depth(), metrics.num_timers());
        assert_eq!(counts(), (0, 0, 0));
        let waits = spawn(pending::<()>());
        let sleeps = spawn(sleep(Duration::from_secs(1)));
        let ends = spawn(async {});
        assert_eq!(counts(), (3, 3, 0));
        yield_now().await;
        assert_eq!(counts(), (2, 0, 1), "one that has ended does not count, joined or not");
        ends.await.unwrap();
        sleeps.await.unwrap();
        assert_eq!(counts(), (1, 0, 0));
        waits.abort();
        assert_eq!(counts(), (1, 1, 0));
        assert!(waits.await.is_err());
        assert_eq!(counts(), (0, 0, 0));
    });
}

#[test]
fn can_be_read_from_outside() {
    let runtime = fifo();
    drop(runtime.spawn(pending::<()>()));
    let metrics = runtime.metrics();
    assert_eq!((metrics.num_alive_tasks(), metrics.global_queue_depth()), (1, 1));
    drop(runtime);
    assert_eq!((metrics.num_alive_tasks(), metrics.num_timers()), (0, 0));
}

#[test]
fn has_one_worker() {
    let runtime = fifo();
    let metrics = runtime.metrics();
    assert_eq!(metrics.num_workers(), 1);
    assert_eq!(metrics.worker_total_busy_duration(0), Duration::ZERO);
    assert_eq!((metrics.worker_park_count(0), metrics.worker_park_unpark_count(0)), (0, 0));
    let text = panic_text(|| _ = metrics.worker_park_count(1));
    assert_eq!(text, "no worker 1: the runtime has 1, and the first is number 0");
}

#[test]
fn ids_distinguish_loops() {
    let runtime = fifo();
    let id = runtime.handle().id();
    assert_eq!(runtime.block_on(async { Handle::current().id() }), id);
    let other = fifo();
    assert_ne!(other.handle().id(), id);
    assert_eq!(format!("Id({id})"), format!("{id:?}"));
}
