//! Channels and signals compared with tokio's: the same random sequences of operations, the same results and wakes.
//!
//! timeloop's are tested twice: outside a run, and inside one with all operations announced and no preemptions.

use proptest::prelude::*;
use proptest::sample::select;

use crate::recording::with_announcements;

/// Which handle an operation uses, modulo their number, and a small number.
type Step<O> = (O, usize, u32);

fn steps<O: Copy + std::fmt::Debug + 'static>(all: &'static [O]) -> impl Strategy<Value = Vec<Step<O>>> {
    prop::collection::vec((select(all), 0..4_usize, 0..20_u32), 1..60)
}

macro_rules! operations {
    ($name:ident: $($operation:ident),* $(,)?) => {
        #[derive(Clone, Copy, Debug)]
        enum $name { $($operation),* }

        impl $name {
            const ALL: &[Self] = &[$(Self::$operation),*];
        }
    };
}

operations! { Queue:
    Send, TrySend, Reserve, ReserveMany, ReserveOwned, TryReserve, TryReserveMany, TryReserveOwned,
    SendPermit, ReleasePermit, DropPermit, CloneSender, DropSender, Downgrade, Upgrade, DropWeak,
    Look, Closed, Recv, RecvMany, TryRecv, PollRecv, Close, DropReceiver,
    PollSender, PollReceiver, CancelSender, CancelReceiver,
}

operations! { Unbounded:
    Send, CloneSender, DropSender, Downgrade, Upgrade, DropWeak, Look, Closed,
    Recv, RecvMany, TryRecv, PollRecv, Close, DropReceiver, PollSender, PollReceiver, CancelSender, CancelReceiver,
}

operations! { Broadcast:
    Send, Subscribe, Resubscribe, CloneSender, DropSender, Downgrade, Upgrade, DropWeak, Look, Closed,
    Recv, TryRecv, DropReceiver, PollSender, PollReceiver, CancelSender, CancelReceiver,
}

operations! { Once: Send, DropSender, Closed, Look, TryRecv, Recv, Close, DropReceiver, PollSender, PollReceiver, CancelSender }

operations! { Signal:
    NotifyOne, NotifyLast, NotifyWaiters, Make, MakeOwned, Enable, Wait, Drop,
}

