//! The nodes, their programs and their sockets.
//!
//! # Invariants
//! The sockets of a node are dropped when it crashes.

use std::cell::RefCell;
use std::rc::Rc;

use timeloop::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use timeloop::world::{Node, World};

use crate::stream::{All, Stream};

pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];
pub(crate) const GROUP: std::net::Ipv4Addr = std::net::Ipv4Addr::new(239, 0, 0, 1);

/// The state that the programs of all nodes share.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) streams: Vec<Stream>,
    pub(crate) udp: Vec<(usize, UdpSocket)>,
    pub(crate) datagrams: Vec<(usize, UnixDatagram)>,
    pub(crate) all: All,
}

pub(crate) type Shared = Rc<RefCell<Sockets>>;

/// The largest number of streams of a node.
const STREAMS: usize = 12;

pub(crate) fn start(shared: &Shared) -> [Node; 3] {
    [0, 1, 2].map(|number| {
        let shared = Rc::clone(shared);
        World::current().node(NAMES[number]).start(move || serve(number, Rc::clone(&shared)))
    })
}

/// Accepts all connections.
async fn serve(number: usize, shared: Shared) {
    let udp = UdpSocket::bind("0.0.0.0:9").await.expect("the port is free");
    let _ = udp.join_multicast_v4(GROUP, std::net::Ipv4Addr::UNSPECIFIED);
    shared.borrow_mut().udp.push((number, udp));
    let datagram = UnixDatagram::bind("/datagrams").expect("the path is free");
    shared.borrow_mut().datagrams.push((number, datagram));
    let unix = UnixListener::bind("/streams").expect("the path is free");
    let within = timeloop::spawn(async move {
        loop {
            drop(unix.accept().await.expect("it listens"));
        }
    });
    let listener = TcpListener::bind("0.0.0.0:80").await.expect("the port is free");
    loop {
        let (stream, from) = listener.accept().await.expect("it listens");
        assert_eq!(stream.peer_addr().ok(), Some(from));
        let all = Rc::clone(&shared.borrow().all);
        if let Some(stream) = Stream::tcp(stream, number, &all) {
            add(&shared, stream);
        }
        assert!(!within.is_finished());
    }
}

pub(crate) fn add(shared: &Shared, stream: Stream) {
    let mut sockets = shared.borrow_mut();
    if sockets.streams.len() < STREAMS {
        sockets.streams.push(stream);
        return;
    }
    drop(sockets);
    drop(stream);
}

pub(crate) async fn connect(number: usize, to: &'static str, shared: Shared) {
    if let Ok(stream) = TcpStream::connect((to, 80)).await {
        let all = Rc::clone(&shared.borrow().all);
        if let Some(stream) = Stream::tcp(stream, number, &all) {
            add(&shared, stream);
        }
    }
}

pub(crate) async fn pair(number: usize, shared: Shared) {
    let Ok(pair) = UnixStream::pair() else { return };
    let _ = UnixStream::connect("/streams").await;
    // No await follows: another task would count the same directions.
    let all = Rc::clone(&shared.borrow().all);
    let unique = (all.borrow().len() as u16 + 1, 0);
    let ends = [unique.0, unique.1].map(|port| ([0, 0, 0, 0], port).into());
    add(&shared, Stream::unix(pair.0, number, (ends[0], ends[1]), &all));
    add(&shared, Stream::unix(pair.1, number, (ends[1], ends[0]), &all));
}

/// Drops the sockets of a node.
pub(crate) fn gone(number: usize, shared: &Shared) {
    let mut sockets = shared.borrow_mut();
    let streams = std::mem::take(&mut sockets.streams);
    let (gone, streams): (Vec<_>, Vec<_>) = streams.into_iter().partition(|stream| stream.node == number);
    sockets.streams = streams;
    sockets.udp.retain(|(node, _)| *node != number);
    sockets.datagrams.retain(|(node, _)| *node != number);
    drop(sockets);
    drop(gone);
}
