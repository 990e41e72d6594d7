//! Drives the network from bytes: streams and datagrams between three nodes, whose links are slow, lossy, cut, held and
//! clogged, and which crash, pause and start again.
//!
//! Always true: what is read is a prefix of what was written, in order; an end comes after all of it; where nothing has
//! failed, all of it comes once the world is calm; a datagram comes whole and from whom it says; nothing panics, and the
//! same bytes twice make the same run.
#![no_main]

mod driver;
mod room;
mod stream;

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use libfuzzer_sys::fuzz_target;
use timeloop::{Bytes, Limits, Outcome};
use timeloop_fuzz::{Reader, saw};

/// Operations so far, and runs.
static STEPS: AtomicU64 = AtomicU64::new(0);
static RUNS: AtomicU64 = AtomicU64::new(0);

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data);
    let schedule = reader.part();
    let program: Rc<[u8]> = reader.rest().into();
    let outcome = run(schedule, &program);
    if data.len() % 8 == 7 {
        let again = run(schedule, &program);
        let all = |outcome: &Outcome<u64>| (outcome.trace_hash, outcome.steps, outcome.elapsed);
        assert_eq!(all(&outcome), all(&again), "the same bytes make another run");
    }
    let steps = outcome.result.unwrap_or_else(|failure| panic!("{failure:#?}"));
    let runs = RUNS.fetch_add(1, Ordering::Relaxed) + 1;
    let before = STEPS.fetch_add(steps, Ordering::Relaxed);
    if before / 1_000_000 != (before + steps) / 1_000_000 {
        eprintln!("streams: {} operations in {runs} runs", before + steps);
    }
    saw(&[u64::from(outcome.steps > 500), steps / 16]);
});

/// How many operations there were.
fn run(schedule: &[u8], program: &Rc<[u8]>) -> Outcome<u64> {
    timeloop::run_from(Bytes::new(schedule), &Limits::default(), || {
        let program = Rc::clone(program);
        async move { driver::root(&program).await }
    })
}
