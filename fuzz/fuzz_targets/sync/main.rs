//! Holds the primitives of `timeloop::sync` against tokio's own: one program over both, answer by answer and wake by wake.
//!
//! Always true: outside of a run, inside of one, and where operations give way first, each poll and each call answers as
//! tokio's does; and what gave way and was dropped has done nothing.
#![no_main]

mod driver;
mod room;
mod script;

use libfuzzer_sys::fuzz_target;
use timeloop::Limits;
use timeloop_fuzz::{Reader, Wild, saw};

use script::Op;

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data);
    let schedule = reader.part();
    let script = script::read(&mut reader);

    let (theirs, _) = driver::polled(&mut room::tokios::Room::default(), &script, &[]);
    let (outside, _) = driver::polled(&mut room::ours::Room::default(), &script, &[]);
    same(&script, &outside, &theirs, "outside of a run");
    for (op, answer) in script.iter().zip(&theirs) {
        saw(&[op.kind as u64, answer.said.len() as u64, answer.wakes.len().min(4) as u64]);
    }

    // A source that hears of every operation, and lets none give way.
    let source = Wild::new(&[]).preempts(true);
    let inside = timeloop::run_from(Box::new(source), &Limits::default(), || async {
        driver::polled(&mut room::ours::Room::default(), &script, &[]).0
    });
    same(&script, &inside.result.expect("nothing fails"), &theirs, "inside of a run");

    let source = Wild::new(schedule).preempts(true);
    let heard = source.heard();
    let awaited = timeloop::run_from(Box::new(source), &Limits::default(), || async {
        driver::awaited(&mut room::ours::Room::default(), &script, &heard).await
    });
    let (awaited, given_up) = awaited.result.expect("nothing fails");
    saw(&[heard.preemptions.get().min(8).into(), given_up.len().min(8) as u64]);
    let (theirs, _) = driver::polled(&mut room::tokios::Room::default(), &script, &given_up);
    for ((op, ours), theirs) in script.iter().zip(&awaited).zip(&theirs) {
        assert_eq!(ours, &theirs.said, "where operations give way, at {op:?} of {script:#?}");
    }
});

fn same(script: &[Op], ours: &[driver::Answer], theirs: &[driver::Answer], place: &str) {
    for ((op, ours), theirs) in script.iter().zip(ours).zip(theirs) {
        assert_eq!(ours, theirs, "{place}, at {op:?} of {script:#?}");
    }
}
