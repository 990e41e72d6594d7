//! Tasks and their handles.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;

use timeloop::spawn;
use timeloop::task::{JoinError, JoinHandle, LocalSet};

use crate::support::on_drop;

#[test]
fn e11_a_future_that_panics_is_dropped_while_its_thread_panics() {
    timeloop::run(0, || async {
        let seen = Rc::new(Cell::new(None));
        let noted = Rc::clone(&seen);
        let guard = on_drop(move || noted.set(Some(thread::panicking())));
        let task = spawn(async move {
            let _guard = guard;
            panic!("on purpose");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(seen.get(), Some(true));
        assert!(!thread::panicking());
    })
    .unwrap();
}

#[test]
fn e11_the_first_panic_is_the_output_when_a_destructor_panics_too() {
    timeloop::run(0, || async {
        struct Second;

        impl Drop for Second {
            fn drop(&mut self) {
                panic!("the second");
            }
        }

        struct First(Second);

        impl Future for First {
            type Output = ();

            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                let Second = &self.0;
                panic!("the first");
            }
        }

        let error = spawn(First(Second)).await.unwrap_err();
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "the first");
    })
    .unwrap();
}

/// A wrapper as generic code writes it: without `T: 'static`.
struct Wrapper<T>(JoinHandle<T>);

impl<T> Future for Wrapper<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

#[test]
fn e00_a_join_handle_is_a_future_for_every_output() {
    let output = timeloop::run(0, || async { Wrapper(spawn(async { "text" })).await.unwrap() });
    assert_eq!(output.unwrap(), "text");
}

#[test]
fn e00_local_sets_have_ids_of_their_own() {
    let (one, other) = (LocalSet::new(), LocalSet::new());
    assert_eq!(one.id(), one.id());
    assert_ne!(one.id(), other.id());
    assert_ne!(one.id(), super::runtime().handle().id());
}
