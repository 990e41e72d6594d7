//! A thread runs one loop at a time.

use timeloop::runtime::{Handle, Runtime};

use crate::support::{fifo, panic_text};

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
            "cannot start the loop of `timeloop::run` at {}:{line}:39 inside the loop of `timeloop::run`: a thread runs \
             one loop at a time; await the future or `spawn` it instead",
            file!()
        )
    );
}

#[test]
fn a_runtime_inside_a_run_is_an_error() {
    timeloop::run(0, || async {
        let line = line!() + 1;
        let text = panic_text(|| drop(Runtime::new()));
        assert_eq!(
            text,
            format!(
                "cannot start the loop of the `Runtime` built at {}:{line}:39 inside the loop of `timeloop::run`: a thread \
                 runs one loop at a time; await the future or `spawn` it instead",
                file!()
            )
        );
    })
    .unwrap();
}

#[test]
fn a_runtime_blocked_on_inside_another_names_both_places() {
    let (first_line, first) = (line!(), Runtime::new().unwrap());
    let (second_line, second) = (line!(), Runtime::new().unwrap());
    let text = first.block_on(async { panic_text(|| second.block_on(async {})) });
    let file = file!();
    assert_eq!(
        text,
        format!(
            "cannot start the loop of the `Runtime` built at {file}:{second_line}:43 inside the loop of the `Runtime` \
             built at {file}:{first_line}:41: a thread runs one loop at a time; await the future or `spawn` it instead"
        )
    );
}

#[test]
fn its_own_runtime_is_an_error_too() {
    let runtime = fifo();
    let text = runtime.block_on(async { panic_text(|| runtime.block_on(async {})) });
    assert!(text.contains("a thread runs one loop at a time"), "{text}");
    let text = runtime.block_on(async { panic_text(|| Handle::current().block_on(async {})) });
    assert!(text.starts_with(
        "cannot start the loop of `Handle::block_on` inside the loop of the `Runtime` built at"
    ));
    assert_eq!(runtime.block_on(async { 42 }), 42);
}

#[test]
fn the_outer_loop_continues_after_the_error() {
    let output = timeloop::run(0, || async {
        drop(panic_text(|| drop(timeloop::run(1, || async {}))));
        timeloop::spawn(async { 42 }).await.unwrap()
    });
    assert_eq!(output.unwrap(), 42);
}
