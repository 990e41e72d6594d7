//! Pipes: bytes in order from the ends that write to the ends that read, within a host.
//!
//! # Invariants
//! Each byte is read once, in the order of the writes. A write of at most [`ATOMIC_BYTES`] is not split. A pipe is removed with
//! its last end. As in tokio, an end stays ready until an operation would block.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::stream::Reading;
use super::waiters::{WaitSlot, Waiters};
use super::{Direction, Errno, Fabric, Key, Readiness};

/// The capacity of a pipe, as under Linux.
const CAPACITY_BYTES: usize = 65_536;

/// The size up to which writes are atomic, as under Linux.
const ATOMIC_BYTES: usize = 4_096;

/// The file of a pipe: the numbers of its device and of the file.
pub(crate) type FileId = (u64, u64);

/// A pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    ends: Vec<Key>,
    file: Option<(u32, FileId)>,
}

/// An open end of a pipe.
#[derive(Debug)]
pub(crate) struct PipeEnd<W> {
    pub(super) host: u32,
    pipe: Key,
    /// Whether the end may read, and whether it may write.
    access: [bool; 2],
    /// Whether the end is ready for reading and for writing.
    ready: [bool; 2],
    /// Whether an end of the other side has been open.
    had_peer: bool,
    pub(super) waiters: [Waiters<W>; 2],
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Creates a pipe. Returns the end that writes and the one that reads.
    pub(crate) fn new_pipe(&mut self, host: u32) -> [Key; 2] {
        let pipe = self.pipes.insert(Pipe { bytes: VecDeque::new(), ends: Vec::new(), file: None });
        [self.open_end(host, pipe, [false, true]), self.open_end(host, pipe, [true, false])]
    }

    /// Opens an end of the pipe with this file.
    pub(crate) fn open_pipe(&mut self, host: u32, file: FileId, access: [bool; 2]) -> Key {
        let pipe = self.pipe_files.get(&(host, file)).copied().unwrap_or_else(|| {
            let file = Some((host, file));
            self.pipes.insert(Pipe { bytes: VecDeque::new(), ends: Vec::new(), file })
        });
        self.pipe_files.insert((host, file), pipe);
        self.open_end(host, pipe, access)
    }

    /// Returns whether an end that reads the pipe with this file is open.
    pub(crate) fn has_pipe_reader(&mut self, host: u32, file: FileId) -> bool {
        let pipe = self.pipe_files.get(&(host, file)).copied();
        pipe.is_some_and(|pipe| self.has_end(pipe, Direction::Read))
    }

    fn open_end(&mut self, host: u32, pipe: Key, access: [bool; 2]) -> Key {
        let has_bytes = self.pipes.get(pipe).is_some_and(|pipe| !pipe.bytes.is_empty());
        let waiters = [Waiters::default(), Waiters::default()];
        let end = PipeEnd { host, pipe, access, ready: [has_bytes, true], had_peer: false, waiters };
        let key = self.pipe_ends.insert(end);
        if let Some(pipe) = self.pipes.get(pipe) {
            pipe.ends.push(key);
        }
        if self.has_end(pipe, Direction::Read) && self.has_end(pipe, Direction::Write) {
            for key in self.ends_of(pipe) {
                if let Some(end) = self.pipe_ends.get(key) {
                    end.had_peer = true;
                }
            }
        }
        key
    }

    fn ends_of(&mut self, pipe: Key) -> Vec<Key> {
        self.pipes.get(pipe).map_or_else(Vec::new, |pipe| pipe.ends.clone())
    }

    /// Returns whether an end of the pipe may do this.
    fn has_end(&mut self, pipe: Key, direction: Direction) -> bool {
        let ends = self.ends_of(pipe);
        ends.into_iter().any(|key| self.pipe_ends.get(key).is_some_and(|end| end.access[direction as usize]))
    }

    /// Makes all ends ready that may do this, and wakes their waiters.
    fn becomes_ready(&mut self, pipe: Key, direction: Direction) {
        for key in self.ends_of(pipe) {
            if let Some(end) = self.pipe_ends.get(key).filter(|end| end.access[direction as usize]) {
                end.ready[direction as usize] = true;
                end.waiters[direction as usize].wake(&mut self.woken);
            }
        }
    }

    /// Returns what an end is ready for.
    pub(crate) fn readiness_pipe(&mut self, key: Key) -> Result<Readiness, Errno> {
        let end = self.pipe_ends.get(key).ok_or(Errno::NotConnected)?;
        let (pipe, access, ready, had_peer) = (end.pipe, end.access, end.ready, end.had_peer);
        let read_closed = access[0] && had_peer && !self.has_end(pipe, Direction::Write);
        let write_closed = access[1] && had_peer && !self.has_end(pipe, Direction::Read);
        Ok(Readiness {
            readable: access[0] && (ready[0] || read_closed),
            writable: access[1] && (ready[1] || write_closed),
            read_closed,
            write_closed,
            error: write_closed,
        })
    }

