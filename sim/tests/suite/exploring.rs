//! Tests of exploring: the same result for any number of workers, and in any process.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use timeloop_sim::{
    Access, Config, Ended, Exploration, FailureKind, FoundBy, Limits, OnProgress, RegressionsIn, Request,
    Seed, Settings, Simulation, StrategySpec, explore,
};

use crate::toy::{self, Op, Toy};

/// A configuration that reads and writes nothing outside the process. Some tests pin what its seeds do.
pub(crate) fn config(name: &str) -> Config {
    let config = Config { strategy: StrategySpec::Random, ..Config::new(format!("toys::{name}")) };
    Config {
        environment: Some(Settings::default()),
        regressions: RegressionsIn::Nowhere,
        silent: true,
        jobs: Some(1),
        ..config
    }
}

/// Counts runs.
pub(crate) struct Counted<S>(pub(crate) S, pub(crate) AtomicU64);

impl<S: Simulation> Simulation for Counted<S> {
    fn run(&self, request: Request<'_>) -> Ended {
        self.1.fetch_add(1, Relaxed);
        self.0.run(request)
    }
}

/// Several tasks that choose, sleep and draw random numbers, and never fail.
fn calm() -> Toy {
    let task = |cell, flag| {
        let ops =
            [Op::Yield, Op::Select(3, cell), Op::Sleep(5), Op::Draw(9, cell), Op::Yield, Op::Raise(flag)];
        toy::program("calm", ops)
    };
    Toy::new([
        Op::Spawn(task(0, 0)),
        Op::Spawn(task(1, 1)),
        Op::Spawn(task(2, 2)),
        Op::Wait(0),
        Op::Wait(1),
        Op::Wait(2),
    ])
}

fn summary(exploration: &Exploration) -> String {
    let Exploration { base_seed, runs, steps, digest, found, error, notes, .. } = exploration;
    format!("{base_seed} {runs} {steps} {digest:016x} {error:?} {notes:?} {found:#?}")
}

/// The docs state the numbers of runs that an exploration makes by default.
#[test]
fn a17_the_documented_numbers_of_runs_are_true() {
    let docs = |file: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).expect("the docs are beside the tests");
        text.split_whitespace().filter(|word| *word != "///").collect::<Vec<_>>().join(" ")
    };
    let [config_docs, variables, readme, exhaustive, reports] = [
        "src/config.rs",
        "../src/guide/replaying.md",
        "../README.md",
        "../src/guide/exhaustive.md",
        "../src/guide/reports.md",
    ]
    .map(docs);
    let says = |docs: &str, sentence: &str| assert!(docs.contains(sentence), "`{sentence}`");

    // The tasks can run in 10! orders.
    let writer = |flag| Op::Spawn(toy::program("writer", [Op::Touch(0, Access::Write), Op::Raise(flag)]));
    let toy = Toy::new((0..10).map(writer).chain((0..10).map(Op::Wait)).collect::<Vec<_>>());
    let explored = |strategy| explore(&Config { strategy, ..config("numbers") }, &toy);
    let exhaustive_search = "exhaustive".parse().unwrap();
    let (runs, exhausted) = (explored(StrategySpec::Random).runs, explored(exhaustive_search).runs);
    let [runs, exhausted] = [runs, exhausted].map(timeloop_sim::grouped);
    says(&config_docs, &format!("`None`, the default, is {runs}, or {exhausted} for an exhaustive search"));
    says(&variables, &format!("default {runs}, for an exhaustive search {exhausted}"));
    says(&readme, &format!("(default {runs}; exhaustive: {exhausted})"));
    says(
        &exhaustive,
        &format!("A search stops after [`runs`](crate::Config::runs) schedules, {exhausted} by default."),
    );

    let shrunk = timeloop_sim::grouped(config("numbers").shrink_runs);
    says(&config_docs, &format!("The largest number of runs for shrinking. Default {shrunk}."));
    says(&reports, &format!("Shrinking takes at most {shrunk} runs"));
}

