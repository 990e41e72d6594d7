//! The definition of linearizability, tried out: every order.

use timeloop_sim::history::{CallId, Entry, History, Model};

/// How many of the operations on this key that returned can be put in one order at most, from the start; and how many
/// there are.
pub(super) fn longest<M: Model>(
    history: &History<M::Operation, M::Returned>,
    model: &M,
    key: &M::Key,
) -> (usize, usize) {
    let operations: Vec<_> =
        history.entries().filter(|(_, entry)| model.key(&entry.operation) == *key).collect();
    let returned = operations.iter().filter(|(_, entry)| entry.returned.is_some()).count();
    let mut is_in = vec![false; operations.len()];
    (extend(model, &operations, &mut is_in, &model.init()), returned)
}

type Operation<'a, M> = (CallId, &'a Entry<<M as Model>::Operation, <M as Model>::Returned>);

fn extend<M: Model>(
    model: &M,
    operations: &[Operation<'_, M>],
    is_in: &mut [bool],
    state: &M::State,
) -> usize {
    let returned =
        operations.iter().zip(&*is_in).filter(|((_, entry), is_in)| **is_in && entry.returned.is_some());
    let mut longest = returned.count();
    for next in 0..operations.len() {
        let (_, entry) = operations[next];
        let others = operations.iter().zip(&*is_in).filter(|(_, is_in)| !**is_in);
        let all_before_are_in = others.clone().all(|((_, other), _)| may_follow(entry, other));
        if is_in[next] || !all_before_are_in {
            continue;
        }
        let told = entry.returned.as_ref().map(|returned| &returned.value);
        let mut states = Vec::from_iter(model.step(state, &entry.operation, told));
        model.other_steps(state, &entry.operation, told, &mut states);
        is_in[next] = true;
        for state in states {
            longest = longest.max(extend(model, operations, is_in, &state));
        }
        is_in[next] = false;
    }
    longest
}

/// Whether `other` may come after `entry`.
pub(super) fn may_follow<O, R>(entry: &Entry<O, R>, other: &Entry<O, R>) -> bool {
    other.returned.as_ref().is_none_or(|returned| returned.position > entry.called)
}
