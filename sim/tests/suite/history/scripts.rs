//! Random histories: clients call, take effect and return; some lose their calls or get wrong answers.

use proptest::collection::vec;
use proptest::prelude::*;
use timeloop_sim::history::{CallId, History};

use super::objects::Object;

/// A step of a script.
#[derive(Clone, Debug)]
pub(super) struct Event {
    client: usize,
    operation: u8,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// The client proceeds: it calls, its call takes effect, or it returns.
    Proceed,
    /// The call returns a wrong answer.
    Lie(u8),
    /// The call never returns, whether or not it has taken effect; the client may call again.
    Lose,
}

/// Generates scripts with at most `events` steps and `clients` clients; `lies` is the weight of lies.
pub(super) fn script(events: usize, clients: usize, lies: u32) -> impl Strategy<Value = Vec<Event>> {
    let what = prop_oneof![
        90 => Just(What::Proceed),
        lies => any::<u8>().prop_map(What::Lie),
        8 => Just(What::Lose),
    ];
    let event = (0..clients, any::<u8>(), what);
    vec(event.prop_map(|(client, operation, what)| Event { client, operation, what }), 0..events)
}

/// A call in progress.
struct InProgress<O: Object> {
    call: CallId,
    operation: O::Operation,
    /// The correct answer, once the call has taken effect.
    answer: Option<O::Returned>,
}

/// Plays a script on one object per key. Returns the history and the number of lies.
pub(super) fn play<O: Object>(script: &[Event]) -> (History<O::Operation, O::Returned>, usize) {
    let object = O::default();
    let mut states = std::collections::BTreeMap::<O::Key, O::State>::new();
    let mut history = History::new();
    let mut clients: Vec<Option<InProgress<O>>> = Vec::new();
    let mut lies = 0;
    for (at_ns, event) in (0..).zip(script) {
        if clients.len() <= event.client {
            clients.resize_with(event.client + 1, || None);
        }
        let client = &mut clients[event.client];
        match (client.take(), &event.what) {
            (None, _) => {
                let operation = O::operation(event.operation);
                let call = history.call(event.client, at_ns, operation.clone());
                *client = Some(InProgress { call, operation, answer: None });
            }
            (Some(_), What::Lose) => {}
            (Some(mut in_progress), What::Proceed) => match in_progress.answer {
                Some(answer) => history.returned(in_progress.call, at_ns, answer),
                None => {
                    let state =
                        states.entry(object.key(&in_progress.operation)).or_insert_with(|| object.init());
                    let answers = O::answers().into_iter();
                    let steps = answers
                        .flat_map(|answer| {
                            let mut steps = Vec::new();
                            object.other_steps(state, &in_progress.operation, Some(&answer), &mut steps);
                            steps.extend(object.step(state, &in_progress.operation, Some(&answer)));
                            steps.into_iter().map(move |step| (answer.clone(), step))
                        })
                        .collect::<Vec<_>>();
                    let (answer, next) = steps[usize::from(event.operation) % steps.len()].clone();
                    *state = next;
                    in_progress.answer = Some(answer);
                    *client = Some(in_progress);
                }
            },
            (Some(in_progress), What::Lie(lie)) => {
                let answers = O::answers();
                history.returned(in_progress.call, at_ns, answers[usize::from(*lie) % answers.len()].clone());
                lies += 1;
            }
        }
    }
    (history, lies)
}
