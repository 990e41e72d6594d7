//! A runtime outlives a call of `block_on`.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use timeloop::runtime::{Builder, Handle, Runtime};
use timeloop::task::yield_now;
use timeloop::time::{Duration, Instant, SystemTime, sleep};
use timeloop::{Limits, StrategySpec, spawn};

use crate::support::{Log, fifo, panic_text};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn gives_the_output_again_and_again() {
    let runtime = Runtime::new().unwrap();
    for number in 0..5 {
        assert_eq!(runtime.block_on(async { number }), number);
    }
}

#[test]
fn borrows_what_is_around_it() {
    let mut text = String::from("before");
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        sleep(SECOND).await;
        text.push_str(" and after");
    });
    assert_eq!(text, "before and after");
}

#[test]
fn tasks_and_time_proceed_only_during_calls() {
    let runtime = fifo();
    let log = Log::new();
    let start = runtime.block_on(async { Instant::now() });
    let task = log.clone();
    let handle = runtime.spawn(async move {
        for seconds in 1..=3 {
            sleep(SECOND).await;
            task.push(seconds);
        }
        "ended"
    });
    assert_eq!(log.take(), [0; 0]);
    runtime.block_on(sleep_for(Duration::from_millis(1500)));
    assert_eq!(log.take(), [1]);
    assert!(!handle.is_finished());
    assert_eq!(runtime.block_on(async { start.elapsed() }), Duration::from_millis(1500));
    assert_eq!(runtime.block_on(handle).unwrap(), "ended");
    assert_eq!(log.take(), [2, 3]);
    assert_eq!(runtime.block_on(async { start.elapsed() }), 3 * SECOND);
}

async fn sleep_for(duration: Duration) {
    sleep(duration).await;
}

#[test]
fn tasks_spawned_outside_run_in_order() {
    let runtime = fifo();
    let log = Log::new();
    let handles: Vec<_> = (0..3)
        .map(|number| {
            let log = log.clone();
            runtime.spawn(async move { log.push(number) })
        })
        .collect();
    let task = log.clone();
    let blocking = runtime.spawn_blocking(move || task.push(3));
    runtime.block_on(async move {
        for handle in handles {
            handle.await.unwrap();
        }
        blocking.await.unwrap();
    });
    assert_eq!(log.take(), [0, 1, 2, 3]);
}

#[test]
fn a_wake_between_calls_counts() {
    let runtime = fifo();
    let waker = Rc::new(RefCell::new(None));
    let left = Rc::clone(&waker);
    let task = runtime.spawn(async move {
        let mut polls = 0;
        std::future::poll_fn(|cx| {
            polls += 1;
            *left.borrow_mut() = Some(cx.waker().clone());
            if polls == 2 { std::task::Poll::Ready(polls) } else { std::task::Poll::Pending }
        })
        .await
    });
    runtime.block_on(yield_now());
    assert!(!task.is_finished());
    waker.take().expect("the task has left its waker").wake();
    assert_eq!(runtime.block_on(task).unwrap(), 2);
}

#[test]
fn a_panic_is_propagated_and_the_runtime_continues() {
    let runtime = Runtime::new().unwrap();
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async { std::panic::panic_any(42_u8) })
    }));
    assert_eq!(payload.unwrap_err().downcast_ref::<u8>(), Some(&42));
    assert_eq!(runtime.block_on(async { 1 }), 1);
}

#[test]
fn a_deadlock_names_the_tasks_and_the_runtime_continues() {
    let runtime = fifo();
    drop(runtime.spawn(stuck()));
    let text = panic_text(|| runtime.block_on(pending()));
    assert!(text.contains("deadlock") && text.contains("`stuck`, spawned at"), "{text}");
    assert_eq!(runtime.block_on(async { 1 }), 1);
}

async fn stuck() {
    pending::<()>().await;
}

#[test]
fn an_unobserved_panic_ends_the_call() {
    let runtime = Runtime::new().unwrap();
    drop(runtime.spawn(async { panic!("unobserved in a runtime") }));
    let text = panic_text(|| runtime.block_on(sleep_for(SECOND)));
    assert!(text.contains("unobserved in a runtime"), "{text}");
    // In the last step too.
    drop(runtime.spawn(async { panic!("at the last moment") }));
    let text = panic_text(|| {
        runtime.block_on(async {
            sleep(SECOND).await;
        });
    });
    assert!(text.contains("at the last moment"), "{text}");
}

