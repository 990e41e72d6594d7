//! Golden numbers: the run of a seed.
//!
//! # Invariants
//! These numbers are the same in debug and release builds, on every machine, in every process. Changing one changes the
//! run of every seed, token and regression file that users have kept: a breaking change, to be named in the changelog.

use rand::{Rng as _, RngExt as _};
use timeloop::task;
use timeloop::{Limits, Seed, SeedVersion, StoredSchedule, StrategySpec, TaskPath, run_from};

use crate::scenarios;
use crate::support::{Log, explorer};

/// Returns the trace hash of one run.
macro_rules! trace_hash {
    ($name:ident, $strategy:ident, $seed:expr) => {{
        let source = StrategySpec::$strategy.source(Seed($seed));
        let outcome = run_from(source, &Limits::default(), scenarios::$name);
        outcome.result.expect(stringify!($name));
        outcome.trace_hash
    }};
}

#[test]
fn trace_hashes() {
    macro_rules! lines {
        ($($name:ident),*) => {
            [$(format!(
                "{} {:016x} {:016x} {:016x}",
                stringify!($name),
                trace_hash!($name, Random, 0),
                trace_hash!($name, Random, 0xFEDC_BA98_7654_3210),
                trace_hash!($name, Fifo, 0),
            )),*]
        };
    }
    // Scenario, random with two seeds, FIFO.
    assert_pinned(
        &scenarios::all!(lines).join("\n"),
        "\
tasks 58cc7adc01c5c9cf 81d8265aa9babe1b 854c9724a3da5750
time 27ca3d0fba46d5f5 3d99d3fd40858437 3b85f118d882781e
select ca03decd2047a33a 4a151af16e5adc77 4f39201bc8a0ab6c
join_sets 8b693cc55da83405 43a6ebd94a0664a5 a1e6ef95f74a5227
randomness 398f3aadcaee3c8b 4343d637abf08b50 b2f1779a60d96ccb
local 78aeff5d376e9af4 35875769986cf48b 5099a4b288d34081
channels 25798196194fbd76 a3c7ce1b883eb81e e5a8fdac211f09be
locks 4dd7c9e29d3c7db3 1b19e6627e2019e4 777093a126bce9c3",
    );
}

