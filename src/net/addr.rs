//! Address arguments and name lookup: [`ToSocketAddrs`] and [`lookup_host`].
//!
//! A lookup uses no thread and no real resolver. The names are `localhost`, those of the run's nodes, and those that
//! the test has set.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use timeloop_sim::{Access, ResourceKind};

use super::fabric::Lookup;
use super::socket_labels;
use crate::engine::announce::ResourceId;
use crate::engine::{self, context};
use crate::time::{Duration, sleep};

/// Values that convert to one or more addresses, as
/// [`tokio::net::ToSocketAddrs`](https://docs.rs/tokio/1/tokio/net/trait.ToSocketAddrs.html): addresses, and strings
/// of the form `host:port`. The host is a node's name, `localhost` or an IP address.
pub trait ToSocketAddrs: sealed::ToSocketAddrsPriv {}

pub(super) fn to_socket_addrs<T: ToSocketAddrs>(arg: T) -> Addresses {
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

/// Begins to resolve a host name. An IP address is known at once.
fn resolve(host: &str, port: u16) -> Addresses {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Addresses::known(vec![SocketAddr::new(ip, port)]);
    }
    Addresses::LookedUp(Box::pin(look_up(host.strip_suffix('.').unwrap_or(host).to_owned(), port)))
}

/// Looks up a host name, which takes virtual time.
async fn look_up(host: String, port: u16) -> io::Result<std::vec::IntoIter<SocketAddr>> {
    let name = name_resource(&host, Location::caller());
    name.action(socket_labels::HOST_NAME, Access::Read).announced_apart().await;
    if let Some(takes_ns @ 1..) = context::with(|engine| engine.lookup_ns(&host)) {
        sleep(Duration::from_nanos(takes_ns)).await;
    }
    look_up_now(&host, port).map(Vec::into_iter)
}

/// Identifies a host name, whose addresses may change.
pub(super) fn name_resource(name: &str, at: &'static Location<'static>) -> ResourceId {
    let bytes = name.bytes().map(|byte| byte.to_ascii_lowercase().into());
    ResourceId::of_content(bytes, at).of_kind(ResourceKind::HostName)
}

#[cfg(feature = "hermetic")]
impl engine::Engine {
    /// Looks up a host name for `getaddrinfo`, at once.
    pub(crate) fn look_up_here(&self, host: &str) -> Result<Vec<IpAddr>, timeloop_hermetic::LookupError> {
        use timeloop_hermetic::LookupError;

        let host = host.strip_suffix('.').unwrap_or(host);
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(LOCALHOST.into());
        }
        match self.resolve(host) {
            Lookup::Addresses(addresses) if !addresses.is_empty() => Ok(addresses),
            Lookup::Addresses(_) => Err(LookupError::Unknown),
            Lookup::Fails => Err(LookupError::Fails),
        }
    }
}

/// The addresses of the name `localhost`.
const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

fn look_up_now(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(LOCALHOST.map(|ip| SocketAddr::new(ip, port)).into());
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

/// Begins to resolve a string of the form `host:port`.
fn resolve_text(text: &str) -> Addresses {
    if let Ok(address) = text.parse() {
        return Addresses::known(vec![address]);
    }
    let invalid = |why| Addresses::Known(Some(Err(io::Error::new(io::ErrorKind::InvalidInput, why))));
    match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        None => invalid("invalid socket address"),
        Some((_, Err(_))) => invalid("invalid port value"),
        Some((host, Ok(port))) => resolve(host, port),
    }
}

type Found = io::Result<std::vec::IntoIter<SocketAddr>>;

/// The future of the addresses of an argument.
#[doc(hidden)]
pub enum Addresses {
    /// They are known at once. `None` after they were returned.
    Known(Option<Found>),
    /// A host name is being looked up.
    LookedUp(Pin<Box<dyn Future<Output = Found> + Send>>),
}

impl Addresses {
    fn known(addresses: Vec<SocketAddr>) -> Self {
        Self::Known(Some(Ok(addresses.into_iter())))
    }
}

impl Future for Addresses {
    type Output = Found;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Found> {
        match self.get_mut() {
            Self::Known(found) => Poll::Ready(found.take().expect("a future is not polled after its end")),
            Self::LookedUp(lookup) => lookup.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").finish_non_exhaustive()
    }
}

macro_rules! to_socket_addrs {
    ($(($($generics:tt)*) $type:ty, $self:ident => $addresses:expr;)*) => {$(
        impl $($generics)* ToSocketAddrs for $type {}

        impl $($generics)* sealed::ToSocketAddrsPriv for $type {
            fn to_socket_addrs(&self, _: sealed::Internal) -> Addresses {
                let $self = self;
                $addresses
            }
        }
    )*};
}

to_socket_addrs! {
    () SocketAddr, this => Addresses::known(vec![*this]);
    () SocketAddrV4, this => Addresses::known(vec![(*this).into()]);
    () SocketAddrV6, this => Addresses::known(vec![(*this).into()]);
    () (IpAddr, u16), this => Addresses::known(vec![(*this).into()]);
    () (Ipv4Addr, u16), this => Addresses::known(vec![(*this).into()]);
    () (Ipv6Addr, u16), this => Addresses::known(vec![(*this).into()]);
    () &[SocketAddr], this => Addresses::known(this.to_vec());
    () str, this => resolve_text(this);
    () String, this => resolve_text(this);
    () (&str, u16), this => resolve(this.0, this.1);
    () (String, u16), this => resolve(&this.0, this.1);
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: sealed::ToSocketAddrsPriv + ?Sized> sealed::ToSocketAddrsPriv for &T {
    fn to_socket_addrs(&self, _: sealed::Internal) -> Addresses {
        (**self).to_socket_addrs(sealed::Internal)
    }
}

pub(crate) mod sealed {
    //! Seals the trait, as tokio does.

    use super::Addresses;

    #[doc(hidden)]
    pub trait ToSocketAddrsPriv {
        fn to_socket_addrs(&self, internal: Internal) -> Addresses;
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
/// The lookup of a name takes no time in the baseline run, and up to 100 ms of virtual time in others.
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
    let addresses = to_socket_addrs(host);
    if matches!(addresses, Addresses::Known(_)) {
        // A resolver answers for addresses, too.
        let name = name_resource("", Location::caller());
        name.action(socket_labels::HOST_NAME, Access::Read).announced_apart().await;
    }
    addresses.await
}
