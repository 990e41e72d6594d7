//! Works a script off over one crate's primitives: by hand, or awaiting in a task.
//!
//! Always true: it knows nothing of what the primitives are; the same script makes the same polls and calls.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use timeloop_fuzz::Heard;

use crate::script::{Kind, Op};

/// A future of one crate, which says what came of it.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = String>>>;

/// One crate's primitives.
pub(crate) trait Works {
    /// The future that an operation makes, if it makes one and there is what it needs.
    fn begin(&mut self, op: &Op) -> Option<Waiting>;

    /// Does an operation that does not wait; what came of it.
    fn act(&mut self, op: &Op) -> Option<String>;

    /// How things look.
    fn look(&self) -> String;
}

/// What came of an operation, and how often each future that waits has been woken.
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

/// Polls each future with a waker of its own. The operations numbered in `given_up` make a future that is dropped.
pub(crate) fn polled(room: &mut impl Works, script: &[Op], given_up: &[usize]) -> (Vec<Answer>, usize) {
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
            _ => match room.begin(op) {
                Some(future) if given_up.contains(&number) => {
                    drop(future);
                    "given up".to_owned()
                }
                Some(future) => {
                    waiting.push((future, Arc::default()));
                    let last = waiting.len() - 1;
                    if op.rash { String::new() } else { poll(&mut waiting, last) }
                }
                None => room.act(op).unwrap_or_default(),
            },
        };
        let wakes = waiting.iter().map(|(_, wakes)| wakes.0.load(Ordering::Relaxed)).collect();
        answers.push(Answer { said: format!("{said}; {}", room.look()), wakes });
    }
    (answers, waiting.len())
}

/// Polls the futures as the task that runs, so that their operations may give way; one that has is polled again once the
/// task goes on, or given up. Gives the numbers of the operations whose future was given up so, too.
pub(crate) async fn awaited(
    room: &mut impl Works,
    script: &[Op],
    heard: &Heard,
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
                    let said = poll(&mut waiting[index], heard, false).await;
                    finished(&mut waiting, index, said)
                }
            },
            _ => match room.begin(op) {
                Some(future) if op.rash => {
                    waiting.push(future);
                    String::new()
                }
                Some(future) => {
                    waiting.push(future);
                    let last = waiting.len() - 1;
                    match poll(&mut waiting[last], heard, op.number == 3).await {
                        Polled::Preempted => {
                            given_up.push(number);
                            drop(waiting.pop());
                            "given up".to_owned()
                        }
                        said => finished(&mut waiting, last, said),
                    }
                }
                None => room.act(op).unwrap_or_default(),
            },
        };
        answers.push(format!("{said}; {}", room.look()));
    }
    (answers, given_up)
}

/// What a poll came to.
enum Polled {
    Pending,
    Ready(String),
    Preempted,
}

/// Polls once, not counting that the future gives way; unless it is to be given up then.
async fn poll(future: &mut Waiting, heard: &Heard, gives_up: bool) -> Polled {
    let mut preempted = false;
    poll_fn(|context| {
        if preempted && gives_up {
            return Poll::Ready(Polled::Preempted);
        }
        let before = heard.preemptions.get();
        match future.as_mut().poll(context) {
            Poll::Ready(said) => Poll::Ready(Polled::Ready(said)),
            Poll::Pending if heard.preemptions.get() == before => Poll::Ready(Polled::Pending),
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
