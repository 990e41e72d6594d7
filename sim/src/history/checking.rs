//! Checks a history against a model, one key at a time.
//!
//! # Invariants
//! Keys are checked in ascending order, and the first violation is reported. An undecided key is reported only if no key
//! is violated.

use std::collections::BTreeMap;

use super::error::{ReportedOperation, Undecided, Violation};
use super::linearize::{Stuck, Verdict, linearize};
use super::object_calls::ObjectCalls;
use super::{CheckError, History, Model};

/// The number of calls of [`Model::step`] per key after which [`History::check`] gives up. With a small state, two million
/// calls take a second or less.
pub const STEPS_MAX: u64 = 2_000_000;

impl<O, R> History<O, R> {
    /// Checks that the history is linearizable: each operation can have taken effect at one instant between its call and
    /// its return.
    ///
    /// # Errors
    /// [`CheckError::Violation`] if it is not, and [`CheckError::Undecided`] after [`STEPS_MAX`] steps.
    pub fn check<M: Model<Operation = O, Returned = R>>(&self, model: &M) -> Result<(), CheckError> {
        self.check_within(model, STEPS_MAX)
    }

    /// Checks as [`check`](Self::check) does, with at most `steps_max` calls of [`Model::step`] per key.
    ///
    /// # Errors
    /// [`CheckError::Violation`] if the history is not linearizable, and [`CheckError::Undecided`] after `steps_max` steps.
    pub fn check_within<M: Model<Operation = O, Returned = R>>(
        &self,
        model: &M,
        steps_max: u64,
    ) -> Result<(), CheckError> {
        check(self, model, steps_max)
    }
}

fn check<M: Model>(
    history: &History<M::Operation, M::Returned>,
    model: &M,
    steps_max: u64,
) -> Result<(), CheckError> {
    let mut parts = BTreeMap::<M::Key, Vec<_>>::new();
    for (call, entry) in history.entries() {
        parts.entry(model.key(&entry.operation)).or_default().push((call, entry));
    }
    let mut undecided = None;
    for (key, operations) in parts {
        let total = operations.len();
        let mut calls = ObjectCalls::new(model, operations);
        match linearize(model, &calls, steps_max) {
            Verdict::Linearizable => {}
            Verdict::Violated(mut stuck) => {
                // With look-ahead the search backtracks early. Search again without it, to report the longest order.
                let mut with_lookahead = calls.drop_spans();
                if with_lookahead && let Verdict::Violated(longer) = linearize(model, &calls, steps_max) {
                    (stuck, with_lookahead) = (longer, false);
                }
                let violation = violation(&calls, describe_key(&key), total, &stuck, with_lookahead);
                return Err(CheckError::Violation(Box::new(violation)));
            }
            Verdict::Undecided if undecided.is_none() => {
                undecided = Some(Undecided { key: describe_key(&key), operations: total, steps: steps_max });
            }
            Verdict::Undecided => {}
        }
    }
    undecided.map_or(Ok(()), |undecided| Err(CheckError::Undecided(undecided)))
}

/// Returns the key's text for a report; `None` for `()`, the key of a single object.
fn describe_key(key: &impl std::fmt::Debug) -> Option<String> {
    Some(format!("{key:?}")).filter(|text| text != "()")
}

fn violation<M: Model>(
    calls: &ObjectCalls<'_, M>,
    key: Option<String>,
    operations: usize,
    stuck: &Stuck<M::State>,
    with_lookahead: bool,
) -> Violation {
    let describe = |number: usize| {
        let (call, entry) = calls.get(number);
        ReportedOperation {
            call,
            client: entry.client.clone(),
            operation: format!("{:?}", entry.operation),
            called_ns: entry.called_ns,
            returned: entry
                .returned
                .as_ref()
                .map(|returned| (format!("{:?}", returned.value), returned.at_ns)),
        }
    };
    // The first of the operations in progress is the one that returned first.
    let left = calls.open(stuck.first).iter().filter(|number| !stuck.order.contains(number));
    Violation {
        key,
        operations,
        returned: calls.completed,
        order: stuck.order.iter().map(|number| describe(*number)).collect(),
        state: format!("{:?}", stuck.state),
        left: left.map(|number| describe(*number)).collect(),
        with_lookahead,
    }
}
