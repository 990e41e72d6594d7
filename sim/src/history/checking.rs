//! A history against a model: key by key.
//!
//! Always true: keys are checked in their order, and the first that has no order is told; a key that could not be decided
//! is told only if no other is violated.

use std::collections::BTreeMap;

use super::error::{Told, Undecided, Violation};
use super::part::Part;
use super::search::{Stuck, Verdict, search};
use super::{CheckError, History, Model};

/// How often [`Model::step`] may be asked for each key before the search gives up: two million times, which takes a
/// second or less with a small state.
pub const STEPS_MAX: u64 = 2_000_000;

impl<O, R> History<O, R> {
    /// Whether the history is linearizable: whether each operation can have taken effect at one instant between its call
    /// and its return.
    ///
    /// # Errors
    /// [`CheckError::Violation`] if it is not, and [`CheckError::Undecided`] after [`STEPS_MAX`] steps.
    pub fn check<M: Model<Operation = O, Returned = R>>(&self, model: &M) -> Result<(), CheckError> {
        self.check_within(model, STEPS_MAX)
    }

    /// As [`check`](Self::check), with a bound of its own on how often [`Model::step`] is asked.
    ///
    /// # Errors
    /// As [`check`](Self::check).
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
        let mut part = Part::new(model, operations);
        match search(model, &part, steps_max) {
            Verdict::Linearizable => {}
            Verdict::Violated(mut stuck) => {
                // An order that looks ahead is cut short; people are to see how far one gets without.
                let mut foreseen = part.look_no_further();
                if foreseen && let Verdict::Violated(longer) = search(model, &part, steps_max) {
                    (stuck, foreseen) = (longer, false);
                }
                let violation = violation(&part, key_told(&key), total, &stuck, foreseen);
                return Err(CheckError::Violation(Box::new(violation)));
            }
            Verdict::Undecided if undecided.is_none() => {
                undecided = Some(Undecided { key: key_told(&key), operations: total, steps: steps_max });
            }
            Verdict::Undecided => {}
        }
    }
    undecided.map_or(Ok(()), |undecided| Err(CheckError::Undecided(undecided)))
}

/// The key, for people; `None` where there is but one object.
fn key_told(key: &impl std::fmt::Debug) -> Option<String> {
    Some(format!("{key:?}")).filter(|told| told != "()")
}

fn violation<M: Model>(
    part: &Part<'_, M>,
    key: Option<String>,
    operations: usize,
    stuck: &Stuck<M::State>,
    foreseen: bool,
) -> Violation {
    let told = |number: usize| {
        let (call, entry) = part.get(number);
        Told {
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
    // The one that returned first is the first of those that were under way.
    let left = part.open(stuck.first).iter().filter(|number| !stuck.order.contains(number));
    Violation {
        key,
        operations,
        returned: part.completed,
        order: stuck.order.iter().map(|number| told(*number)).collect(),
        state: format!("{:?}", stuck.state),
        left: left.map(|number| told(*number)).collect(),
        foreseen,
    }
}
