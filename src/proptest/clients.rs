//! What several clients ask for, as an input; and whether what they are told is linearizable.
//!
//! This is the concurrent variant of a state machine test. There a sequence of operations is applied to a model and to the
//! system, and the two are compared after each. Here several clients have a sequence each, all of them run at once, and the
//! answers are compared with what a model could have given in some order.
//!
//! Always true: clients are tasks of the run, so who goes first is the schedule's to decide; each does one operation at a time.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;

use proptest::collection::{SizeRange, vec};
use proptest::strategy::Strategy;
use proptest::test_runner::TestCaseError;

use crate::history::{Model, Recorder};
use crate::task::Builder;

/// Operations for several clients: so many clients, each with so many of the operations that `operation` generates.
///
/// Shrinking leaves out clients first, then operations, and then makes those that stay simpler.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use timeloop::{Resource, proptest::prelude::*};
/// use timeloop::history::models::{Counter, CounterOperation, CounterReturned};
///
/// fn operation() -> impl Strategy<Value = CounterOperation> {
///     prop_oneof![Just(CounterOperation::Read), (1..10_i64).prop_map(CounterOperation::FetchAdd)]
/// }
///
/// proptest! {
///     # #![proptest_config(ProptestConfig::with_cases(20))]
///     # /*
///     #[test]
///     # */
///     fn a_counter_is_linearizable(schedule in schedules(), workload in clients(operation(), 2..=3, 1..=3)) {
///         schedule.run(|| async {
///             let counter = Rc::new((Resource::new("counter"), Cell::new(0)));
///             let answers = workload.check(&Counter, move |_client, operation| {
///                 let counter = Rc::clone(&counter);
///                 async move {
///                     let add = match operation {
///                         CounterOperation::FetchAdd(number) => number,
///                         _ => 0,
///                     };
///                     counter.0.write().await;
///                     CounterReturned::Value(counter.1.replace(counter.1.get() + add))
///                 }
///             });
///             answers.await
///         })?;
///     }
/// }
/// # a_counter_is_linearizable();
/// ```
///
/// # Panics
/// When no size is in one of the ranges.
pub fn clients<S: Strategy>(
    operation: S,
    clients: impl Into<SizeRange>,
    operations: impl Into<SizeRange>,
) -> impl Strategy<Value = Workload<S::Value>> {
    vec(vec(operation, operations), clients).prop_map(Workload)
}

/// What several clients ask for, each its own operations in order: what [`clients`] generates.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Workload<O>(Vec<Vec<O>>);

impl<O> Workload<O> {
    /// A workload of one's own: the operations of client 0, of client 1, and so on.
    #[must_use]
    pub fn new(clients: Vec<Vec<O>>) -> Self {
        Self(clients)
    }
}

impl<O: Clone + 'static> Workload<O> {
    /// Lets all clients do their operations at once, each in a task that is spawned right away, and waits for them; `apply`
    /// does one operation, of the client with this number. Then checks that the answers are linearizable: such that `model` could have given them, had
    /// each operation been done at one instant between its call and its return.
    ///
    /// # Errors
    /// That they are not, with the history; and that an operation, or checking, was not brought to an end.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn check<M, F, Fut>(&self, model: &M, apply: F) -> impl Future<Output = Result<(), TestCaseError>>
    where
        M: Model<Operation = O>,
        M::Returned: Clone + 'static,
        F: Fn(usize, O) -> Fut + 'static,
        Fut: Future<Output = M::Returned> + 'static,
    {
        let location = Location::caller();
        let (history, apply) = (Recorder::new(), Rc::new(apply));
        let mut tasks = Vec::new();
        // A loop and no closure: so the tasks are spawned where the caller is.
        for (client, operations) in self.0.iter().enumerate() {
            let (operations, history, apply) = (operations.clone(), history.clone(), Rc::clone(&apply));
            let task = Builder::new().name(&format!("client {client}")).spawn_local(async move {
                for operation in operations {
                    history.record(client, operation.clone(), apply(client, operation)).await;
                }
            });
            tasks.push(task.expect("a task can be spawned within a run"));
        }
        async move {
            for (client, task) in tasks.into_iter().enumerate() {
                task.await.map_err(|error| failed(location, &format!("client {client} failed: {error}")))?;
            }
            history.check(model).map_err(|error| failed(location, &error.to_string()))
        }
    }
}

/// With the place at its end, as `prop_assert!` has it.
fn failed(location: &Location<'_>, why: &str) -> TestCaseError {
    TestCaseError::fail(format!("{why} at {}:{}", location.file(), location.line()))
}

impl<O> Deref for Workload<O> {
    type Target = [Vec<O>];

    fn deref(&self) -> &[Vec<O>] {
        &self.0
    }
}

/// By client, without those that ask for nothing: `[client 0: Write(1), Read; client 1: Read]`.
impl<O: fmt::Debug> fmt::Debug for Workload<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gap, end) = if f.alternate() { ("\n    ", "\n]") } else { (" ", "]") };
        f.write_str("[")?;
        let asking = self.0.iter().enumerate().filter(|(_, operations)| !operations.is_empty());
        for (place, (client, operations)) in asking.enumerate() {
            match (place, f.alternate()) {
                (0, false) => {}
                (0, true) => f.write_str(gap)?,
                _ => write!(f, ";{gap}")?,
            }
            write!(f, "client {client}:")?;
            for (number, operation) in operations.iter().enumerate() {
                let comma = if number == 0 { "" } else { "," };
                write!(f, "{comma} {operation:?}")?;
            }
        }
        f.write_str(end)
    }
}
