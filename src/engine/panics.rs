//! What a panic says and where it was, and whether it is printed.
//!
//! Always true: while a run explores or shrinks, a panic inside it prints nothing; outside of runs, and on other
//! threads, the hook that was installed before does what it did.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use timeloop_sim::{Heartbeat, Site};

/// What is known of a panic.
#[derive(Clone, Debug)]
pub(crate) struct PanicNote {
    pub(crate) message: String,
    pub(crate) site: Option<Site>,
    /// Whether it comes of tokio's own runtime, which is not there inside a run.
    pub(crate) needs_tokio: bool,
}

impl PanicNote {
    fn new(message: String, site: Option<Site>) -> Self {
        // Its text is all the evidence there is: the place is that of whoever calls tokio.
        let needs_tokio = message.contains("context of a Tokio 1.x runtime");
        Self { message, site, needs_tokio }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Outside,
    Loud,
    Silent,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Outside) };
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

impl Drop for Watch {
    #[inline]
    fn drop(&mut self) {
        MODE.set(self.0);
    }
}

fn hook(info: &PanicHookInfo<'_>, previous: &(dyn Fn(&PanicHookInfo<'_>) + Send + Sync)) {
    let mode = MODE.try_with(Cell::get).unwrap_or(Mode::Outside);
    if mode != Mode::Outside {
        let site = info.location().map(|location| Site {
            file: Cow::Owned(location.file().to_owned()),
            line: location.line(),
            column: location.column(),
        });
        let note = PanicNote::new(message(info.payload()), site);
        if mode == Mode::Silent && is_last_words(&note.message) {
            last_words();
        }
        // `try_with`, `try_borrow_mut`: a panic inside a panic must not become an abort here.
        let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = Some(note)));
    }
    if mode != Mode::Silent {
        previous(info);
    }
}

/// Whether the standard library says with this panic that the process is about to be stopped.
fn is_last_words(message: &str) -> bool {
    message == "panic in a destructor during cleanup" || message == "panic in a function that cannot unwind"
}

/// A destructor has panicked while another panic unwound the stack, so the process stops, and nothing that was kept back can
/// be told later.
#[cold]
fn last_words() {
    let note = LAST.try_with(|last| last.try_borrow().ok().and_then(|last| last.clone())).ok().flatten();
    if let Some(PanicNote { message, site, .. }) = note {
        let place = site.map_or_else(String::new, |site| format!(" at {site}"));
        // As the standard library does: it can't be captured by a test harness that will not live to show it.
        let _ = writeln!(
            std::io::stderr(),
            "\ntimeloop: a panic{place} during the unwinding of another stops the process: {message}\n{}",
            Heartbeat::current_run(),
        );
    }
}

/// What is known of the panic that was just caught on this thread, whose payload is given.
pub(crate) fn take(payload: &(dyn Any + Send)) -> PanicNote {
    let message = message(payload);
    // `resume_unwind` calls no hook: what is noted then is an earlier panic, unless the texts agree.
    let noted = LAST.with_borrow_mut(Option::take).filter(|note| note.message == message);
    noted.unwrap_or_else(|| PanicNote::new(message, None))
}

/// A panic that was caught is about to go on: what was known of it is known again.
pub(crate) fn note_again(note: PanicNote) {
    LAST.set(Some(note));
}

/// The text of a panic.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a text".to_owned()
    }
}
