//! The methods that set and get the options of sockets, written as a table.

/// A setter and a getter for each line, within an `impl` block. The line `set_x(x: T), x => options.field` is for the place
/// `field` of what the method `options` of the type calls a function with.
macro_rules! option_methods {
    ($(
        $(#[doc = $doc:literal])+
        $(#[cfg($cfg:meta)])?
        $set:ident($value:ident: $type:ty), $get:ident => $owner:ident.$($field:ident).+;
    )+) => {$(
        $(#[doc = $doc])+
        ///
        /// # Errors
        /// If the socket's host has crashed, or its run is over.
        $(#[cfg($cfg)])?
        pub fn $set(&self, $value: $type) -> io::Result<()> {
            self.$owner(|options| options.$($field).+ = $value)
        }

        #[doc = concat!("What [`", stringify!($set), "`](Self::", stringify!($set), ") has set.")]
        ///
        /// # Errors
        /// As there.
        $(#[cfg($cfg)])?
        pub fn $get(&self) -> io::Result<$type> {
            self.$owner(|options| options.$($field).+)
        }
    )+};
}

/// How many hosts packets pass at most, of all that TCP and UDP have.
macro_rules! ttl_methods {
    () => {
        /// How many hosts packets pass at most. Without meaning here.
        ///
        /// # Errors
        /// If the socket's host has crashed, or its run is over.
        pub fn ttl(&self) -> io::Result<u32> {
            self.options(|options| options.ttl)
        }

        /// Sets how many hosts packets pass at most, 1 to 255. Without effect here.
        ///
        /// # Errors
        /// As [`ttl`](Self::ttl); `InvalidInput` where it is not in that range.
        pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
            if !(1..=255).contains(&ttl) {
                return Err(Errno::InvalidInput.into());
            }
            self.options(|options| options.ttl = ttl)
        }
    };
}

/// The options of TCP that `TcpSocket` and `TcpStream` have.
macro_rules! tcp_option_methods {
    () => {
        option_methods! {
            /// Sets whether small writes leave at once. They always do here.
            set_nodelay(nodelay: bool), nodelay => options.nodelay;
        }

        /// Sets what is done with bytes that have not arrived when the stream is dropped: with zero the connection is
        /// reset, otherwise they go on in the background.
        ///
        /// # Errors
        /// If the socket's host has crashed, or its run is over.
        pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
            self.options(|options| options.set_linger(dur))
        }

        /// Makes dropping the stream reset the connection.
        ///
        /// # Errors
        /// As [`set_linger`](Self::set_linger).
        pub fn set_zero_linger(&self) -> io::Result<()> {
            self.set_linger(Some(Duration::ZERO))
        }

        /// What [`set_linger`](Self::set_linger) has set, to the second.
        ///
        /// # Errors
        /// As there.
        pub fn linger(&self) -> io::Result<Option<Duration>> {
            self.options(|options| options.linger())
        }
    };
}

pub(super) use {option_methods, tcp_option_methods, ttl_methods};
