//! Runs a script on one crate's primitives, by polling futures directly or by awaiting them in a task.
//!
//! # Invariants
//! The driver does not know the primitives. The same script makes the same polls and calls.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use timeloop_fuzz::Observations;

use crate::script::{Kind, Op};

/// A future of one crate, which returns its result as text.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = String>>>;

/// The primitives of one crate.
pub(crate) trait Primitives {
    /// Returns the future of an operation, if it has one and its operands exist.
    fn begin(&mut self, op: &Op) -> Option<Waiting>;

    /// Performs a synchronous operation. Returns its result as text.
    fn act(&mut self, op: &Op) -> Option<String>;

    /// Returns the observable state as text.
    fn look(&self) -> String;
}

/// The result of an operation, and how often each waiting future has been woken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) said: String,
    pub(crate) wakes: Vec<u32>,
}

#[derive(Debug, Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls each future with its own waker. The futures of the operations in `given_up` are dropped.
pub(crate) fn polled(
    primitives: &mut impl Primitives,
    script: &[Op],
    given_up: &[usize],
) -> (Vec<Answer>, usize) {
    let mut waiting: Vec<(Waiting, Arc<Wakes>)> = Vec::new();
    let mut answers = Vec::new();
    for (number, op) in script.iter().enumerate() {
        let poll = |waiting: &mut Vec<(Waiting, Arc<Wakes>)>, index: usize| {
            let (future, wakes) = &mut waiting[index];
            let waker = Waker::from(Arc::clone(wakes));
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => "pending".to_owned(),
                Poll::Ready(said) => {
                    drop(waiting.remove(index));
                    said
                }
            }
        };
        let said = match op.kind {
            Kind::Poll | Kind::PollLast | Kind::GiveUp => match which(op, waiting.len()) {
                None => String::new(),
                Some(index) if op.kind == Kind::GiveUp => {
                    drop(waiting.remove(index));
                    String::new()
                }
                Some(index) => poll(&mut waiting, index),
            },
            _ => match primitives.begin(op) {
                Some(future) if given_up.contains(&number) => {
                    drop(future);
                    "given up".to_owned()
                }
                Some(future) => {
                    waiting.push((future, Arc::default()));
                    let last = waiting.len() - 1;
                    if op.rash { String::new() } else { poll(&mut waiting, last) }
                }
                None => primitives.act(op).unwrap_or_default(),
            },
        };
        let wakes = waiting.iter().map(|(_, wakes)| wakes.0.load(Ordering::Relaxed)).collect();
        answers.push(Answer { said: format!("{said}; {}", primitives.look()), wakes });
    }
    (answers, waiting.len())
}

/// Polls the futures in a task, so that their operations may be preempted. A preempted future is polled again when the task
/// resumes, or is dropped. Also returns the numbers of the operations whose futures were dropped.
pub(crate) async fn awaited(
    primitives: &mut impl Primitives,
    script: &[Op],
    observations: &Observations,
) -> (Vec<String>, Vec<usize>) {
    let mut waiting: Vec<Waiting> = Vec::new();
    let (mut answers, mut given_up) = (Vec::new(), Vec::new());
    for (number, op) in script.iter().enumerate() {
        let said = match op.kind {
            Kind::Poll | Kind::PollLast | Kind::GiveUp => match which(op, waiting.len()) {
                None => String::new(),
                Some(index) if op.kind == Kind::GiveUp => {
                    drop(waiting.remove(index));
                    String::new()
                }
                Some(index) => {
                    let said = poll(&mut waiting[index], observations, false).await;
                    finished(&mut waiting, index, said)
                }
            },
            _ => match primitives.begin(op) {
                Some(future) if op.rash => {
                    waiting.push(future);
                    String::new()
                }
                Some(future) => {
                    waiting.push(future);
                    let last = waiting.len() - 1;
                    match poll(&mut waiting[last], observations, op.number == 3).await {
                        Polled::Preempted => {
                            given_up.push(number);
                            drop(waiting.pop());
                            "given up".to_owned()
                        }
                        said => finished(&mut waiting, last, said),
                    }
                }
                None => primitives.act(op).unwrap_or_default(),
            },
        };
        answers.push(format!("{said}; {}", primitives.look()));
    }
    (answers, given_up)
}

/// The result of a poll.
enum Polled {
    Pending,
    Ready(String),
    Preempted,
}

/// Polls once, repeating polls that are preempted, unless the future is to be dropped then.
async fn poll(future: &mut Waiting, observations: &Observations, gives_up: bool) -> Polled {
    let mut preempted = false;
    poll_fn(|context| {
        if preempted && gives_up {
            return Poll::Ready(Polled::Preempted);
        }
        let before = observations.preemptions.get();
        match future.as_mut().poll(context) {
            Poll::Ready(said) => Poll::Ready(Polled::Ready(said)),
            Poll::Pending if observations.preemptions.get() == before => Poll::Ready(Polled::Pending),
            Poll::Pending => {
                preempted = true;
                Poll::Pending
            }
        }
    })
    .await
}

fn finished(waiting: &mut Vec<Waiting>, index: usize, said: Polled) -> String {
    match said {
        Polled::Ready(said) => {
            drop(waiting.remove(index));
            said
        }
        Polled::Pending | Polled::Preempted => "pending".to_owned(),
    }
}

fn which(op: &Op, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    Some(if op.kind == Kind::PollLast { last } else { op.index % count })
}
