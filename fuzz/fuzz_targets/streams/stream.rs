//! One end of a stream, with its model.
//!
//! # Invariants
//! All bytes read are compared with the bytes that the other side has written.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{TcpStream, UnixStream};

/// A direction: sender and receiver. It is unique in a run.
pub(crate) type Direction = (SocketAddr, SocketAddr);

/// The bytes written in a direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) written: u64,
    pub(crate) ended: bool,
}

pub(crate) type All = Rc<RefCell<BTreeMap<Direction, Written>>>;

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

#[derive(Debug)]
pub(crate) struct Stream {
    kind: Kind,
    /// The node of this end.
    pub(crate) node: usize,
    pub(crate) sends: Direction,
    read: u64,
    shut: bool,
    pub(crate) failed: bool,
    ended: bool,
    all: All,
}

/// Returns the byte at a position of a direction.
fn byte(direction: Direction, position: u64) -> u8 {
    let port = u64::from(direction.0.port()) << 16 | u64::from(direction.1.port());
    ((position + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(port) >> 53) as u8
}

impl Stream {
    pub(crate) fn tcp(stream: TcpStream, node: usize, all: &All) -> Option<Self> {
        let sends = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
        Some(Self::new(Kind::Tcp(stream), node, sends, all))
    }

    pub(crate) fn unix(stream: UnixStream, node: usize, sends: Direction, all: &All) -> Self {
        Self::new(Kind::Unix(stream), node, sends, all)
    }

    fn new(kind: Kind, node: usize, sends: Direction, all: &All) -> Self {
        let all = Rc::clone(all);
        all.borrow_mut().entry(sends).or_default();
        Self { kind, node, sends, read: 0, shut: false, failed: false, ended: false, all }
    }

    pub(crate) fn receives(&self) -> Direction {
        (self.sends.1, self.sends.0)
    }

    fn of(&self, direction: Direction) -> Written {
        self.all.borrow().get(&direction).copied().unwrap_or_default()
    }

    fn fails(&mut self, error: &io::Error) {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::WouldBlock => {}
            Kind::BrokenPipe if self.shut => {}
            Kind::ConnectionReset | Kind::BrokenPipe | Kind::TimedOut | Kind::NotConnected => {
                self.failed = true;
            }
            other => panic!("a stream fails with {other:?}: {error}"),
        }
    }

    pub(crate) fn write(&mut self, len: usize) {
        let from = self.of(self.sends).written;
        let bytes: Vec<u8> = (from..).map(|position| byte(self.sends, position)).take(len).collect();
        let result = match &self.kind {
            Kind::Tcp(stream) => stream.try_write(&bytes),
            Kind::Unix(stream) => stream.try_write(&bytes),
        };
        self.wrote(result, len);
    }

    fn wrote(&mut self, result: io::Result<usize>, len: usize) {
        match result {
            Ok(count) => {
                assert!(count <= len && !self.shut);
                let mut all = self.all.borrow_mut();
                all.entry(self.sends).or_default().written += count as u64;
            }
            Err(error) => self.fails(&error),
        }
    }

    /// Writes all bytes, waiting for capacity. The model is updated only at the end, so a concurrent reader may be ahead of
    /// it.
    pub(crate) async fn write_waiting(&mut self, len: usize) {
        let from = self.of(self.sends).written;
        let bytes: Vec<u8> = (from..).map(|position| byte(self.sends, position)).take(len).collect();
        let result = match &mut self.kind {
            Kind::Tcp(stream) => stream.write(&bytes).await,
            Kind::Unix(stream) => stream.write(&bytes).await,
        };
        self.wrote(result, len);
    }

    pub(crate) fn read(&mut self, len: usize) -> bool {
        let mut bytes = vec![0; len];
        let result = match &self.kind {
            Kind::Tcp(stream) => stream.try_read(&mut bytes),
            Kind::Unix(stream) => stream.try_read(&mut bytes),
        };
        self.got(result, &bytes)
    }

    pub(crate) async fn read_waiting(&mut self, len: usize) {
        let mut bytes = vec![0; len];
        let result = match &mut self.kind {
            Kind::Tcp(stream) => stream.read(&mut bytes).await,
            Kind::Unix(stream) => stream.read(&mut bytes).await,
        };
        self.got(result, &bytes);
    }

    pub(crate) async fn peek(&mut self, len: usize) {
        let Kind::Tcp(stream) = &self.kind else { return };
        let mut bytes = vec![0; len];
        match stream.peek(&mut bytes).await {
            Ok(count) => self.check(&bytes[..count]),
            Err(error) => self.fails(&error),
        }
    }

    pub(crate) async fn ready(&self, reads: bool) {
        let _ = match (&self.kind, reads) {
            (Kind::Tcp(stream), true) => stream.readable().await,
            (Kind::Tcp(stream), false) => stream.writable().await,
            (Kind::Unix(stream), true) => stream.readable().await,
            (Kind::Unix(stream), false) => stream.writable().await,
        };
    }

    fn check(&self, bytes: &[u8]) {
        let expected = (self.read..).map(|position| byte(self.receives(), position)).take(bytes.len());
        assert!(bytes.iter().copied().eq(expected), "what is read is what was written, in order");
        assert!(self.read + bytes.len() as u64 <= self.of(self.receives()).written, "nobody wrote that");
    }

    /// Checks a read. Returns whether it returned bytes.
    fn got(&mut self, result: io::Result<usize>, bytes: &[u8]) -> bool {
        match result {
            Ok(0) if bytes.is_empty() => false,
            Ok(0) => {
                let said = self.of(self.receives());
                let all = said.ended && said.written == self.read;
                assert!(all || self.failed, "an end is an end: {self:?}");
                self.ended = true;
                false
            }
            Ok(count) => {
                assert!(!self.ended, "nothing comes after the end");
                self.check(&bytes[..count]);
                self.read += count as u64;
                true
            }
            Err(error) => {
                self.fails(&error);
                false
            }
        }
    }

    pub(crate) async fn shut_down(&mut self) {
        let result = match &mut self.kind {
            Kind::Tcp(stream) => stream.shutdown().await,
            Kind::Unix(stream) => stream.shutdown().await,
        };
        match result {
            Ok(()) => {
                self.shut = true;
                self.ends();
            }
            Err(error) => self.fails(&error),
        }
    }

    fn ends(&self) {
        if let Some(said) = self.all.borrow_mut().get_mut(&self.sends) {
            said.ended = true;
        }
    }

    /// A reader that has seen the end does not see a later error of the stream.
    pub(crate) fn settle(&mut self) {
        let error = match &self.kind {
            Kind::Tcp(stream) => stream.take_error(),
            Kind::Unix(stream) => stream.take_error(),
        };
        self.failed |= !matches!(error, Ok(None));
    }

    /// Checks that all bytes have arrived, unless a side has failed.
    pub(crate) fn check_all(&self) {
        let said = self.of(self.receives());
        assert_eq!(self.read, said.written, "all of it comes in the end: {self:?}");
        assert_eq!(self.ended, said.ended, "and so does the end: {self:?}");
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.ends();
    }
}
