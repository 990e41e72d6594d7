//! A source of decisions that writes down which operations it hears of.
//!
//! Always true: tasks run first in, first out, and each gives way before every operation for which it can, or before none.

use std::collections::VecDeque;
use std::future::Future;

use timeloop::{Access, Limits, run_from};
use timeloop_sim::{DecisionKey, Domain, Operation, Ready, ResourceKey, Seed, Source, Stream, TaskKey};

use crate::support::Log;

/// Something that a source was told of a task: that it gives way before an operation, or that it does it.
type Told = (TaskKey, bool, Operation);

#[derive(Debug)]
struct Recording {
    gives_way: bool,
    ready: VecDeque<u32>,
    log: Log<Told>,
}

impl Source for Recording {
    fn ready(&mut self, task: Ready) {
        self.ready.push_back(task.slot);
    }

    fn next(&mut self) -> Option<u32> {
        self.ready.pop_front()
    }

    fn wants_operations(&self) -> bool {
        true
    }

    fn gives_way(&mut self, key: DecisionKey, operation: Operation) -> bool {
        if self.gives_way {
            self.log.push((key.task, true, operation));
        }
        self.gives_way
    }

    fn performed(&mut self, task: TaskKey, operation: Operation) {
        self.log.push((task, false, operation));
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
pub(crate) struct Heard(Log<Told>);

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
        let mut word = |gives_way: bool, Operation { resource, access }: Operation| {
            let position = known.iter().position(|key| *key == resource).unwrap_or_else(|| {
                known.push(resource);
                known.len() - 1
            });
            let which = if position == 0 { String::new() } else { format!("{}:", position + 1) };
            format!("{which}{access}{}", if gives_way { "?" } else { "" })
        };
        let told = self.0.take().into_iter().filter(|(task, ..)| *task == of);
        told.map(|(_, gives_way, operation)| word(gives_way, operation)).collect()
    }
}

/// Runs `make` where everything gives way that can.
pub(crate) fn recorded<F: Future>(make: impl Fn(Heard) -> F) -> F::Output {
    made(true, make)
}

/// Runs `make` where every operation is told of, and nothing gives way.
pub(crate) fn listened_to<F: Future>(make: impl Fn() -> F) -> F::Output {
    made(false, |_| make())
}

fn made<F: Future>(gives_way: bool, make: impl Fn(Heard) -> F) -> F::Output {
    let log = Log::new();
    let source = Box::new(Recording { gives_way, ready: VecDeque::new(), log: log.clone() });
    let outcome = run_from(source, &Limits::default(), || make(Heard(log.clone())));
    outcome.result.expect("the run passes")
}

/// The word for an operation that gives way first.
pub(crate) fn waits(access: Access) -> Vec<String> {
    vec![format!("{access}?"), access.to_string()]
}

/// The word for an operation that can't give way.
pub(crate) fn acts(access: Access) -> Vec<String> {
    vec![access.to_string()]
}
