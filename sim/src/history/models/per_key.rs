//! [`PerKey`]: an independent object for each key.

use std::fmt::Debug;
use std::marker::PhantomData;

use crate::history::{Invocation, Model};

/// One object for each key. An operation is a pair of a key and an operation of the object, as in `("apples", Read)`.
///
/// ```
/// use timeloop_sim::history::{History, models::{PerKey, Register}};
/// use timeloop_sim::history::models::RegisterOperation::{Read, Write};
/// use timeloop_sim::history::models::RegisterReturned::{Value, Written};
///
/// let mut history = History::new();
/// let write = history.call(1, 0, ("apples", Write(Some(3))));
/// history.returned(write, 1, Written);
/// let read = history.call(2, 2, ("pears", Read));
/// history.returned(read, 3, Value(None));
/// history.check(&PerKey::new(Register::new(None))).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct PerKey<K, M> {
    model: M,
    _keys: PhantomData<fn(K)>,
}

impl<K, M> PerKey<K, M> {
    /// Creates a model with an object described by `model` for each key.
    pub const fn new(model: M) -> Self {
        Self { model, _keys: PhantomData }
    }
}

impl<K: Ord + Clone + Debug, M: Model> Model for PerKey<K, M> {
    type State = M::State;
    type Operation = (K, M::Operation);
    type Returned = M::Returned;
    type Key = K;

    fn key(&self, (key, _): &Self::Operation) -> K {
        key.clone()
    }

    fn init(&self) -> M::State {
        self.model.init()
    }

    fn step(
        &self,
        state: &M::State,
        (_, operation): &Self::Operation,
        returned: Option<&M::Returned>,
    ) -> Option<M::State> {
        self.model.step(state, operation, returned)
    }

    fn other_steps(
        &self,
        state: &M::State,
        (_, operation): &Self::Operation,
        returned: Option<&M::Returned>,
        states: &mut Vec<M::State>,
    ) {
        self.model.other_steps(state, operation, returned, states);
    }

    fn only_reads(&self, (_, operation): &Self::Operation, returned: Option<&M::Returned>) -> bool {
        self.model.only_reads(operation, returned)
    }

    fn overwrites(&self, (_, operation): &Self::Operation, returned: Option<&M::Returned>) -> bool {
        self.model.overwrites(operation, returned)
    }

    fn spans(&self, operations: &[Invocation<'_, Self::Operation, M::Returned>]) -> Vec<(u64, u64)> {
        let operations: Vec<_> = operations
            .iter()
            .map(|Invocation { operation, returned, called, ended }| Invocation {
                operation: &operation.1,
                returned: *returned,
                called: *called,
                ended: *ended,
            })
            .collect();
        self.model.spans(&operations)
    }
}
