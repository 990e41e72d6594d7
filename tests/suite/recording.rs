//! A source of decisions that writes down which operations it hears of.
//!
//! Always true: tasks run first in, first out, and each gives way before every operation for which it can, or before none.

use std::collections::VecDeque;
use std::future::Future;

use timeloop::{Access, Limits, run_from};
use timeloop_sim::{DecisionKey, Domain, Operation, Ready, ResourceKey, Seed, Source, Stream, TaskKey};

use crate::support::Log;

/// Something that a source was told of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Told {
    Ready,
    GivesWay(Operation),
    Performed(Operation),
}

#[derive(Debug)]
struct Recording {
    preempts: bool,
    ready: VecDeque<u32>,
    log: Log<(TaskKey, Told)>,
}

impl Source for Recording {
    fn ready(&mut self, task: Ready) {
        self.log.push((task.task, Told::Ready));
        self.ready.push_back(task.slot);
    }

    fn next(&mut self) -> Option<u32> {
        self.ready.pop_front()
    }

    fn wants_operations(&self) -> bool {
        true
    }

    fn should_preempt(&mut self, key: DecisionKey, operation: Operation) -> bool {
        if self.preempts {
            self.log.push((key.task().unwrap(), Told::GivesWay(operation)));
        }
        self.preempts
    }

    fn performed(&mut self, task: TaskKey, operation: Operation) {
        self.log.push((task, Told::Performed(operation)));
    }

    fn choose(&mut self, _key: DecisionKey, _arity: u32) -> u32 {
        0
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(Seed(0), Domain::User, entity)
    }
}

/// What has been recorded, for the code of the run itself to look at.
#[derive(Clone, Debug)]
pub(crate) struct Heard(Log<(TaskKey, Told)>);

impl Heard {
    /// What the source hears while the future runs, of the root task alone: `send?` where it gives way before an
    /// operation, `send` where it does one. Where there are several resources, all but the first are told apart by
    /// a number: `2:read`.
    pub(crate) async fn of<F: Future>(&self, future: F) -> (F::Output, Vec<String>) {
        self.0.take();
        let output = future.await;
        (output, self.words())
    }

    /// The same for what does not wait.
    pub(crate) fn by<T>(&self, act: impl FnOnce() -> T) -> (T, Vec<String>) {
        self.0.take();
        let output = act();
        (output, self.words())
    }

    /// What was heard of the root since it was last asked.
    pub(crate) fn words(&self) -> Vec<String> {
        self.words_of(TaskKey::ROOT)
    }

    /// The same of a child of the root.
    pub(crate) fn words_of_child(&self, number: u32) -> Vec<String> {
        self.words_of(TaskKey::ROOT.child(number))
    }

    fn words_of(&self, of: TaskKey) -> Vec<String> {
        let mut known: Vec<ResourceKey> = Vec::new();
        let mut word = |preempts: bool, Operation { resource, access }: Operation| {
            let position = known.iter().position(|key| *key == resource).unwrap_or_else(|| {
                known.push(resource);
                known.len() - 1
            });
            let which = if position == 0 { String::new() } else { format!("{}:", position + 1) };
            format!("{which}{access}{}", if preempts { "?" } else { "" })
        };
        let told = self.0.take().into_iter().filter(|(task, _)| *task == of);
        let words = told.filter_map(|(_, told)| match told {
            Told::Ready => None,
            Told::GivesWay(operation) => Some(word(true, operation)),
            Told::Performed(operation) => Some(word(false, operation)),
        });
        words.collect()
    }
}

/// Runs `make` where everything gives way that can.
pub(crate) fn recorded<F: Future>(make: impl Fn(Heard) -> F) -> F::Output {
    made(true, make).0
}

/// What is told of a run in which everything gives way that can, of all its tasks.
pub(crate) fn told<F: Future>(main: impl Fn() -> F) -> Vec<(TaskKey, Told)> {
    made(true, |_| main()).1.take()
}

/// Runs `make` where every operation is told of, and nothing gives way.
pub(crate) fn listened_to<F: Future>(make: impl Fn() -> F) -> F::Output {
    made(false, |_| make()).0
}

fn made<F: Future>(preempts: bool, make: impl Fn(Heard) -> F) -> (F::Output, Log<(TaskKey, Told)>) {
    let log = Log::new();
    let source = Box::new(Recording { preempts, ready: VecDeque::new(), log: log.clone() });
    let outcome = run_from(source, &Limits::default(), || make(Heard(log.clone())));
    (outcome.result.expect("the run passes"), log)
}

/// The word for an operation that gives way first.
pub(crate) fn waits(access: Access) -> Vec<String> {
    vec![format!("{access}?"), access.to_string()]
}

/// The word for an operation that can't give way.
pub(crate) fn acts(access: Access) -> Vec<String> {
    vec![access.to_string()]
}