/// Three tasks that read and write two registers, and sleep.
async fn registers() {
    use timeloop::{Resource, time::sleep};
    let shared = std::rc::Rc::new([Resource::new("a"), Resource::new("b")]);
    let tasks = [1, 2, 3].map(|number| {
        let shared = std::rc::Rc::clone(&shared);
        task::spawn(async move {
            shared[0].read().await;
            shared[number % 2].write().await;
            sleep(std::time::Duration::from_millis(number as u64 % 2)).await;
            shared[1].write().await;
            shared[0].write().await;
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
}

/// The runs of two seeds under each strategy, always with the same estimates. Then the runs of an exploration of 200 runs
/// under the default strategy, including the estimates from its baseline run.
///
/// `BLESS=1 cargo test --test suite golden::strategies` writes the numbers to the file.
#[test]
fn strategies() {
    let estimates = |strategy: StrategySpec| {
        let count = |path: &str, count| (path.parse::<TaskPath>().unwrap(), count);
        let mut estimates = timeloop::Estimates::default();
        (estimates.steps, estimates.tasks, estimates.instants) = (20, 4, 2);
        // The first resource that the root creates.
        estimates.resource = (strategy == StrategySpec::Surw).then_some(FIRST_OF_ROOT);
        estimates.counts =
            vec![count("root", 20), count("root.1", 5), count("root.2", 4), count("root.3", 6)];
        estimates
    };
    let mut lines = Vec::new();
    for strategy in StrategySpec::ALL {
        let hash = |seed| {
            let schedule = StoredSchedule::Seeded {
                seed: Seed(seed),
                strategy,
                estimates: estimates(strategy),
                version: SeedVersion::V2,
            };
            let made = [
                run_from(&schedule, &Limits::default(), registers),
                run_from(&schedule, &Limits::default(), scenarios::tasks),
                run_from(&schedule, &Limits::default(), scenarios::time),
            ];
            // The scenario of time need not pass if time passes while tasks are ready.
            made.map(|outcome| format!("{:016x}", outcome.trace_hash)).join(" ")
        };
        lines.push(format!("{strategy}: {} {}", hash(1), hash(0xFEDC_BA98_7654_3210)));
    }
    macro_rules! explored {
        ($($name:path),*) => {$({
            let explorer = explorer(stringify!($name)).strategy(StrategySpec::Portfolio).runs(200).jobs(1);
            // The scenario of time depends on exact times.
            let explorer = explorer.stalls(!stringify!($name).ends_with("time"));
            let exploration = explorer.run($name);
            assert!(exploration.passed(), "{}", exploration.report());
            lines.push(format!("{} {} {:016x}", stringify!($name), exploration.steps, exploration.digest));
        })*};
    }
    explored!(registers, scenarios::tasks, scenarios::time, scenarios::select, scenarios::randomness);
    let found = lines.join("\n") + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/golden_strategies.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, found).expect("the tests' folder can be written");
    } else {
        assert_eq!(found, std::fs::read_to_string(path).expect("it is part of the tests"));
    }
}

const FIRST_OF_ROOT: timeloop::ResourceKey = timeloop::ResourceKey(0x37D2_DD25_CDC6_24BB);

/// The digests of 1,000 seeds. `determinism.rs` compares them across threads and processes.
const DIGESTS: &str = "\
tasks 1000 35467 a384468ac5a8e2eb
time 1000 29309 3cf6ea7c3f1ad9a7
select 1000 63583 59d7db66c13dbee2
join_sets 1000 24173 e6ee1eb2fce46883
randomness 1000 31231 6b1c15e96f4e58ee
local 1000 11068 84149d8219c521b4
channels 1000 48879 a5eb30c1b111023c
locks 1000 26072 5a95d099f570ba50";

#[test]
fn digests_of_1000_seeds() {
    assert_digests(&digests(1));
}

#[track_caller]
pub(crate) fn assert_digests(digests: &str) {
    assert_pinned(digests, DIGESTS);
}

/// Compares line by line. Some scenarios are missing if features are disabled.
#[track_caller]
fn assert_pinned(found: &str, pinned: &str) {
    let count = found.lines().count();
    let pinned: Vec<&str> = pinned.lines().take(count).collect();
    assert!(count >= 6, "{found}");
    assert_eq!(found.lines().collect::<Vec<_>>(), pinned);
}

/// Explores every scenario on this many threads.
pub(crate) fn digests(jobs: usize) -> String {
    macro_rules! lines {
        ($($name:ident),*) => {
            [$({
                let exploration = explorer(stringify!($name)).jobs(jobs).run(scenarios::$name);
                assert!(exploration.passed(), "{}", exploration.report());
                let (runs, steps) = (exploration.runs, exploration.steps);
                format!("{} {runs} {steps} {:016x}", stringify!($name), exploration.digest)
            }),*]
        };
    }
    scenarios::all!(lines).join("\n")
}

/// Each task's random numbers, by its spawn path.
#[test]
fn random_numbers() {
    let numbers = timeloop::run(7, || async {
        fn line(who: &str) -> String {
            let mut rng = timeloop::rng();
            let (small, large) = (rng.next_u32(), rng.next_u64());
            let mut bytes = [0; 5];
            rng.fill_bytes(&mut bytes);
            format!("{who} {small:08x} {large:016x} {bytes:02x?}")
        }
        let first = task::spawn(async { line("root.1") });
        let second = task::spawn(async {
            let child = task::spawn(async { line("root.2.1") });
            [line("root.2"), child.await.unwrap()].join("\n")
        });
        [line("root"), first.await.unwrap(), second.await.unwrap()].join("\n")
    });
    assert_eq!(
        numbers.unwrap(),
        "\
root 6bc82045 ef3232891faf44b4 [7b, 4d, 80, 6e, 65]
root.1 7c519476 9d737ac1a5cc80c1 [35, c8, 2f, f9, fc]
root.2 60799865 c4d06ea5cf3497ab [34, 44, cd, e7, ef]
root.2.1 0617b511 a7f96fd5a451108b [3c, be, 82, 5e, 01]"
    );
}

/// Numbers in ranges come from `rand`, which may change them in a minor release. This test detects that.
#[test]
fn random_numbers_within_bounds() {
    let numbers = timeloop::run(7, || async {
        let mut rng = timeloop::rng();
        (rng.random_range(0..1000), rng.random_range(0..1000), rng.random_bool(0.5), rng.random_bool(0.5))
    });
    assert_eq!(numbers.unwrap(), (421, 123, true, true));
}

/// Tokens that were printed by earlier versions.
#[test]
fn tokens() {
    let read = |token: &str| {
        let schedule = StoredSchedule::from_token(token, "bank::transfers").unwrap();
        assert_eq!(schedule.to_token("bank::transfers"), token);
        schedule
    };
    let first = |seed, strategy, version| {
        let estimates = timeloop::Estimates::default();
        StoredSchedule::Seeded { seed: Seed(seed), strategy, estimates, version }
    };
    assert_eq!(read("TL10YJ2C9MD00012KFTM050"), first(17, StrategySpec::Random, SeedVersion::V1));
    assert_eq!(read("TL10YJ2C9MD08012KKYEHJ0"), first(17, StrategySpec::Random, SeedVersion::V2));
    let schedule = StoredSchedule::Deviations {
        randomness: Seed(3),
        deviations: vec![
            timeloop::Deviation {
                task: TaskPath::root().child(2).child(1),
                resume: 3,
                domain: timeloop::Domain::Schedule,
                index: 0,
                value: 5,
            },
            timeloop::Deviation {
                task: TaskPath::root(),
                resume: 0,
                domain: timeloop::Domain::Select,
                index: 1,
                value: 2,
            },
        ],
    };
    let token = schedule.to_token("bank::transfers");
    assert_eq!(token, "TL12EJ2C9MD041G40G2041G000500002082XS9C6M8");
    assert_eq!(read(&token), schedule);
}

/// The names of decisions: the deviations of a shrunk failure, by task, resumption and index.
#[test]
fn deviations() {
    async fn chooses() -> [u32; 2] {
        task::yield_now().await;
        let first = timeloop::select! { () = async {} => 0, () = async {} => 1 };
        let second = timeloop::select! { () = async {} => 0, () = async {} => 1, () = async {} => 2 };
        [first, second]
    }

    let exploration = explorer("golden::deviations").run(|| async {
        let log = Log::new();
        let early = task::spawn({
            let log = log.clone();
            async move { log.push("early") }
        });
        let chooser = task::spawn(async move {
            log.push("chooser");
            (log.take(), chooses().await)
        });
        let found = chooser.await.unwrap();
        early.await.unwrap();
        assert_ne!(found, (vec!["chooser"], [0, 2]));
    });
    let found = exploration.found.expect("some schedule fails");
    assert_eq!(
        format!("{:?}", found.shrunk.deviations().unwrap()),
        "[Deviation { task: TaskPath([2]), resume: 0, domain: Schedule, index: 0, value: 1 }, Deviation \
         { task: TaskPath([2]), resume: 1, domain: Select, index: 1, value: 2 }]"
    );
    assert_eq!(found.token, "TL12D17S5DR0400408200000081080G2082FMVHVC0");
}
