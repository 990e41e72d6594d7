//! Makes a run on a thread of its own, whose thread-local values are new: the keys of the standard library's hash maps, the
//! generators of random numbers, the caches of libraries.
//!
//! # Invariants
//! The calling thread does nothing until the run has ended.
#![expect(unsafe_code, reason = "the sources of a sweep share memory that its runs use in turn")]

use std::panic::resume_unwind;
use std::thread::{self, Builder};

use crate::watchdog::Place;
use crate::{Ended, Request, Simulation};

/// A request for another thread.
struct Lent<'a>(Request<'a>);

// SAFETY: a request is `Send` but for its source, which may share memory with other sources of the thread that lends it
// (`Scratch`). That thread waits until the run has ended and the source is dropped, and the beginning and the end of a thread
// order all accesses. `run` gets its requests from the harness, whose sources have no value that belongs to a thread.
unsafe impl Send for Lent<'_> {}

impl<'a> Lent<'a> {
    // A method, so that a closure captures the whole value.
    fn get(self) -> Request<'a> {
        self.0
    }
}

/// Makes the run on a thread with the name of this one. A panic of the simulation is resumed.
///
/// # Panics
/// If the thread can't be started.
pub(crate) fn run(simulation: &dyn Simulation, request: Request<'_>) -> Ended {
    let (lent, place) = (Lent(request), Place::of_this_thread());
    let mut builder = Builder::new();
    if let Some(name) = thread::current().name() {
        builder = builder.name(name.to_owned());
    }
    thread::scope(|scope| {
        let run = move || {
            place.take();
            simulation.run(lent.get())
        };
        match builder.spawn_scoped(scope, run) {
            Ok(thread) => thread.join().unwrap_or_else(|payload| resume_unwind(payload)),
            Err(error) => panic!(
                "can't start the thread of a run: {error}; raise the limit on threads or on memory, or set TIMELOOP_HERMETIC=off"
            ),
        }
    })
}
