//! How a run can fail, and what makes two failures the same.
//!
//! Always true: shrinking and deduplication keep the [`Fingerprint`] equal, and it depends on what failed where, never
//! on values, times or the order in which unrelated things happened.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

use crate::{Access, TaskPath};

/// A place in source code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// The file, as the compiler names it.
    pub file: Cow<'static, str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1; 0 where it is not known.
    pub column: u32,
}

impl From<&'static Location<'static>> for Site {
    fn from(location: &'static Location<'static>) -> Self {
        Self { file: Cow::Borrowed(location.file()), line: location.line(), column: location.column() }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if self.column == 0 { Ok(()) } else { write!(f, ":{}", self.column) }
    }
}

/// Who a task is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskLabel {
    /// Its spawn path.
    pub path: TaskPath,
    /// The name that it was given, or that of the function that it runs; empty where neither is known.
    pub name: Cow<'static, str>,
    /// Where it was spawned; `None` for the root.
    pub spawned: Option<Site>,
    /// The name of the node that it runs on; `None` for the one where the test itself runs.
    pub node: Option<Cow<'static, str>>,
}

/// `root`, `` `audit` (root.2) `` or `root.2`; `` `audit` `` where the path of a task that is not the root is not known;
/// `` `audit` on db-1 (root.2) `` on a node.
impl fmt::Display for TaskLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, node) = self.node.as_ref().map_or(("", ""), |node| (" on ", node));
        if self.name.is_empty() {
            write!(f, "`{}`{before}{node}", self.path)
        } else if self.spawned.is_some() && self.path.indices().is_empty() {
            write!(f, "`{}`{before}{node}", self.name)
        } else {
            write!(f, "`{}`{before}{node} ({})", self.name, self.path)
        }
    }
}

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
    /// Something else, in the words of whoever ran the simulation: what the task does, and what is known to keep it from
    /// it, as what follows `it` in a sentence.
    Told(String),
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

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// What happened, one or more sentences: the panic's message, the `Err`, the bound that was hit and how to raise it.
    pub message: String,
    /// What happened before and may have led to it, a sentence each; no part of the fingerprint.
    pub notes: Box<[String]>,
    /// Where it happened: the place of the panic.
    pub site: Option<Box<Site>>,
    /// The task that failed, where one did.
    pub task: Option<Box<TaskLabel>>,
    /// The tasks that wait, for deadlocks and limits.
    pub blocked: Box<[BlockedTask]>,
    /// What was not as usual in the network at that moment, where there is one, a line each; no part of the fingerprint.
    pub network: Box<[String]>,
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

    /// The [cycle](Self::cycle) as a line.
    pub(crate) fn cycle_told(&self) -> Option<String> {
        let cycle = self.cycle();
        let first = cycle.first()?;
        let names: Vec<_> = cycle.iter().chain([first]).map(ToString::to_string).collect();
        Some(format!("cycle: {}", names.join(" -> ")))
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
                let letters = self.message.chars().filter(|character| !character.is_ascii_digit());
                mix(letters.collect::<String>().as_bytes());
            }
            (None, _) => {}
        }
        Fingerprint(hash)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(task) = &self.task {
            write!(f, " in {task}")?;
        }
        if let Some(site) = &self.site {
            write!(f, " at {site}")?;
        }
        write!(f, " after {}: {}", Nanos(self.at_ns), self.message)?;
        for note in &self.notes {
            write!(f, "\n  {}", note.replace('\n', "\n  "))?;
        }
        if let Some(cycle) = self.cycle_told() {
            write!(f, "\n  {cycle}")?;
        }
        self.blocked.iter().try_for_each(|blocked| write!(f, "\n  {blocked}"))?;
        if !self.network.is_empty() {
            f.write_str("\n  the network then:")?;
        }
        self.network.iter().try_for_each(|line| write!(f, "\n  - {line}"))
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for BlockedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.task)?;
        if let Some(spawned) = &self.task.spawned {
            write!(f, ", spawned at {spawned},")?;
        }
        match &self.waits_at {
            Some(site) => write!(f, " waits at {site}")?,
            None => f.write_str(" waits at an unknown place")?,
        }
        write!(f, " since {}", Nanos(self.since_ns))?;
        self.waits_for.as_deref().map_or(Ok(()), |awaited| self.tell(f, awaited))
    }
}

