//! The watch channel compared with tokio's.
//!
//! Both execute the same random sequences of operations and must agree in every result, in every wake, and in the final
//! state. A separate test shows the difference: the order of wakes.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;
use timeloop::sync::watch;

use super::assert_send_sync;

/// An operation. Indices are taken modulo the number of items.
#[derive(Clone, Debug)]
enum Operation {
    Send {
        sender: usize,
        value: u32,
    },
    SendReplace {
        sender: usize,
        value: u32,
    },
    SendModify {
        sender: usize,
        add: u32,
    },
    SendIfModified {
        sender: usize,
        add: u32,
        modified: bool,
    },
    SendPanic {
        sender: usize,
    },
    SenderBorrow {
        sender: usize,
    },
    SenderState {
        sender: usize,
    },
    CloneSender {
        sender: usize,
    },
    DropSender {
        sender: usize,
    },
    Subscribe {
        sender: usize,
    },
    Borrow {
        receiver: usize,
    },
    BorrowAndUpdate {
        receiver: usize,
    },
    HasChanged {
        receiver: usize,
    },
    MarkChanged {
        receiver: usize,
    },
    MarkUnchanged {
        receiver: usize,
    },
    CloneReceiver {
        receiver: usize,
    },
    DropReceiver {
        receiver: usize,
    },
    /// Starts to wait, and polls once.
    Changed {
        receiver: usize,
    },
    WaitFor {
        receiver: usize,
        at_least: u32,
    },
    Closed {
        sender: usize,
    },
    /// Polls a waiting future.
    Poll {
        waiting: usize,
    },
    /// Drops a waiting future.
    Cancel {
        waiting: usize,
    },
    /// Compares the channels of two handles.
    SameChannel,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let i = 0..4_usize;
    let v = 0..20_u32;
    prop_oneof![
        4 => (i.clone(), v.clone()).prop_map(|(sender, value)| Send { sender, value }),
        1 => (i.clone(), v.clone()).prop_map(|(sender, value)| SendReplace { sender, value }),
        1 => (i.clone(), v.clone()).prop_map(|(sender, add)| SendModify { sender, add }),
        2 => (i.clone(), v.clone(), any::<bool>())
            .prop_map(|(sender, add, modified)| SendIfModified { sender, add, modified }),
        1 => i.clone().prop_map(|sender| SendPanic { sender }),
        1 => i.clone().prop_map(|sender| SenderBorrow { sender }),
        2 => i.clone().prop_map(|sender| SenderState { sender }),
        1 => i.clone().prop_map(|sender| CloneSender { sender }),
        2 => i.clone().prop_map(|sender| DropSender { sender }),
        2 => i.clone().prop_map(|sender| Subscribe { sender }),
        2 => i.clone().prop_map(|receiver| Borrow { receiver }),
        2 => i.clone().prop_map(|receiver| BorrowAndUpdate { receiver }),
        2 => i.clone().prop_map(|receiver| HasChanged { receiver }),
        1 => i.clone().prop_map(|receiver| MarkChanged { receiver }),
        1 => i.clone().prop_map(|receiver| MarkUnchanged { receiver }),
        2 => i.clone().prop_map(|receiver| CloneReceiver { receiver }),
        2 => i.clone().prop_map(|receiver| DropReceiver { receiver }),
        4 => i.clone().prop_map(|receiver| Changed { receiver }),
        2 => (i.clone(), v).prop_map(|(receiver, at_least)| WaitFor { receiver, at_least }),
        2 => i.clone().prop_map(|sender| Closed { sender }),
        4 => i.clone().prop_map(|waiting| Poll { waiting }),
        2 => i.prop_map(|waiting| Cancel { waiting }),
        1 => Just(SameChannel),
    ]
}

/// Counts its wakes.
#[derive(Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wakes {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The output of a waiting future: its result, and the handle that it used.
pub(super) type Waiting<H> = Pin<Box<dyn Future<Output = (String, H)>>>;

