//! What a run's source of decisions hears of the operations in it.

use std::sync::{Arc, Mutex};

use timeloop::{AnySource, Limits, run_from};
use timeloop_sim::{DecisionKey, Operation, Ready, ResourceKey, Seed, Source, Stream, TaskKey};

/// Something that a source was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Told {
    Ready(TaskKey),
    GivesWay(Operation),
    Performed(Operation),
}

/// First in, first out; every task gives way wherever it can.
#[derive(Debug)]
pub(super) struct Witness {
    ready: Vec<u32>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Witness {
    fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}

impl Source for Witness {
    fn ready(&mut self, task: Ready) {
        self.tell(Told::Ready(task.task));
        self.ready.push(task.slot);
    }

    fn next(&mut self) -> Option<u32> {
        if self.ready.is_empty() { None } else { Some(self.ready.remove(0)) }
    }

    fn wants_operations(&self) -> bool {
        true
    }

    fn gives_way(&mut self, _key: DecisionKey, operation: Operation) -> bool {
        self.tell(Told::GivesWay(operation));
        true
    }

    fn performed(&mut self, _task: TaskKey, operation: Operation) {
        self.tell(Told::Performed(operation));
    }

    fn choose(&mut self, _key: DecisionKey, _arity: u32) -> u32 {
        0
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(Seed(0), timeloop::Domain::User, entity)
    }
}

/// What is told of a run, first in, first out, in which every task gives way wherever it can.
pub(super) fn told<F: Future>(main: impl Fn() -> F) -> Vec<Told> {
    let told = Arc::default();
    let witness = Witness { ready: Vec::new(), told: Arc::clone(&told) };
    let outcome = run_from(AnySource::from(Box::new(witness)), &Limits::default(), main);
    outcome.result.unwrap();
    let told = told.lock().unwrap();
    told.clone()
}

/// The operations of a run on the first resource that is touched in it, such as `acquire? acquire release`: what a task
/// gives way for, with a question mark, and what is done.
pub(super) fn operations<F: Future>(main: impl Fn() -> F) -> String {
    let mut first: Option<ResourceKey> = None;
    let mut is_first = |operation: Operation| *first.get_or_insert(operation.resource) == operation.resource;
    let operations = told(main).into_iter().filter_map(|told| match told {
        Told::GivesWay(operation) => is_first(operation).then(|| format!("{}?", operation.access)),
        Told::Performed(operation) => is_first(operation).then(|| operation.access.to_string()),
        Told::Ready(_) => None,
    });
    operations.collect::<Vec<_>>().join(" ")
}
