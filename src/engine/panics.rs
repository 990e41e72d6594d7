//! The panic hook: notes the message and the place of a panic ([`PanicNote`]), and decides whether to print it.
//!
//! # Invariants
//! - A panic inside a run that explores or shrinks prints nothing, unless it aborts the process.
//! - Outside of runs and on other threads, the previously installed hook works as before.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::panic::{self, PanicHookInfo};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use timeloop_sim::{Heartbeat, Site};

/// The message and the place of a panic.
#[derive(Clone, Debug)]
pub(crate) struct PanicNote {
    pub(crate) message: String,
    pub(crate) site: Option<Site>,
    /// Whether the panic says that tokio's own runtime is missing.
    pub(crate) needs_tokio: bool,
}

impl PanicNote {
    fn new(message: String, site: Option<Site>) -> Self {
        // Only the message shows it: the place is that of tokio's caller.
        let needs_tokio = message.contains("context of a Tokio 1.x runtime");
        Self { message, site, needs_tokio }
    }
}

/// Whether panics on this thread are noted and printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Outside,
    Loud,
    Silent,
}

thread_local! {
    pub(super) static MODE: Cell<Mode> = const { Cell::new(Mode::Outside) };
    static LAST: RefCell<Option<PanicNote>> = const { RefCell::new(None) };
}

/// Notes panics on this thread until dropped.
#[derive(Debug)]
pub(crate) struct Watch(Mode);

impl Watch {
    #[inline]
    pub(crate) fn begin(loud: bool) -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            let previous = panic::take_hook();
            panic::set_hook(Box::new(move |info| hook(info, &*previous)));
        });
        Self(MODE.replace(if loud { Mode::Loud } else { Mode::Silent }))
    }
}

impl Watch {
    /// Notes panics as the run around does. Outside of runs they are printed.
    pub(crate) fn nested() -> Self {
        Self::begin(MODE.get() != Mode::Silent)
    }
}

impl Drop for Watch {
    #[inline]
    fn drop(&mut self) {
        MODE.set(self.0);
    }
}

/// Polls a future of the code under test. The standard library ends a short backtrace at a function with this name, so the
/// backtrace of a panic does not list what polls the future. It costs nothing: inlined functions are in backtraces, too.
#[inline(always)]
pub(super) fn __rust_begin_short_backtrace<F: Future>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    future.poll(cx)
}

fn hook(info: &PanicHookInfo<'_>, previous: &(dyn Fn(&PanicHookInfo<'_>) + Send + Sync)) {
    let mode = MODE.try_with(Cell::get).unwrap_or(Mode::Outside);
    if mode != Mode::Outside {
        let site = info.location().map(|location| {
            Site::new(Cow::Owned(location.file().to_owned()), location.line(), location.column())
        });
        let note = PanicNote::new(message(info.payload()), site);
        if mode == Mode::Silent && is_abort(&note.message) {
            print_before_abort();
        }
        // `try_with`, `try_borrow_mut`: a panic inside a panic must not become an abort here.
        let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = Some(note)));
    }
    if mode != Mode::Silent {
        previous(info);
    }
}

/// Returns whether the standard library aborts the process after this panic.
fn is_abort(message: &str) -> bool {
    message == "panic in a destructor during cleanup" || message == "panic in a function that cannot unwind"
}

/// Prints the noted panic and the current run. A panic during the unwinding of another aborts the process, so they can't be
/// reported later.
#[cold]
fn print_before_abort() {
    let note = LAST.try_with(|last| last.try_borrow().ok().and_then(|last| last.clone())).ok().flatten();
    if let Some(PanicNote { message, site, .. }) = note {
        let place = site.map_or_else(String::new, |site| format!(" at {site}"));
        // Not captured by the test harness, which won't live to print it.
        let _ = writeln!(
            std::io::stderr(),
            "\ntimeloop: a second panic{place}, while the first one unwinds, aborts the process: {message}\n{}",
            Heartbeat::current_run(),
        );
    }
}

/// Takes the note on the panic that was just caught on this thread with this payload.
pub(crate) fn take(payload: &(dyn Any + Send)) -> PanicNote {
    let message = message(payload);
    // `resume_unwind` calls no hook, so the note may be of an earlier panic. Then the messages differ.
    let noted = LAST.with_borrow_mut(Option::take).filter(|note| note.message == message);
    noted.unwrap_or_else(|| PanicNote::new(message, None))
}

/// Drops the payload of a caught panic. Its destructor is the user's, and may panic itself.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    // A second panic of the same task is not reported.
    let _watch = Watch::begin(false);
    if let Err(second) = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(payload))) {
        // Its destructor may panic like that of the first.
        std::mem::forget(second);
    }
}

/// Restores the note on a caught panic that is about to be resumed.
pub(crate) fn note_again(note: PanicNote) {
    LAST.set(Some(note));
}

/// Calls `f` and keeps the note on the last panic, whatever `f` does.
#[cold]
pub(crate) fn keep_note(f: impl FnOnce()) {
    let note = LAST.take();
    f();
    LAST.set(note);
}

/// Returns the message of a panic.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
