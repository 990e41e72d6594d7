//! Tests of the input format, the mutator and the coverage counters.

use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::proptest::prelude::*;
use arbitrary::{Arbitrary, Unstructured};
use timeloop_sim::{
    Detail, Deviation, Domain, Ended, Limits, Request, Schedule, Seed, Settings, Simulation, TaskPath,
};

use super::mutator::{InputSize, cross_over, mutate};
use super::record::{self, Field, RECORD, Record};
use super::{counters, coverage, raw_bytes};
use crate::Resource;
use crate::engine::RuntimeSettings;
use crate::harness::AsyncSimulation;
use crate::task::spawn;
use crate::time::sleep;

const ANY_SIZE: InputSize = InputSize { min: 0, max: None };

fn any_record() -> impl Strategy<Value = Record> {
    let small = prop::array::uniform5(0_u8..4);
    let domain = prop::sample::select(&Domain::ALL[..]);
    prop_oneof![
        any::<[u8; RECORD]>().prop_map(Record),
        (domain, small, 0_u16..9, 0_u16..9, 0_u16..9).prop_map(|(domain, place, resume, index, value)| {
            Record::new(domain, place, resume, index, value)
        }),
    ]
}

fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let tail = prop_oneof![3 => Just(vec![]), 1 => Just(vec![2, 0, 0xD5, b'T', b'L'])];
    (prop::collection::vec(any::<u8>(), 0..40), tail).prop_map(|(mut bytes, tail)| {
        bytes.extend(tail);
        bytes
    })
}

fn any_records() -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec(any_record(), 0..12)
}

proptest! {
    #[test]
    fn input_and_records_are_distinguished(input in any_input(), records in any_records()) {
        let data = record::join(&input, &records);
        prop_assert!(!data.is_empty());
        prop_assert_eq!(record::split(&data), (&input[..], records));
    }

    #[test]
    fn any_bytes_decode_to_a_schedule(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let (input, records) = record::split(&data);
        prop_assert!(input.len() + records.len() * RECORD <= data.len());
        for schedule in [record::schedule(records), raw_bytes::schedule(&data)] {
            let Schedule::Deviations { deviations, .. } = &schedule else { panic!("{schedule:?}") };
            prop_assert!(deviations.iter().all(|deviation| deviation.value > 0));
            prop_assert!(deviations.is_sorted_by(|one, next| one.key() < next.key()));
            // Every schedule can be converted to a token.
            let token = schedule.to_token("target");
            prop_assert_eq!(Schedule::from_token(&token, "target"), Ok(schedule));
        }
    }

    #[test]
    fn a_schedule_round_trips_through_records(records in any_records()) {
        let schedule = record::schedule(records);
        let again = record::records(&schedule);
        // A path may contain a child number 0 in the middle. The rest is then not part of it.
        prop_assert_eq!(record::schedule(again.expect("its numbers are small")), schedule);
    }

    #[test]
    fn removing_a_record_moves_no_other(records in any_records(), out in any::<prop::sample::Index>()) {
        prop_assume!(!records.is_empty());
        let mut fewer = records.clone();
        let out = record::schedule([fewer.remove(out.index(records.len()))]);
        let (before, after) = (record::schedule(records), record::schedule(fewer));
        let [before, after, out] = [&before, &after, &out].map(|schedule| schedule.deviations().unwrap());
        let about = |deviation: &&Deviation| out.iter().all(|out| out.key() != deviation.key());
        prop_assert_eq!(before.iter().filter(about).collect::<Vec<_>>(), after.iter().filter(about).collect::<Vec<_>>());
    }

    #[test]
    fn bytes_before_a_deviation_do_not_change_it(
        before in prop::collection::vec(any::<u8>(), 0..20),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        prop_assume!(!bytes.ends_with(b"\xD5TL"));
        // A deviation needs whole chunks.
        let whole = &bytes[bytes.len() % raw_bytes::CHUNK..];
        let all = raw_bytes::schedule(&[&before[..], whole].concat());
        for deviation in raw_bytes::schedule(whole).deviations().unwrap() {
            prop_assert!(all.deviations().unwrap().contains(deviation), "{deviation:?} in {all:?}");
        }
    }

    #[test]
    fn a_mutation_keeps_input_and_decisions_apart(
        input in any_input(),
        records in any_records(),
        seed in any::<u32>(),
        spare in 0_usize..200,
    ) {
        let data = record::join(&input, &records);
        let max_size = data.len().saturating_sub(20) + spare;
        prop_assume!(max_size > 8);
        let mutated = mutated(&data, max_size, seed, ANY_SIZE);
        prop_assert!(mutated.len() <= max_size);
        prop_assert_eq!(&mutated, &self::mutated(&data, max_size, seed, ANY_SIZE), "one seed, one mutation");
        if !mutated.is_empty() {
            let (new, _) = record::split(&mutated);
            // The delegate's mark, the unchanged input, or one of them truncated.
            prop_assert!(DELEGATED.starts_with(new) || input.starts_with(new), "{new:?}");
        }
        // An input of a fixed size has that size after it was mutated.
        let fixed = self::mutated(&data, 4_096, seed, InputSize { min: 9, max: Some(9) });
        let input_after = record::split(&fixed).0;
        prop_assert!(input_after == input || input_after.len() == 9, "{input_after:?}");
        // An input of size 0 stays empty.
        let none = self::mutated(&record::join(&[], &records), 4_096, seed, InputSize { min: 0, max: Some(0) });
        prop_assert_eq!(record::split(&none).0, b"");
    }

    #[test]
    fn crossing_over_only_combines_its_inputs(
        one in (any_input(), any_records()),
        other in (any_input(), any_records()),
        seed in any::<u32>(),
        size in 0_usize..400,
    ) {
        let [a, b] = [&one, &other].map(|(input, records)| record::join(input, records));
        let mut out = vec![0; size];
        let made = cross_over(&a, &b, &mut out, seed);
        prop_assert!(made <= size);
        if made > 0 {
            let (input, records) = record::split(&out[..made]);
            prop_assert!(one.0.starts_with(input) || other.0.starts_with(input));
            prop_assert!(records.iter().all(|record| one.1.contains(record) || other.1.contains(record)));
        }
    }
}

