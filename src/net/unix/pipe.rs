//! Pipes, as [`tokio::net::unix::pipe`](https://docs.rs/tokio/1/tokio/net/unix/pipe/index.html).
//!
//! The bytes stay in the simulation, also those of a named pipe: its file is real, and identifies the pipe, but nothing is
//! written to it. The same holds for the ends of a real pipe.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use timeloop_sim::Access;

use crate::engine::announce::{Attempt, ResourceId};
use crate::engine::{Engine, RunId};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use crate::net::descriptor::{self, Descriptor, has_descriptor};
use crate::net::driver::Fabric;
use crate::net::fabric::{Direction, Errno, FileId, Key, Reading, WaitSlot, WaitedSocket};
use crate::net::handle::{self, Handle, announced_readiness};
use crate::net::socket_labels;

/// Creates a pipe.
///
/// ```
/// use timeloop::io::{AsyncReadExt, AsyncWriteExt};
/// use timeloop::net::unix::pipe;
///
/// timeloop::run(1, || async {
///     let (mut sender, mut receiver) = pipe::pipe().unwrap();
///     sender.write_all(b"hello").await.unwrap();
///     drop(sender);
///     let mut text = String::new();
///     receiver.read_to_string(&mut text).await.unwrap();
///     assert_eq!(text, "hello");
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
///
/// # Errors
/// Never fails.
///
/// # Panics
/// Outside of a run.
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let resource = ResourceId::new().socket();
    let (run, [writes, reads]) = handle::open(Fabric::new_pipe);
    let end = |key| End::new(run, key, resource, Descriptor::default());
    Ok((Sender::new(end(writes)), Receiver::new(end(reads))))
}

/// An open end of a pipe.
#[derive(Debug)]
struct End {
    handle: Handle,
    descriptor: Descriptor,
}

impl End {
    fn new(run: RunId, key: Key, resource: ResourceId, descriptor: Descriptor) -> Self {
        Self { handle: Handle { run, key, resource, name: socket_labels::PIPE }, descriptor }
    }

    /// Opens an end of the pipe with this file.
    #[track_caller]
    fn open(file: FileId, access: [bool; 2], descriptor: Descriptor) -> Self {
        let resource = ResourceId::new().socket();
        let (run, key) = handle::open(|fabric, host| fabric.open_pipe(host, file, access));
        Self::new(run, key, resource, descriptor)
    }

    /// Makes an end of a real one.
    #[track_caller]
    fn of_file(file: File, direction: Direction, checked: bool) -> io::Result<Self> {
        let metadata = file.metadata()?;
        // The access mode is read, write, or both.
        let mode = descriptor::open_flags(std::os::fd::AsFd::as_fd(&file)).map(|flags| flags & 3);
        let wrong = if direction == Direction::Read { 1 } else { 0 };
        if checked && !metadata.file_type().is_fifo() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a pipe"));
        }
        if checked && mode == Some(wrong) {
            let why = match direction {
                Direction::Read => "not in O_RDONLY or O_RDWR access mode",
                Direction::Write => "not in O_WRONLY or O_RDWR access mode",
            };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let both = mode == Some(2);
        let access = [both || direction == Direction::Read, both || direction == Direction::Write];
        let real = if checked { set_nonblocking(file.into(), true)? } else { file.into() };
        Ok(Self::open((metadata.dev(), metadata.ino()), access, Descriptor::of(real)))
    }

    fn attempt<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        slot: WaitSlot,
        f: impl FnOnce(&mut Fabric, Key) -> Result<R, Errno>,
    ) -> Poll<io::Result<R>> {
        self.handle.attempt(
            cx,
            |engine: &Engine, key| engine.network(|fabric, _| f(fabric, key)),
            |_, key| WaitedSocket::Pipe(key, direction),
            |fabric, key, waiter| fabric.wait_pipe(key, direction, waiter, slot),
        )
    }

    fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        interest: Interest,
        slot: WaitSlot,
    ) -> Poll<io::Result<Ready>> {
        self.attempt(cx, direction, slot, |fabric, key| {
            let ready = Ready::from(fabric.readiness_pipe(key)?).of_interest(interest);
            if ready.is_empty() { Err(Errno::WouldBlock) } else { Ok(ready) }
        })
    }

    fn ready(
        &self,
        direction: Direction,
        interest: Interest,
    ) -> impl Future<Output = io::Result<Ready>> + use<'_> {
        let action = self.handle.action(Access::Read, Location::caller());
        announced_readiness(action, move |cx| self.poll_ready(cx, direction, interest, WaitSlot::Shared))
    }

    fn try_io<R>(&self, direction: Direction, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        let ready = self.handle.with(|fabric, key| fabric.readiness_pipe(key))?;
        let is_ready = if direction == Direction::Read { ready.readable } else { ready.writable };
        if !is_ready {
            return Err(Errno::WouldBlock.into());
        }
        let result = f();
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.handle.with(|fabric, key| {
                fabric.clear_pipe(key, direction);
                Ok(())
            })?;
        }
        result
    }

    fn into_fd(mut self, nonblocking: bool) -> io::Result<OwnedFd> {
        set_nonblocking(std::mem::take(&mut self.descriptor).into_std()?, nonblocking)
    }
}

