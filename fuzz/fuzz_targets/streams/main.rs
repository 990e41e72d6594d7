//! Fuzzes the network with streams and datagrams between three nodes. Links are slow, lossy, cut, held and clogged, and
//! nodes crash, pause and restart.
//!
//! It checks that a reader gets a prefix of the bytes written, in order, and the end after all of them. A stream that has not
//! failed delivers all bytes once the faults are healed. A datagram arrives whole, from the sender that it names. Nothing
//! panics, and equal bytes make equal runs.
#![no_main]

mod driver;
mod nodes;
mod stream;

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use libfuzzer_sys::fuzz_target;
use timeloop::{Bytes, Limits, Outcome};
use timeloop_fuzz::{Reader, cover};

/// The numbers of operations and of runs so far.
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
    cover(&[u64::from(outcome.steps > 500), steps / 16]);
});

/// Makes a run. Returns the number of operations.
fn run(schedule: &[u8], program: &Rc<[u8]>) -> Outcome<u64> {
    timeloop::run_from(Bytes::new(schedule), &Limits::default(), || {
        let program = Rc::clone(program);
        async move { driver::root(&program).await }
    })
}
