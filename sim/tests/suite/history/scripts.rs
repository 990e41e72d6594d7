//! Random histories: clients that call, take effect and return, some of whom crash or are lied to.

use proptest::collection::vec;
use proptest::prelude::*;
use timeloop_sim::history::{CallId, History};

use super::objects::Object;

/// What happens next.
#[derive(Clone, Debug)]
pub(super) struct Event {
    client: usize,
    operation: u8,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// The client does the next thing: it calls, its call takes effect, it returns.
    Goes,
    /// The client is told something else in place of what it should be told.
    IsLiedTo(u8),
    /// The call under way never returns, be it that it has taken effect; the client makes others later.
    Loses,
}

/// Histories with up to so many events and clients. `lies` of a hundred events are lies.
pub(super) fn script(events: usize, clients: usize, lies: u32) -> impl Strategy<Value = Vec<Event>> {
    let what = prop_oneof![
        90 => Just(What::Goes),
        lies => any::<u8>().prop_map(What::IsLiedTo),
        8 => Just(What::Loses),
    ];
    let event = (0..clients, any::<u8>(), what);
    vec(event.prop_map(|(client, operation, what)| Event { client, operation, what }), 0..events)
}

/// A call under way.
struct UnderWay<O: Object> {
    call: CallId,
    operation: O::Operation,
    /// The right answer, once it has taken effect.
    answer: Option<O::Returned>,
}

/// The history that this script leads to with one copy of the object per key, and how often a client was lied to.
pub(super) fn play<O: Object>(script: &[Event]) -> (History<O::Operation, O::Returned>, usize) {
    let object = O::default();
    let mut states = std::collections::BTreeMap::<O::Key, O::State>::new();
    let mut history = History::new();
    let mut clients: Vec<Option<UnderWay<O>>> = Vec::new();
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
                *client = Some(UnderWay { call, operation, answer: None });
            }
            (Some(_), What::Loses) => {}
            (Some(mut under_way), What::Goes) => match under_way.answer {
                Some(answer) => history.returned(under_way.call, at_ns, answer),
                None => {
                    let state =
                        states.entry(object.key(&under_way.operation)).or_insert_with(|| object.init());
                    let answers = O::answers().into_iter();
                    let steps = answers
                        .flat_map(|answer| {
                            let mut steps = Vec::new();
                            object.other_steps(state, &under_way.operation, Some(&answer), &mut steps);
                            steps.extend(object.step(state, &under_way.operation, Some(&answer)));
                            steps.into_iter().map(move |step| (answer.clone(), step))
                        })
                        .collect::<Vec<_>>();
                    let (answer, next) = steps[usize::from(event.operation) % steps.len()].clone();
                    *state = next;
                    under_way.answer = Some(answer);
                    *client = Some(under_way);
                }
            },
            (Some(under_way), What::IsLiedTo(lie)) => {
                let answers = O::answers();
                history.returned(under_way.call, at_ns, answers[usize::from(*lie) % answers.len()].clone());
                lies += 1;
            }
        }
    }
    (history, lies)
}
