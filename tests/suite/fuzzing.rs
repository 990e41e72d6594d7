//! The schedule as part of a fuzzer's input.

use std::cell::RefCell;
use std::rc::Rc;

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use timeloop::fuzzing::Case;
use timeloop::fuzzing::support::{InputSize, Target, fuzz, mutate};
use timeloop::{Resource, Schedule, TaskPath, task::spawn};

const TARGET: Target = Target { name: "target", folder: env!("CARGO_MANIFEST_DIR") };

/// Returns the order of accesses to a resource by three tasks with two accesses each.
async fn visits() -> Vec<usize> {
    let visitors = Rc::new((Resource::new("house"), RefCell::new(Vec::new())));
    let tasks = [1, 2, 3].map(|number| {
        let visitors = Rc::clone(&visitors);
        spawn(async move {
            for _ in 0..2 {
                visitors.0.write().await;
                visitors.1.borrow_mut().push(number);
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    visitors.1.take()
}

/// Mutates the decisions of the fuzzer's bytes, using the coverage of the runs before.
fn mutated(data: &mut Vec<u8>, seed: u32) {
    let size = data.len();
    data.resize(size.max(600), 0);
    let size = mutate(data, size, 600, seed, InputSize::of::<u16>(), |input, size, max_size| {
        assert!(max_size <= 2, "no more than the input takes");
        input[..size].iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
        size
    });
    data.truncate(size);
}

proptest! {
    #[test]
    fn any_bytes_are_a_valid_run(data in prop::collection::vec(any::<u8>(), 0..120)) {
        let (input, schedule) = <(u16, Schedule)>::arbitrary_take_rest(Unstructured::new(&data)).unwrap();
        let case = Case::<Vec<u8>>::arbitrary_take_rest(Unstructured::new(&data)).unwrap();
        let bytes = <[u8; 2]>::arbitrary(&mut Unstructured::new(&data)).unwrap();
        prop_assert_eq!(input, u16::from_le_bytes(bytes));
        for schedule in [schedule, case.schedule] {
            let mut visits = schedule.output(visits).unwrap();
            visits.sort_unstable();
            prop_assert_eq!(visits, [1, 1, 2, 2, 3, 3]);
        }
        let kept = fuzz(&TARGET, &data, async |_: Vec<u8>| {
            visits().await;
        });
        prop_assert!(kept);
    }
}

#[test]
fn the_baseline_run_follows_the_last_byte() {
    for data in [&[][..], &[7], &[7, 0], &[7, 0, 9], &[7, 0, 9, 9, 9]] {
        let (_, schedule) = <(u16, Schedule)>::arbitrary_take_rest(Unstructured::new(data)).unwrap();
        assert_eq!(schedule.output(visits).unwrap(), [1, 1, 2, 2, 3, 3]);
    }
    // Bytes that are not a valid input make no run.
    assert!(!fuzz(&TARGET, &[7], async |_: Never| {}));
}

/// A type that no bytes decode to.
#[derive(Debug)]
struct Never;

impl<'a> Arbitrary<'a> for Never {
    fn arbitrary(_: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Err(arbitrary::Error::IncorrectFormat)
    }
}

/// A mutation of one decision changes neither the other decisions nor the input.
#[test]
fn mutations_build_a_schedule_decision_by_decision() {
    let (mut data, mut longest, mut orders) = (vec![7, 0], 0, Vec::new());
    for seed in 0..2_000 {
        let before = Case::<u16>::arbitrary_take_rest(Unstructured::new(&data)).unwrap();
        orders.push(before.schedule.output(visits).unwrap());
        mutated(&mut data, seed);
        let after = Case::<u16>::arbitrary_take_rest(Unstructured::new(&data)).unwrap();
        if before.input != after.input {
            let [low, high] = before.input.to_le_bytes().map(|byte| byte.wrapping_add(1));
            assert_eq!(after.input, u16::from_le_bytes([low, high]));
        }
        longest = longest.max(after.schedule.deviations().unwrap().len());
    }
    assert!((6..64).contains(&longest), "{longest}");
    orders.sort_unstable();
    orders.dedup();
    // There are 90 of them.
    assert!(orders.len() > 40, "{} orders", orders.len());
}

#[test]
fn a_fuzzers_failing_schedule_is_shrunk_and_reported() {
    // A failing schedule: the third task is first.
    let found = (0..10_000_u32).find_map(|number| {
        let bytes = [&number.to_le_bytes()[..], &number.wrapping_mul(0x9E37_79B9).to_le_bytes()].concat();
        let schedule = Schedule::arbitrary_take_rest(Unstructured::new(&bytes)).unwrap();
        let run = schedule.run(|| async {
            assert_ne!(visits().await[0], 3, "the third comes first");
        });
        run.err()
    });
    let failed = found.expect("a few bytes suffice");
    let found = failed.found().expect("a run that fails");
    assert_eq!(found.deviations_after(), Some(1), "{failed}");
    let Some([deviation]) = found.shrunk.deviations() else { panic!("{failed}") };
    assert_eq!(deviation.task, TaskPath::root().child(3));
    assert!(
        failed
            .to_string()
            .contains("`root.3` starts, 2 steps earlier than in FIFO order, before `root.1` starts"),
        "{failed}"
    );
}

/// A panic that a task observes is not reported to the fuzzer.
#[test]
fn a_panic_that_is_observed_does_not_end_the_process() {
    let kept = fuzz(&TARGET, b"", async |(): ()| {
        let error = spawn(async { panic!("seen to") }).await.unwrap_err();
        assert!(error.is_panic());
    });
    assert!(kept);
}
