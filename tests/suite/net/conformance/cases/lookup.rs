//! Name lookup.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::world::io::{ErrorKind, Result};
use super::world::net::{ToSocketAddrs, lookup_host};
use super::world::run;

async fn lookup(host: impl ToSocketAddrs) -> Result<Vec<SocketAddr>> {
    lookup_host(host).await.map(Iterator::collect)
}

#[test]
fn addresses_resolve_to_themselves() {
    run(|| async {
        let four = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80);
        let six = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 81, 0, 0);
        let (address, other) = (SocketAddr::V4(four), SocketAddr::V6(six));
        assert_eq!(lookup(address).await.unwrap(), [address]);
        assert_eq!(lookup(&address).await.unwrap(), [address]);
        assert_eq!(lookup(four).await.unwrap(), [address]);
        assert_eq!(lookup(six).await.unwrap(), [other]);
        assert_eq!(lookup((IpAddr::V4(Ipv4Addr::LOCALHOST), 80)).await.unwrap(), [address]);
        assert_eq!(lookup((Ipv4Addr::LOCALHOST, 80)).await.unwrap(), [address]);
        assert_eq!(lookup((Ipv6Addr::LOCALHOST, 81)).await.unwrap(), [other]);
        assert_eq!(lookup(&[address, other][..]).await.unwrap(), [address, other]);
    });
}

#[test]
fn strings_resolve_to_addresses() {
    run(|| async {
        let four = SocketAddr::from(([127, 0, 0, 1], 80));
        let six: SocketAddr = "[::1]:80".parse().unwrap();
        assert_eq!(lookup("127.0.0.1:80").await.unwrap(), [four]);
        assert_eq!(lookup("[::1]:80").await.unwrap(), [six]);
        assert_eq!(lookup(String::from("127.0.0.1:80")).await.unwrap(), [four]);
        assert_eq!(lookup(("127.0.0.1", 80)).await.unwrap(), [four]);
        assert_eq!(lookup(("::1", 80)).await.unwrap(), [six]);
        assert_eq!(lookup((String::from("127.0.0.1"), 80)).await.unwrap(), [four]);
    });
}

#[test]
fn names_resolve_to_addresses() {
    run(|| async {
        let four = SocketAddr::from(([127, 0, 0, 1], 80));
        assert!(lookup("localhost:80").await.unwrap().contains(&four));
        assert!(lookup(("localhost", 80)).await.unwrap().contains(&four));
        assert!(lookup(String::from("localhost:80")).await.unwrap().contains(&four));
    });
}

#[test]
fn invalid_strings_do_not_resolve() {
    run(|| async {
        for (text, expected) in [
            ("127.0.0.1", "invalid socket address"),
            ("localhost", "invalid socket address"),
            ("localhost:http", "invalid port value"),
            ("127.0.0.1:65536", "invalid port value"),
            ("127.0.0.1:", "invalid port value"),
        ] {
            let error = lookup(text).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (ErrorKind::InvalidInput, expected),
                "{text}"
            );
        }
    });
}

#[test]
fn unknown_names_do_not_resolve() {
    run(|| async {
        for error in [lookup("nobody.invalid:80").await, lookup(("nobody.invalid", 80)).await] {
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("failed to lookup address information: "), "{error}");
        }
    });
}
