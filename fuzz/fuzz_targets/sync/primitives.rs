//! The primitives of each crate, compiled from the same source by a macro.
//!
//! # Invariants
//! The two crates share no state.

/// Compiles the module of each crate.
macro_rules! primitives_of {
    ($($module:ident $sync:path;)*) => {$(
        pub(crate) mod $module {
            use std::cell::RefCell;
            use std::rc::Rc;
            use std::sync::Arc;

            use $sync as sync;

            use sync::{broadcast, mpsc, oneshot, watch};

            use crate::driver::{Primitives, Waiting};
            use crate::script::{Kind, Op};

            enum Guard {
                Mutex(sync::OwnedMutexGuard<u32>),
                Read(#[expect(dead_code, reason = "held")] sync::OwnedRwLockReadGuard<u32>),
                Write(sync::OwnedRwLockWriteGuard<u32>),
                Permit(sync::OwnedSemaphorePermit),
            }

            /// The objects that are not in use.
            type Pool<T> = Rc<RefCell<Vec<T>>>;

            /// An object from a pool, which is returned on drop.
            struct Lease<T>(Option<T>, Pool<T>);

            impl<T> Lease<T> {
                fn take(pool: &Pool<T>, index: usize) -> Option<Self> {
                    let taken = take(&mut pool.borrow_mut(), index)?;
                    Some(Self(Some(taken), Rc::clone(pool)))
                }

                fn get(&mut self) -> &mut T {
                    self.0.as_mut().expect("it is there until it is dropped")
                }
            }

            impl<T> Drop for Lease<T> {
                fn drop(&mut self) {
                    self.1.borrow_mut().extend(self.0.take());
                }
            }

            fn take<T>(list: &mut Vec<T>, index: usize) -> Option<T> {
                let index = index.checked_rem(list.len())?;
                Some(list.remove(index))
            }

            fn pool<T>(one: T) -> Pool<T> {
                Rc::new(RefCell::new(vec![one]))
            }

            pub(crate) struct AllPrimitives {
                mutex: Arc<sync::Mutex<u32>>,
                rwlock: Arc<sync::RwLock<u32>>,
                semaphore: Arc<sync::Semaphore>,
                notify: Arc<sync::Notify>,
                once_cell: Arc<sync::OnceCell<u32>>,
                guards: Pool<Guard>,
                senders: Vec<mpsc::Sender<u32>>,
                receivers: Pool<mpsc::Receiver<u32>>,
                permits: Pool<mpsc::OwnedPermit<u32>>,
                unbounded: Vec<mpsc::UnboundedSender<u32>>,
                unbounded_receivers: Pool<mpsc::UnboundedReceiver<u32>>,
                broadcasts: Vec<broadcast::Sender<u32>>,
                broadcast_receivers: Pool<broadcast::Receiver<u32>>,
                watches: Vec<watch::Sender<u32>>,
                watch_receivers: Pool<watch::Receiver<u32>>,
                once_senders: Pool<oneshot::Sender<u32>>,
                once_receivers: Pool<oneshot::Receiver<u32>>,
            }

            impl Default for AllPrimitives {
                fn default() -> Self {
                    let (sender, receiver) = mpsc::channel(2);
                    let (unbounded, unbounded_receiver) = mpsc::unbounded_channel();
                    let (broadcast, broadcast_receiver) = broadcast::channel(2);
                    let (watch, watch_receiver) = watch::channel(0);
                    let (once_sender, once_receiver) = oneshot::channel();
                    Self {
                        mutex: Arc::new(sync::Mutex::new(0)),
                        rwlock: Arc::new(sync::RwLock::with_max_readers(0, 3)),
                        semaphore: Arc::new(sync::Semaphore::new(2)),
                        notify: Arc::new(sync::Notify::new()),
                        once_cell: Arc::new(sync::OnceCell::new()),
                        guards: Pool::default(),
                        senders: vec![sender],
                        receivers: pool(receiver),
                        permits: Pool::default(),
                        unbounded: vec![unbounded],
                        unbounded_receivers: pool(unbounded_receiver),
                        broadcasts: vec![broadcast],
                        broadcast_receivers: pool(broadcast_receiver),
                        watches: vec![watch],
                        watch_receivers: pool(watch_receiver),
                        once_senders: pool(once_sender),
                        once_receivers: pool(once_receiver),
                    }
                }
            }

            impl Primitives for AllPrimitives {
                fn begin(&mut self, op: &Op) -> Option<Waiting> {
                    let Op { index, number, .. } = *op;
                    let guards = Rc::clone(&self.guards);
                    Some(match op.kind {
                        Kind::Lock => {
                            let asked = Arc::clone(&self.mutex).lock_owned();
                            Box::pin(async move {
                                let mut guard = asked.await;
                                *guard += 1;
                                let said = format!("{guard:?}");
                                guards.borrow_mut().push(Guard::Mutex(guard));
                                said
                            })
                        }
                        Kind::Read => {
                            let asked = Arc::clone(&self.rwlock).read_owned();
                            Box::pin(async move {
                                let guard = asked.await;
                                let said = format!("{guard:?}");
                                guards.borrow_mut().push(Guard::Read(guard));
                                said
                            })
                        }
                        Kind::Write => {
                            let asked = Arc::clone(&self.rwlock).write_owned();
                            Box::pin(async move {
                                let mut guard = asked.await;
                                *guard += 1;
                                let said = format!("{guard:?}");
                                guards.borrow_mut().push(Guard::Write(guard));
                                said
                            })
                        }
                        Kind::Acquire | Kind::AcquireOne => {
                            let semaphore = Arc::clone(&self.semaphore);
                            let many = if op.kind == Kind::Acquire { number } else { 1 };
                            Box::pin(async move {
                                let permit = match many {
                                    1 => semaphore.acquire_owned().await,
                                    many => semaphore.acquire_many_owned(many).await,
                                };
                                match permit {
                                    Ok(permit) => {
                                        guards.borrow_mut().push(Guard::Permit(permit));
                                        "acquired".to_owned()
                                    }
                                    Err(error) => format!("{error:?} {error}"),
                                }
                            })
                        }
                        Kind::Notified => {
                            let notified = Arc::clone(&self.notify).notified_owned();
                            Box::pin(async move {
                                notified.await;
                                "notified".to_owned()
                            })
                        }
                        Kind::Send => {
                            let sender = self.senders.get(index % self.senders.len().max(1))?.clone();
                            Box::pin(async move { format!("{:?}", sender.send(number).await) })
                        }
                        Kind::Reserve => {
                            let sender = self.senders.get(index % self.senders.len().max(1))?.clone();
                            let permits = Rc::clone(&self.permits);
                            Box::pin(async move {
                                match sender.reserve_owned().await {
                                    Ok(permit) => {
                                        permits.borrow_mut().push(permit);
                                        "reserved".to_owned()
                                    }
                                    Err(error) => format!("{error:?} {error}"),
                                }
                            })
                        }
                        Kind::Closed => {
                            let sender = self.senders.get(index % self.senders.len().max(1))?.clone();
                            Box::pin(async move {
                                sender.closed().await;
                                "closed".to_owned()
                            })
                        }
                        Kind::Recv => {
                            let mut receiver = Lease::take(&self.receivers, index)?;
                            Box::pin(async move { format!("{:?}", receiver.get().recv().await) })
                        }
                        Kind::RecvMany => {
                            let mut receiver = Lease::take(&self.receivers, index)?;
                            Box::pin(async move {
                                let mut many = Vec::new();
                                let count = receiver.get().recv_many(&mut many, number as usize).await;
                                format!("{count} {many:?}")
                            })
                        }
                        Kind::RecvUnbounded => {
                            let mut receiver = Lease::take(&self.unbounded_receivers, index)?;
                            Box::pin(async move { format!("{:?}", receiver.get().recv().await) })
                        }
                        Kind::RecvBroadcast => {
                            let mut receiver = Lease::take(&self.broadcast_receivers, index)?;
                            Box::pin(async move { format!("{:?}", receiver.get().recv().await) })
                        }
                        Kind::Changed => {
                            let mut receiver = Lease::take(&self.watch_receivers, index)?;
                            Box::pin(async move { format!("{:?}", receiver.get().changed().await) })
                        }
                        Kind::WaitFor => {
                            let mut receiver = Lease::take(&self.watch_receivers, index)?;
                            Box::pin(async move {
                                let value = receiver.get().wait_for(|value| *value == number).await;
                                format!("{:?}", value.map(|value| (*value, value.has_changed())))
                            })
                        }
                        Kind::WatchClosed => {
                            let sender = self.watches.get(index % self.watches.len().max(1))?.clone();
                            Box::pin(async move {
                                sender.closed().await;
                                "closed".to_owned()
                            })
                        }
                        Kind::RecvOnce => {
                            let mut receiver = self.once_receivers.borrow_mut().pop()?;
                            Box::pin(async move { format!("{:?}", (&mut receiver).await) })
                        }
                        Kind::OnceClosed => {
                            let mut sender = Lease::take(&self.once_senders, index)?;
                            Box::pin(async move {
                                sender.get().closed().await;
                                "closed".to_owned()
                            })
                        }
                        Kind::GetOrInit => {
                            let cell = Arc::clone(&self.once_cell);
                            let mut given = index < 4;
                            Box::pin(async move {
                                let value = std::future::poll_fn(|_| {
                                    if std::mem::replace(&mut given, true) {
                                        std::task::Poll::Ready(number)
                                    } else {
                                        std::task::Poll::Pending
                                    }
                                });
                                let value = async { if number == 0 { Err(()) } else { Ok(value.await) } };
                                format!("{:?}", cell.get_or_try_init(|| value).await)
                            })
                        }
                        _ => return None,
                    })
                }

                fn act(&mut self, op: &Op) -> Option<String> {
                    let Op { index, number, .. } = *op;
                    let sender = index.checked_rem(self.senders.len());
                    Some(match op.kind {
                        Kind::DropGuard => {
                            let guard = take(&mut self.guards.borrow_mut(), index)?;
                            drop(guard);
                            String::new()
                        }
                        Kind::ChangeGuard => {
                            let guard = take(&mut self.guards.borrow_mut(), index)?;
                            let guard = match guard {
                                Guard::Write(guard) => Guard::Read(guard.downgrade()),
                                Guard::Permit(mut permit) => {
                                    let split = permit.split(number as usize);
                                    self.guards.borrow_mut().extend(split.map(Guard::Permit));
                                    Guard::Permit(permit)
                                }
                                Guard::Mutex(mut guard) => {
                                    *guard += 10;
                                    Guard::Mutex(guard)
                                }
                                guard @ Guard::Read(_) => guard,
                            };
                            self.guards.borrow_mut().push(guard);
                            String::new()
                        }
                        Kind::TryLock => match Arc::clone(&self.mutex).try_lock_owned() {
                            Ok(guard) => {
                                self.guards.borrow_mut().push(Guard::Mutex(guard));
                                "locked".to_owned()
                            }
                            Err(error) => error.to_string(),
                        },
                        Kind::TryRead => match Arc::clone(&self.rwlock).try_read_owned() {
                            Ok(guard) => {
                                self.guards.borrow_mut().push(Guard::Read(guard));
                                "locked".to_owned()
                            }
                            Err(error) => error.to_string(),
                        },
                        Kind::TryWrite => match Arc::clone(&self.rwlock).try_write_owned() {
                            Ok(guard) => {
                                self.guards.borrow_mut().push(Guard::Write(guard));
                                "locked".to_owned()
                            }
                            Err(error) => error.to_string(),
                        },
                        Kind::TryAcquire => match Arc::clone(&self.semaphore).try_acquire_many_owned(number) {
                            Ok(permit) => {
                                self.guards.borrow_mut().push(Guard::Permit(permit));
                                "acquired".to_owned()
                            }
                            Err(error) => error.to_string(),
                        },
                        Kind::AddPermits => {
                            self.semaphore.add_permits(number as usize);
                            String::new()
                        }
                        Kind::ForgetPermits => self.semaphore.forget_permits(number as usize).to_string(),
                        Kind::CloseSemaphore if number == 3 => {
                            self.semaphore.close();
                            String::new()
                        }
                        Kind::NotifyOne => {
                            self.notify.notify_one();
                            String::new()
                        }
                        Kind::NotifyLast => {
                            self.notify.notify_last();
                            String::new()
                        }
                        Kind::NotifyWaiters => {
                            self.notify.notify_waiters();
                            String::new()
                        }
                        Kind::TrySend => format!("{:?}", self.senders[sender?].try_send(number)),
                        Kind::TryReserve => match self.senders[sender?].clone().try_reserve_owned() {
                            Ok(permit) => {
                                self.permits.borrow_mut().push(permit);
                                "reserved".to_owned()
                            }
                            Err(error) => error.to_string(),
                        },
                        Kind::UsePermit => {
                            let permit = take(&mut self.permits.borrow_mut(), index)?;
                            match number {
                                0 => drop(permit),
                                1 => drop(permit.release()),
                                number => drop(permit.send(number)),
                            }
                            String::new()
                        }
                        Kind::TryRecv => {
                            format!("{:?}", Lease::take(&self.receivers, index)?.get().try_recv())
                        }
                        Kind::CloneSender if self.senders.len() < 4 => {
                            let clone = self.senders[sender?].clone();
                            self.senders.push(clone);
                            String::new()
                        }
                        Kind::DropSender => {
                            drop(take(&mut self.senders, index)?);
                            if number == 3 {
                                drop(take(&mut self.unbounded, 0)?);
                            }
                            String::new()
                        }
                        Kind::CloseReceiver if number > 1 => {
                            Lease::take(&self.receivers, index)?.get().close();
                            String::new()
                        }
                        Kind::DropReceiver => {
                            match number {
                                1 => drop(take(&mut self.receivers.borrow_mut(), index)?),
                                2 => drop(take(&mut self.unbounded_receivers.borrow_mut(), index)?),
                                3 => drop(take(&mut self.watch_receivers.borrow_mut(), index)?),
                                _ => drop(take(&mut self.broadcast_receivers.borrow_mut(), index)?),
                            }
                            String::new()
                        }
                        Kind::SendUnbounded => {
                            format!("{:?}", self.unbounded.first()?.send(number))
                        }
                        Kind::TryRecvUnbounded => {
                            format!("{:?}", Lease::take(&self.unbounded_receivers, index)?.get().try_recv())
                        }
                        Kind::SendBroadcast => format!("{:?}", self.broadcasts.first()?.send(number)),
                        Kind::Subscribe => {
                            let receiver = self.broadcasts.first()?.subscribe();
                            self.broadcast_receivers.borrow_mut().push(receiver);
                            String::new()
                        }
                        Kind::TryRecvBroadcast => {
                            format!("{:?}", Lease::take(&self.broadcast_receivers, index)?.get().try_recv())
                        }
                        Kind::DropBroadcast if number == 3 => {
                            drop(take(&mut self.broadcasts, index)?);
                            String::new()
                        }
                        Kind::SendWatch => format!("{:?}", self.watches.first()?.send(number)),
                        Kind::SendWatchIf => {
                            let modified = index % 2 == 0;
                            let changed = self.watches.first()?.send_if_modified(|value| {
                                *value += 1;
                                modified
                            });
                            changed.to_string()
                        }
                        Kind::SubscribeWatch => {
                            let receiver = self.watches.first()?.subscribe();
                            self.watch_receivers.borrow_mut().push(receiver);
                            String::new()
                        }
                        Kind::BorrowWatch => {
                            let mut receiver = Lease::take(&self.watch_receivers, index)?;
                            let receiver = receiver.get();
                            let changed = receiver.has_changed().is_ok_and(|changed| changed);
                            match number {
                                0 => receiver.mark_changed(),
                                1 => receiver.mark_unchanged(),
                                2 => drop(receiver.borrow_and_update()),
                                _ => {}
                            }
                            let value = *receiver.borrow();
                            format!("{changed} {value}")
                        }
                        Kind::DropWatch if number == 3 => {
                            drop(take(&mut self.watches, index)?);
                            String::new()
                        }
                        Kind::SendOnce => {
                            let sender = take(&mut self.once_senders.borrow_mut(), index)?;
                            format!("{:?}", sender.send(number))
                        }
                        Kind::TryRecvOnce => {
                            let mut receiver = Lease::take(&self.once_receivers, index)?;
                            // A receiver that has returned its value can't be awaited again.
                            let said = receiver.get().try_recv();
                            if said != Err(oneshot::error::TryRecvError::Empty) {
                                receiver.0 = None;
                            }
                            format!("{said:?}")
                        }
                        Kind::CloseOnce => {
                            Lease::take(&self.once_receivers, index)?.get().close();
                            String::new()
                        }
                        Kind::DropOnce => {
                            if number % 2 == 0 {
                                drop(take(&mut self.once_senders.borrow_mut(), index)?);
                            } else {
                                drop(take(&mut self.once_receivers.borrow_mut(), index)?);
                            }
                            String::new()
                        }
                        Kind::RenewOnce => {
                            let (sender, receiver) = oneshot::channel();
                            self.once_senders.borrow_mut().push(sender);
                            self.once_receivers.borrow_mut().push(receiver);
                            String::new()
                        }
                        Kind::SetOnce => format!("{:?}", self.once_cell.set(number)),
                        _ => return None,
                    })
                }

                fn look(&self) -> String {
                    let Self { mutex, rwlock, semaphore, once_cell, .. } = self;
                    let permits = semaphore.available_permits();
                    let queue = self.senders.first().map(|sender| (sender.capacity(), sender.is_closed()));
                    let unbounded = self.unbounded.first().map(mpsc::UnboundedSender::is_closed);
                    let broadcast = self.broadcasts.first().map(|sender| (sender.len(), sender.receiver_count()));
                    let watch = self.watches.first().map(|sender| (*sender.borrow(), sender.is_closed()));
                    let once = self.once_senders.borrow().first().map(oneshot::Sender::is_closed);
                    format!(
                        "{mutex:?} {rwlock:?} {permits} {once_cell:?} {queue:?} {unbounded:?} {broadcast:?} {watch:?} {once:?}"
                    )
                }
            }
        }
    )*};
}

primitives_of! {
    of_timeloop timeloop::sync;
    of_tokio tokio::sync;
}
