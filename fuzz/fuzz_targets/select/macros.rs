//! Builds the futures of a tree: each node is a call of a macro.
//!
//! # Invariants
//! The code around the macros adds no wait and no choice.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use timeloop::Resource;
use timeloop_fuzz::Observations;

use crate::tree::{Branch, End, Event, Node, Part, Value};

/// The value of an `else`.
pub(crate) const OTHERWISE: Value = Err(99);

/// The environment of the futures.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) observations: Rc<Observations>,
    pub(crate) log: Rc<RefCell<Vec<Event>>>,
    pub(crate) resource: Rc<Resource>,
}

impl Place {
    fn log(&self, event: Event) {
        self.log.borrow_mut().push(event);
    }
}

type Future = Pin<Box<dyn std::future::Future<Output = Value>>>;

/// Logs its drop.
struct Dropped(usize, Place);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.1.log(Event::Dropped(self.0));
    }
}

/// Returns the values of a join as one.
pub(crate) fn sum(values: &[Value]) -> Value {
    values.iter().try_fold(0_u8, |sum, value| Ok(sum.wrapping_add((*value)?)))
}

/// Returns the future of a node.
pub(crate) fn future(node: &Node, place: &Place) -> Future {
    match node {
        Node::Leaf { number, parts, end } => leaf(*number, parts.clone(), *end, place.clone()),
        Node::Select { biased, otherwise, branches } => select(*biased, *otherwise, branches, place),
        Node::Join { biased, nodes } => join(*biased, nodes, place),
        Node::TryJoin { biased, nodes } => try_join(*biased, nodes, place),
    }
}

fn leaf(number: usize, parts: Vec<Part>, end: End, place: Place) -> Future {
    let dropped = Dropped(number, place.clone());
    Box::pin(async move {
        // Captured by the future before its first poll.
        let _dropped = dropped;
        for (index, part) in parts.into_iter().enumerate() {
            match part {
                Part::Yield => {
                    // A poll without a new resumption, because another future was preempted, still waits.
                    let mut began = None;
                    poll_fn(|context| {
                        let round = place.observations.rounds.get();
                        if *began.get_or_insert(round) < round {
                            return Poll::Ready(());
                        }
                        context.waker().wake_by_ref();
                        Poll::Pending
                    })
                    .await;
                }
                Part::Access => place.resource.write().await,
            }
            place.log(Event::Did(number, index));
        }
        match end {
            End::Value(value) => {
                place.log(Event::Ended(number));
                value
            }
            End::Never => pending().await,
            End::Panic => {
                place.log(Event::Ended(number));
                panic!("as the tree says")
            }
        }
    })
}

fn select(biased: bool, otherwise: bool, branches: &[Branch], place: &Place) -> Future {
    let enabled: Vec<bool> = branches.iter().map(|branch| branch.enabled).collect();
    let futures = branches.iter().map(|branch| {
        let (future, fussy) = (future(&branch.node, place), branch.fussy);
        async move {
            let value = future.await;
            (!fussy || value.is_ok()).then_some(value)
        }
    });
    let mut futures = futures.collect::<Vec<_>>().into_iter();
    let mut next = move || futures.next().expect("one for each branch");
    /// All forms of the macros with this number of branches.
    macro_rules! forms {
        ($($name:ident $index:literal),*) => {{
            $(let $name = next();)*
            let on = enabled;
            match (biased, otherwise) {
                (false, false) => Box::pin(async move {
                    timeloop::select! { $(Some(value) = $name, if on[$index] => value,)* }
                }),
                (false, true) => Box::pin(async move {
                    timeloop::select! { $(Some(value) = $name, if on[$index] => value,)* else => OTHERWISE }
                }),
                (true, false) => Box::pin(async move {
                    timeloop::select! { biased; $(Some(value) = $name, if on[$index] => value,)* }
                }),
                (true, true) => Box::pin(async move {
                    timeloop::select! { biased; $(Some(value) = $name, if on[$index] => value,)* else => OTHERWISE }
                }),
            }
        }};
    }
    match branches.len() {
        1 => forms!(a 0),
        2 => forms!(a 0, b 1),
        3 => forms!(a 0, b 1, c 2),
        _ => forms!(a 0, b 1, c 2, d 3),
    }
}

fn join(biased: bool, nodes: &[Node], place: &Place) -> Future {
    let mut futures = nodes.iter().map(|node| future(node, place)).collect::<Vec<_>>().into_iter();
    let mut next = move || futures.next().expect("one for each node");
    macro_rules! forms {
        ($($name:ident),*) => {{
            $(let $name = next();)*
            if biased {
                Box::pin(async move {
                    let ($($name,)*) = timeloop::join!(biased; $($name),*);
                    sum(&[$($name),*])
                })
            } else {
                Box::pin(async move {
                    let ($($name,)*) = timeloop::join!($($name),*);
                    sum(&[$($name),*])
                })
            }
        }};
    }
    match nodes.len() {
        1 => forms!(a),
        2 => forms!(a, b),
        _ => forms!(a, b, c),
    }
}

fn try_join(biased: bool, nodes: &[Node], place: &Place) -> Future {
    let mut futures = nodes.iter().map(|node| future(node, place)).collect::<Vec<_>>().into_iter();
    let mut next = move || futures.next().expect("one for each node");
    macro_rules! forms {
        ($($name:ident),*) => {{
            $(let $name = next();)*
            if biased {
                Box::pin(async move {
                    let ($($name,)*) = timeloop::try_join!(biased; $($name),*)?;
                    sum(&[$(Ok($name)),*])
                })
            } else {
                Box::pin(async move {
                    let ($($name,)*) = timeloop::try_join!($($name),*)?;
                    sum(&[$(Ok($name)),*])
                })
            }
        }};
    }
    match nodes.len() {
        1 => forms!(a),
        2 => forms!(a, b),
        _ => forms!(a, b, c),
    }
}
