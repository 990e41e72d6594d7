//! A failure in words: what happened, who waits for what, and what else was not as usual.

use std::fmt;

use super::world;
use crate::text::{Nanos, Nth, done_at, grouped};
use crate::{Access, Awaited, BlockedTask, Cause, Difference, DifferentStep, Failure, Note, Resumed};

impl Failure {
    /// What happened, one or more sentences: the panic's message, the `Err`, the bound that was hit and how to raise it.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.cause {
            Cause::Panic(message) => message.clone(),
            Cause::Error(error) => format!("the test returned an error: {error}"),
            Cause::Deadlock(waiting) => {
                let named = self.blocked.len();
                let tasks = match waiting {
                    1 => "the 1 task that waits".to_owned(),
                    count if *count <= named => format!("any of the {count} tasks that wait"),
                    count => {
                        let count = grouped(*count as u64);
                        format!("any of the {count} tasks that wait (the first {named} follow)")
                    }
                };
                format!("no task is ready and no timer is set, so nothing in the run can wake {tasks}")
            }
            Cause::Livelock(max) => format!(
                "{} polls while time stood still: tasks keep waking themselves or each other; if the test needs that many \
                 at one instant, raise `max_polls_per_instant`",
                grouped(*max),
            ),
            Cause::EndlessEnd(rounds) => format!(
                "tasks that were dropped at the end of the run kept spawning others, {rounds} times over; a destructor must \
                 not spawn a task whose own destructor does so again"
            ),
            Cause::StepLimit(max) => {
                format!(
                    "the run did not end within {} steps; if it needs more, raise `max_steps`",
                    grouped(*max)
                )
            }
            Cause::TimeLimit { max_ns, next_timer_ns } => format!(
                "the run did not end within {} of virtual time, and its next timer is due at {}; if it needs more, raise \
                 `max_virtual_time`",
                Nanos(*max_ns),
                Nanos(*next_timer_ns),
            ),
            Cause::Escape => {
                "a real thread woke a task of the run, and nobody can say when it will do so next time; use \
                              `timeloop::task::spawn_blocking` in place of the thread, and no other runtime"
                    .to_owned()
            }
            Cause::Nondeterminism { differ, seen } => nondeterminism(differ, seen.as_deref()),
        }
    }

    /// The [cycle](Self::cycle) as a line.
    pub(super) fn cycle_line(&self) -> Option<String> {
        let cycle = self.cycle();
        let first = cycle.first()?;
        let names: Vec<_> = cycle.iter().chain([first]).map(ToString::to_string).collect();
        Some(format!("cycle: {}", names.join(" -> ")))
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
        write!(f, " after {}: {}", Nanos(self.at_ns), self.message())?;
        for note in &self.notes {
            write!(f, "\n  {}", note.to_string().replace('\n', "\n  "))?;
        }
        if let Some(cycle) = self.cycle_line() {
            write!(f, "\n  {cycle}")?;
        }
        self.blocked.iter().try_for_each(|blocked| write!(f, "\n  {blocked}"))?;
        if !self.network.is_empty() {
            f.write_str("\n  the network then:")?;
        }
        world::network_lines(&self.network).iter().try_for_each(|line| write!(f, "\n  - {line}"))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EarlierPanic { task, site, message } => {
                let place = site.as_ref().map_or_else(String::new, |site| format!(" at {site}"));
                write!(f, "before that, {task} panicked{place}: {message}")
            }
            Self::PausedNode(node) => write!(f, "node `{node}` is paused, and nothing resumes it"),
            Self::WokenByThread => f.write_str(
                "a real thread woke a task of the run a moment later, in real time; a run does not wait for threads, so use \
                 `timeloop::task::spawn_blocking` in place of the thread, and no other runtime",
            ),
            Self::TokioRuntime => f.write_str(
                "that is tokio's own runtime, which is not there inside a run: put timeloop in its place in the code under \
                 test (`extern crate timeloop as tokio`); a dependency that spawns, sleeps or does I/O through tokio itself \
                 can't run here",
            ),
        }
    }
}

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
    /// What it waits for, after where and since when; the words that go before a sentence of its own, and before what the
    /// task waits `for`.
    fn waits(
        &self,
        f: &mut fmt::Formatter<'_>,
        awaited: &Awaited,
        [clause, object]: [&str; 2],
    ) -> fmt::Result {
        match awaited {
            Awaited::End(task) => write!(f, "{object} for the end of {task}"),
            Awaited::Resumption => write!(f, "{object} for its node to be resumed"),
            Awaited::Node { node, state, tasks, wait } => {
                write!(f, "{clause} it {}", world::node_wait(node, *state, *tasks, *wait))
            }
            Awaited::Socket(wait) => write!(f, "{clause} it {wait}"),
            Awaited::Any(all) => all.iter().try_for_each(|awaited| self.waits(f, awaited, [clause, object])),
            Awaited::Resource { name, made, access, held_by } => {
                write!(f, "{object} for `{name}`")?;
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
}

/// That runs of one schedule differ, in what, and what usually is to blame.
fn nondeterminism(differ: &Difference, seen: Option<&Failure>) -> String {
    const DIFFER: &str = "two runs of one schedule differ";
    let what = match differ {
        Difference::Unknown => DIFFER.to_owned(),
        Difference::Step(step) => format!("{DIFFER}, first at {step}"),
        Difference::End => "two runs of one schedule take the same steps and end differently".to_owned(),
        Difference::First => "the first run of a schedule differs from two later ones".to_owned(),
        Difference::LeftBehind(seed) => {
            let run = match seed {
                Some(seed) => format!("the run of seed {seed}"),
                None => "the quiet run".to_owned(),
            };
            format!("{run} passed when it was the first, and goes another way now")
        }
        Difference::Prefix(steps) => {
            let steps = grouped(*steps);
            format!(
                "a run that was to repeat the first {steps} steps of an earlier one went another way at step {steps}"
            )
        }
    };
    let mut message = format!(
        "{what}.\n\
         Something besides the schedule decides what the code does. Look for\n\
         - iteration over a `HashMap` or `HashSet`, whose order differs each time (`timeloop::collections` has a fixed one)\n\
         - the real clock: `std::time::Instant::now`, `SystemTime::now`\n\
         - random numbers that are not drawn from `timeloop::rng()`\n\
         - a `static` or thread-local that one run leaves changed for the next\n\
         - addresses that are compared, sorted by or hashed\n\
         - a real thread, or another runtime, that wakes a task or sends it something\n\
         - `futures::select!` or tokio's own `select!`, which draw from generators of their own"
    );
    if let Some(failure) = seen {
        message.push_str(&format!("\nOne of the runs failed with this: {failure}"));
    }
    message.push_str(match differ {
        Difference::First => {
            "\nThe later runs agree with each other, so most likely the first one left something behind in the process."
        }
        Difference::LeftBehind(_) => {
            "\nMost likely a run leaves something behind for the next: a `static`, a `OnceLock`, a thread-local, a global \
             client or pool."
        }
        _ => "",
    });
    message
}

impl fmt::Display for DifferentStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}", self.step)?;
        if let Some(resumed) = self.runs.iter().flatten().next() {
            write!(f, ", after {}", Nanos(resumed.at_ns))?;
        }
        match &self.runs {
            [Some(a), Some(b)] if (&a.task, a.resume) == (&b.task, b.resume) => {
                if a.at_ns == b.at_ns {
                    write!(f, ": both resume {a}, which then makes different choices")
                } else {
                    write!(f, ": one run resumes {a}, the other does so after {}", Nanos(b.at_ns))
                }
            }
            [Some(a), Some(b)] => write!(f, ": one run resumes {a}, the other {b}"),
            [Some(who), None] | [None, Some(who)] => {
                write!(f, ": one run has ended, the other resumes {who}")
            }
            [None, None] => Ok(()),
        }
    }
}

impl fmt::Display for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spawned = match &self.task.spawned {
            Some(site) => format!("{},", done_at("spawned", Some(site))),
            None => String::new(),
        };
        write!(f, "{}{spawned} for the {} time", self.task, Nth(self.resume))
    }
}
