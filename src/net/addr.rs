//! Address arguments and name lookup: [`ToSocketAddrs`] and [`lookup_host`].
//!
//! A lookup uses no thread and no real resolver. The names are `localhost`, those of the run's nodes, and those that
//! the test has set.

use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::fabric::Lookup;
use crate::engine::{self, context};

/// Values that convert to one or more addresses, as
/// [`tokio::net::ToSocketAddrs`](https://docs.rs/tokio/1/tokio/net/trait.ToSocketAddrs.html): addresses, and strings
/// of the form `host:port`. The host is a node's name, `localhost` or an IP address.
pub trait ToSocketAddrs: sealed::ToSocketAddrsPriv {}

pub(super) fn to_socket_addrs<T: ToSocketAddrs>(arg: T) -> T::Future {
    arg.to_socket_addrs(sealed::Internal)
}

/// Calls `f` with one address after the other until a call succeeds.
///
/// # Errors
/// Returns the last error of `f`, or `InvalidInput` if there is no address.
pub(super) async fn first_of<T, F: Future<Output = io::Result<T>>>(
    addresses: impl ToSocketAddrs,
    mut f: impl FnMut(SocketAddr) -> F,
) -> io::Result<T> {
    let mut last = None;
    for address in to_socket_addrs(addresses).await? {
        match f(address).await {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last
        .unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")))
}

/// Resolves a host name.
fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.eq_ignore_ascii_case("localhost") {
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Ok(both.map(|ip| SocketAddr::new(ip, port)).into());
    }
    match context::with(|engine| engine.resolve(host)) {
        None => engine::outside("look up a name"),
        Some(Lookup::Addresses(addresses)) if !addresses.is_empty() => {
            Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
        }
        Some(lookup) => {
            let why = match lookup {
                Lookup::Addresses(_) => format!("Name or service not known{}", known_names(host)),
                Lookup::Fails => "Temporary failure in name resolution".to_owned(),
            };
            Err(io::Error::other(format!("failed to lookup address information: {why}")))
        }
    }
}

/// Returns a clause that lists the nodes, if none has this name.
fn known_names(host: &str) -> String {
    let listed = context::with(|engine| {
        let nodes = engine.nodes();
        // A lookup of a node can be made to fail.
        if nodes.by_name(host).is_some() { None } else { Some(nodes.listed()) }
    });
    let listed = listed.flatten();
    listed.map_or_else(String::new, |names| {
        format!(" (there is no node `{}`; the nodes are {names})", host.escape_debug())
    })
}

/// Resolves a string of the form `host:port`.
fn resolve_text(text: &str) -> io::Result<Vec<SocketAddr>> {
    let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
    let (host, port) = text.rsplit_once(':').ok_or_else(|| invalid("invalid socket address"))?;
    resolve(host, port.parse().map_err(|_| invalid("invalid port value"))?)
}

type Addresses = Ready<io::Result<std::vec::IntoIter<SocketAddr>>>;

macro_rules! to_socket_addrs {
    ($(($($generics:tt)*) $type:ty, $self:ident => $addresses:expr;)*) => {$(
        impl $($generics)* ToSocketAddrs for $type {}

        impl $($generics)* sealed::ToSocketAddrsPriv for $type {
            type Iter = std::vec::IntoIter<SocketAddr>;
            type Future = Addresses;

            fn to_socket_addrs(&self, _: sealed::Internal) -> Self::Future {
                let $self = self;
                let addresses: io::Result<Vec<SocketAddr>> = $addresses;
                ready(addresses.map(Vec::into_iter))
            }
        }
    )*};
}

to_socket_addrs! {
    () SocketAddr, this => Ok(vec![*this]);
    () SocketAddrV4, this => Ok(vec![(*this).into()]);
    () SocketAddrV6, this => Ok(vec![(*this).into()]);
    () (IpAddr, u16), this => Ok(vec![(*this).into()]);
    () (Ipv4Addr, u16), this => Ok(vec![(*this).into()]);
    () (Ipv6Addr, u16), this => Ok(vec![(*this).into()]);
    () &[SocketAddr], this => Ok(this.to_vec());
    () str, this => match this.parse() {
        Ok(address) => Ok(vec![address]),
        Err(_) => resolve_text(this),
    };
    () String, this => match this.parse() {
        Ok(address) => Ok(vec![address]),
        Err(_) => resolve_text(this),
    };
    () (&str, u16), this => resolve(this.0, this.1);
    () (String, u16), this => resolve(&this.0, this.1);
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: sealed::ToSocketAddrsPriv + ?Sized> sealed::ToSocketAddrsPriv for &T {
    type Iter = T::Iter;
    type Future = T::Future;

    fn to_socket_addrs(&self, _: sealed::Internal) -> Self::Future {
        (**self).to_socket_addrs(sealed::Internal)
    }
}

pub(crate) mod sealed {
    //! Seals the trait, as tokio does.

    use std::future::Future;
    use std::io;
    use std::net::SocketAddr;

    #[doc(hidden)]
    pub trait ToSocketAddrsPriv {
        type Iter: Iterator<Item = SocketAddr> + Send + 'static;
        type Future: Future<Output = io::Result<Self::Iter>> + Send + 'static;

        fn to_socket_addrs(&self, internal: Internal) -> Self::Future;
    }

    #[doc(hidden)]
    #[derive(Debug)]
    pub struct Internal;
}

/// Looks up the addresses of a host, as
/// [`tokio::net::lookup_host`](https://docs.rs/tokio/1/tokio/net/fn.lookup_host.html).
///
/// The known names are `localhost`, those of the run's nodes, and those set by
/// [`Network::set_addresses`](super::Network::set_addresses).
///
/// # Errors
/// Returns an error if the name is unknown or its lookup fails, or if the string is not of the form `host:port`.
///
/// ```
/// timeloop::run(1, || async {
///     let addresses: Vec<_> = timeloop::net::lookup_host("localhost:80").await.unwrap().collect();
///     assert_eq!(addresses[0], "127.0.0.1:80".parse().unwrap());
///
///     let error = timeloop::net::lookup_host("nowhere:80").await.err().unwrap();
///     assert_eq!(
///         error.to_string(),
///         "failed to lookup address information: Name or service not known (there is no node `nowhere`; the nodes are \
///          `test`)"
///     );
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    to_socket_addrs(host).await
}
