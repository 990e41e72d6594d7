//! Compares trees of `select!`, `join!` and `try_join!` with a model. The leaves are futures that wait, access a resource,
//! return, fail, panic or never end.
//!
//! It checks that the futures do the same as the model's in the same order, with and without preemption. Each is dropped
//! once, and those of a `select!` in the order of its branches. The only decision of a run is where a `select!` begins.
#![no_main]

mod macros;
mod model;
mod tree;

use std::cell::RefCell;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use timeloop::{FailureKind, Limits, Outcome, Resource};
use timeloop_fuzz::{FuzzSource, Reader, cover};

use model::Choices;
use tree::{Event, Node, Value};

/// Whether the tree is run with preemption, and which choices are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// No operation is preempted.
    WithoutPreemption,
    /// Operations are preempted. A `select!` that is polled again for that may choose again, so all choices have one value.
    FixedChoices,
    /// Operations are preempted, and only the outermost `select!` chooses; it does not choose again.
    OutermostChoice,
}

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data);
    let mut tree = tree::read(&mut reader);
    let schedule = reader.rest();
    for mode in [Mode::WithoutPreemption, Mode::FixedChoices, Mode::OutermostChoice] {
        let always = u32::from(schedule.first().copied().unwrap_or(0));
        let mut source = FuzzSource::new(schedule).preempts(mode != Mode::WithoutPreemption);
        match mode {
            Mode::WithoutPreemption => {}
            Mode::FixedChoices => {
                tree.steady(false);
                source = source.always_chooses(always);
            }
            Mode::OutermostChoice => tree.steady(true),
        }
        let observations = source.observations();
        let log = Rc::new(RefCell::new(Vec::new()));
        let outcome = timeloop::run_from(Box::new(source), &Limits::default(), || {
            let resource = Rc::new(Resource::new("shared"));
            let place =
                macros::Place { observations: Rc::clone(&observations), log: Rc::clone(&log), resource };
            macros::future(&tree, &place)
        });
        let made = observations.choices.borrow();
        let choices =
            if mode == Mode::FixedChoices { Choices::Always(always) } else { Choices::Recorded(&made) };
        check(&tree, &outcome, choices, &log.borrow());
    }
});

fn check(tree: &Node, outcome: &Outcome<Value>, choices: Choices<'_>, log: &[Event]) {
    let expected = model::run(tree, choices);
    for pair in expected.log.windows(2) {
        cover(&pair.iter().map(Event::number).collect::<Vec<_>>());
    }
    let shown = || format!("{tree:#?}\nexpected {expected:#?}\nof {choices:?}\n{outcome:#?}");
    assert_eq!(log, expected.log, "{}", shown());
    if let Choices::Recorded(made) = choices {
        assert_eq!(expected.choices, made.len(), "another number of choices: {}", shown());
    }
    let right = match (&outcome.result, expected.ending) {
        (Ok(value), model::Ending::Value(expected)) => *value == expected,
        (Err(failure), model::Ending::Panic) => failure.kind == FailureKind::Panic,
        (Err(failure), model::Ending::Deadlock) => failure.kind == FailureKind::Deadlock,
        _ => false,
    };
    assert!(right, "another ending: {}", shown());
}
