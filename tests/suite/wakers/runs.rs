//! Wakers used in other runs.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Mutex;
use std::task::Waker;

use timeloop::runtime::Runtime;
use timeloop::spawn;
use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep};

use super::{Left, leave_waker, waker, woken};
use crate::support::{fifo, on_drop};

#[test]
fn kept_past_the_end_of_its_run() {
    let (root, task) = timeloop::run(0, || async { (waker().await, spawn(waker()).await.unwrap()) }).unwrap();
    for waker in [root, task] {
        waker.wake_by_ref();
        let clone = waker.clone();
        assert!(clone.will_wake(&waker));
        clone.wake();
        drop(waker);
    }
}

#[test]
fn called_in_a_later_run_it_wakes_no_task() {
    let old: Vec<Waker> = timeloop::run(0, || async {
        let left = Left::default();
        let mut wakers = vec![waker().await];
        for _ in 0..5 {
            drop(spawn(woken(Rc::clone(&left), 1)));
            sleep(Duration::from_nanos(1)).await;
            wakers.extend(left.take());
        }
        wakers
    })
    .unwrap();
    timeloop::run(0, || async {
        let left = Left::default();
        let mut tasks = Vec::new();
        for _ in 0..5 {
            // In the same slots, with the same generations, as those of the old wakers.
            tasks.push(spawn(woken(Rc::clone(&left), 1)));
            sleep(Duration::from_nanos(1)).await;
        }
        old.iter().for_each(Waker::wake_by_ref);
        old.iter().cloned().for_each(Waker::wake);
        sleep(Duration::from_secs(1)).await;
        assert!(tasks.iter().all(|task| !task.is_finished()));
        assert!(!waker().await.will_wake(&old[0]));
    })
    .unwrap();
}

#[test]
fn kept_in_a_static_across_runs() {
    static KEPT: Mutex<Vec<Waker>> = Mutex::new(Vec::new());
    for seed in 0..20 {
        timeloop::run(seed, || async {
            let kept = KEPT.lock().unwrap().clone();
            kept.into_iter().for_each(Waker::wake);
            let new = [waker().await, spawn(waker()).await.unwrap()];
            KEPT.lock().unwrap().extend(new);
            yield_now().await;
        })
        .unwrap();
    }
    assert_eq!(KEPT.lock().unwrap().len(), 40);
    KEPT.lock().unwrap().drain(..).for_each(Waker::wake);
}

#[test]
fn kept_in_a_thread_local_past_the_end_of_the_thread() {
    struct WakeAtExit(RefCell<Vec<Waker>>);

    impl Drop for WakeAtExit {
        fn drop(&mut self) {
            self.0.take().into_iter().for_each(Waker::wake);
        }
    }

    thread_local! {
        static KEPT: WakeAtExit = const { WakeAtExit(RefCell::new(Vec::new())) };
    }

    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Before all of timeloop's thread-local values, so that it is dropped after them.
            KEPT.with(|kept| kept.0.borrow_mut().clear());
            let runtime = Runtime::new().unwrap();
            let waker = runtime.block_on(waker());
            KEPT.with(|kept| kept.0.borrow_mut().push(waker));
            let waker = timeloop::run(0, waker_of_a_task).unwrap();
            KEPT.with(|kept| kept.0.borrow_mut().push(waker));
        });
    });

    async fn waker_of_a_task() -> Waker {
        spawn(waker()).await.unwrap()
    }
}

#[test]
fn called_from_the_run_of_another_loop() {
    let (first, second) = (fifo(), fifo());
    let left = Left::default();
    let task = first.spawn(woken(Rc::clone(&left), 1));
    first.block_on(yield_now());
    // The first loop exists but does not run: its task is ready when it continues.
    second.block_on(async { left.take().expect("the task waits").wake() });
    assert_eq!(first.block_on(task).unwrap(), 2);
}

#[test]
fn called_in_a_destructor_after_its_runtime_is_gone() {
    let runtime = fifo();
    let left = Left::default();
    let task = runtime.spawn({
        let left = Rc::clone(&left);
        async move {
            leave_waker(&left).await;
            pending::<()>().await;
        }
    });
    runtime.block_on(yield_now());
    let guard = on_drop(move || left.take().expect("left before").wake());
    drop(runtime);
    drop(guard);
    drop(task);
}

#[test]
fn a_waker_of_the_runs_in_another_runtime_s_timer() {
    let runtime = fifo();
    let old = timeloop::run(0, waker).unwrap();
    runtime.block_on(async {
        let mut timer = Box::pin(sleep(Duration::from_secs(1)));
        assert!(timer.as_mut().poll(&mut std::task::Context::from_waker(&old)).is_pending());
        sleep(Duration::from_secs(2)).await;
        timer.await;
    });
}