#[test]
fn the_answer_does_not_depend_on_the_number_of_workers() {
    for (name, toy) in
        [("lost_update", toy::lost_update()), ("races", toy::races(4)), ("select", toy::select())]
    {
        for seed in [0, 1_000, 77] {
            let explore = |jobs| {
                explore(
                    &Config {
                        seed: Seed(seed),
                        runs: Some(5_000),
                        jobs: Some(jobs),
                        // Shrinking must not depend on the load of the machine.
                        ..config(name)
                    },
                    &toy,
                )
            };
            let alone = explore(1);
            assert!(alone.found.is_some(), "{name} fails");
            for jobs in [2, 3, 8] {
                assert_eq!(
                    summary(&explore(jobs)),
                    summary(&alone),
                    "{name} from {seed} with {jobs} workers"
                );
            }
        }
    }
}

#[test]
fn a_thousand_seeds_have_one_digest() {
    let toy = calm();
    let digests = [1, 2, 4].map(|jobs| {
        let exploration = explore(&Config { jobs: Some(jobs), ..config("races") }, &toy);
        assert!(exploration.passed());
        assert_eq!(exploration.runs, 1_000);
        exploration.digest
    });
    // Pinned: if this number changes, the meaning of every seed has changed.
    assert_eq!(digests, [14_538_069_842_968_612_811; 3]);
}

#[test]
fn the_lowest_failing_seed_is_found() {
    let toy = toy::races(3);
    let exploration = explore(&config("races"), &toy);
    let found = exploration.found.as_ref().expect("one run in eight fails");
    let FoundBy::Seed { index, seed } = found.by else { panic!("found by a seed, not by {:?}", found.by) };
    assert_eq!(Seed(index), seed);
    assert_eq!(exploration.runs, index + 1);
    // No earlier seed fails.
    if index > 0 {
        assert!(explore(&Config { runs: Some(index), ..config("races") }, &toy).passed());
    }
    // An exploration that starts at that seed finds it at once.
    let again = explore(&Config { seed, ..config("races") }, &toy);
    assert_eq!(again.runs, 1);
    assert_eq!(again.found.unwrap().schedule, found.schedule);
}

#[test]
fn a_slow_failure_at_a_lower_seed_wins_over_a_quick_one() {
    struct Delayed(Toy);
    impl Simulation for Delayed {
        fn run(&self, request: Request<'_>) -> Ended {
            let ended = self.0.run(request);
            // About every fourth run is slow, including some that fail.
            if ended.trace_hash.is_multiple_of(4) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            ended
        }
    }
    // One run in 32 fails.
    for seed in (0..2_000).step_by(100) {
        let explore = |jobs| {
            explore(
                &Config { seed: Seed(seed), jobs: Some(jobs), shrink_runs: 1, ..config("races") },
                &Delayed(toy::races(5)),
            )
        };
        let (alone, together) = (explore(1), explore(6));
        assert_eq!(summary(&alone), summary(&together));
    }
}

#[test]
fn how_often_it_fails_is_counted_beyond_the_first_failure() {
    let found = explore(&config("races"), &toy::races(1)).found.unwrap();
    assert!(found.frequency.tried > 200, "{:?}", found.frequency);
    let share = found.frequency.failing * 100 / found.frequency.tried;
    assert!((30..70).contains(&share), "one of two orders fails: {:?}", found.frequency);
    assert!(found.frequency.others.is_empty());
}

#[test]
fn other_failures_are_counted_separately() {
    // Fails at one of two places, depending on which task runs first.
    let stop =
        |cell| toy::program("stop", [Op::AddIf(5, 0, cell, 1), Op::AddIf(0, 0, 5, 1), Op::Raise(cell)]);
    let toy =
        Toy::new([Op::Spawn(stop(0)), Op::Spawn(stop(1)), Op::Yield, Op::Expect(0, 0), Op::Expect(1, 0)]);
    let found = explore(&config("two ways"), &toy).found.unwrap();
    let [other] = &found.frequency.others[..] else { panic!("one other failure, not {:?}", found.frequency) };
    assert_eq!(other.kind, FailureKind::Panic);
    assert_ne!(other.fingerprint, found.fingerprint);
    assert!(other.count > 0 && other.count < found.frequency.failing);
}

