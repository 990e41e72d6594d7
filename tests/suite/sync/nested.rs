//! A run inside tokio's own runtime is refused, because tokio's budget for its tasks would end it in a false deadlock.

use std::panic::{AssertUnwindSafe, catch_unwind};

use timeloop::sync::mpsc;

/// More operations than tokio allows a task in one poll.
async fn many_messages() {
    let (tx, mut rx) = mpsc::unbounded_channel();
    for number in 0..300 {
        tx.send(number).unwrap();
        assert_eq!(rx.recv().await, Some(number));
    }
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn refusal(start: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(start)).expect_err("a run is refused here");
    *payload.downcast::<String>().expect("a text")
}

#[test]
fn a_run_panics_inside_a_tokio_task() {
    tokio_runtime().block_on(async {
        let refused = refusal(|| _ = timeloop::run(1, many_messages));
        let start = refused.find(" inside ").unwrap();
        assert_eq!(
            &refused[start..],
            " inside tokio's own runtime: start it in a plain `#[test]`, in `main`, or in \
             `tokio::task::spawn_blocking`; otherwise, its tasks would use up tokio's cooperative budget"
        );
        assert!(refused.starts_with("cannot start `timeloop::run` at tests"), "{refused}");
        let task = tokio::spawn(async { refusal(|| timeloop::explore(many_messages)) });
        assert!(task.await.unwrap().contains("inside tokio's own runtime"));
    });
}

#[test]
fn beside_tokios_runtime_it_runs() {
    let runtime = tokio_runtime();
    let _context = runtime.enter();
    timeloop::run(1, many_messages).unwrap();
    let blocking = tokio::task::spawn_blocking(|| {
        timeloop::run(1, many_messages).map_err(|failure| failure.to_string())
    });
    runtime.block_on(blocking).unwrap().unwrap();
}
