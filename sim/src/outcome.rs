//! How a run can fail, and what makes two failures the same.
//!
//! Always true: shrinking and deduplication keep the [`Fingerprint`] equal, and it depends on what failed where, never
//! on values, times or the order in which unrelated things happened.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::{Access, Anomaly, NodeState, NodeWait, Seed, Site, SocketWait, TaskLabel};

/// A task that waits for something that will not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedTask {
    /// Which task.
    pub task: TaskLabel,
    /// Where it waits, where that can be known.
    pub waits_at: Option<Site>,
    /// Since when, nanoseconds of virtual time since the run's start.
    pub since_ns: u64,
    /// What it waits for, where that can be known.
    pub waits_for: Option<Box<Awaited>>,
}

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Awaited {
    /// Something that tasks share: a lock, a message.
    Resource {
        /// What it is: `mutex`, say.
        name: Cow<'static, str>,
        /// Where it was made.
        made: Option<Site>,
        /// What the task wants to do to it.
        access: Access,
        /// Who holds it, or parts of it.
        held_by: Box<[Holder]>,
    },
    /// The end of another task.
    End(TaskLabel),
    /// That its node, which is paused, goes on; it is ready otherwise.
    Resumption,
    /// What becomes of a node.
    Node {
        /// The node's name.
        node: Arc<str>,
        /// Its state.
        state: NodeState,
        /// How many tasks it has.
        tasks: u32,
        /// What the task waits for.
        wait: NodeWait,
    },
    /// A socket.
    Socket(SocketWait),
    /// Any of these, whichever comes first.
    Any(Box<[Awaited]>),
}

/// Who holds what another waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which task.
    pub task: TaskLabel,
    /// Where it got hold of it.
    pub at: Option<Site>,
    /// Whether it has ended, and will never let go.
    pub ended: bool,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureKind {
    /// The root task panicked.
    Panic,
    /// A spawned task panicked, and nobody looked at its `JoinError`.
    UnobservedPanic,
    /// No task is ready, no timer is set, and the root has not finished.
    Deadlock,
    /// Tasks keep running while time stands still.
    Livelock,
    /// The run took more steps than allowed.
    StepLimit,
    /// The run took more virtual time than allowed.
    TimeLimit,
    /// Two runs of one schedule differ.
    Nondeterminism,
    /// Something from outside the simulation reached in: a real thread woke a task.
    Escape,
    /// The test returned `Err`.
    Error,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Panic,
        Self::UnobservedPanic,
        Self::Deadlock,
        Self::Livelock,
        Self::StepLimit,
        Self::TimeLimit,
        Self::Nondeterminism,
        Self::Escape,
        Self::Error,
    ];

    /// The kind in the words of a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::UnobservedPanic => "unobserved panic",
            Self::Deadlock => "deadlock",
            Self::Livelock => "livelock",
            Self::StepLimit => "step limit",
            Self::TimeLimit => "time limit",
            Self::Nondeterminism => "nondeterminism",
            Self::Escape => "escape",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What makes two failures the same: a number made of kind and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A panic, with this text.
    Panic(String),
    /// The test's error, as its `Debug` prints it.
    Error(String),
    /// So many tasks wait, and nothing in the run can wake one.
    Deadlock(usize),
    /// More polls than this at one instant.
    Livelock(u64),
    /// At the end of the run tasks that were dropped kept spawning others, so many times over.
    EndlessEnd(u32),
    /// More steps than this.
    StepLimit(u64),
    /// More virtual time than allowed, in nanoseconds.
    TimeLimit {
        /// How much is allowed.
        max_ns: u64,
        /// When the next timer is due.
        next_timer_ns: u64,
    },
    /// A real thread woke a task.
    Escape,
    /// Runs of one schedule differ.
    Nondeterminism {
        /// In what.
        differ: Difference,
        /// How one of them failed.
        seen: Option<Box<Failure>>,
    },
}

/// In what runs of one schedule differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// Nobody knows.
    Unknown,
    /// In a step.
    Step(Box<DifferentStep>),
    /// In how they end; they take the same steps.
    End,
    /// The first one from two later ones.
    First,
    /// The first run of the process, of this seed or the quiet one, passed, and goes another way now.
    LeftBehind(Option<Seed>),
    /// A run that was to repeat the first steps of an earlier one, so many, went another way.
    Prefix(u64),
}

