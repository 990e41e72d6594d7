//! Compares verdicts with the definition of linearizability and with another checker.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::marker::PhantomData;

use proptest::prelude::*;
use timeloop_sim::history::models::{Counter, KeyValue, PerKey, Queue, Register, Set};
use timeloop_sim::history::{CallId, History, Violation};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as OtherHistory};
use todc_utils::specifications::Specification;

use super::brute_force::{longest, may_follow};
use super::objects::{Bag, Object};
use super::scripts::{Event, play, script};

/// Compares the verdict, and the violation if there is one, with a search of all orders.
fn agrees_with_the_definition<O: Object>(script: &[Event]) -> Result<(), TestCaseError> {
    let (history, lies) = play::<O>(script);
    let model = O::default();
    let keys: BTreeSet<_> = history.entries().map(|(_, entry)| model.key(&entry.operation)).collect();
    let found = history.check(&model);
    let first_bad = keys.iter().map(|key| (key, longest(&history, &model, key))).find(|(_, (a, b))| a < b);
    match (first_bad, found) {
        (None, Ok(())) => Ok(()),
        (Some((key, (longest, returned))), Err(error)) => {
            prop_assert!(lies > 0, "a history without lies is linearizable");
            let violation = error.violation().expect("decided").clone();
            let placed = violation.order.iter().filter(|operation| operation.returned.is_some()).count();
            prop_assert_eq!((placed, violation.returned), (longest, returned));
            if let Some(found) = &violation.key {
                prop_assert_eq!(found, &format!("{key:?}"));
            }
            check_violation::<O>(&history, &violation)
        }
        (expected, found) => {
            Err(TestCaseError::fail(format!("expected {expected:?}, found {found:?} for {history:#?}")))
        }
    }
}

/// Checks a violation: its order is valid and ends in its state, and no operation of `left` can follow.
fn check_violation<O: Object>(
    history: &History<O::Operation, O::Returned>,
    violation: &Violation,
) -> Result<(), TestCaseError> {
    let model = O::default();
    let entry =
        |call: CallId| history.entries().find(|(id, _)| *id == call).expect("a call of the history").1;
    let mut states = vec![model.init()];
    let step = |states: &mut Vec<O::State>, call: CallId| {
        let entry = entry(call);
        let returned = entry.returned.as_ref().map(|returned| &returned.value);
        let mut next = Vec::new();
        for state in &*states {
            next.extend(model.step(state, &entry.operation, returned));
            model.other_steps(state, &entry.operation, returned, &mut next);
        }
        *states = next;
    };
    for (position, placed) in violation.order.iter().enumerate() {
        step(&mut states, placed.call);
        for later in &violation.order[position + 1..] {
            prop_assert!(may_follow(entry(placed.call), entry(later.call)));
        }
        for left in &violation.left {
            prop_assert!(may_follow(entry(placed.call), entry(left.call)) && placed.call != left.call);
        }
    }
    states.retain(|state| format!("{state:?}") == violation.state);
    prop_assert!(!states.is_empty(), "the order leads to its state");
    prop_assert!(!violation.left.is_empty());
    for left in &violation.left {
        let mut states = vec![states[0].clone()];
        step(&mut states, left.call);
        prop_assert!(states.is_empty(), "{left} can come next");
    }
    Ok(())
}

/// An adapter for the other checker, whose operations include their answers.
struct Other<O>(PhantomData<O>);

impl<O: Object> Specification for Other<O>
where
    O::State: std::hash::Hash,
    O::Operation: Debug,
{
    type State = O::State;
    type Operation = (O::Operation, Option<O::Returned>);

    fn init() -> O::State {
        O::default().init()
    }

    fn apply((operation, returned): &Self::Operation, state: &O::State) -> (bool, O::State) {
        match O::default().step(state, operation, returned.as_ref()) {
            Some(after) => (true, after),
            None => (false, state.clone()),
        }
    }
}

