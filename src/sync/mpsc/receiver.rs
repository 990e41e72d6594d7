//! The receiving half, which is the same for both kinds of channels.

/// Defines a receiver `$Receiver` over tokio's of the same name, whose senders are called `$Sender` and `$WeakSender`.
macro_rules! receiver {
    ($(#[$attribute:meta])* $Receiver:ident, $Sender:ident, $WeakSender:ident) => {
        $(#[$attribute])*
        pub struct $Receiver<T> {
            inner: tokios::$Receiver<T>,
            id: ResourceId,
            /// The operation of `poll_recv` and `poll_recv_many`.
            polling: Attempt,
        }

        impl<T> $Receiver<T> {
            fn wrap(inner: tokios::$Receiver<T>, id: ResourceId) -> Self {
                Self { inner, id, polling: Attempt::default() }
            }

            /// Receives the next message, waiting while there is none. `None` when the channel is empty and closed.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: unless it has returned, no message has been taken.
            #[track_caller]
            pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
                let at = Location::caller();
                until_done(move |attempt, cx| {
                    if attempt.is_fresh() {
                        self.polling.restart();
                    }
                    attempt.poll(cx, receiving(&self.id, at), |cx| self.inner.poll_recv(cx))
                })
            }

            /// Receives up to `limit` messages and appends them to `buffer`, waiting while there is none. Returns how many:
            /// 0 when the channel is empty and closed, or `limit` is 0.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: unless it has returned, no message has been taken.
            #[track_caller]
            pub fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> impl Future<Output = usize> {
                let at = Location::caller();
                until_done(move |attempt, cx| {
                    if attempt.is_fresh() {
                        self.polling.restart();
                    }
                    attempt
                        .poll(cx, receiving(&self.id, at), |cx| self.inner.poll_recv_many(cx, buffer, limit))
                })
            }

            /// Receives the next message, if there is one.
            #[track_caller]
            pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
                self.id.action(NAME, Access::Receive).touch();
                self.inner.try_recv()
            }

            /// Receives the next message from code that is not async; blocks the thread while there is none.
            ///
            /// # Panics
            /// Inside of a run when it would have to wait, and inside of tokio's runtime.
            #[track_caller]
            pub fn blocking_recv(&mut self) -> Option<T> {
                let action = self.id.action(NAME, Access::Receive);
                let words = ["blocking_recv", "a message", "recv().await"];
                at_once(|| self.inner.recv(), action, words).unwrap_or_else(|| self.inner.blocking_recv())
            }

            /// [`recv_many`](Self::recv_many) for code that is not async; blocks the thread while there is no message.
            ///
            /// # Panics
            /// Inside of a run when it would have to wait, and inside of tokio's runtime.
            #[track_caller]
            pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
                let action = self.id.action(NAME, Access::Receive);
                let words = ["blocking_recv_many", "a message", "recv_many(…).await"];
                at_once(|| self.inner.recv_many(buffer, limit), action, words)
                    .unwrap_or_else(|| self.inner.blocking_recv_many(buffer, limit))
            }

            /// Closes the channel: nothing more can be sent. What has been sent, or is sent with a permit that was given out
            /// before, can still be received.
            #[track_caller]
            pub fn close(&mut self) {
                self.id.action(NAME, Access::Write).touch();
                self.inner.close();
            }

            /// Returns whether the channel is closed, or all senders are gone.
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

            /// Returns how many messages there are to receive.
            #[track_caller]
            pub fn len(&self) -> usize {
                self.id.action(NAME, Access::Read).touch();
                self.inner.len()
            }

            /// Polls for the next message. Of several calls that are pending, the last one's waker is called.
            #[track_caller]
            pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
                let action = self.id.action(NAME, Access::Receive);
                self.polling.poll_each(cx, action, |cx| self.inner.poll_recv(cx))
            }

            /// Polls for up to `limit` messages, as [`poll_recv`](Self::poll_recv) for one.
            #[track_caller]
            pub fn poll_recv_many(
                &mut self,
                cx: &mut Context<'_>,
                buffer: &mut Vec<T>,
                limit: usize,
            ) -> Poll<usize> {
                let action = self.id.action(NAME, Access::Receive);
                self.polling.poll_each(cx, action, |cx| self.inner.poll_recv_many(cx, buffer, limit))
            }

            #[doc = concat!("Returns how many [`", stringify!($Sender), "`]s there are.")]
            #[track_caller]
            pub fn sender_strong_count(&self) -> usize {
                senders(self.id).count();
                self.inner.sender_strong_count()
            }

            #[doc = concat!("Returns how many [`", stringify!($WeakSender), "`]s there are.")]
            #[track_caller]
            pub fn sender_weak_count(&self) -> usize {
                senders(self.id).count();
                self.inner.sender_weak_count()
            }
        }

        impl<T> Drop for $Receiver<T> {
            fn drop(&mut self) {
                self.id.touch(NAME, Access::Write, None);
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
