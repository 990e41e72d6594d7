//! Join errors: the same texts as tokio's, found by running the same code with both.

use std::future::pending;

use crate::support::{text_of, tokio as tokio_runtime};

/// Returns everything that a task's error says, without the task's id.
macro_rules! what_it_says {
    ($spawn:path, $future:expr, $abort:expr) => {{
        let task = $spawn($future);
        if $abort {
            task.abort();
        }
        let id = task.id();
        let error = task.await.expect_err("the task fails");
        assert_eq!(error.id(), id);
        let mut said = vec![
            error.to_string().replace(&id.to_string(), "ID"),
            format!("{error:?}").replace(&id.to_string(), "ID"),
            format!("{:?}", (error.is_cancelled(), error.is_panic())),
        ];
        match error.try_into_panic() {
            Ok(payload) => said.push(format!("{:?}", payload.downcast_ref::<&str>())),
            Err(error) => {
                let io = std::io::Error::from(error);
                said.push(format!("{io} {:?}", io.kind()));
            }
        }
        said
    }};
}

macro_rules! same {
    ($future:expr, $abort:expr) => {{
        let ours = timeloop::run(0, || async { what_it_says!(timeloop::spawn, $future, $abort) }).unwrap();
        let theirs = tokio_runtime().block_on(async { what_it_says!(tokio::spawn, $future, $abort) });
        assert_eq!(ours, theirs);
    }};
}

#[test]
fn of_a_task_that_was_aborted() {
    same!(pending::<()>(), true);
}

#[test]
fn of_a_panic_with_a_literal() {
    same!(async { panic!("a literal") }, false);
}

#[test]
fn of_a_panic_with_a_formatted_text() {
    same!(async { panic!("formatted: {:?}\n", "\"quoted\"") }, false);
}

#[test]
fn of_a_panic_with_no_text() {
    same!(async { std::panic::panic_any(42) }, false);
}

#[test]
fn of_a_panic_turned_into_an_io_error() {
    let ours = timeloop::run(0, || async {
        std::io::Error::from(timeloop::spawn(async { panic!("oh") }).await.unwrap_err()).to_string()
    });
    let theirs = tokio_runtime().block_on(async {
        std::io::Error::from(tokio::spawn(async { panic!("oh") }).await.unwrap_err()).to_string()
    });
    assert_eq!(ours.unwrap(), theirs);
}

#[test]
fn into_panic_of_a_cancelled_task_panics_with_tokios_message() {
    macro_rules! words {
        ($spawn:path) => {{
            let task = $spawn(pending::<()>());
            task.abort();
            let id = task.id();
            let error = task.await.unwrap_err();
            let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(error.into_panic())));
            text_of(&*payload.unwrap_err()).replace(&id.to_string(), "ID")
        }};
    }
    let ours = timeloop::run(0, || async { words!(timeloop::spawn) }).unwrap();
    let theirs = tokio_runtime().block_on(async { words!(tokio::spawn) });
    assert_eq!(ours, theirs);
}