    /// Marks an end as not ready, because an operation on it has returned `WouldBlock`.
    pub(crate) fn clear_pipe(&mut self, key: Key, direction: Direction) {
        if let Some(end) = self.pipe_ends.get(key) {
            end.ready[direction as usize] = false;
        }
    }

    /// Writes bytes.
    pub(crate) fn write_pipe(&mut self, key: Key, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let Readiness { writable, write_closed, .. } = self.readiness_pipe(key)?;
        let pipe_key = self.pipe_ends.get(key).ok_or(Errno::NotConnected)?.pipe;
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        if write_closed && len > 0 {
            return Err(Errno::BrokenPipe);
        }
        let Some(pipe) = self.pipes.get(pipe_key) else { return Err(Errno::NotConnected) };
        let free = CAPACITY_BYTES - pipe.bytes.len();
        if !writable || len > 0 && free < len.min(ATOMIC_BYTES) {
            self.clear_pipe(key, Direction::Write);
            return Err(Errno::WouldBlock);
        }
        let count = len.min(free);
        let mut left = count;
        for piece in pieces {
            let taken = piece.len().min(left);
            pipe.bytes.extend(&piece[..taken]);
            left -= taken;
        }
        if count > 0 {
            self.becomes_ready(pipe_key, Direction::Read);
        }
        Ok(count)
    }

    /// Reads at most `max` bytes. `take` gets them in one or two pieces.
    pub(crate) fn read_pipe(
        &mut self,
        key: Key,
        max: usize,
        reading: Reading,
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize, Errno> {
        let Readiness { readable, read_closed, .. } = self.readiness_pipe(key)?;
        let pipe_key = self.pipe_ends.get(key).ok_or(Errno::NotConnected)?.pipe;
        let Some(pipe) = self.pipes.get(pipe_key) else { return Err(Errno::NotConnected) };
        if !readable || pipe.bytes.is_empty() && !read_closed {
            self.clear_pipe(key, Direction::Read);
            return Err(Errno::WouldBlock);
        }
        let count = pipe.bytes.len().min(max);
        let (first, second) = pipe.bytes.as_slices();
        let in_first = count.min(first.len());
        take(&first[..in_first]);
        take(&second[..count - in_first]);
        pipe.bytes.drain(..count);
        let (is_empty, has_capacity) =
            (pipe.bytes.is_empty(), CAPACITY_BYTES - pipe.bytes.len() >= ATOMIC_BYTES);
        if reading == Reading::Poll && is_empty && 0 < count && count < max {
            self.clear_pipe(key, Direction::Read);
        }
        if count > 0 && has_capacity {
            self.becomes_ready(pipe_key, Direction::Write);
        }
        Ok(count)
    }

    /// Registers a waiter for an end to become ready in this direction.
    pub(crate) fn wait_pipe(&mut self, key: Key, direction: Direction, waiter: W, slot: WaitSlot) {
        if let Some(end) = self.pipe_ends.get(key) {
            self.released.extend(end.waiters[direction as usize].add(waiter, slot));
        }
    }

    /// Returns the host of an end, the number of bytes in its pipe, and whether a task waits at the end in this direction.
    pub(super) fn waits_at_pipe(&mut self, key: Key, direction: Direction) -> Option<(u32, usize, bool)> {
        let end = self.pipe_ends.get(key)?;
        let (host, pipe, waits) = (end.host, end.pipe, !end.waiters[direction as usize].is_empty());
        Some((host, self.pipes.get(pipe)?.bytes.len(), waits))
    }

    /// Closes an end.
    pub(crate) fn close_pipe(&mut self, key: Key) {
        let Some(mut end) = self.pipe_ends.remove(key) else { return };
        for waiters in &mut end.waiters {
            waiters.wake(&mut self.released);
        }
        let Some(pipe) = self.pipes.get(end.pipe) else { return };
        pipe.ends.retain(|other| *other != key);
        if pipe.ends.is_empty() {
            if let Some(file) = self.pipes.remove(end.pipe).and_then(|pipe| pipe.file) {
                self.pipe_files.remove(&file);
            }
            return;
        }
        // The other side learns that it is alone.
        for direction in [Direction::Read, Direction::Write] {
            let other = if direction == Direction::Read { Direction::Write } else { Direction::Read };
            if end.access[direction as usize] && !self.has_end(end.pipe, direction) {
                self.becomes_ready(end.pipe, other);
            }
        }
    }

    /// Removes the ends on a host that has crashed.
    pub(super) fn crash_pipes(&mut self, host: u32) {
        for key in self.pipe_ends.keys() {
            if let Some(end) = self.pipe_ends.get(key).filter(|end| end.host == host) {
                for waiters in &mut end.waiters {
                    waiters.wake(&mut self.released);
                }
                self.close_pipe(key);
            }
        }
    }
}