/// The handles of one half: idle ones, and those of waiting futures.
pub(super) struct Half<H> {
    pub(super) free: Vec<H>,
    waiting: Vec<(Waiting<H>, Arc<Wakes>)>,
}

impl<H> Half<H> {
    pub(super) fn new(handle: H) -> Self {
        Self { free: vec![handle], waiting: Vec::new() }
    }

    pub(super) fn pick(&mut self, index: usize) -> Option<&mut H> {
        let count = self.free.len();
        if count == 0 { None } else { Some(&mut self.free[index % count]) }
    }

    pub(super) fn take(&mut self, index: usize) -> Option<H> {
        let count = self.free.len();
        if count == 0 { None } else { Some(self.free.swap_remove(index % count)) }
    }

    pub(super) fn wait(&mut self, future: Waiting<H>) -> String {
        self.waiting.push((future, Arc::default()));
        self.poll(self.waiting.len() - 1)
    }

    pub(super) fn poll(&mut self, index: usize) -> String {
        if self.waiting.is_empty() {
            return "nothing waits".to_owned();
        }
        let index = index % self.waiting.len();
        let (future, wakes) = &mut self.waiting[index];
        let waker = Waker::from(Arc::clone(wakes));
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => "pending".to_owned(),
            Poll::Ready((seen, handle)) => {
                drop(self.waiting.swap_remove(index));
                self.free.push(handle);
                seen
            }
        }
    }

    pub(super) fn wakes(&self) -> Vec<usize> {
        self.waiting.iter().map(|(_, wakes)| wakes.count()).collect()
    }

    /// Drops a waiting future with its handle.
    pub(super) fn cancel(&mut self, index: usize) -> String {
        if self.waiting.is_empty() {
            return "nothing waits".to_owned();
        }
        drop(self.waiting.swap_remove(index % self.waiting.len()));
        String::new()
    }
}

