//! Macros that generate the readiness methods of streams and datagram sockets.

/// Generates `ready`. `$socket` leads to the field that implements it.
macro_rules! ready_method {
    ($($socket:ident).+) => {
        /// Waits until the socket is ready for one of the operations of `interest`, and returns what it is ready for.
        ///
        /// # Errors
        /// Returns an error if the socket's host has crashed or its run is over.
        ///
        /// # Cancel safety
        ///
        /// This method is cancel safe.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.$($socket).+.ready(interest).await
        }
    };
}

/// Generates the poll methods, which tokio names differently for streams and for datagrams, `try_io` and `async_io`.
macro_rules! poll_methods {
    ($socket:ident, readable: $poll_readable:ident, writable: $poll_writable:ident) => {
        /// Polls [`readable`](Self::readable). Only the task that polled last is woken.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub fn $poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.$socket.poll_ready(cx, Interest::READABLE, WaitSlot::Poll).map_ok(drop)
        }

        /// Polls [`writable`](Self::writable). Only the task that polled last is woken.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub fn $poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.$socket.poll_ready(cx, Interest::WRITABLE, WaitSlot::Poll).map_ok(drop)
        }

        /// Calls `f` if the socket is ready for `interest`. If `f` returns `WouldBlock`, the socket is not ready until
        /// something happens to it, as in tokio.
        ///
        /// # Errors
        /// Returns `WouldBlock` if the socket is not ready, or the error of `f`.
        #[track_caller]
        pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
            let ready = self.$socket.readiness()?.of_interest(interest);
            if ready.is_empty() {
                return Err(Errno::WouldBlock.into());
            }
            let result = f();
            if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                self.$socket.clear_readiness(ready);
            }
            result
        }

        /// Waits until the socket is ready for `interest`, then calls `f`; repeats that while `f` returns
        /// `WouldBlock`, which means that the socket is not ready until something happens to it.
        ///
        /// # Errors
        /// Returns the error of `f`.
        pub async fn async_io<R>(
            &self,
            interest: Interest,
            mut f: impl FnMut() -> io::Result<R>,
        ) -> io::Result<R> {
            loop {
                let ready = self.ready(interest).await?;
                match f() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.$socket.clear_readiness(ready);
                    }
                    result => return result,
                }
            }
        }
    };
}

pub(super) use {poll_methods, ready_method};