/// Sets whether a descriptor of any kind blocks.
fn set_nonblocking(real: OwnedFd, nonblocking: bool) -> io::Result<OwnedFd> {
    // std has a method for sockets alone. It works for every descriptor.
    let real = UnixStream::from(real);
    real.set_nonblocking(nonblocking)?;
    Ok(real.into())
}

/// Creates the real end for the descriptor of a simulated one. Its other side is closed.
fn real_end(direction: Direction) -> io::Result<OwnedFd> {
    let (reads, writes) = io::pipe()?;
    let real = if direction == Direction::Read { reads.into() } else { OwnedFd::from(writes) };
    set_nonblocking(real, true)
}

/// How to open a named pipe, as
/// [`tokio::net::unix::pipe::OpenOptions`](https://docs.rs/tokio/1/tokio/net/unix/pipe/struct.OpenOptions.html).
///
/// The path has to be that of a real named pipe. Its ends within the run are connected to each other.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// Creates the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens each end for reading and writing, so that it never sees the other side closed.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn read_write(&mut self, value: bool) -> &mut Self {
        self.read_write = value;
        self
    }

    /// Sets whether to accept a path that is no named pipe.
    pub fn unchecked(&mut self, value: bool) -> &mut Self {
        self.unchecked = value;
        self
    }

    /// Opens the end that reads.
    ///
    /// # Errors
    /// Returns `NotFound` if there is no file, and `InvalidInput` if it is not a named pipe.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        let file = self.file(path.as_ref())?;
        Ok(Receiver::new(End::open(file, [true, self.read_write], Descriptor::default())))
    }

    /// Opens the end that writes.
    ///
    /// # Errors
    /// As [`open_receiver`](Self::open_receiver); "No such device or address" if no end that reads is open.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        let file = self.file(path.as_ref())?;
        let (_, is_read) = handle::open(|fabric, host| fabric.has_pipe_reader(host, file));
        if !is_read && !self.read_write {
            return Err(Errno::NoDevice.into());
        }
        Ok(Sender::new(End::open(file, [self.read_write, true], Descriptor::default())))
    }

    fn file(&self, path: &Path) -> io::Result<FileId> {
        let metadata = fs::metadata(path)?;
        if !self.unchecked && !metadata.file_type().is_fifo() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a pipe"));
        }
        Ok((metadata.dev(), metadata.ino()))
    }
}

/// The end of a pipe that writes, as
/// [`tokio::net::unix::pipe::Sender`](https://docs.rs/tokio/1/tokio/net/unix/pipe/struct.Sender.html).
pub struct Sender {
    end: End,
    writing: Attempt,
}

/// The end of a pipe that reads, as
/// [`tokio::net::unix::pipe::Receiver`](https://docs.rs/tokio/1/tokio/net/unix/pipe/struct.Receiver.html).
pub struct Receiver {
    end: End,
    reading: Attempt,
}