/// The first step in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DifferentStep {
    /// Which step, from 1.
    pub step: u64,
    /// What each of the runs does; `None` for one that has ended.
    pub runs: [Option<Resumed>; 2],
}

/// A task's resumption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Which task.
    pub task: TaskLabel,
    /// Which of its resumptions, from 0.
    pub resume: u32,
    /// When, nanoseconds since the run's start.
    pub at_ns: u64,
}

/// Something that may have led to a failure, or a hint at what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A task had panicked before.
    EarlierPanic {
        /// Which task.
        task: TaskLabel,
        /// Where.
        site: Option<Site>,
        /// The panic's text.
        message: String,
    },
    /// The node of this name is paused, and nothing resumes it.
    PausedNode(Arc<str>),
    /// A real thread woke a task a moment after the run.
    WokenByThread,
    /// The panic comes of tokio's own runtime, which is not there.
    TokioRuntime,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// What happened: see [`message`](Self::message) for the words.
    pub cause: Cause,
    /// What may have led to it; no part of the fingerprint.
    pub notes: Box<[Note]>,
    /// Where it happened: the place of the panic.
    pub site: Option<Box<Site>>,
    /// The task that failed, where one did.
    pub task: Option<Box<TaskLabel>>,
    /// The tasks that wait, for deadlocks and limits.
    pub blocked: Box<[BlockedTask]>,
    /// What was not as usual in the network at that moment, where there is one; no part of the fingerprint.
    pub network: Box<[Anomaly]>,
    /// Virtual time of the failure, nanoseconds since the run's start.
    pub at_ns: u64,
    /// How many steps had been taken.
    pub at_step: u64,
}

impl Failure {
    /// Tasks each of which waits for the next one, and the last for the first; empty where there are none.
    #[must_use]
    pub fn cycle(&self) -> Vec<&TaskLabel> {
        (0..self.blocked.len())
            .find_map(|first| {
                let mut way = vec![first];
                let mut seen = vec![false; self.blocked.len()];
                self.leads_back(&mut way, &mut seen).then_some(way)
            })
            .unwrap_or_default()
            .into_iter()
            .map(|index| &self.blocked[index].task)
            .collect()
    }

    /// Goes on from the last of `way` until its first is reached again.
    fn leads_back(&self, way: &mut Vec<usize>, seen: &mut [bool]) -> bool {
        let last = way[way.len() - 1];
        for next in self.blocked[last].waits_on() {
            let Some(next) = self.blocked.iter().position(|blocked| blocked.task.path == next.path) else {
                continue;
            };
            if next == way[0] && way.len() > 1 {
                return true;
            }
            if next != last && !seen[next] {
                seen[next] = true;
                way.push(next);
                if self.leads_back(way, seen) {
                    return true;
                }
                way.pop();
            }
        }
        false
    }

    /// What makes this failure the same as another.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        // FNV-1a: short, fixed, and good enough to tell the failures of one test apart.
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        let mut mix = |bytes: &[u8]| {
            for &byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
            }
        };
        mix(self.kind.name().as_bytes());
        match (&self.site, self.kind) {
            (Some(site), _) => mix(site.to_string().as_bytes()),
            // An `Err` has no place; its text without numbers stands for it.
            (None, FailureKind::Error) => {
                let message = self.message();
                let letters = message.chars().filter(|character| !character.is_ascii_digit());
                mix(letters.collect::<String>().as_bytes());
            }
            (None, _) => {}
        }
        Fingerprint(hash)
    }
}

impl std::error::Error for Failure {}

impl BlockedTask {
    /// The tasks without which it can't go on.
    fn waits_on(&self) -> impl Iterator<Item = &TaskLabel> {
        let (end, holders) = match self.waits_for.as_deref() {
            // It may go on without any one of several.
            Some(Awaited::End(task)) => (Some(task), &[][..]),
            Some(Awaited::Resource { held_by, .. }) => (None, &held_by[..]),
            // It may go on without any one of several.
            _ => (None, &[][..]),
        };
        end.into_iter().chain(holders.iter().map(|holder| &holder.task))
    }
}
