//! Macros that generate the getters and setters of socket options.

/// A closure that gets or sets an option. The methods that call one are not generic: there are many options, and each
/// instance would be compiled with all that it takes to find a socket.
pub(super) type Accessor<'a, T> = &'a mut dyn FnMut(&mut T);

/// Generates a setter and a getter for each line. The line `set_x(x: T), x => options.field` sets and returns `field`
/// of the value that the type's method `options` passes to its closure.
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
            self.$owner(&mut |options| options.$($field).+ = $value)
        }

        #[doc = concat!("What [`", stringify!($set), "`](Self::", stringify!($set), ") has set.")]
        ///
        /// # Errors
        /// As there.
        $(#[cfg($cfg)])?
        pub fn $get(&self) -> io::Result<$type> {
            let mut value = <$type>::default();
            self.$owner(&mut |options| value = options.$($field).+)?;
            Ok(value)
        }
    )+};
}

/// Generates the TTL methods, which TCP and UDP sockets share.
macro_rules! ttl_methods {
    () => {
        /// Returns the time to live of packets. The option has no effect in the simulation.
        ///
        /// # Errors
        /// Returns an error if the socket's host has crashed or its run is over.
        pub fn ttl(&self) -> io::Result<u32> {
            let mut ttl = 0;
            self.options(&mut |options| ttl = options.ttl)?;
            Ok(ttl)
        }

        /// Sets the time to live of packets, 1 to 255. The option has no effect in the simulation.
        ///
        /// # Errors
        /// As [`ttl`](Self::ttl); `InvalidInput` if the value is out of range.
        pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
            if !(1..=255).contains(&ttl) {
                return Err(Errno::InvalidInput.into());
            }
            self.options(&mut |options| options.ttl = ttl)
        }
    };
}

/// Generates the options that `TcpSocket` and `TcpStream` share.
macro_rules! tcp_option_methods {
    () => {
        option_methods! {
            /// Sets `TCP_NODELAY`. The option has no effect: small writes are always sent at once.
            set_nodelay(nodelay: bool), nodelay => options.nodelay;
        }

        /// Sets what dropping the stream does with bytes that have not arrived: a linger time of zero resets the
        /// connection, and any other value sends them in the background.
        ///
        /// # Errors
        /// Returns an error if the socket's host has crashed or its run is over.
        pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
            self.options(&mut |options| options.set_linger(dur))
        }

        /// Makes dropping the stream reset the connection.
        ///
        /// # Errors
        /// As [`set_linger`](Self::set_linger).
        pub fn set_zero_linger(&self) -> io::Result<()> {
            self.set_linger(Some(Duration::ZERO))
        }

        /// Returns the value set by [`set_linger`](Self::set_linger), in whole seconds.
        ///
        /// # Errors
        /// As [`set_linger`](Self::set_linger).
        pub fn linger(&self) -> io::Result<Option<Duration>> {
            let mut linger = None;
            self.options(&mut |options| linger = options.linger())?;
            Ok(linger)
        }
    };
}

/// Generates `device` and `bind_device`, which TCP and UDP sockets share.
macro_rules! device_methods {
    () => {
        /// Returns the network interface set by [`bind_device`](Self::bind_device).
        ///
        /// # Errors
        /// If the socket's host has crashed, or its run is over.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
            let mut device = None;
            self.device_name(&mut |name| device = name.as_deref().map(<[u8]>::to_vec))?;
            Ok(device)
        }

        /// Sets the network interface to use; `None` and an empty name mean any. The option has no effect in the simulation,
        /// where any name is accepted.
        ///
        /// # Errors
        /// As [`device`](Self::device).
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
            let interface = interface.filter(|name| !name.is_empty());
            self.device_name(&mut |name| *name = interface.map(Box::from))
        }
    };
}

pub(super) use {device_methods, option_methods, tcp_option_methods, ttl_methods};
