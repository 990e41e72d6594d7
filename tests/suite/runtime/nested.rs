//! A thread runs one loop at a time.

use timeloop::runtime::{Handle, Runtime};

use crate::support::panic_text;

#[test]
fn a_run_inside_a_run_is_an_error_that_names_both() {
    let text = timeloop::run(0, || async {
        let line = line!() + 1;
        let text = panic_text(|| drop(timeloop::run(1, || async {})));
        (text, line)
    });
    let (text, line) = text.unwrap();
    assert_eq!(
        text,
        format!(
            "cannot start `timeloop::run` at {}:{line}:39 inside `timeloop::run`: a thread runs one event loop at a time; \
             await the future or `spawn` it instead",
            file!()
        )
    );
}

#[test]
fn a_runtime_blocked_on_inside_a_task_is_an_error() {
    let (first, second) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let text = "Cannot start a runtime from within a runtime: a task must not block the thread that runs it; await the \
                future, or call `block_on` in `spawn_blocking` or `block_in_place`";
    first.block_on(async {
        assert_eq!(panic_text(|| second.block_on(async {})), text);
        assert_eq!(panic_text(|| first.block_on(async {})), text);
        assert_eq!(panic_text(|| Handle::current().block_on(async {})), text);
    });
    assert_eq!(first.block_on(async { 42 }), 42);
}

#[test]
fn the_outer_loop_continues_after_the_error() {
    let output = timeloop::run(0, || async {
        drop(panic_text(|| drop(timeloop::run(1, || async {}))));
        timeloop::spawn(async { 42 }).await.unwrap()
    });
    assert_eq!(output.unwrap(), 42);
}