macro_rules! interpreters {
    ($module:ident, $($sync:tt)+) => {
        mod $module {
            use std::future::poll_fn;
            use std::pin::Pin;
            use std::sync::Arc;
            use std::task::{Context, Poll, Waker};

            use $($sync)+::{Notify, broadcast, mpsc, oneshot};
            use $($sync)+::futures::{Notified, OwnedNotified};

            use super::super::watch::{Half, Wakes};
            use super::{Broadcast, Once, Queue, Signal, Step, Unbounded};

            pub(super) fn queue((capacity, steps): &(usize, Vec<Step<Queue>>)) -> Vec<String> {
                let (tx, rx) = mpsc::channel::<u32>(*capacity);
                let (mut senders, mut receivers) = (Half::new(tx), Half::new(rx));
                let (mut permits, mut weak) = (Vec::new(), Vec::new());
                let mut all = Vec::new();
                for &(operation, index, value) in steps {
                    let n = value as usize % 3;
                    let mut apply = || Some(match operation {
                        Queue::Send => {
                            let tx = senders.take(index)?;
                            senders.wait(Box::pin(async move { (format!("{:?}", tx.send(value).await), tx) }))
                        }
                        Queue::TrySend => format!("{:?}", senders.pick(index)?.try_send(value)),
                        Queue::Reserve => {
                            let tx = senders.take(index)?;
                            senders.wait(Box::pin(async move {
                                let text = match tx.reserve().await {
                                    Ok(permit) if value > 10 => {
                                        permit.send(value);
                                        "sent".to_owned()
                                    }
                                    permit => permit.is_ok().to_string(),
                                };
                                (text, tx)
                            }))
                        }
                        Queue::ReserveMany => {
                            let tx = senders.take(index)?;
                            senders.wait(Box::pin(async move {
                                let text = match tx.reserve_many(n).await {
                                    Ok(mut permits) => {
                                        let hint = permits.size_hint();
                                        permits.next().map(|permit| permit.send(value));
                                        format!("{hint:?} {}", permits.len())
                                    }
                                    Err(error) => format!("{error:?}"),
                                };
                                (text, tx)
                            }))
                        }
                        Queue::ReserveOwned => {
                            let tx = senders.take(index)?;
                            senders.wait(Box::pin(async move {
                                let spare = tx.clone();
                                match tx.reserve_owned().await {
                                    Ok(permit) => ("sent".to_owned(), permit.send(value)),
                                    Err(error) => (format!("{error:?}"), spare),
                                }
                            }))
                        }
                        Queue::TryReserve => match senders.pick(index)?.try_reserve() {
                            Ok(permit) if value > 10 => {
                                permit.send(value);
                                "sent".to_owned()
                            }
                            permit => format!("{:?}", permit.map(drop)),
                        },
                        Queue::TryReserveMany => {
                            let permits = senders.pick(index)?.try_reserve_many(n);
                            format!("{:?}", permits.map(|permits| permits.skip(1).map(|permit| permit.send(value)).count()))
                        }
                        Queue::TryReserveOwned => match senders.take(index)?.try_reserve_owned() {
                            Ok(permit) => {
                                let same = senders.pick(0).map(|tx| permit.same_channel_as_sender(tx));
                                permits.push(permit);
                                format!("{same:?}")
                            }
                            Err(error) => {
                                let text = format!("{error}");
                                senders.free.push(error.into_inner());
                                text
                            }
                        },
                        Queue::SendPermit => senders.free.push(permits.pop()?.send(value)).text(),
                        Queue::ReleasePermit => senders.free.push(permits.pop()?.release()).text(),
                        Queue::DropPermit => drop(permits.pop()?).text(),
                        Queue::CloneSender => {
                            let clone = senders.pick(index)?.clone();
                            senders.free.push(clone).text()
                        }
                        Queue::DropSender => drop(senders.take(index)?).text(),
                        Queue::Downgrade => weak.push(senders.pick(index)?.downgrade()).text(),
                        Queue::Upgrade => {
                            let weak = weak.last().map(mpsc::WeakSender::clone)?;
                            let counts = (weak.strong_count(), weak.weak_count());
                            let sender = weak.upgrade();
                            let text = format!("{counts:?} {}", sender.is_some());
                            senders.free.extend(sender);
                            text
                        }
                        Queue::DropWeak => weak.pop()?.text(),
                        Queue::Look => {
                            let tx = senders.pick(index).map(|tx| {
                                let counts = (tx.capacity(), tx.max_capacity(), tx.strong_count(), tx.weak_count());
                                format!("{counts:?} {} {}", tx.is_closed(), tx.same_channel(&tx.clone()))
                            });
                            let rx = receivers.pick(0).map(|rx| {
                                let counts = (rx.capacity(), rx.max_capacity(), rx.len(), rx.is_empty());
                                let senders = (rx.sender_strong_count(), rx.sender_weak_count());
                                format!("{counts:?} {senders:?} {}", rx.is_closed())
                            });
                            format!("{tx:?} {rx:?}")
                        }
                        Queue::Closed => {
                            let tx = senders.take(index)?;
                            senders.wait(Box::pin(async move {
                                tx.closed().await;
                                ("closed".to_owned(), tx)
                            }))
                        }
                        Queue::Recv => {
                            let mut rx = receivers.take(0)?;
                            receivers.wait(Box::pin(async move { (format!("{:?}", rx.recv().await), rx) }))
                        }
                        Queue::RecvMany => {
                            let mut rx = receivers.take(0)?;
                            receivers.wait(Box::pin(async move {
                                let mut many = Vec::new();
                                (format!("{} {many:?}", rx.recv_many(&mut many, n).await), rx)
                            }))
                        }
                        Queue::TryRecv => format!("{:?}", receivers.pick(0)?.try_recv()),
                        Queue::PollRecv => {
                            let mut rx = receivers.take(0)?;
                            receivers.wait(Box::pin(async move { (format!("{:?}", poll_fn(|cx| rx.poll_recv(cx)).await), rx) }))
                        }
                        Queue::Close => receivers.pick(0)?.close().text(),
                        Queue::DropReceiver if value > 10 => drop(receivers.take(0)?).text(),
                        Queue::DropReceiver => String::new(),
                        Queue::PollSender => senders.poll(index),
                        Queue::PollReceiver => receivers.poll(index),
                        Queue::CancelSender => senders.cancel(index),
                        Queue::CancelReceiver if value > 16 => receivers.cancel(index),
                        Queue::CancelReceiver => String::new(),
                    });
                    let seen = apply();
                    all.push(format!("{operation:?}: {seen:?}; wakes {:?} {:?}", senders.wakes(), receivers.wakes()));
                }
                all
            }

            pub(super) fn unbounded(steps: &Vec<Step<Unbounded>>) -> Vec<String> {
                let (tx, rx) = mpsc::unbounded_channel::<u32>();
                let (mut senders, mut receivers) = (Half::new(tx), Half::new(rx));
                let mut weak = Vec::new();
                let mut all = Vec::new();
                for &(operation, index, value) in steps {
                    let n = value as usize % 3;
                    let mut apply = || Some(match operation {
                        Unbounded::Send => format!("{:?}", senders.pick(index)?.send(value)),
                        Unbounded::CloneSender => {
                            let clone = senders.pick(index)?.clone();
                            senders.free.push(clone).text()
                        }
                        Unbounded::DropSender => drop(senders.take(index)?).text(),
                        Unbounded::Downgrade => weak.push(senders.pick(index)?.downgrade()).text(),
                        Unbounded::Upgrade => {
                            let weak = weak.last().map(mpsc::WeakUnboundedSender::clone)?;
                            let counts = (weak.strong_count(), weak.weak_count());
                            let sender = weak.upgrade();
                            let text = format!("{counts:?} {}", sender.is_some());
                            senders.free.extend(sender);
                            text
                        }
                        Unbounded::DropWeak => weak.pop()?.text(),
                        Unbounded::Look => {
                            let tx = senders.pick(index).map(|tx| {
                                let counts = (tx.strong_count(), tx.weak_count());
                                format!("{counts:?} {} {}", tx.is_closed(), tx.same_channel(&tx.clone()))
                            });
                            let rx = receivers.pick(0).map(|rx| {
                                let senders = (rx.sender_strong_count(), rx.sender_weak_count());
                                format!("{} {} {senders:?} {}", rx.len(), rx.is_empty(), rx.is_closed())
                            });
                            format!("{tx:?} {rx:?}")
                        }
                        Unbounded::Closed => {
                            let tx = senders.take(index)?;
                            senders.wait(Box::pin(async move {
                                tx.closed().await;
                                ("closed".to_owned(), tx)
                            }))
                        }
                        Unbounded::Recv => {
                            let mut rx = receivers.take(0)?;
                            receivers.wait(Box::pin(async move { (format!("{:?}", rx.recv().await), rx) }))
                        }
                        Unbounded::RecvMany => {
                            let mut rx = receivers.take(0)?;
                            receivers.wait(Box::pin(async move {
                                let mut many = Vec::new();
                                (format!("{} {many:?}", rx.recv_many(&mut many, n).await), rx)
                            }))
                        }
                        Unbounded::TryRecv => format!("{:?}", receivers.pick(0)?.try_recv()),
                        Unbounded::PollRecv => {
                            let mut rx = receivers.take(0)?;
                            receivers.wait(Box::pin(async move { (format!("{:?}", poll_fn(|cx| rx.poll_recv(cx)).await), rx) }))
                        }
                        Unbounded::Close => receivers.pick(0)?.close().text(),
                        Unbounded::DropReceiver if value > 10 => drop(receivers.take(0)?).text(),
                        Unbounded::DropReceiver => String::new(),
                        Unbounded::PollSender => senders.poll(index),
                        Unbounded::PollReceiver => receivers.poll(index),
                        Unbounded::CancelSender => senders.cancel(index),
                        Unbounded::CancelReceiver if value > 16 => receivers.cancel(index),
                        Unbounded::CancelReceiver => String::new(),
                    });
                    let seen = apply();
                    all.push(format!("{operation:?}: {seen:?}; wakes {:?} {:?}", senders.wakes(), receivers.wakes()));
                }
                all
            }

            pub(super) fn broadcast((capacity, steps): &(usize, Vec<Step<Broadcast>>)) -> Vec<String> {
                let (tx, rx) = broadcast::channel::<u32>(*capacity);
                let (mut senders, mut receivers) = (Half::new(tx), Half::new(rx));
                let mut weak = Vec::new();
                let mut all = Vec::new();
                for &(operation, index, value) in steps {
                    let mut apply = || Some(match operation {
                        Broadcast::Send => format!("{:?}", senders.pick(index)?.send(value)),
                        Broadcast::Subscribe => receivers.free.push(senders.pick(index)?.subscribe()).text(),
                        Broadcast::Resubscribe => {
                            let another = receivers.pick(index)?.resubscribe();
                            receivers.free.push(another).text()
                        }
                        Broadcast::CloneSender => {
                            let clone = senders.pick(index)?.clone();
                            senders.free.push(clone).text()
                        }
                        Broadcast::DropSender => drop(senders.take(index)?).text(),
                        Broadcast::Downgrade => weak.push(senders.pick(index)?.downgrade()).text(),
                        Broadcast::Upgrade => {
                            let weak = weak.last().map(broadcast::WeakSender::clone)?;
                            let counts = (weak.strong_count(), weak.weak_count());
                            let sender = weak.upgrade();
                            let text = format!("{counts:?} {}", sender.is_some());
                            senders.free.extend(sender);
                            text
                        }
                        Broadcast::DropWeak => weak.pop()?.text(),
                        Broadcast::Look => {
                            let tx = senders.pick(index).map(|tx| {
                                let counts = (tx.len(), tx.is_empty(), tx.receiver_count());
                                format!("{counts:?} {} {} {tx:?}", tx.strong_count(), tx.weak_count())
                            });
                            let rx = receivers.pick(index).map(|rx| {
                                let senders = (rx.sender_strong_count(), rx.sender_weak_count());
                                format!("{} {} {senders:?} {}", rx.len(), rx.is_empty(), rx.is_closed())
                            });
                            format!("{tx:?} {rx:?}")
                        }
                        Broadcast::Closed => {
                            let tx = senders.take(index)?;
                            senders.wait(Box::pin(async move {
                                tx.closed().await;
                                ("closed".to_owned(), tx)
                            }))
                        }
                        Broadcast::Recv => {
                            let mut rx = receivers.take(index)?;
                            receivers.wait(Box::pin(async move { (format!("{:?}", rx.recv().await), rx) }))
                        }
                        Broadcast::TryRecv => format!("{:?}", receivers.pick(index)?.try_recv()),
                        Broadcast::DropReceiver => drop(receivers.take(index)?).text(),
                        Broadcast::PollSender => senders.poll(index),
                        Broadcast::PollReceiver => receivers.poll(index),
                        Broadcast::CancelSender => senders.cancel(index),
                        Broadcast::CancelReceiver => receivers.cancel(index),
                    });
                    let seen = apply();
                    all.push(format!("{operation:?}: {seen:?}; wakes {:?} {:?}", senders.wakes(), receivers.wakes()));
                }
                all
            }

            pub(super) fn once(steps: &Vec<Step<Once>>) -> Vec<String> {
                let (tx, rx) = oneshot::channel::<u32>();
                let (mut senders, mut receiver) = (Half::new(tx), Some(rx));
                let wakes = Arc::<Wakes>::default();
                let mut all = Vec::new();
                for &(operation, index, value) in steps {
                    let mut apply = || Some(match operation {
                        Once::Send => format!("{:?}", senders.take(0)?.send(value)),
                        Once::DropSender if value > 10 => drop(senders.take(0)?).text(),
                        Once::DropSender => String::new(),
                        Once::Closed => {
                            let mut tx = senders.take(0)?;
                            senders.wait(Box::pin(async move {
                                match index {
                                    0 => tx.closed().await,
                                    _ => poll_fn(|cx| tx.poll_closed(cx)).await,
                                }
                                ("closed".to_owned(), tx)
                            }))
                        }
                        Once::Look => {
                            let tx = senders.pick(0).map(|tx| format!("{} {tx:?}", tx.is_closed()));
                            let rx = receiver.as_ref().map(|rx| format!("{} {} {rx:?}", rx.is_terminated(), rx.is_empty()));
                            format!("{tx:?} {rx:?}")
                        }
                        Once::TryRecv => format!("{:?}", receiver.as_mut()?.try_recv()),
                        Once::Recv | Once::PollReceiver => {
                            let rx = receiver.as_mut()?;
                            if rx.is_terminated() {
                                return None;
                            }
                            let waker = Waker::from(Arc::clone(&wakes));
                            format!("{:?}", Pin::new(rx).poll(&mut Context::from_waker(&waker)))
                        }
                        Once::Close if value > 14 => receiver.as_mut()?.close().text(),
                        Once::DropReceiver if value > 14 => drop(receiver.take()?).text(),
                        Once::Close | Once::DropReceiver => String::new(),
                        Once::PollSender => senders.poll(index),
                        Once::CancelSender if value > 14 => senders.cancel(index),
                        Once::CancelSender => String::new(),
                    });
                    let seen = apply();
                    all.push(format!("{operation:?}: {seen:?}; wakes {:?} {}", senders.wakes(), wakes.count()));
                }
                all
            }

            /// A wait of either kind.
            enum Wait<'a> {
                Lent(Pin<Box<Notified<'a>>>),
                Owned(Pin<Box<OwnedNotified>>),
            }

            pub(super) fn signal(steps: &Vec<Step<Signal>>) -> Vec<String> {
                let notify = Arc::new(Notify::new());
                let mut waits: Vec<(Wait<'_>, Arc<Wakes>)> = Vec::new();
                let mut all = Vec::new();
                for &(operation, index, _) in steps {
                    let chosen = index % waits.len().max(1);
                    let seen = match operation {
                        Signal::NotifyOne => notify.notify_one().text(),
                        Signal::NotifyLast => notify.notify_last().text(),
                        Signal::NotifyWaiters => notify.notify_waiters().text(),
                        Signal::Make => waits.push((Wait::Lent(Box::pin(notify.notified())), Arc::default())).text(),
                        Signal::MakeOwned => {
                            let owned = Arc::clone(&notify).notified_owned();
                            waits.push((Wait::Owned(Box::pin(owned)), Arc::default())).text()
                        }
                        Signal::Enable => match waits.get_mut(chosen) {
                            Some((Wait::Lent(wait), _)) => wait.as_mut().enable().to_string(),
                            Some((Wait::Owned(wait), _)) => wait.as_mut().enable().to_string(),
                            None => String::new(),
                        },
                        Signal::Wait => match waits.get_mut(chosen) {
                            Some((wait, wakes)) => {
                                let waker = Waker::from(Arc::clone(wakes));
                                let context = &mut Context::from_waker(&waker);
                                let polled: Poll<()> = match wait {
                                    Wait::Lent(wait) => wait.as_mut().poll(context),
                                    Wait::Owned(wait) => wait.as_mut().poll(context),
                                };
                                format!("{polled:?}")
                            }
                            None => String::new(),
                        },
                        Signal::Drop if waits.is_empty() => String::new(),
                        Signal::Drop => drop(waits.remove(chosen)).text(),
                    };
                    let wakes: Vec<_> = waits.iter().map(|(_, wakes)| wakes.count()).collect();
                    all.push(format!("{operation:?}: {seen}; wakes {wakes:?}"));
                }
                all
            }

            /// The result of an operation that had no effect.
            trait Text: Sized {
                fn text(self) -> String {
                    drop(self);
                    String::new()
                }
            }
            impl Text for () {}
            impl<T> Text for mpsc::WeakSender<T> {}
            impl<T> Text for mpsc::WeakUnboundedSender<T> {}
            impl<T> Text for broadcast::WeakSender<T> {}
        }
    };
}

interpreters!(tokios, tokio::sync);
interpreters!(ours, timeloop::sync);

macro_rules! the_same {
    ($interpreter:ident, $given:expr) => {{
        let given = $given;
        let expected = tokios::$interpreter(&given);
        let inside = with_announcements(|| async { ours::$interpreter(&given) });
        for ours in [ours::$interpreter(&given), inside] {
            for (ours, expected) in ours.iter().zip(&expected) {
                prop_assert_eq!(ours, expected);
            }
        }
    }};
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_bounded_queue_behaves_like_tokios(given in (1..4_usize, steps(Queue::ALL))) {
        the_same!(queue, given);
    }

    #[test]
    fn an_unbounded_queue_behaves_like_tokios(given in steps(Unbounded::ALL)) {
        the_same!(unbounded, given);
    }

    #[test]
    fn a_broadcast_behaves_like_tokios(given in (1..4_usize, steps(Broadcast::ALL))) {
        the_same!(broadcast, given);
    }

    #[test]
    fn a_oneshot_behaves_like_tokios(given in steps(Once::ALL)) {
        the_same!(once, given);
    }

    #[test]
    fn a_signal_behaves_like_tokios(given in steps(Signal::ALL)) {
        the_same!(signal, given);
    }
}
