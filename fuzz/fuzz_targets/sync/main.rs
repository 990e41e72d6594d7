//! Compares the primitives of `timeloop::sync` with tokio's: one program on both, result by result and wake by wake.
//!
//! It checks that each poll and each call returns the same as in tokio outside a run, inside a run, and with preemption. A
//! future that is dropped while preempted has no effect.
#![no_main]

mod driver;
mod primitives;
mod script;

use libfuzzer_sys::fuzz_target;
use timeloop::Limits;
use timeloop_fuzz::{FuzzSource, Reader, cover};

use script::Op;

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data);
    let schedule = reader.part();
    let script = script::read(&mut reader);

    let (theirs, _) = driver::polled(&mut primitives::of_tokio::AllPrimitives::default(), &script, &[]);
    let (outside, _) = driver::polled(&mut primitives::of_timeloop::AllPrimitives::default(), &script, &[]);
    same(&script, &outside, &theirs, "outside of a run");
    for (op, answer) in script.iter().zip(&theirs) {
        cover(&[op.kind as u64, answer.said.len() as u64, answer.wakes.len().min(4) as u64]);
    }

    // A source that is asked before every operation and preempts none.
    let source = FuzzSource::new(&[]).preempts(true);
    let inside = timeloop::run_from(Box::new(source), &Limits::default(), || async {
        driver::polled(&mut primitives::of_timeloop::AllPrimitives::default(), &script, &[]).0
    });
    same(&script, &inside.result.expect("nothing fails"), &theirs, "inside of a run");

    let source = FuzzSource::new(schedule).preempts(true);
    let observations = source.observations();
    let awaited = timeloop::run_from(Box::new(source), &Limits::default(), || async {
        driver::awaited(&mut primitives::of_timeloop::AllPrimitives::default(), &script, &observations).await
    });
    let (awaited, given_up) = awaited.result.expect("nothing fails");
    cover(&[observations.preemptions.get().min(8).into(), given_up.len().min(8) as u64]);
    let (theirs, _) = driver::polled(&mut primitives::of_tokio::AllPrimitives::default(), &script, &given_up);
    for ((op, ours), theirs) in script.iter().zip(&awaited).zip(&theirs) {
        assert_eq!(ours, &theirs.said, "with preemption, at {op:?} of {script:#?}");
    }
});

fn same(script: &[Op], ours: &[driver::Answer], theirs: &[driver::Answer], place: &str) {
    for ((op, ours), theirs) in script.iter().zip(ours).zip(theirs) {
        assert_eq!(ours, theirs, "{place}, at {op:?} of {script:#?}");
    }
}