const DELEGATED: &[u8] = b"\x07\x07\x07";

fn mutated(data: &[u8], max_size: usize, seed: u32, input_size: InputSize) -> Vec<u8> {
    let delegate = |input: &mut [u8], size: usize, max_size: usize| {
        assert!(size <= input.len() && max_size <= input.len());
        let size = DELEGATED.len().min(max_size);
        input[..size].copy_from_slice(&DELEGATED[..size]);
        size
    };
    let mut buffer = data.to_vec();
    buffer.resize(max_size.max(data.len()), 0xFF);
    let size = mutate(&mut buffer, data.len(), max_size, seed, input_size, delegate);
    buffer.truncate(size);
    buffer
}

/// Locks the process-wide counters, so that one test at a time uses them.
fn exclusive() -> MutexGuard<'static, ()> {
    static EXCLUSIVE: Mutex<()> = Mutex::new(());
    let guard = EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner);
    counters::clear();
    guard
}

/// Passes under every schedule, and makes decisions of every domain.
async fn busy() {
    let row = Rc::new(Resource::new("row"));
    let tasks: Vec<_> = (0..3)
        .map(|number| {
            let row = Rc::clone(&row);
            spawn(async move {
                row.read().await;
                crate::select! {
                    () = sleep(std::time::Duration::from_millis(number)) => {}
                    () = async { row.write().await } => {}
                }
                sleep(std::time::Duration::from_millis(number)).await;
                let nested = spawn(async move { row.write().await });
                rand::Rng::next_u32(&mut crate::rng());
                nested.await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn run(schedule: &Schedule, is_watched: bool) -> Ended {
    let source = schedule.source();
    let source = if is_watched { coverage::with_coverage(source) } else { source };
    let simulation = AsyncSimulation {
        name: "fuzzing".into(),
        settings: RuntimeSettings::OF_RUN,
        make: busy,
        classify: |()| Ok(()),
    };
    let limits = Limits::default();
    simulation.run(Request { source, limits: &limits, detail: Detail::Lean, explain_from: 0, loud: false })
}

#[test]
fn no_bytes_are_the_baseline_run() {
    for few in [&[][..], &[1], &[1, 2, 3], b"\0\0\xD5TL"] {
        assert_eq!(raw_bytes::schedule(few), Schedule::baseline());
        assert_eq!(record::schedule(record::split(few).1), Schedule::baseline());
        let baseline = crate::Schedule::arbitrary_take_rest(Unstructured::new(few)).unwrap();
        assert_eq!(baseline.deviations(), Some(vec![]));
    }
    let mut none = Unstructured::new(&[]);
    assert_eq!(crate::Schedule::arbitrary(&mut none).unwrap().deviations(), Some(vec![]));
}

#[test]
fn collecting_coverage_changes_no_run() {
    let _exclusive = exclusive();
    let mut stream = timeloop_sim::Stream::new(Seed(1), Domain::User, 0);
    let mut hashes = Vec::new();
    for _ in 0..200 {
        let mut bytes = [0; 48];
        stream.fill_bytes(&mut bytes);
        let schedule = raw_bytes::schedule(&bytes);
        let (watched, plain) = (run(&schedule, true), run(&schedule, false));
        assert_eq!(watched.failure, None, "{schedule:?}");
        assert_eq!(watched.trace_hash, plain.trace_hash, "{schedule:?}");
        hashes.push(plain.trace_hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert!(hashes.len() > 50, "the schedules differ: {}", hashes.len());
}

#[test]
fn the_mutator_uses_the_decisions_of_the_last_run() {
    let _exclusive = exclusive();
    run(&Schedule::baseline(), true);
    let points = coverage::last_run(|seen| {
        assert!(seen.time && seen.random);
        seen.points.clone()
    });
    let domains = [Domain::Schedule, Domain::Operation, Domain::Select];
    for domain in domains {
        assert!(points.iter().any(|point| point.domain == domain), "{domain} in {points:?}");
    }
    let mut differ = 0;
    let baseline = run(&Schedule::baseline(), false).trace_hash;
    for point in &points {
        let value = if point.domain == Domain::Operation { 2 } else { 1 };
        let record = Record::new(point.domain, point.place, point.resume, point.index, value);
        let ended = run(&record::schedule([record]), false);
        assert_eq!(ended.unapplied, 0, "{point:?}");
        differ += usize::from(ended.trace_hash != baseline);
    }
    assert!(differ * 2 > points.len(), "{differ} of {}", points.len());
    // The mutator uses these points.
    let mut applied = 0;
    for seed in 0..200 {
        run(&Schedule::baseline(), true);
        let mutated = mutated(&record::join(&[], &[]), 4_096, seed, InputSize { min: 0, max: Some(0) });
        let (_, records) = record::split(&mutated);
        let is_one = !records.is_empty();
        applied += usize::from(is_one && run(&record::schedule(records), false).unapplied == 0);
    }
    assert!(applied > 120, "{applied}");
}

#[test]
fn counters_depend_on_the_schedule_alone() {
    let _exclusive = exclusive();
    let seen = |schedule: &Schedule| {
        counters::clear();
        run(schedule, true);
        counters::read()
    };
    let (count, baseline) = seen(&Schedule::baseline());
    assert!((8..200).contains(&count), "{count}");
    assert_eq!(seen(&Schedule::baseline()), (count, baseline), "each time the same");
    let path = TaskPath::root().child(2);
    let late = Deviation { task: path, resume: 0, domain: Domain::Schedule, index: 0, value: 9 };
    let late = Schedule::Deviations { randomness: Seed(0), deviations: vec![late] };
    assert_ne!(seen(&late).1, baseline, "another order adds coverage");
    super::schedule_coverage(false);
    assert_eq!(seen(&late).0, 0);
    super::schedule_coverage(true);
    assert_ne!(seen(&late).0, 0);
}

#[test]
fn large_numbers_have_no_record() {
    let deviation = |task: &str, resume, value| {
        let task = task.parse().unwrap();
        Record::of(&Deviation { task, resume, domain: Domain::Schedule, index: 0, value })
    };
    assert_eq!(
        deviation("root.255.1.2.3.4", 65_535, 65_535).map(|record| record.number(Field::Value)),
        Some(65_535)
    );
    for (task, resume, value) in
        [("root.256", 0, 1), ("root.1.1.1.1.1.1", 0, 1), ("root", 65_536, 1), ("root", 0, 65_536)]
    {
        assert_eq!(deviation(task, resume, value), None, "{task} {resume} {value}");
    }
    assert_eq!(record::records(&Schedule::seeded(Seed(1), timeloop_sim::StrategySpec::Random)), None);
}

#[test]
fn replay_errors_say_what_is_wrong() {
    use super::target::{InvalidInput, Target};
    let target = Target { name: "orders", folder: env!("CARGO_MANIFEST_DIR") };
    let read = |replay: &str| {
        let vars = [("TIMELOOP_REPLAY", replay), ("CARGO_MANIFEST_DIR", target.folder)];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Settings::from_vars(vars).unwrap().replay_file()
    };
    let error = |replay: &str| read(replay).unwrap_err().to_string();
    assert_eq!(error("no/such-file"), "TIMELOOP_REPLAY=`no/such-file`: there is no such file");
    assert_eq!(error("src"), "TIMELOOP_REPLAY=`src`: it is a folder, and a regular file is expected");
    assert_eq!(
        error("TL1ABC"),
        "TIMELOOP_REPLAY is a token, which has a schedule but no input; a fuzz target needs both"
    );
    assert!(read("Cargo.toml").unwrap().unwrap().bytes.starts_with(b"["));
    assert_eq!(
        InvalidInput { path: "x".into(), bytes: 3, error: arbitrary::Error::NotEnoughData }.to_string(),
        "TIMELOOP_REPLAY=`x` is not an input of this target: its 3 input bytes cannot be decoded (There is not enough \
         underlying raw data to construct an `Arbitrary` instance)"
    );
    assert_eq!(
        target.accepted(),
        "give the path of a crash file as libFuzzer names it, such as `fuzz/artifacts/orders/crash-…`"
    );
}
