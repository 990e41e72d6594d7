//! What a run's source of decisions hears of the operations on one resource.

use timeloop_sim::{Operation, ResourceKey};

pub(super) use crate::recording::{Told, told};

/// The operations of a run on the first resource that is touched in it, such as `acquire? acquire release`: what a task
/// gives way for, with a question mark, and what is done.
pub(super) fn operations<F: Future>(main: impl Fn() -> F) -> String {
    let mut first: Option<ResourceKey> = None;
    let mut is_first = |operation: Operation| *first.get_or_insert(operation.resource) == operation.resource;
    let operations = told(main).into_iter().filter_map(|(_, told)| match told {
        Told::GivesWay(operation) => is_first(operation).then(|| format!("{}?", operation.access)),
        Told::Performed(operation) => is_first(operation).then(|| operation.access.to_string()),
        Told::Ready => None,
    });
    operations.collect::<Vec<_>>().join(" ")
}
