//! A toy simulation whose runs fail if several conditions hold, each of which differs from the baseline run.
//!
//! # Invariants
//! Whether a run fails depends only on its record.

use std::collections::BTreeMap;

use timeloop_fuzz::Reader;
use timeloop_sim::{
    AnySource, Cause, DecisionKey, Detail, Ended, Failure, FailureKind, Record, Request, Schedule,
    Simulation, Site, TaskKey,
};

use crate::toy::Toy;

/// A step, by its task and resumption, or an operation in it.
type Event = (TaskKey, u32, Option<u32>);

/// A condition that does not hold in the baseline run.
#[derive(Clone, Debug)]
enum Otherwise {
    /// The events happen in this order, the reverse of the baseline run's.
    Order(Event, Event),
    /// The decision has this value.
    Chosen(DecisionKey, u32),
}

/// A toy that fails if all conditions of a list hold. Each list is a failure of its own.
#[derive(Debug)]
pub(crate) struct ConditionalToy {
    toy: Toy,
    lists: Vec<Vec<Otherwise>>,
}

impl ConditionalToy {
    /// Reads the conditions from bytes.
    pub(crate) fn new(
        toy: Toy,
        reader: &mut Reader<'_>,
        run: impl Fn(&dyn Simulation, AnySource) -> Ended,
    ) -> Self {
        let baseline = run(&toy, Schedule::baseline().source()).record.expect("it was asked for");
        let events = events(&baseline);
        let lists = (0..reader.below(4)).map(|_| {
            let literals = (0..=reader.below(4)).filter_map(|_| {
                let choice = baseline.choices.get(reader.below(16)).filter(|_| reader.flag());
                if let Some(choice) = choice {
                    return Some(Otherwise::Chosen(choice.key, 1 + reader.below(2) as u32));
                }
                let [one, other] = [(); 2].map(|()| events.get(reader.below(events.len().max(1))).copied());
                let (one, other) = (one?, other?);
                Some(if one.1 < other.1 {
                    Otherwise::Order(other.0, one.0)
                } else {
                    Otherwise::Order(one.0, other.0)
                })
            });
            literals.collect()
        });
        let lists = lists.collect();
        Self { toy, lists }
    }
}

/// Returns the events of a run with their positions.
fn events(record: &Record) -> Vec<(Event, u64)> {
    let steps = (0..).zip(&record.steps).filter_map(|(number, step)| {
        let arrival = record.arrival_of(step);
        let event = (record.task_of(step).key, arrival.resume, None);
        arrival.operation.is_none().then_some((event, number << 16))
    });
    let operations = (1..).zip(&record.operations).filter_map(|(number, performed)| {
        let step = &record.steps[usize::try_from(performed.step).expect("a short run")];
        let event = (record.task_of(step).key, record.arrival_of(step).resume, Some(performed.index?));
        Some((event, performed.step << 16 | number))
    });
    steps.chain(operations).collect()
}

impl Simulation for ConditionalToy {
    fn run(&self, request: Request<'_>) -> Ended {
        let lean = request.detail == Detail::Lean;
        let detail = request.detail.max(Detail::Record);
        let mut ended = self.toy.run(Request { detail, ..request });
        let record = ended.record.take().expect("it was asked for");
        if ended.failure.is_none() {
            ended.failure = self.failure(&record, ended.elapsed_ns);
        }
        ended.record = (!lean).then_some(record);
        ended
    }
}

impl ConditionalToy {
    fn failure(&self, record: &Record, at_ns: u64) -> Option<Box<Failure>> {
        let when: BTreeMap<Event, u64> = events(record).into_iter().collect();
        let holds = |literal: &Otherwise| match literal {
            Otherwise::Order(one, other) => {
                when.get(one).zip(when.get(other)).is_some_and(|(one, other)| one < other)
            }
            Otherwise::Chosen(key, value) => {
                record.choices.iter().any(|choice| choice.key == *key && choice.value == *value)
            }
        };
        let failing = self.lists.iter().position(|list| !list.is_empty() && list.iter().all(holds))?;
        let line = u32::try_from(failing).expect("there are few") + 1;
        Some(Box::new(Failure {
            kind: FailureKind::Panic,
            cause: Cause::Panic(format!("all of list {line} is otherwise")),
            notes: Box::default(),
            site: Some(Box::new(Site { file: "conditions.toy".into(), line, column: 1 })),
            task: None,
            blocked: Box::default(),
            network: Box::default(),
            at_ns,
            at_step: record.steps.len() as u64,
        }))
    }
}