#[test]
fn the_fifo_strategy_tries_the_baseline_run_only() {
    let exploration = explore(
        &Config { strategy: StrategySpec::Fifo, runs: Some(50), ..config("lost_update") },
        &toy::lost_update(),
    );
    assert!(exploration.passed());
    assert_eq!(exploration.report(), "timeloop: `toys::lost_update` passed in 50 schedules\n");
}

#[test]
fn every_seed_is_run_once() {
    for jobs in [1, 2, 5] {
        for runs in [1, 7, 31, 32, 33, 100, 1_001] {
            let toy = Counted(calm(), AtomicU64::new(0));
            let exploration =
                explore(&Config { jobs: Some(jobs), runs: Some(runs), ..config("races") }, &toy);
            // The baseline run comes first, except where a single run is requested.
            let baseline = u64::from(runs > 1);
            assert_eq!(toy.1.load(Relaxed), baseline + runs, "{jobs} workers");
            assert_eq!((exploration.runs, exploration.schedules()), (runs, baseline + runs));
        }
    }
}

#[test]
fn a_panic_of_the_simulation_itself_reaches_the_caller() {
    struct Broken(AtomicU64);
    impl Simulation for Broken {
        fn run(&self, _: Request<'_>) -> Ended {
            assert!(self.0.fetch_add(1, Relaxed) < 100, "the engine is broken");
            Ended { steps: 1, ..Ended::default() }
        }
    }
    for jobs in [1, 2] {
        let explore =
            || explore(&Config { jobs: Some(jobs), ..config("broken") }, &Broken(AtomicU64::new(0)));
        let panic = std::panic::catch_unwind(explore).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "the engine is broken");
    }
}

#[test]
fn each_bound_ends_an_endless_run() {
    let spin = Toy::new(vec![Op::Yield; 200]);
    let kind = |config: Config| {
        explore(&Config { runs: Some(3), ..config }, &spin).found.map(|found| found.failure.kind)
    };
    assert_eq!(kind(config("spin")), None);
    assert_eq!(
        kind(Config { limits: Limits { max_steps: 100, ..Limits::default() }, ..config("spin") }),
        Some(FailureKind::StepLimit)
    );
    assert_eq!(
        kind(Config { limits: Limits { max_polls_per_instant: 100, ..Limits::default() }, ..config("spin") }),
        Some(FailureKind::Livelock)
    );
}

#[test]
fn checking_a_failed_exploration_panics_with_the_report() {
    let exploration = explore(&config("lost_update"), &toy::lost_update());
    let report = exploration.report();
    assert!(report.starts_with("timeloop: `toys::lost_update` failed in "), "{report}");
    let panic = std::panic::catch_unwind(|| exploration.check()).unwrap_err();
    assert_eq!(*panic.downcast::<String>().unwrap(), report);
    explore(&config("calm"), &Toy::new([Op::Yield])).check();
}

#[test]
fn progress_is_reported_on_the_calling_thread() {
    use std::sync::{Arc, Mutex};
    use timeloop_sim::{Phase, Progress};

    let reported: Arc<Mutex<Vec<(Progress, std::thread::ThreadId)>>> = Arc::default();
    let reporting = Arc::clone(&reported);
    struct Slow(Toy);
    impl Simulation for Slow {
        fn run(&self, request: Request<'_>) -> Ended {
            // So long that the calling thread reports progress before it starts another thread.
            std::thread::sleep(std::time::Duration::from_millis(5));
            self.0.run(request)
        }
    }
    let config = Config {
        runs: Some(200),
        jobs: Some(2),
        progress: Some(OnProgress::new(move |progress| {
            reporting.lock().unwrap().push((progress.clone(), std::thread::current().id()));
        })),
        ..config("slow")
    };
    assert!(explore(&config, &Slow(calm())).passed());
    let reported = reported.lock().unwrap();
    assert!(!reported.is_empty());
    for (progress, thread) in reported.iter() {
        assert_eq!((progress.phase, progress.of), (Phase::Exploring, 200));
        assert!(progress.runs > 0 && progress.runs <= 200);
        assert_eq!(*thread, std::thread::current().id());
    }
    assert!(reported.is_sorted_by_key(|(progress, _)| progress.runs));
}
