//! The definition of linearizability by brute force: every order.

use timeloop_sim::history::{CallId, Entry, History, Model};

/// Returns the largest number of returned operations on this key that one order can hold, and the number of returned
/// operations on the key.
pub(super) fn longest<M: Model>(
    history: &History<M::Operation, M::Returned>,
    model: &M,
    key: &M::Key,
) -> (usize, usize) {
    let operations: Vec<_> =
        history.entries().filter(|(_, entry)| model.key(&entry.operation) == *key).collect();
    let returned = operations.iter().filter(|(_, entry)| entry.returned.is_some()).count();
    let mut placed = vec![false; operations.len()];
    (extend(model, &operations, &mut placed, &model.init()), returned)
}

type Operation<'a, M> = (CallId, &'a Entry<<M as Model>::Operation, <M as Model>::Returned>);

fn extend<M: Model>(
    model: &M,
    operations: &[Operation<'_, M>],
    placed: &mut [bool],
    state: &M::State,
) -> usize {
    let returned =
        operations.iter().zip(&*placed).filter(|((_, entry), placed)| **placed && entry.returned.is_some());
    let mut longest = returned.count();
    for next in 0..operations.len() {
        let (_, entry) = operations[next];
        let others = operations.iter().zip(&*placed).filter(|(_, placed)| !**placed);
        let all_before_are_placed = others.clone().all(|((_, other), _)| may_follow(entry, other));
        if placed[next] || !all_before_are_placed {
            continue;
        }
        let returned = entry.returned.as_ref().map(|returned| &returned.value);
        let mut states = Vec::from_iter(model.step(state, &entry.operation, returned));
        model.other_steps(state, &entry.operation, returned, &mut states);
        placed[next] = true;
        for state in states {
            longest = longest.max(extend(model, operations, placed, &state));
        }
        placed[next] = false;
    }
    longest
}

/// Returns whether `other` may come after `entry`.
pub(super) fn may_follow<O, R>(entry: &Entry<O, R>, other: &Entry<O, R>) -> bool {
    other.returned.as_ref().is_none_or(|returned| returned.position > entry.called)
}
