//! The public methods of streams and of sockets for datagrams that wait until something can be done.

/// `ready`. What `$socket` leads to has the method that does it.
macro_rules! ready_method {
    ($($socket:ident).+) => {
        /// Waits until one of these things may be done, and says which.
        ///
        /// # Errors
        /// If the socket's host has crashed, or its run is over.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost with it.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.$($socket).+.ready(interest).await
        }
    };
}

/// The polls, which tokio calls differently for streams and for datagrams, and what calls a function of the program.
macro_rules! poll_methods {
    ($socket:ident, readable: $poll_readable:ident, writable: $poll_writable:ident) => {
        /// [`readable`](Self::readable) as a poll; whoever polls last is woken.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub fn $poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.$socket.poll_ready(cx, Interest::READABLE, As::Poller).map_ok(drop)
        }

        /// [`writable`](Self::writable) as a poll; whoever polls last is woken.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub fn $poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.$socket.poll_ready(cx, Interest::WRITABLE, As::Poller).map_ok(drop)
        }

        /// Calls `f` if the socket is ready for what it does.
        ///
        /// # Errors
        /// `WouldBlock` if it is not; what `f` gives.
        #[track_caller]
        pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
            if self.$socket.readiness()?.of_interest(interest).is_empty() {
                return Err(Errno::WouldBlock.into());
            }
            f()
        }

        /// Calls `f` when the socket is ready for what it does, again and again while it says `WouldBlock`.
        ///
        /// # Errors
        /// What `f` gives.
        pub async fn async_io<R>(
            &self,
            interest: Interest,
            mut f: impl FnMut() -> io::Result<R>,
        ) -> io::Result<R> {
            loop {
                self.ready(interest).await?;
                match f() {
                    // Readiness is a level: the socket is still ready, so another task has to run for that to change.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        crate::task::yield_now().await;
                    }
                    result => return result,
                }
            }
        }
    };
}

pub(super) use {poll_methods, ready_method};