/// Compiles an interpreter of operations for each crate. Returns the observations after each operation.
macro_rules! interpreter {
    ($module:ident, $($watch:tt)+) => {
        mod $module {
            use std::panic::{AssertUnwindSafe, catch_unwind};

            use super::{Half, Operation};
            use $($watch)+ as watch;

            pub(super) fn seen(operations: &[Operation]) -> Vec<String> {
                let (tx, rx) = watch::channel(10_u32);
                let (_, stranger) = watch::channel(10_u32);
                let mut senders = Half::new(tx);
                let mut receivers = Half::new(rx);
                let mut all = Vec::new();
                for operation in operations {
                    let seen = apply(operation, &mut senders, &mut receivers, &stranger);
                    let wakes = (senders.wakes(), receivers.wakes());
                    all.push(format!("{operation:?}: {}; wakes {wakes:?}", seen.unwrap_or_default()));
                }
                all
            }

            fn apply(
                operation: &Operation,
                senders: &mut Half<watch::Sender<u32>>,
                receivers: &mut Half<watch::Receiver<u32>>,
                stranger: &watch::Receiver<u32>,
            ) -> Option<String> {
                Some(match *operation {
                    Operation::Send { sender, value } => {
                        let sent = senders.pick(sender)?.send(value);
                        format!("{sent:?} {:?}", sent.as_ref().err().map(|error| (error.0, error.to_string())))
                    }
                    Operation::SendReplace { sender, value } => {
                        senders.pick(sender)?.send_replace(value).to_string()
                    }
                    Operation::SendModify { sender, add } => {
                        senders.pick(sender)?.send_modify(|value| *value += add);
                        String::new()
                    }
                    Operation::SendIfModified { sender, add, modified } => {
                        let modify = |value: &mut u32| {
                            *value += add;
                            modified
                        };
                        senders.pick(sender)?.send_if_modified(modify).to_string()
                    }
                    Operation::SendPanic { sender } => {
                        let sender = senders.pick(sender)?;
                        let modify = |value: &mut u32| {
                            *value += 1;
                            // Without the hook, which would print.
                            std::panic::resume_unwind(Box::new("modify"));
                        };
                        let panicked = catch_unwind(AssertUnwindSafe(|| sender.send_modify(modify)));
                        panicked.unwrap_err().downcast_ref::<&str>().unwrap().to_string()
                    }
                    Operation::SenderBorrow { sender } => {
                        let value = senders.pick(sender)?.borrow();
                        format!("{} {}", *value, value.has_changed())
                    }
                    Operation::SenderState { sender } => {
                        let sender = senders.pick(sender)?;
                        let (tx, rx) = (sender.sender_count(), sender.receiver_count());
                        format!("{tx} {rx} {}", sender.is_closed())
                    }
                    Operation::CloneSender { sender } => {
                        let clone = senders.pick(sender)?.clone();
                        senders.free.push(clone);
                        String::new()
                    }
                    Operation::DropSender { sender } => {
                        drop(senders.take(sender)?);
                        String::new()
                    }
                    Operation::Subscribe { sender } => {
                        receivers.free.push(senders.pick(sender)?.subscribe());
                        String::new()
                    }
                    Operation::Borrow { receiver } => {
                        let value = receivers.pick(receiver)?.borrow();
                        format!("{} {}", *value, value.has_changed())
                    }
                    Operation::BorrowAndUpdate { receiver } => {
                        let value = receivers.pick(receiver)?.borrow_and_update();
                        format!("{} {}", *value, value.has_changed())
                    }
                    Operation::HasChanged { receiver } => {
                        let receiver = receivers.pick(receiver)?;
                        let has = receiver.has_changed();
                        let text = has.as_ref().map_err(ToString::to_string);
                        format!("{has:?} {text:?} {}", receiver.is_closed())
                    }
                    Operation::MarkChanged { receiver } => {
                        receivers.pick(receiver)?.mark_changed();
                        String::new()
                    }
                    Operation::MarkUnchanged { receiver } => {
                        receivers.pick(receiver)?.mark_unchanged();
                        String::new()
                    }
                    Operation::CloneReceiver { receiver } => {
                        let clone = receivers.pick(receiver)?.clone();
                        receivers.free.push(clone);
                        String::new()
                    }
                    Operation::DropReceiver { receiver } => {
                        drop(receivers.take(receiver)?);
                        String::new()
                    }
                    Operation::Changed { receiver } => {
                        let mut receiver = receivers.take(receiver)?;
                        receivers.wait(Box::pin(async move {
                            let changed = receiver.changed().await;
                            (format!("{changed:?}"), receiver)
                        }))
                    }
                    Operation::WaitFor { receiver, at_least } => {
                        let mut receiver = receivers.take(receiver)?;
                        receivers.wait(Box::pin(async move {
                            let mut asked = Vec::new();
                            let value = receiver.wait_for(|&value| {
                                asked.push(value);
                                value >= at_least
                            });
                            let value = value.await.map(|value| (*value, value.has_changed()));
                            (format!("{value:?} after {asked:?}"), receiver)
                        }))
                    }
                    Operation::Closed { sender } => {
                        let sender = senders.take(sender)?;
                        senders.wait(Box::pin(async move {
                            sender.closed().await;
                            ("closed".to_owned(), sender)
                        }))
                    }
                    Operation::Poll { waiting } => {
                        if waiting % 2 == 0 { receivers.poll(waiting / 2) } else { senders.poll(waiting / 2) }
                    }
                    Operation::Cancel { waiting } => {
                        let waiting = if waiting % 2 == 0 {
                            let count = receivers.waiting.len().max(1);
                            receivers.waiting.get(waiting / 2 % count).is_some().then(|| {
                                drop(receivers.waiting.remove(waiting / 2 % count));
                            })
                        } else {
                            let count = senders.waiting.len().max(1);
                            senders.waiting.get(waiting / 2 % count).is_some().then(|| {
                                drop(senders.waiting.remove(waiting / 2 % count));
                            })
                        };
                        format!("{waiting:?}")
                    }
                    Operation::SameChannel => {
                        let same = receivers.pick(0).map(|rx| (rx.same_channel(&rx.clone()), rx.same_channel(stranger)));
                        let senders = senders.pick(0).map(|tx| tx.same_channel(&tx.clone()));
                        format!("{same:?} {senders:?}")
                    }
                })
            }
        }
    };
}