/// Generates what both ends have.
macro_rules! end {
    ($type:ident, $direction:ident, $interest:ident, $attempt:ident, $poll_ready:ident, $able:ident) => {
        impl $type {
            fn new(end: End) -> Self {
                Self { end, $attempt: Attempt::default() }
            }

            /// Makes the end of a file that is a pipe. The ends in the run of the same real pipe are connected to each other.
            ///
            /// # Errors
            /// Returns `InvalidInput` if the file is not a pipe, or is open for the other direction only.
            ///
            /// # Panics
            /// Outside of a run.
            #[track_caller]
            pub fn from_file(file: File) -> io::Result<Self> {
                End::of_file(file, Direction::$direction, true).map(Self::new)
            }

            /// Like [`from_file`](Self::from_file), for a descriptor.
            ///
            /// # Errors
            /// As [`from_file`](Self::from_file).
            ///
            /// # Panics
            /// Outside of a run.
            #[track_caller]
            pub fn from_owned_fd(owned_fd: OwnedFd) -> io::Result<Self> {
                Self::from_file(owned_fd.into())
            }

            /// Like [`from_file`](Self::from_file), without checks.
            ///
            /// # Errors
            /// Returns the error of asking for the file.
            ///
            /// # Panics
            /// Outside of a run.
            #[track_caller]
            pub fn from_file_unchecked(file: File) -> io::Result<Self> {
                End::of_file(file, Direction::$direction, false).map(Self::new)
            }

            /// Like [`from_file_unchecked`](Self::from_file_unchecked), for a descriptor.
            ///
            /// # Errors
            /// As [`from_file_unchecked`](Self::from_file_unchecked).
            ///
            /// # Panics
            /// Outside of a run.
            #[track_caller]
            pub fn from_owned_fd_unchecked(owned_fd: OwnedFd) -> io::Result<Self> {
                Self::from_file_unchecked(owned_fd.into())
            }

            /// Waits until the end is ready for one of the operations of `interest`, and returns what it is ready for.
            ///
            /// # Errors
            /// Returns an error if the host of the pipe has crashed or its run is over.
            ///
            /// # Cancel safety
            ///
            /// This method is cancel safe.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.end.ready(Direction::$direction, interest).await
            }

            /// Waits until the end is ready, or the other side is closed.
            ///
            /// # Errors
            /// As [`ready`](Self::ready).
            pub async fn $able(&self) -> io::Result<()> {
                self.ready(Interest::$interest).await.map(drop)
            }

            #[doc = concat!("Polls [`", stringify!($able), "`](Self::", stringify!($able), "). Only the task that polled last is woken.")]
            ///
            /// # Errors
            /// As [`ready`](Self::ready).
            pub fn $poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.end.poll_ready(cx, Direction::$direction, Interest::$interest, WaitSlot::Poll).map_ok(drop)
            }

            /// Calls `f` if the end is ready. If `f` returns `WouldBlock`, the end is not ready until something happens to the
            /// pipe, as in tokio.
            ///
            /// # Errors
            /// Returns `WouldBlock` if the end is not ready, or the error of `f`.
            pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.end.try_io(Direction::$direction, f)
            }

            /// Returns the real descriptor that the end was made from, in blocking mode.
            ///
            /// # Errors
            /// `Unsupported` if it was not made from one: nothing that is done to a descriptor reaches the simulation.
            pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
                self.end.into_fd(false)
            }

            /// Returns the real descriptor that the end was made from, in nonblocking mode.
            ///
            /// # Errors
            /// As [`into_blocking_fd`](Self::into_blocking_fd).
            pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
                self.end.into_fd(true)
            }
        }

        has_descriptor!($type, end.descriptor, |_end| real_end(Direction::$direction));

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    };
}

end!(Sender, Write, WRITABLE, writing, poll_write_ready, writable);
end!(Receiver, Read, READABLE, reading, poll_read_ready, readable);

impl Drop for End {
    fn drop(&mut self) {
        self.handle.close(|fabric, _, key| fabric.close_pipe(key));
    }
}

impl Sender {
    /// Writes as many bytes as fit into the pipe, without waiting. At most 4,096 bytes are written whole or not at all.
    ///
    /// # Errors
    /// Returns `WouldBlock` if the pipe is full, and `BrokenPipe` if no end reads.
    #[track_caller]
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(buf)])
    }

    /// Like [`try_write`](Self::try_write), from several buffers in order.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    #[track_caller]
    pub fn try_write_vectored(&self, buf: &[IoSlice<'_>]) -> io::Result<usize> {
        self.end.handle.touch(Access::Send);
        self.end.handle.with(|fabric, key| fabric.write_pipe(key, buf))
    }
}

impl AsyncWrite for Sender {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { end, writing, .. } = self.get_mut();
        writing.poll_each(cx, end.handle.action(Access::Send, Location::caller()), |cx| {
            end.attempt(cx, Direction::Write, WaitSlot::Poll, |fabric, key| fabric.write_pipe(key, bufs))
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Receiver {
    /// Reads without waiting. Returns 0 if no end writes.
    ///
    /// # Errors
    /// Returns `WouldBlock` if there is nothing to read.
    #[track_caller]
    pub fn try_read(&self, mut buf: &mut [u8]) -> io::Result<usize> {
        self.try_read_buf(&mut buf)
    }

    /// Like [`try_read`](Self::try_read), into several buffers in order.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    #[track_caller]
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut all = vec![0; bufs.iter().map(|buf| buf.len()).sum()];
        let count = self.try_read(&mut all)?;
        let mut rest = &all[..count];
        for buf in bufs {
            let (first, others) = rest.split_at(buf.len().min(rest.len()));
            buf[..first.len()].copy_from_slice(first);
            rest = others;
        }
        Ok(count)
    }

    /// Like [`try_read`](Self::try_read), into a [`BufMut`], which is advanced.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    #[track_caller]
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.end.handle.touch(Access::Receive);
        let max = buf.chunk_mut().len();
        self.end
            .handle
            .with(|fabric, key| fabric.read_pipe(key, max, Reading::Try, |bytes| buf.put_slice(bytes)))
    }
}

impl AsyncRead for Receiver {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { end, reading } = self.get_mut();
        reading.poll_each(cx, end.handle.action(Access::Receive, Location::caller()), |cx| {
            end.attempt(cx, Direction::Read, WaitSlot::Poll, |fabric, key| {
                let max = buf.remaining();
                fabric.read_pipe(key, max, Reading::Poll, |bytes| buf.put_slice(bytes)).map(drop)
            })
        })
    }
}
