//! Random numbers for the code under test: a stream for each task, by its spawn path.

use std::collections::BTreeSet;

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, RngExt as _};
use timeloop::task::{self, yield_now};
use timeloop::{Settings, StrategySpec, TaskRng, rng, run};

use crate::support::{explorer, panic_text};

/// Draws some numbers, with other tasks running in between.
async fn draws(count: u32) -> Vec<u64> {
    let mut drawn = Vec::new();
    for _ in 0..count {
        drawn.push(rng().next_u64());
        yield_now().await;
    }
    drawn
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let draw = |seed| run(seed, || draws(20)).unwrap();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let all: BTreeSet<u64> = (0..100).flat_map(draw).collect();
    assert_eq!(all.len(), 2_000, "no two of them are equal");
}

#[test]
fn every_task_has_numbers_of_its_own() {
    let streams = run(1, || async {
        let tasks = [task::spawn(draws(10)), task::spawn(draws(10)), task::spawn(draws(10))];
        let mut streams = vec![draws(10).await];
        for task in tasks {
            streams.push(task.await.unwrap());
        }
        streams
    });
    let all: BTreeSet<u64> = streams.unwrap().into_iter().flatten().collect();
    assert_eq!(all.len(), 40);
}

/// Draws of other tasks, their number and their order change nothing.
#[test]
fn a_tasks_numbers_are_its_own() {
    let alone = run(5, || async { task::spawn(draws(10)).await.unwrap() }).unwrap();
    let beside = run(5, || async {
        let task = task::spawn(draws(10));
        let others: Vec<_> = (0..5).map(|count| task::spawn(draws(10 * count))).collect();
        draws(30).await;
        for other in others {
            other.await.unwrap();
        }
        task.await.unwrap()
    });
    assert_eq!(beside.unwrap(), alone);
    // Another schedule of the same seed.
    let limits = timeloop::Limits::default();
    let fifo = timeloop::run_from(StrategySpec::Fifo.source(5.into()), &limits, || async {
        task::spawn(draws(10)).await.unwrap()
    });
    assert_eq!(fifo.result.unwrap(), alone);
}

/// By spawn path, not by order: the second child draws the same whether or not the first has had children.
#[test]
fn numbers_depend_on_the_spawn_path() {
    let second = |grandchildren: u32| {
        run(9, || async move {
            let first = task::spawn(async move {
                for _ in 0..grandchildren {
                    task::spawn(draws(3)).await.unwrap();
                }
            });
            first.await.unwrap();
            task::spawn(draws(5)).await.unwrap()
        })
        .unwrap()
    };
    assert_eq!(second(0), second(7));
}

/// Earlier siblings count: the third child is another task than the second.
#[test]
fn different_paths_have_different_streams() {
    let last = |children: u32| {
        run(9, || async move {
            for _ in 1..children {
                task::spawn(async {}).await.unwrap();
            }
            task::spawn(draws(5)).await.unwrap()
        })
        .unwrap()
    };
    assert_ne!(last(2), last(3));
}

#[test]
fn the_traits_of_rand_work() {
    run(3, || async {
        let mut rng = rng();
        assert!((10..20).contains(&rng.random_range(10..20)));
        assert!((0.0..1.0).contains(&rng.random::<f64>()));
        assert!(rng.random_bool(1.0) && !rng.random_bool(0.0));
        assert!(rng.random_ratio(3, 3));
        let mut cards: Vec<u32> = (0..52).collect();
        cards.shuffle(&mut rng);
        assert!(!cards.is_sorted());
        cards.sort_unstable();
        assert_eq!(cards, (0..52).collect::<Vec<_>>());
        assert!(cards.choose(&mut rng).is_some());
        let mut bytes = [0_u8; 100];
        rng.fill(&mut bytes[..]);
        assert!(bytes.iter().collect::<BTreeSet<_>>().len() > 50);
        rng.fill_bytes(&mut bytes);
        let dice: Vec<u32> = rng.clone().random_iter().take(3).collect();
        assert_eq!(dice.len(), 3);
        assert!((1..=6).contains(&roll(&mut rng)) && (1..=6).contains(&roll_any(&mut rng)));
    })
    .unwrap();

    fn roll(rng: &mut impl rand::Rng) -> u32 {
        rng.random_range(1..=6)
    }
    fn roll_any(rng: &mut dyn rand::Rng) -> u32 {
        rng.random_range(1..=6)
    }
}

#[test]
fn numbers_are_spread_evenly() {
    let drawn = run(11, || async {
        let mut counts = [0_u32; 6];
        for _ in 0..6_000 {
            counts[rng().random_range(0..6_usize)] += 1;
        }
        counts
    });
    assert!(drawn.unwrap().into_iter().all(|count| (900..1100).contains(&count)));
}

/// A generator belongs to no task: the task that uses it draws from its own stream.
#[test]
fn a_generator_may_be_passed_to_another_task() {
    run(4, || async {
        let mut mine = rng();
        let mut other: TaskRng = mine.clone();
        let drawn = task::spawn(async move { other.next_u64() }).await.unwrap();
        let again = run_alone(4);
        assert_eq!(drawn, again.0);
        assert_eq!(mine.next_u64(), again.1);
    })
    .unwrap();

    /// Returns the first number of the first child, and of the root.
    fn run_alone(seed: u64) -> (u64, u64) {
        std::thread::scope(|scope| {
            let numbers = scope.spawn(move || {
                run(seed, || async {
                    let child = task::spawn(async { rng().next_u64() }).await.unwrap();
                    (child, rng().next_u64())
                })
            });
            numbers.join().unwrap().unwrap()
        })
    }
}

#[test]
fn outside_a_run_there_are_no_random_numbers() {
    let text = panic_text(|| {
        rng().next_u32();
    });
    assert_eq!(
        text,
        "can't draw random numbers outside of a run; do so inside `#[timeloop::test]`, `timeloop::run`, \
         `timeloop::explore` or `Runtime::block_on`"
    );
}

/// A failure that depends on a random number is found, stored and replayed with that number.
#[test]
fn a_failure_by_a_random_number_is_replayed() {
    let body = || async {
        let dice: u32 = task::spawn(async { rng().next_u32() % 100 }).await.unwrap();
        assert_ne!(dice, 42);
    };
    let found = explorer("dice").runs(1_000).run(body).found.expect("one in a hundred");
    assert!(found.replayed);
    assert_eq!(found.failure.message().lines().next(), Some("assertion `left != right` failed"));
    let settings = Settings::from_vars([("TIMELOOP_REPLAY".to_owned(), found.token.clone())]).unwrap();
    let again = explorer("dice").environment(settings).run(body).found.unwrap();
    assert_eq!((again.fingerprint, again.trace_hash), (found.fingerprint, found.trace_hash));
}
