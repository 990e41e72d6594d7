//! The receiving half, shared by bounded and unbounded channels.

/// Defines the receiver `$Receiver` over tokio's type of the same name. `$Sender` and `$WeakSender` name its senders.
macro_rules! receiver {
    ($(#[$attribute:meta])* $Receiver:ident, $Sender:ident, $WeakSender:ident) => {
        $(#[$attribute])*
        pub struct $Receiver<T> {
            inner: upstream::$Receiver<T>,
            id: ResourceId,
            /// The operation of pending `poll_recv` and `poll_recv_many` calls.
            polling: Attempt,
        }

        impl<T> $Receiver<T> {
            fn wrap(inner: upstream::$Receiver<T>, id: ResourceId) -> Self {
                Self { inner, id, polling: Attempt::default() }
            }

            /// Records that a receiver waits, or that there is nothing more to receive.
            #[inline]
            fn record_result<R>(&self, attempt: Attempt, polled: &Poll<R>, is_end: impl FnOnce(&R) -> bool) {
                if attempt.is_recordable() {
                    match polled {
                        Poll::Pending => self.record_wait(),
                        Poll::Ready(received) if is_end(received) => self.id.came_out(CameOut::Closed),
                        Poll::Ready(_) => {}
                    }
                }
            }

            #[cold]
            fn record_wait(&self) {
                self.id.learn(|| Fact::Senders(self.inner.sender_strong_count()));
            }

            /// Receives the next message, waiting while there is none. Returns `None` if the channel is empty and
            /// closed.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: if the future is dropped before it returns, no message is lost.
            #[track_caller]
            pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
                let at = Location::caller();
                until_done(move |attempt, cx| {
                    if attempt.is_fresh() {
                        self.polling.restart();
                    }
                    let polled = attempt.poll(cx, receiving(&self.id, at), |cx| self.inner.poll_recv(cx));
                    self.record_result(*attempt, &polled, Option::is_none);
                    polled
                })
            }

            /// Receives up to `limit` messages into `buffer`, waiting while there is none. Returns how many: 0 if the
            /// channel is empty and closed, or if `limit` is 0.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: if the future is dropped before it returns, no message is lost.
            #[track_caller]
            pub fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> impl Future<Output = usize> {
                let at = Location::caller();
                until_done(move |attempt, cx| {
                    if attempt.is_fresh() {
                        self.polling.restart();
                    }
                    let receive = |cx: &mut Context<'_>| self.inner.poll_recv_many(cx, buffer, limit);
                    let polled = attempt.poll(cx, receiving(&self.id, at), receive);
                    self.record_result(*attempt, &polled, |&received| received == 0 && limit > 0);
                    polled
                })
            }

            /// Receives the next message, if there is one.
            #[track_caller]
            pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
                self.id.action(NAME, Access::Receive).touch();
                let received = self.inner.try_recv();
                came_out(&self.id, &received, |error| matches!(error, TryRecvError::Disconnected));
                received
            }

            /// Receives the next message from synchronous code. Outside a run, blocks the thread while there is none.
            ///
            /// # Panics
            /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
            #[track_caller]
            pub fn blocking_recv(&mut self) -> Option<T> {
                let action = self.id.action(NAME, Access::Receive);
                let words = ["blocking_recv", "a message", "recv().await"];
                wait(|| self.inner.recv(), action, words).unwrap_or_else(|| self.inner.blocking_recv())
            }

            /// Receives messages as [`recv_many`](Self::recv_many) does, from synchronous code. Outside a run, blocks
            /// the thread while there is none.
            ///
            /// # Panics
            /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
            #[track_caller]
            pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
                let action = self.id.action(NAME, Access::Receive);
                let words = ["blocking_recv_many", "a message", "recv_many(…).await"];
                wait(|| self.inner.recv_many(buffer, limit), action, words)
                    .unwrap_or_else(|| self.inner.blocking_recv_many(buffer, limit))
            }

            /// Closes the channel: no more messages can be sent. Messages that were sent before, or that are sent with
            /// permits reserved before, can still be received.
            #[track_caller]
            pub fn close(&mut self) {
                self.id.action(NAME, Access::Write).touch();
                self.id.learn(|| Fact::Closed);
                self.inner.close();
            }

            /// Returns whether the channel is closed or all senders were dropped.
            #[track_caller]
            pub fn is_closed(&self) -> bool {
                self.id.action(NAME, Access::Read).touch();
                self.inner.is_closed()
            }

            /// Returns whether there is no message to receive.
            #[track_caller]
            pub fn is_empty(&self) -> bool {
                self.id.action(NAME, Access::Read).touch();
                self.inner.is_empty()
            }

            /// Returns the number of messages to receive.
            #[track_caller]
            pub fn len(&self) -> usize {
                self.id.action(NAME, Access::Read).touch();
                self.inner.len()
            }

            /// Polls for the next message. If several calls are pending, only the last call's waker is woken.
            #[track_caller]
            pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
                let action = self.id.action(NAME, Access::Receive);
                let polled = self.polling.poll_each(cx, action, |cx| self.inner.poll_recv(cx));
                self.record_result(self.polling, &polled, Option::is_none);
                polled
            }

            /// Polls for up to `limit` messages, as [`poll_recv`](Self::poll_recv) does for one.
            #[track_caller]
            pub fn poll_recv_many(
                &mut self,
                cx: &mut Context<'_>,
                buffer: &mut Vec<T>,
                limit: usize,
            ) -> Poll<usize> {
                let action = self.id.action(NAME, Access::Receive);
                let receive = |cx: &mut Context<'_>| self.inner.poll_recv_many(cx, buffer, limit);
                let polled = self.polling.poll_each(cx, action, receive);
                self.record_result(self.polling, &polled, |&received| received == 0 && limit > 0);
                polled
            }

            #[doc = concat!("Returns how many [`", stringify!($Sender), "`]s there are.")]
            #[track_caller]
            pub fn sender_strong_count(&self) -> usize {
                senders(self.id).record_count();
                self.inner.sender_strong_count()
            }

            #[doc = concat!("Returns how many [`", stringify!($WeakSender), "`]s there are.")]
            #[track_caller]
            pub fn sender_weak_count(&self) -> usize {
                senders(self.id).record_count();
                self.inner.sender_weak_count()
            }
        }

        impl<T> Drop for $Receiver<T> {
            fn drop(&mut self) {
                self.id.touch(NAME, Access::Write, None);
                self.id.learn(|| Fact::Closed);
            }
        }

        impl<T> fmt::Debug for $Receiver<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner.fmt(f)
            }
        }
    };
}

pub(super) use receiver;
