//! Fuzzes the event loop with a program of spawns, wakes, aborts, sleeps, drops, panics, join sets and local sets, and a
//! schedule.
//!
//! It checks that equal bytes make equal runs, that every task is dropped once, that a woken task is polled, that a sleep
//! ends exactly at its deadline, and that the run ends in a way that the program permits.
#![no_main]

mod interpreter;
mod program;
mod sets;
mod world;

use std::rc::Rc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use timeloop::{AnySource, Bytes, FailureKind, Limits, Outcome};

use timeloop_fuzz::FuzzSource;

use program::Program;
use world::World;

fuzz_target!(|data: &[u8]| {
    let (program, schedule) = program::split(data);
    let program = Rc::new(Program::parse(program));
    world::forget_stale_wakers();
    let (first, first_log) = run(&program, schedule);
    let (second, second_log) = run(&program, schedule);
    assert_eq!(first.result, second.result, "the same bytes end otherwise");
    assert_eq!(first_log, second_log, "the same bytes make other tasks run");
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_eq!((first.steps, first.elapsed), (second.steps, second.elapsed));
});

/// Runs the program and checks the run. Returns its outcome and the hash of its log.
fn run(program: &Rc<Program>, schedule: &[u8]) -> (Outcome<()>, u64) {
    // Half of the schedules are decided by `FuzzSource`.
    let (wild, flags) = schedule.split_first().map_or((false, 0), |(flags, _)| (*flags >= 128, *flags));
    let (preempts, holds_back) = (wild && flags & 1 == 1, wild && flags & 2 == 2);
    let source = || -> AnySource {
        if !wild {
            return Bytes::new(schedule).into();
        }
        Box::new(FuzzSource::new(&schedule[1..]).preempts(preempts).holds_back(holds_back)).into()
    };
    let limits = Limits { stuck_after: Duration::from_secs(5), ..Limits::default() };
    let world = Rc::new(World::new(Rc::clone(program), holds_back));
    let outcome = timeloop::run_from(source(), &limits, || {
        let world = Rc::clone(&world);
        async move { interpreter::root(world).await }
    });
    check(&world, &outcome);
    // Drops the handles that tasks left behind, now that the run is over.
    world.clear();
    assert_eq!(Rc::strong_count(&world), 1, "a task outlives its run");
    let log = world.log();
    (outcome, log)
}

fn check(world: &World, outcome: &Outcome<()>) {
    let violations = world.violations();
    assert!(violations.is_empty(), "{violations:#?}\n{outcome:#?}\n{world:#?}");
    let counts = world.counts();
    assert_eq!(counts.dropped, counts.spawned, "every task is dropped once: {outcome:#?}\n{world:#?}");
    let thrown_unseen = counts.thrown - counts.observed;
    let ends_well = match &outcome.result {
        Ok(()) => counts.root_ended && thrown_unseen == 0,
        Err(failure) => match failure.kind {
            FailureKind::Panic => counts.root_threw && failure.message() == world::INTENDED,
            FailureKind::UnobservedPanic => thrown_unseen > 0 && failure.message() == world::INTENDED,
            FailureKind::Deadlock => !counts.root_ended && counts.sleeping == 0 && counts.woken == 0,
            _ => false,
        },
    };
    assert!(ends_well, "{counts:#?}\n{outcome:#?}\n{world:#?}");
}