impl BlockedTask {
    /// What it waits for, after where and since when.
    fn tell(&self, f: &mut fmt::Formatter<'_>, awaited: &Awaited) -> fmt::Result {
        match awaited {
            Awaited::End(task) => write!(f, " for the end of {task}"),
            Awaited::Resumption => f.write_str(" for its node to be resumed"),
            Awaited::Told(told) => write!(f, "; it {told}"),
            Awaited::Any(all) => {
                all.iter().enumerate().try_for_each(|(number, awaited)| match (number, awaited) {
                    (0, awaited) => self.tell(f, awaited),
                    (_, Awaited::Told(told)) => write!(f, "; or it {told}"),
                    (_, awaited) => {
                        f.write_str(", or")?;
                        self.tell(f, awaited)
                    }
                })
            }
            Awaited::Resource { name, made, access, held_by } => {
                write!(f, " for `{name}`")?;
                if let Some(made) = made {
                    write!(f, " (made at {made})")?;
                }
                if held_by.is_empty() && *access == Access::Acquire {
                    f.write_str(", which nobody holds")?;
                }
                for (number, holder) in held_by.iter().enumerate() {
                    f.write_str(if number == 0 { ", which " } else { " and " })?;
                    match (&holder.task, holder.ended) {
                        (task, _) if *task == self.task => f.write_str("it holds itself")?,
                        (task, false) => write!(f, "{task} holds")?,
                        (task, true) => write!(f, "{task}, which has ended, still holds")?,
                    }
                    if let Some(at) = &holder.at {
                        write!(f, " since {at}")?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The tasks without which it can't go on.
    fn waits_on(&self) -> impl Iterator<Item = &TaskLabel> {
        let (end, holders) = match self.waits_for.as_deref() {
            // It may go on without any one of several.
            None | Some(Awaited::Resumption | Awaited::Told(_) | Awaited::Any(_)) => (None, &[][..]),
            Some(Awaited::End(task)) => (Some(task), &[][..]),
            Some(Awaited::Resource { held_by, .. }) => (None, &held_by[..]),
        };
        end.into_iter().chain(holders.iter().map(|holder| &holder.task))
    }
}

/// Virtual time for people: `0 s`, `1.5 s`, `20 ms`, `3 µs`, `17 ns`; from one hour on `2 h 30 min`, `365 d 1 s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

impl Nanos {
    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * Self::SECOND;
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= Self::HOUR {
            let days = self.0 / (24 * Self::HOUR);
            let parts =
                [(days, "d"), (self.0 / Self::HOUR % 24, "h"), (self.0 / (60 * Self::SECOND) % 60, "min")];
            let mut gap = "";
            for (count, name) in parts.into_iter().filter(|(count, _)| *count > 0) {
                write!(f, "{gap}{} {name}", grouped(count))?;
                gap = " ";
            }
            let rest = self.0 % (60 * Self::SECOND);
            return if rest == 0 { Ok(()) } else { write!(f, "{gap}{}", Self(rest)) };
        }
        let (unit, name) = match self.0 {
            0 => return f.write_str("0 s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (Self::SECOND, "s"),
        };
        write!(f, "{}", grouped(self.0 / unit))?;
        let rest = format!("{:09}", u128::from(self.0 % unit) * 1_000_000_000 / u128::from(unit));
        let rest = rest.trim_end_matches('0');
        if rest.is_empty() { write!(f, " {name}") } else { write!(f, ".{rest} {name}") }
    }
}

/// A number with its thousands apart: `1,000`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Nanos, grouped};

    #[test]
    fn numbers_have_their_thousands_apart() {
        let grouped: Vec<_> = [0, 7, 999, 1_000, 12_345, 1_234_567].map(grouped).into();
        assert_eq!(grouped, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn times_are_told_in_units_that_fit() {
        const S: u64 = Nanos::SECOND;
        let times = [
            (0, "0 s"),
            (17, "17 ns"),
            (3_000, "3 µs"),
            (3_500_000, "3.5 ms"),
            (S + 1, "1.000000001 s"),
            (90 * S, "90 s"),
            (3_599 * S, "3,599 s"),
            (3_600 * S, "1 h"),
            (9_000 * S + S / 2, "2 h 30 min 500 ms"),
            (365 * 86_400 * S + 1, "365 d 1 ns"),
            (100 * 365 * 86_400 * S, "36,500 d"),
        ];
        for (ns, text) in times {
            assert_eq!(Nanos(ns).to_string(), text);
        }
    }
}
