//! What several tests use.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use timeloop::StrategySpec;
use timeloop::runtime::{Builder, Runtime};

/// A log that tasks share in place of printing.
pub(crate) struct Log<T = &'static str>(Rc<RefCell<Vec<T>>>);

impl<T> Log<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn push(&self, entry: T) {
        self.0.borrow_mut().push(entry);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        self.0.take()
    }

    /// Pushes the entry when dropped.
    pub(crate) fn on_drop(&self, entry: T) -> impl Sized + 'static
    where
        T: 'static,
    {
        let log = self.clone();
        on_drop(move || log.push(entry))
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Log<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Calls `f` when dropped.
pub(crate) fn on_drop(f: impl FnOnce() + 'static) -> impl Sized + 'static {
    struct OnDrop<F: FnOnce()>(Option<F>);

    impl<F: FnOnce()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            if let Some(f) = self.0.take() {
                f();
            }
        }
    }

    OnDrop(Some(f))
}

/// A runtime whose tasks run first in, first out.
pub(crate) fn fifo() -> Runtime {
    Builder::new_current_thread().strategy(StrategySpec::Fifo).build().expect("a runtime builds")
}

/// The text of the panic of `f`.
pub(crate) fn panic_text(f: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("a panic");
    text_of(&*payload)
}

/// The text of a panic's payload.
pub(crate) fn text_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).expect("a panic with a text").to_owned()
}

/// A real tokio runtime with paused time, to compare with.
pub(crate) fn tokio() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("tokio builds a runtime")
}
