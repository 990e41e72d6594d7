//! The operations on one resource, as the run's source of decisions receives them.

use timeloop_sim::{Operation, ResourceKey};

pub(super) use crate::recording::{Event, events};

/// Returns the operations of a run on the first resource that it uses, such as `acquire? acquire release`. A question
/// mark is a preemption before the operation.
pub(super) fn operations<F: Future>(main: impl Fn() -> F) -> String {
    let mut first: Option<ResourceKey> = None;
    let mut is_first = |operation: Operation| *first.get_or_insert(operation.resource) == operation.resource;
    let operations = events(main).into_iter().filter_map(|(_, event)| match event {
        Event::Preempted(operation) => is_first(operation).then(|| format!("{}?", operation.access)),
        Event::Performed(operation) => is_first(operation).then(|| operation.access.to_string()),
        Event::Ready => None,
    });
    operations.collect::<Vec<_>>().join(" ")
}