interpreter!(tokios, tokio::sync::watch);
interpreter!(ours, timeloop::sync::watch);

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_like_tokios(operations in prop::collection::vec(operation(), 1..60)) {
        let (tokios, ours) = (tokios::seen(&operations), ours::seen(&operations));
        for (tokios, ours) in tokios.iter().zip(&ours) {
            prop_assert_eq!(tokios, ours);
        }
    }
}

/// Logs its number when woken.
struct Noting(usize, Arc<Mutex<Vec<usize>>>);

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

const WAITING: usize = 40;

/// Returns the order in which `wake` wakes futures that began to wait in order.
fn order_of_wakes<F: Future>(waiting: impl IntoIterator<Item = F>, wake: impl FnOnce()) -> Vec<usize> {
    let order = Arc::default();
    let mut waiting: Vec<_> = waiting.into_iter().map(Box::pin).collect();
    for (number, future) in waiting.iter_mut().enumerate() {
        let waker = Waker::from(Arc::new(Noting(number, Arc::clone(&order))));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    wake();
    let order = order.lock().unwrap().clone();
    assert_eq!(order.len(), waiting.len(), "each is woken once");
    order
}

/// tokio is built with its feature `rt` here, so its own channel uses a thread's random numbers.
#[test]
fn receivers_are_woken_in_the_order_in_which_they_began_to_wait() {
    for _ in 0..100 {
        let (tx, rx) = watch::channel(0);
        let mut receivers = vec![rx; WAITING];
        let changed = receivers.iter_mut().map(watch::Receiver::changed);
        let order = order_of_wakes(changed, || tx.send(1).unwrap());
        assert!(order.iter().copied().eq(0..WAITING), "{order:?}");
    }
}

#[test]
fn closing_wakes_in_order_too() {
    let (tx, rx) = watch::channel(0);
    let mut receivers = vec![rx; WAITING];
    let order = order_of_wakes(receivers.iter_mut().map(|rx| rx.wait_for(|&value| value > 0)), || drop(tx));
    assert!(order.iter().copied().eq(0..WAITING), "{order:?}");

    let (tx, rx) = watch::channel(0);
    let senders = vec![tx; WAITING];
    let order = order_of_wakes(senders.iter().map(watch::Sender::closed), || drop(rx));
    assert!(order.iter().copied().eq(0..WAITING), "{order:?}");
}

/// The reason for our own channel. If this test fails, tokio's has become deterministic, and ours can be removed.
#[test]
fn tokios_own_channel_wakes_in_an_order_that_varies() {
    let orders = (0..10).map(|_| {
        let (tx, rx) = tokio::sync::watch::channel(0);
        let mut receivers = vec![rx; WAITING];
        let changed = receivers.iter_mut().map(tokio::sync::watch::Receiver::changed);
        order_of_wakes(changed, || tx.send(1).unwrap())
    });
    let distinct: std::collections::BTreeSet<_> = orders.collect();
    assert!(distinct.len() > 1, "{distinct:?}");
}

#[test]
fn handles_cross_threads_like_tokios() {
    assert_send_sync::<watch::Sender<u32>>();
    assert_send_sync::<watch::Receiver<u32>>();
    assert_send_sync::<watch::error::SendError<u32>>();
    assert_send_sync::<watch::error::RecvError>();
    let (tx, mut rx) = watch::channel(0);
    assert_eq!(watch::Sender::<u32>::default().receiver_count(), 0);
    // Between real threads, in another runtime.
    let outside = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| tx.send(7).unwrap());
        *outside.block_on(rx.wait_for(|&value| value == 7)).unwrap()
    });
    assert_eq!(seen, 7);
}