/// Returns the verdict of the other checker. It requires every call to return, so each lost call is either left out or returns at the
/// end with any answer.
fn other_verdict<O: Object>(history: &History<O::Operation, O::Returned>) -> bool {
    let lost: Vec<CallId> =
        history.entries().filter(|(_, e)| e.returned.is_none()).map(|(id, _)| id).collect();
    (0..1_u32 << lost.len()).any(|kept| {
        let kept = |call: CallId| {
            lost.iter().position(|lost| *lost == call).is_none_or(|position| kept >> position & 1 == 1)
        };
        let mut events = Vec::new();
        for (process, (call, entry)) in history.entries().filter(|(call, _)| kept(*call)).enumerate() {
            let returned = entry.returned.as_ref();
            let operation = (entry.operation.clone(), returned.map(|returned| returned.value.clone()));
            let end = returned.map_or(u64::MAX - call.index() as u64, |returned| returned.position);
            events.push((entry.called, process, Action::Call(operation.clone())));
            events.push((end, process, Action::Response(operation)));
        }
        events.sort_by_key(|(position, ..)| *position);
        let actions: Vec<_> = events.into_iter().map(|(_, process, action)| (process, action)).collect();
        actions.is_empty() || WGLChecker::<Other<O>>::is_linearizable(OtherHistory::from_actions(actions))
    })
}

/// Compares verdicts for objects without keys, which the other checker does not support.
fn agrees_with_another_checker<O: Object<Key = ()>>(script: &[Event]) -> Result<(), TestCaseError> {
    let (history, _) = play::<O>(script);
    prop_assume!(history.pending() <= 6);
    let verdict = history.check(&O::default());
    prop_assert_eq!(verdict.is_ok(), other_verdict::<O>(&history), "{:?}", verdict);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn registers_by_definition(script in script(20, 3, 4)) {
        agrees_with_the_definition::<Register<u8>>(&script)?;
    }

    #[test]
    fn register_maps_by_definition(script in script(24, 4, 4)) {
        agrees_with_the_definition::<PerKey<u8, Register<u8>>>(&script)?;
    }

    #[test]
    fn stores_by_definition(script in script(24, 4, 4)) {
        agrees_with_the_definition::<KeyValue<u8, u8>>(&script)?;
    }

    #[test]
    fn counters_by_definition(script in script(20, 3, 4)) {
        agrees_with_the_definition::<Counter>(&script)?;
    }

    #[test]
    fn queues_by_definition(script in script(20, 3, 4)) {
        agrees_with_the_definition::<Queue<u8>>(&script)?;
    }

    #[test]
    fn sets_by_definition(script in script(24, 4, 6)) {
        agrees_with_the_definition::<Set<u8>>(&script)?;
    }

    #[test]
    fn nondeterministic_objects_by_definition(script in script(18, 3, 4)) {
        agrees_with_the_definition::<Bag>(&script)?;
    }

    #[test]
    fn registers_beside_another_checker(script in script(90, 4, 2)) {
        agrees_with_another_checker::<Register<u8>>(&script)?;
    }

    #[test]
    fn counters_beside_another_checker(script in script(60, 4, 2)) {
        agrees_with_another_checker::<Counter>(&script)?;
    }

    #[test]
    fn queues_beside_another_checker(script in script(60, 4, 2)) {
        agrees_with_another_checker::<Queue<u8>>(&script)?;
    }
}

/// The properties above would prove little if lies were never, or always, detected.
#[test]
fn random_histories_pass_and_fail() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut good, mut bad) = (0, 0);
    for _ in 0..1_000 {
        let script = script(24, 3, 4).new_tree(&mut runner).expect("a script").current();
        let (history, lies) = play::<Register<u8>>(&script);
        match history.check(&Register::new(0)) {
            Ok(()) if lies > 0 => good += 1,
            Ok(()) => {}
            Err(_) => bad += 1,
        }
    }
    assert!(good >= 30 && bad >= 30, "{good} lies that fit, {bad} that did not");
}