#[test]
fn its_limits_apply() {
    let limits = Limits { max_steps: 100, ..Limits::default() };
    let runtime = Builder::new_current_thread().enable_all().limits(limits).build().unwrap();
    let text = panic_text(|| {
        runtime.block_on(async {
            loop {
                yield_now().await;
            }
        })
    });
    assert!(text.contains("max_steps"), "{text}");
}

#[test]
fn a_livelock_ends_with_its_call() {
    let runtime = fifo();
    let log = Log::new();
    let task = log.clone();
    let other = runtime.spawn(async move {
        for _ in 0..10 {
            task.push(());
            yield_now().await;
        }
    });
    let text = panic_text(|| {
        runtime.block_on(async {
            loop {
                yield_now().await;
            }
        })
    });
    assert!(text.contains("livelock"), "{text}");
    assert_eq!(log.take().len(), 10);
    runtime.block_on(other).unwrap();
    let busy = runtime.spawn(async {
        for _ in 0..150_000 {
            yield_now().await;
        }
        42
    });
    assert!(panic_text(|| runtime.block_on(pending())).contains("livelock"));
    assert_eq!(runtime.block_on(busy).unwrap(), 42, "what was ready stays ready");
}

#[test]
fn its_seed_and_strategy_decide() {
    let order = |builder: &mut Builder| {
        let runtime = builder.build().unwrap();
        runtime.block_on(async {
            let log = Log::new();
            let tasks: Vec<_> = (0..10)
                .map(|number| {
                    let log = log.clone();
                    spawn(async move { log.push(number) })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            log.take()
        })
    };
    let random = |seed: u64| order(Builder::new_multi_thread().seed(seed));
    assert_eq!(random(1), random(1));
    assert_ne!(random(1), random(2));
    let fifo = order(Builder::new_multi_thread().seed(1).strategy(StrategySpec::Fifo));
    assert_eq!(fifo, (0..10).collect::<Vec<_>>());
}

#[test]
fn all_of_tokios_settings_are_accepted() {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .enable_io()
        .enable_time()
        .start_paused(true)
        .worker_threads(8)
        .max_blocking_threads(512)
        .thread_name("worker")
        .thread_name_fn(|| "worker".to_owned())
        .thread_stack_size(1 << 20)
        .thread_keep_alive(SECOND)
        .on_thread_start(|| ())
        .on_thread_stop(|| ())
        .on_thread_park(|| ())
        .on_thread_unpark(|| ())
        .event_interval(61)
        .global_queue_interval(31)
        .max_io_events_per_tick(1024)
        .build()
        .unwrap();
    assert_eq!(runtime.block_on(async { 42 }), 42);
}

#[test]
fn two_runtimes_have_separate_times() {
    let (first, second) = (fifo(), fifo());
    first.block_on(sleep_for(5 * SECOND));
    let time = |runtime: &Runtime| runtime.block_on(async { SystemTime::now() });
    assert_eq!(time(&first).duration_since(time(&second)), Ok(5 * SECOND));
}

#[test]
fn one_awaits_a_task_of_the_other() {
    let (first, second) = (fifo(), fifo());
    let task = first.spawn(async { 42 });
    let remote = task.abort_handle();
    // The first runtime does not run meanwhile.
    let text = panic_text(|| {
        second.block_on(async {
            task.await.unwrap();
        });
    });
    assert!(text.contains("deadlock"), "{text}");
    assert!(!remote.is_finished());
    first.block_on(yield_now());
    assert!(remote.is_finished());
}

#[test]
fn a_handle_blocks_on_its_runtime_too() {
    let runtime = fifo();
    let handle: Handle = runtime.handle().clone();
    assert_eq!(handle.block_on(async { spawn(async { 42 }).await.unwrap() }), 42);
    drop(runtime);
    assert_eq!(handle.block_on(async { 43 }), 43, "also after the shutdown");
}
