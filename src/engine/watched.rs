//! What a recorder knows of a resource: who holds it, who has requested it, and who uses it.
//!
//! # Invariants
//! - The requests of a queue are in the order in which they are served.
//! - What is not known is not said: a state that no fact is known of is [`ResourceState::Unknown`].

use std::collections::VecDeque;
use std::panic::Location;

use timeloop_sim::{Access, IntSet, ResourceKind, ResourceState};

/// What a recorder knows of a resource.
#[derive(Debug, Default)]
pub(super) struct WatchedResource {
    /// Its index in the record, once it is recorded.
    pub(super) index: Option<usize>,
    pub(super) kind: ResourceKind,
    pub(super) holders: Vec<Holder>,
    /// The requests that wait in the queue.
    queue: VecDeque<Request>,
    /// The task that created it.
    pub(super) creator: Option<u32>,
    /// The task that received from it last.
    receiver: Option<u32>,
    /// The tasks that have sent to it.
    senders: IntSet,
    /// The task that closed it, and the index of its step.
    pub(super) closed: Option<(u32, u64)>,
    /// How many parts exist, held or not.
    exist: Option<u64>,
    /// The capacity of a channel that was full.
    capacity: Option<u64>,
    /// How many senders a channel has.
    sender_count: Option<u64>,
    /// How many tasks have arrived at a barrier, and how many it waits for.
    arrivals: Option<(u64, u64)>,
}

/// A task that holds a resource, or a part of it. Tasks are indices into the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) task: u32,
    /// Where the task acquired it.
    pub(super) at: Option<&'static Location<'static>>,
    /// How many parts it holds.
    parts: u64,
}

/// A request that waits in a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// The address of its future, which distinguishes it from the others.
    future: *const (),
    pub(super) task: u32,
    pub(super) at: &'static Location<'static>,
    parts: u64,
}

/// A fact about a resource, which a primitive reports in a recorded run.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "sync"), expect(dead_code, reason = "constructed by locks and channels alone"))]
pub(crate) enum Fact {
    /// How many parts exist, held or not.
    Exist(usize),
    /// A sender waits for capacity.
    Full { capacity: usize },
    /// How many senders a channel has.
    Senders(usize),
    /// How many tasks have arrived at a barrier, and how many it waits for.
    Arrived { arrived: usize, size: usize },
    /// The running task has closed it, or dropped its last handle.
    Closed,
}

/// A task at the other half of a channel.
#[derive(Clone, Copy, Debug)]
pub(super) enum User {
    Used(u32),
    Created(u32),
}

impl WatchedResource {
    /// Adds a fact that the running task reports in its current step.
    pub(super) fn learn(&mut self, fact: Fact, running: u32, step: u64) {
        match fact {
            Fact::Exist(parts) => self.exist = Some(parts as u64),
            Fact::Full { capacity } => self.capacity = Some(capacity as u64),
            Fact::Senders(count) => self.sender_count = Some(count as u64),
            Fact::Arrived { arrived, size } => self.arrivals = Some((arrived as u64, size as u64)),
            Fact::Closed => {
                self.closed.get_or_insert((running, step));
            }
        }
    }

    /// Adds an operation of a task.
    pub(super) fn used(&mut self, task: u32, access: Access) {
        match access {
            Access::Receive => self.receiver = Some(task),
            Access::Send => {
                self.senders.insert(task);
            }
            _ => {}
        }
    }

    pub(super) fn acquired(&mut self, task: u32, parts: usize, at: Option<&'static Location<'static>>) {
        self.holders.push(Holder { task, at, parts: parts as u64 });
    }

    /// Takes parts from the holders: from the running task, and then from the first holder.
    pub(super) fn released(&mut self, running: u32, parts: usize) {
        let mut left = parts as u64;
        while left > 0 && !self.holders.is_empty() {
            let position = self.holders.iter().position(|holder| holder.task == running).unwrap_or(0);
            let holder = &mut self.holders[position];
            let taken = holder.parts.min(left);
            (holder.parts, left) = (holder.parts - taken, left - taken);
            if holder.parts == 0 {
                self.holders.remove(position);
            }
        }
    }

    /// Adds a request to the queue.
    pub(super) fn requested(
        &mut self,
        future: *const (),
        task: u32,
        parts: usize,
        at: &'static Location<'static>,
    ) {
        self.queue.push_back(Request { future, task, at, parts: parts as u64 });
    }

    /// Removes a request, which was served or given up.
    pub(super) fn served(&mut self, future: *const ()) {
        if let Some(position) = self.queue.iter().position(|request| request.future == future) {
            self.queue.remove(position);
        }
    }

    /// Returns the request that has what it asks for, although its future has not been polled since.
    pub(super) fn handed_to(&self) -> Option<&Request> {
        let first = self.queue.front()?;
        let held: u64 = self.holders.iter().map(|holder| holder.parts).sum();
        (held + first.parts <= self.exist?).then_some(first)
    }

    /// Returns the state for a task that waits with this access. `lives` returns whether a task has not ended, and `label`
    /// describes one.
    pub(super) fn state(
        &self,
        task: u32,
        access: Access,
        lives: impl Fn(u32) -> bool,
        label: impl Fn(User) -> timeloop_sim::ChannelUser,
    ) -> ResourceState {
        let created = || self.creator.map(User::Created);
        match access {
            Access::Acquire => {
                let request = self.queue.iter().rfind(|request| request.task == task);
                match (request, self.exist) {
                    (Some(request), Some(exist)) if request.parts > exist => {
                        let requested = u32::try_from(request.parts).unwrap_or(u32::MAX);
                        ResourceState::Permits { requested, exist }
                    }
                    _ => ResourceState::Unknown,
                }
            }
            Access::Send => {
                let receiver = self.receiver.map(User::Used).or_else(created).map(label);
                let full = |capacity| ResourceState::Full { capacity, receiver };
                self.capacity.map_or(ResourceState::Unknown, full)
            }
            Access::Receive => {
                let Some(senders) = self.sender_count else { return ResourceState::Unknown };
                let mut living = self.senders.keys().map(|task| task as u32).filter(|&task| lives(task));
                let sender = match (senders, living.next(), living.next()) {
                    (1, Some(one), None) => Some(User::Used(one)),
                    (1, None, _) => created(),
                    _ => None,
                };
                ResourceState::Empty { senders, sender: sender.map(label) }
            }
            _ => self
                .arrivals
                .map_or(ResourceState::Unknown, |(arrived, size)| ResourceState::Barrier { arrived, size }),
        }
    }
}
