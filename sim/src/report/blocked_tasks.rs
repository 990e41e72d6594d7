//! The blocked tasks of a deadlock or a limit: what each one waits for, who holds that, and the cycle.

use std::fmt;

use super::task_names::TaskNames;
use super::{since, world_text};
use crate::text::{Nanos, counted, counted_with, grouped, wrap};
use crate::{Access, Awaited, BlockedTask, ChannelUser, Failure, Holder, ResourceKind, ResourceState};

/// Lists the blocked tasks, if there are any.
pub(super) fn write(text: &mut String, failure: &Failure, names: &TaskNames) {
    if failure.blocked.is_empty() {
        return;
    }
    text.push_str("\nBlocked tasks\n");
    if let Some(cycle) = failure.cycle_line() {
        wrap(text, "  ", "    ", &cycle);
    }
    for blocked in &failure.blocked {
        names.introduce(&blocked.task);
        wrap(text, "  - ", "    ", &blocked.to_string());
    }
}

impl BlockedTask {
    /// A failure describes at most this many blocked tasks.
    pub const DESCRIBED_MAX: usize = 20;
}

impl Failure {
    /// Renders the [cycle](Self::cycle) as a line.
    pub(super) fn cycle_line(&self) -> Option<String> {
        let cycle = self.cycle();
        let first = cycle.first()?;
        let names: Vec<_> = cycle.iter().chain([first]).map(ToString::to_string).collect();
        Some(format!("cycle: {}", names.join(" → ")))
    }
}

impl fmt::Display for BlockedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.task)?;
        if let Some(spawned) = &self.task.spawned {
            write!(f, ", spawned at {spawned},")?;
        }
        if let Some(Awaited::NoWaker { step }) = self.waits_for.as_deref() {
            let step = grouped(*step);
            return write!(
                f,
                " returned `Pending` at step {step} without keeping a waker: nothing can wake it"
            );
        }
        f.write_str(if self.waits_for.is_some() { " has waited at " } else { " has been blocked at " })?;
        match &self.waits_at {
            Some(site) => write!(f, "{site}")?,
            None => f.write_str("an unknown place")?,
        }
        write!(f, " {}", since(self.since_ns))?;
        if self.for_ns > 0 {
            write!(f, " (for {})", Nanos(self.for_ns))?;
        }
        match self.waits_for.as_deref() {
            None => Ok(()),
            Some(Awaited::Any(all)) => {
                let mut all = all.iter();
                all.next().map_or(Ok(()), |awaited| self.waits(f, awaited, [";", ""]))?;
                all.try_for_each(|awaited| self.waits(f, awaited, ["; or", ", or"]))
            }
            Some(awaited) => self.waits(f, awaited, [";", ""]),
        }
    }
}

impl BlockedTask {
    /// Writes what the task waits for. `clause` comes before a clause with a subject of its own, `object` before an object
    /// (`for …`).
    fn waits(
        &self,
        f: &mut fmt::Formatter<'_>,
        awaited: &Awaited,
        [clause, object]: [&str; 2],
    ) -> fmt::Result {
        match awaited {
            Awaited::End(task) => write!(f, "{object} for task {task} to end"),
            Awaited::Resumption => write!(f, "{object} for its node to be resumed"),
            Awaited::Node { node, state, tasks, wait } => {
                write!(f, "{clause} it {}", world_text::node_wait(node, *state, *tasks, *wait))
            }
            Awaited::Socket(wait) => write!(f, "{clause} it {wait}"),
            Awaited::Any(all) => all.iter().try_for_each(|awaited| self.waits(f, awaited, [clause, object])),
            // A task that waits for nothing has a sentence of its own.
            Awaited::NoWaker { .. } => Ok(()),
            Awaited::Resource { kind, name, made, access, held_by, more_holders, handed_to, state } => {
                write!(f, "{object} for {}`{name}`", part(*kind, *access, state))?;
                if let Some(made) = made {
                    write!(f, " (created at {made})")?;
                }
                write!(f, "{state}")?;
                if let Some(handed) = handed_to {
                    let Holder { task, at, .. } = &**handed;
                    f.write_str(", handed to a future of ")?;
                    if *task == self.task {
                        f.write_str("the task itself")?
                    } else {
                        write!(f, "{task}")?
                    }
                    if let Some(at) = at {
                        write!(f, ", requested at {at},")?;
                    }
                    f.write_str(" which is not being polled")?;
                } else if held_by.is_empty()
                    && *access == Access::Acquire
                    && !matches!(state, ResourceState::Permits { exist: 0, .. })
                {
                    f.write_str(", held by no task")?;
                }
                for (number, holder) in held_by.iter().enumerate() {
                    f.write_str(if number == 0 { ", held by " } else { "; and by " })?;
                    match (&holder.task, holder.ended) {
                        (task, _) if *task == self.task => f.write_str("the task itself")?,
                        (task, false) => write!(f, "{task}")?,
                        (task, true) => write!(f, "{task}, which has ended")?,
                    }
                    if let Some(at) = &holder.at {
                        write!(f, ", acquired at {at}")?;
                    }
                }
                match *more_holders as u64 {
                    0 => Ok(()),
                    more => write!(f, "; and by {} more", grouped(more)),
                }
            }
        }
    }
}

/// Renders what of the resource a task waits for, before the name of the resource.
fn part(kind: ResourceKind, access: Access, state: &ResourceState) -> &'static str {
    use ResourceKind::{Broadcast, Channel, Watch};
    match (kind, access, state) {
        (_, _, ResourceState::Full { .. }) => "capacity in ",
        (_, _, ResourceState::Empty { .. }) | (Channel | Broadcast, Access::Receive, _) => "a message in ",
        (Channel | Broadcast, Access::Read, _) => "the closing of ",
        (Watch, Access::Read, _) => "a change of ",
        _ => "",
    }
}

/// Renders the state after the name of the resource: `: 5 permits requested, 3 exist`. Empty if it is unknown.
impl fmt::Display for ResourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, verbs) = (grouped, ["is left", "are left"]);
        match self {
            Self::Unknown => Ok(()),
            Self::Permits { requested, exist } => {
                write!(
                    f,
                    ": {} requested, and only {} exist, free or not",
                    counted((*requested).into(), "permit"),
                    number(*exist)
                )
            }
            Self::Full { capacity, receiver } => {
                write!(f, ": {0} of {0} used", number(*capacity))?;
                match receiver {
                    None => Ok(()),
                    Some(ChannelUser::Used(task)) => write!(f, "; {task} receives from it"),
                    Some(ChannelUser::Created(task)) => {
                        write!(f, "; {task} created the channel, and no task has received from it")
                    }
                }
            }
            Self::Empty { senders, sender } => {
                write!(f, ": {}", counted_with(*senders, "sender", verbs))?;
                match sender {
                    None => Ok(()),
                    Some(ChannelUser::Used(task)) => write!(f, "; {task} has used it"),
                    Some(ChannelUser::Created(task)) => {
                        write!(f, "; {task} created the channel; which task has the sender is not known")
                    }
                }
            }
            Self::Barrier { arrived, size } => {
                write!(f, ": {} of {} have arrived", number(*arrived), counted(*size, "task"))
            }
        }
    }
}
