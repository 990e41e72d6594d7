//! Sockets made from those of std.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net as unix;

use super::common::error;
use super::world::net::{
    TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
};
use super::world::{Place, run};

fn std_listener(address: &str) -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn std_udp() -> std::net::UdpSocket {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

#[test]
fn a_listener_takes_over_the_address() {
    run(|| async {
        for any in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            let listener = std_listener(any);
            let address = listener.local_addr().unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            assert_eq!(listener.local_addr().unwrap(), address);
            let client = TcpStream::connect(address).await.unwrap();
            let (server, peer) = listener.accept().await.unwrap();
            assert_eq!(client.local_addr().unwrap(), peer);
            assert_eq!(server.local_addr().unwrap().port(), address.port());
        }
    });
}

#[test]
fn a_listener_is_converted_back() {
    run(|| async {
        let listener = std_listener("127.0.0.1:0");
        let (address, fd) = (listener.local_addr().unwrap(), listener.as_raw_fd());
        let listener = TcpListener::try_from(listener).unwrap();
        assert_eq!((listener.as_raw_fd(), listener.as_fd().as_raw_fd()), (fd, fd));
        let listener = listener.into_std().unwrap();
        assert_eq!((listener.local_addr().unwrap(), listener.as_raw_fd()), (address, fd));
        // The port is reserved, and free for a listener of the same world.
        let listener = TcpListener::from_std(listener).unwrap();
        let _client = TcpStream::connect(address).await.unwrap();
        listener.accept().await.unwrap();
    });
}

#[test]
fn udp_sockets_take_over_addresses_peers_and_options() {
    run(|| async {
        let (one, other) = (std_udp(), std_udp());
        let (here, there) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        one.connect(there).unwrap();
        one.set_broadcast(true).unwrap();
        one.set_ttl(9).unwrap();
        let one = UdpSocket::from_std(one).unwrap();
        let other = UdpSocket::try_from(other).unwrap();
        assert_eq!((one.local_addr().unwrap(), one.peer_addr().unwrap()), (here, there));
        assert_eq!((one.broadcast().unwrap(), one.ttl().unwrap()), (true, 9));
        one.send(b"hello").await.unwrap();
        let (count, from) = other.recv_from(&mut [0; 8]).await.unwrap();
        assert_eq!((count, from), (5, here));
        assert_eq!(other.into_std().unwrap().local_addr().unwrap(), there);
    });
}

#[test]
fn unix_sockets_take_over_names() {
    run(|| async {
        let (here, there) = (Path::new(), Path::new());
        let listener = unix::UnixListener::bind(&here.0).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = UnixListener::from_std(listener).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*here.0));
        let _client = UnixStream::connect(&here.0).await.unwrap();
        listener.accept().await.unwrap();
        assert_eq!(listener.into_std().unwrap().local_addr().unwrap().as_pathname(), Some(&*here.0));

        let server = unix::UnixDatagram::bind(&there.0).unwrap();
        server.set_nonblocking(true).unwrap();
        let client = unix::UnixDatagram::unbound().unwrap();
        client.connect(&there.0).unwrap();
        client.set_nonblocking(true).unwrap();
        let server = UnixDatagram::from_std(server).unwrap();
        let client = UnixDatagram::try_from(client).unwrap();
        client.send(b"hello").await.unwrap();
        assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 5);
    });
}

/// A path of the real file system, whose file is removed at the end.
struct Path(std::path::PathBuf);

impl Path {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let module = module_path!().len();
        Self(std::env::temp_dir().join(format!("timeloop-std-{module}-{}-{number}", std::process::id())))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn every_socket_has_a_descriptor() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let udp = UdpSocket::bind("[::1]:0").await.unwrap();
        let (one, _other) = UnixStream::pair().unwrap();
        let datagram = UnixDatagram::unbound().unwrap();
        let place = Place::new();
        let unix = UnixListener::bind(&place).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        let all = [
            listener.as_raw_fd(),
            client.as_raw_fd(),
            udp.as_raw_fd(),
            one.as_raw_fd(),
            datagram.as_raw_fd(),
            unix.as_raw_fd(),
            socket.as_raw_fd(),
        ];
        let mut distinct = all.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|fd| *fd > 2));
        assert_eq!(client.as_raw_fd(), all[1]);
        // A copy of the descriptor can be made, for options.
        client.as_fd().try_clone_to_owned().unwrap();
    });
}

#[test]
fn a_tcp_socket_takes_over_options() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // std makes no sockets that are neither bound nor connected; a real program gets them from other crates.
        let std = std_listener("127.0.0.1:0");
        let connected = std::net::TcpStream::connect(std.local_addr().unwrap()).unwrap();
        connected.set_nodelay(true).unwrap();
        let local = connected.local_addr().unwrap();
        let socket = TcpSocket::from_std_stream(connected);
        assert!(socket.nodelay().unwrap());
        assert_eq!(socket.local_addr().unwrap(), local);
        error(socket.connect(listener.local_addr().unwrap()).await);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn sockets_may_be_named_for_a_device() {
    run(|| async {
        let (tcp, udp) = (TcpSocket::new_v4().unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
        assert_eq!((tcp.device().unwrap(), udp.device().unwrap()), (None, None));
        tcp.bind_device(Some(b"")).unwrap();
        udp.bind_device(None).unwrap();
        assert_eq!((tcp.device().unwrap(), udp.device().unwrap()), (None, None));
    });
}

#[test]
fn the_traffic_class_of_udp() {
    run(|| async {
        let socket = UdpSocket::bind("[::1]:0").await.unwrap();
        socket.set_tclass_v6(96).unwrap();
        assert_eq!(socket.tclass_v6().unwrap(), 96);
    });
}
