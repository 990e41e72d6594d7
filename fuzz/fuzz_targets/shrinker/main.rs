//! Checks shrinking with toy simulations. They fail if the order of their events, or their choices, differ from the baseline
//! run in ways that the bytes define.
//!
//! It checks that the deviations of any run repeat it. The shrunk schedule has to fail as the original one, to have no more
//! deviations, to pass or fail differently without any one of them, and to equal the schedule of its token.
#![no_main]

mod conditions;
mod program;
#[path = "../../../sim/tests/suite/toy.rs"]
#[expect(dead_code, reason = "the harness's own tests use more of it")]
mod toy;

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use timeloop_fuzz::{FuzzSource, Reader, cover};
use timeloop_sim::{
    AnySource, Bound, Config, Detail, Ended, Found, Limits, RegressionsIn, Request, Schedule, Seed, Settings,
    Simulation, StrategySpec, explore,
};

use conditions::ConditionalToy;

const TEST: &str = "fuzz::shrinker";

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data);
    let strategy = match StrategySpec::ALL[reader.below(StrategySpec::ALL.len())] {
        StrategySpec::Exhaustive { .. } => StrategySpec::Exhaustive {
            bound: reader.pick(&[Bound::None, Bound::Delays(2), Bound::Preemptions(1)]),
        },
        strategy => strategy,
    };
    let (seed, stalls) = (reader.number(), reader.flag());
    let toy = program::toy(&mut reader);
    repeats(&toy, reader.part());
    let toy_with_conditions = ConditionalToy::new(toy, &mut reader, run);

    let config = Config {
        runs: Some(40),
        seed: Seed(seed),
        strategy,
        stalls: stalls.into(),
        jobs: Some(1),
        limits: limits(),
        shrink_runs: 1_500,
        regressions: RegressionsIn::Nowhere,
        environment: Some(Settings::default()),
        silent: true,
        ..Config::new(TEST)
    };
    let exploration = explore(&config, &toy_with_conditions);
    assert!(exploration.error.is_none(), "{exploration:#?}");
    if let Some(found) = &exploration.found {
        check(&toy_with_conditions, found);
    }
});

fn limits() -> Limits {
    Limits {
        stuck_after: Duration::ZERO,
        max_steps: 2_000,
        max_polls_per_instant: 1_000,
        ..Limits::default()
    }
}

/// Makes a run with a record.
fn run(simulation: &dyn Simulation, source: AnySource) -> Ended {
    let limits = limits();
    simulation.run(Request { source, limits: &limits, detail: Detail::Blocked, explain_from: 0, loud: false })
}

/// Checks that the deviations of a run repeat it.
fn repeats(toy: &toy::Toy, schedule: &[u8]) {
    let wild = FuzzSource::new(schedule).preempts(true).holds_back(true);
    let wild = run(toy, Box::new(wild).into());
    let record = wild.record.expect("it was asked for");
    let deviations = record.deviations();
    cover(&[1, deviations.len().min(16) as u64]);
    let again = Schedule::Deviations { randomness: Seed(0), deviations };
    let again_ended = run(toy, again.source());
    assert_eq!(again_ended.trace_hash, wild.trace_hash, "{again:#?}\n{toy:#?}\n{record:#?}");
    assert_eq!((again_ended.unapplied, again_ended.elapsed_ns), (0, wild.elapsed_ns), "{again:#?}");
    assert_eq!(
        again_ended.failure.map(|failure| failure.fingerprint()),
        wild.failure.map(|failure| failure.fingerprint())
    );
}

fn check(toy_with_conditions: &ConditionalToy, found: &Found) {
    let fails = |schedule: &Schedule| {
        let ended = run(toy_with_conditions, schedule.source());
        (ended.failure.map(|failure| failure.fingerprint()), ended.trace_hash)
    };
    let wanted = Some(found.fingerprint);
    assert_eq!(found.failure.fingerprint(), found.fingerprint);
    assert_eq!(fails(&found.schedule).0, wanted, "as found: {found:#?}");
    assert_eq!(fails(&found.shrunk), (wanted, found.trace_hash), "shrunk: {found:#?}");
    assert!(found.replayed, "{found:#?}");
    assert_eq!(Schedule::from_token(&found.token, TEST).as_ref(), Ok(&found.shrunk));

    let Schedule::Deviations { randomness, deviations } = &found.shrunk else {
        panic!("not shrunk: {found:#?}");
    };
    let before = found.deviations_before.expect("it was shrunk");
    cover(&[2, before.min(16) as u64, deviations.len().min(16) as u64, u64::from(found.critical.is_some())]);
    assert!(deviations.len() <= before, "{found:#?}");
    if found.shrink_ended_by.is_some() {
        return;
    }
    for index in 0..deviations.len() {
        let mut fewer = deviations.clone();
        fewer.remove(index);
        let fewer = Schedule::Deviations { randomness: *randomness, deviations: fewer };
        assert_ne!(fails(&fewer).0, wanted, "deviation {index} can be taken away: {found:#?}");
    }
}
