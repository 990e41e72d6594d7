//! Holds `select!`, `join!` and `try_join!` against a model: trees of them over futures that wait, give way, end, fail,
//! panic or never end.
//!
//! Always true: the futures do what the model's do, in the same order, whatever gives way meanwhile; each is dropped once,
//! and those of a `select!` in the order of its branches; the run decides where a `select!` begins and nothing else.
#![no_main]

mod macros;
mod model;
mod tree;

use std::cell::RefCell;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use timeloop::{FailureKind, Limits, Outcome, Resource};
use timeloop_fuzz::{Reader, Wild, saw};

use model::Choices;
use tree::{Event, Node, Value};

/// How a tree is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// No operation gives way.
    AtOnce,
    /// Operations give way. What is polled again for that may be asked again where to begin, which is to mean nothing.
    Deciding,
    /// Operations give way, and the outermost `select!` alone decides; it is not asked again.
    Outermost,
}

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data);
    let mut tree = tree::read(&mut reader);
    let schedule = reader.rest();
    for way in [Way::AtOnce, Way::Deciding, Way::Outermost] {
        let always = u32::from(schedule.first().copied().unwrap_or(0));
        let mut source = Wild::new(schedule).preempts(way != Way::AtOnce);
        match way {
            Way::AtOnce => {}
            Way::Deciding => {
                tree.steady(false);
                source = source.always_chooses(always);
            }
            Way::Outermost => tree.steady(true),
        }
        let heard = source.heard();
        let log = Rc::new(RefCell::new(Vec::new()));
        let outcome = timeloop::run_from(Box::new(source), &Limits::default(), || {
            let resource = Rc::new(Resource::new("shared"));
            let place = macros::Place { heard: Rc::clone(&heard), log: Rc::clone(&log), resource };
            macros::future(&tree, &place)
        });
        let asked = heard.choices.borrow();
        let choices = if way == Way::Deciding { Choices::Always(always) } else { Choices::Asked(&asked) };
        check(&tree, &outcome, choices, &log.borrow());
    }
});

fn check(tree: &Node, outcome: &Outcome<Value>, choices: Choices<'_>, log: &[Event]) {
    let expected = model::run(tree, choices);
    for pair in expected.log.windows(2) {
        saw(&pair.iter().map(Event::number).collect::<Vec<_>>());
    }
    let shown = || format!("{tree:#?}\nexpected {expected:#?}\nof {choices:?}\n{outcome:#?}");
    assert_eq!(log, expected.log, "{}", shown());
    if let Choices::Asked(asked) = choices {
        assert_eq!(expected.choices, asked.len(), "another number of choices: {}", shown());
    }
    let right = match (&outcome.result, expected.ending) {
        (Ok(value), model::Ending::Value(expected)) => *value == expected,
        (Err(failure), model::Ending::Panic) => failure.kind == FailureKind::Panic,
        (Err(failure), model::Ending::Deadlock) => failure.kind == FailureKind::Deadlock,
        _ => false,
    };
    assert!(right, "another ending: {}", shown());
}
