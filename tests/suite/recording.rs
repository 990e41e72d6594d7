//! A source of decisions that records the operations announced to it.
//!
//! # Invariants
//! Tasks run in FIFO order. The source preempts before every operation that allows it, or before none.

use std::collections::VecDeque;
use std::future::Future;

use timeloop::{Access, Limits, run_from};
use timeloop_sim::{DecisionKey, Domain, Operation, Ready, ResourceKey, Seed, Source, Stream, TaskKey};

use crate::support::Log;

/// An event of a task that the source received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    Ready,
    Preempted(Operation),
    Performed(Operation),
}

#[derive(Debug)]
struct RecordingSource {
    preempts: bool,
    ready: VecDeque<u32>,
    log: Log<(TaskKey, Event)>,
}

impl Source for RecordingSource {
    fn ready(&mut self, task: Ready) {
        self.log.push((task.task, Event::Ready));
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
            self.log.push((key.task().unwrap(), Event::Preempted(operation)));
        }
        self.preempts
    }

    fn performed(&mut self, task: TaskKey, operation: Operation) {
        self.log.push((task, Event::Performed(operation)));
    }

    fn choose(&mut self, _key: DecisionKey, _arity: u32) -> u32 {
        0
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(Seed(0), Domain::User, entity)
    }
}

/// The recorded events, for the code inside the run.
#[derive(Clone, Debug)]
pub(crate) struct EventLog(Log<(TaskKey, Event)>);

impl EventLog {
    /// Returns the recorded operations of the root task while the future runs: `send?` for a preemption before the
    /// operation, `send` for the operation itself. If there are several resources, all but the first have a number:
    /// `2:read`.
    pub(crate) async fn of<F: Future>(&self, future: F) -> (F::Output, Vec<String>) {
        self.0.take();
        let output = future.await;
        (output, self.words())
    }

    /// Returns the recorded operations of the root task during a synchronous call.
    pub(crate) fn by<T>(&self, act: impl FnOnce() -> T) -> (T, Vec<String>) {
        self.0.take();
        let output = act();
        (output, self.words())
    }

    /// Returns the operations of the root since the last call.
    pub(crate) fn words(&self) -> Vec<String> {
        self.words_of(TaskKey::ROOT)
    }

    /// Returns the operations of a child of the root since the last call.
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
        let events = self.0.take().into_iter().filter(|(task, _)| *task == of);
        let words = events.filter_map(|(_, event)| match event {
            Event::Ready => None,
            Event::Preempted(operation) => Some(word(true, operation)),
            Event::Performed(operation) => Some(word(false, operation)),
        });
        words.collect()
    }
}

/// Runs `make`, and preempts wherever possible.
pub(crate) fn recorded<F: Future>(make: impl Fn(EventLog) -> F) -> F::Output {
    run_recorded(true, make).0
}

/// Returns the events of all tasks in a run that preempts wherever possible.
pub(crate) fn events<F: Future>(main: impl Fn() -> F) -> Vec<(TaskKey, Event)> {
    run_recorded(true, |_| main()).1.take()
}

/// Runs `make` with all operations announced and without preemptions.
pub(crate) fn with_announcements<F: Future>(make: impl Fn() -> F) -> F::Output {
    run_recorded(false, |_| make()).0
}

fn run_recorded<F: Future>(
    preempts: bool,
    make: impl Fn(EventLog) -> F,
) -> (F::Output, Log<(TaskKey, Event)>) {
    let log = Log::new();
    let source = Box::new(RecordingSource { preempts, ready: VecDeque::new(), log: log.clone() });
    let outcome = run_from(source, &Limits::default(), || make(EventLog(log.clone())));
    (outcome.result.expect("the run passes"), log)
}

/// The operations of a call that can be preempted.
pub(crate) fn waits(access: Access) -> Vec<String> {
    vec![format!("{access}?"), access.to_string()]
}

/// The operation of a call that cannot be preempted.
pub(crate) fn acts(access: Access) -> Vec<String> {
    vec![access.to_string()]
}
