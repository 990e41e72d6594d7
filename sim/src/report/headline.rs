//! The headline of a report, and the paragraph below it: what failed (panic, error, deadlock, livelock, limit, escape).

use std::fmt::{self, Write as _};

use super::task_names::TaskNames;
use super::{nondeterminism, since};
use crate::text::{Nanos, counted, grouped, wrap};
use crate::{
    BlockedCall, Cause, Exploration, Failure, FailureKind, Found, FoundBy, Holder, Limits, Note, RealCall,
    Site, TestName,
};

/// Writes the headline, the message, the notes, and when the failure occurred.
pub(super) fn write(text: &mut String, test: &TestName, found: &Found, names: &TaskNames) {
    let failure = &found.failure;
    let frequency = &found.frequency;
    let how_often = match &found.by {
        FoundBy::Replay => "failed under the replayed schedule".to_owned(),
        _ if frequency.tried == 0 => "failed".to_owned(),
        FoundBy::Regression { .. } => {
            let failing = match frequency.failing {
                0 => "none".to_owned(),
                failing => grouped(failing),
            };
            format!("failed under a stored schedule, and in {failing} of {} others", grouped(frequency.tried))
        }
        _ => format!("failed in {} of {} schedules", grouped(frequency.failing), grouped(frequency.tried)),
    };
    let _ = write!(text, "timeloop: `{test}` {how_often}: {}", failure.kind);
    if let Some(site) = &failure.site {
        let _ = write!(text, " at {site}");
    }
    text.push_str("\n\n");
    // Only timeloop's own text is wrapped.
    let is_verbatim =
        matches!(failure.kind, FailureKind::Panic | FailureKind::UnobservedPanic | FailureKind::Error);
    for line in failure.message().lines() {
        if is_verbatim {
            let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        } else {
            wrap(text, "  ", if line.starts_with("- ") { "    " } else { "  " }, line);
        }
    }
    for note in &failure.notes {
        // The first line of an earlier panic is the panic's own text, too.
        note.text(names).lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    let mut context = String::new();
    // A limit is no failure of the task that was next.
    if let Some(task) = failure.task.as_ref().filter(|_| !failure.kind.is_limit()) {
        let _ = write!(context, "in task {task}, ");
        if let Some(site) = task.spawned.as_ref().filter(|_| names.introduce(task)) {
            let _ = write!(context, "spawned at {site}, ");
        }
    }
    let (steps, at) = (counted(failure.at_step, "step"), Nanos(failure.at_ns));
    wrap(text, "  ", "  ", &format!("({context}after {steps}, at virtual time {at})"));
}

impl Exploration {
    /// Renders the report of the failure, the error that kept the exploration from being made in full, or the number of
    /// schedules in which the test passed.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = match (&self.found, &self.error, &self.searched) {
            (Some(found), ..) => found.report.clone(),
            (None, Some(_), _) => String::new(),
            (None, None, Some(searched)) => format!("timeloop: `{}` passed in {searched}\n", self.test),
            (None, None, None) => {
                format!("timeloop: `{}` passed in {}\n", self.test, counted(self.schedules(), "schedule"))
            }
        };
        if let Some(error) = &self.error {
            let _ = writeln!(text, "timeloop: `{}`: {error}", self.test);
        }
        text
    }
}

impl Failure {
    /// Describes what happened: the panic's message, the `Err`, or the limit that was reached and how to raise it.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.cause {
            Cause::Panic(message) => message.clone(),
            // Part of the fingerprint: this text must not change.
            Cause::Error(error) => format!("the test returned an error: {error}"),
            Cause::Deadlock(waiting) => {
                let named = self.blocked.len();
                let nothing_can = "no task is ready and no timer is pending, so nothing can wake";
                match waiting {
                    1 => format!("{nothing_can} the blocked task"),
                    count if *count <= named => format!("{nothing_can} the {count} blocked tasks"),
                    count => {
                        let count = grouped(*count as u64);
                        format!("{nothing_can} the {count} blocked tasks (the first {named} are listed)")
                    }
                }
            }
            Cause::BlockedThread(call) => {
                let BlockedCall { task, access, name, made, held_by } = &**call;
                let made = made.as_ref().map_or_else(String::new, |made| format!(" (created at {made})"));
                let holder = match &**held_by {
                    [] => "which is borrowed".to_owned(),
                    [Holder { task: holder, at, .. }, ..] => {
                        let holder =
                            if holder == task { "the task itself".to_owned() } else { holder.to_string() };
                        let place = at.as_ref().map_or_else(String::new, |at| format!(" at {at}"));
                        format!("whose value {holder} has borrowed{place}")
                    }
                };
                format!(
                    "{task} {} `{name}`{made}, {holder}. The call blocks the only thread, so the borrow never ends. Drop \
                     the borrowed value before the next `.await`.",
                    access.verb(),
                )
            }
            Cause::Livelock(max) => format!(
                "{} polls while virtual time did not advance: tasks keep waking themselves or each other. If the test needs \
                 more polls at one instant, raise `max_polls_per_instant`.",
                grouped(*max),
            ),
            Cause::TooManyOperations(max) => format!(
                "more than {} operations on locks, channels and the like while virtual time did not advance: a task keeps \
                 repeating operations for which it does not have to wait. The limit is {} operations for each poll of \
                 `max_polls_per_instant`: if the test needs more, raise that.",
                grouped(*max),
                Limits::OPERATIONS_PER_POLL,
            ),
            Cause::EndlessEnd(rounds) => format!(
                "at the end of the run, the remaining tasks spawned new tasks while they were dropped, {rounds} times in a \
                 row. A destructor must not spawn a task whose destructor spawns another."
            ),
            Cause::StepLimit(max) => {
                let advice = self.advice("If the test needs more, raise `max_steps`.");
                format!("the run did not end within {} steps. {advice}", grouped(*max))
            }
            Cause::TimeLimit { max_ns, next_timer_ns } => {
                let (max, next) = (Nanos(*max_ns), Nanos(*next_timer_ns));
                let advice = self.advice("If the test needs more time, raise `max_virtual_time`.");
                format!(
                    "the run did not end within {max} of virtual time; the next timer is due at {next}. {advice}"
                )
            }
            Cause::Escape => "a real thread woke a task of the run, at a time that is not reproducible. Replace the \
                              thread by `timeloop::task::spawn_blocking`, and do not start another runtime."
                .to_owned(),
            Cause::HandleUsedElsewhere => "a real thread used or dropped something of the run (the handle of a task, a \
                                           timer, a socket or a node), at a time that is not reproducible. Replace \
                                           the thread by `timeloop::task::spawn_blocking`, and do not start another \
                                           runtime."
                .to_owned(),
            Cause::RealCall(call) => real_call(*call).to_owned(),
            Cause::Nondeterminism { differ, seen } => nondeterminism::message(differ, seen.as_deref()),
        }
    }

    /// Returns `advice` for a run that has reached a limit. If tasks have waited for each other during most of the run, a higher
    /// limit rarely helps, and the advice is replaced by that fact.
    fn advice(&self, advice: &str) -> String {
        let Some((tasks, since_ns)) = self.lasting_cycle() else { return advice.to_owned() };
        let (tasks, since) = (counted(tasks as u64, "task"), since(since_ns));
        format!("{tasks} have waited for each other in a cycle {since}, while other tasks continued.")
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
            f.write_str("\n  network:")?;
        }
        super::world_text::network_lines(&self.network).iter().try_for_each(|line| write!(f, "\n  - {line}"))
    }
}

/// Says what the call would do, and what to do instead.
fn real_call(call: RealCall) -> &'static str {
    match call {
        RealCall::StartThread => {
            "the code starts a real thread (`pthread_create`), which no schedule controls. Run its work in the simulation, by \
             `task::spawn_blocking` or `spawn`, or start the thread before the run. To let threads run uncontrolled, switch \
             the hermetic mode off (TIMELOOP_HERMETIC=off)."
        }
        RealCall::Connect => {
            "the code connects a real socket (`connect`), and the peer is not in the simulation. Use the sockets of \
             `tokio::net` or `timeloop::net`, with a peer in the same run. To allow real sockets, switch the hermetic mode off \
             (TIMELOOP_HERMETIC=off)."
        }
        RealCall::Accept => {
            "the code waits for a connection to a real socket (`accept`), which nothing in the simulation can make. Use the \
             sockets of `tokio::net` or `timeloop::net`. To allow real sockets, switch the hermetic mode off \
             (TIMELOOP_HERMETIC=off)."
        }
        RealCall::Send => {
            "the code sends from a real socket (`sendto`), and the receiver is not in the simulation. Use the sockets of \
             `tokio::net` or `timeloop::net`. To allow real sockets, switch the hermetic mode off (TIMELOOP_HERMETIC=off)."
        }
    }
}

/// Renders a resource: `` `semaphore` (created at bank.rs:57:3) ``.
fn named((name, made): &(std::borrow::Cow<'static, str>, Option<Site>)) -> String {
    let made = made.as_ref().map_or_else(String::new, |made| format!(" (created at {made})"));
    format!("`{name}`{made}")
}

impl Note {
    fn text(&self, names: &TaskNames) -> String {
        match self {
            Self::EarlierPanic { task, site, message } => {
                let place = site.as_ref().map_or_else(String::new, |site| format!(" at {site}"));
                format!("earlier, {} panicked{place}: {message}", names.mention(task))
            }
            Self::Lagged { task, channel, lost, step } => format!(
                "{} lost {} of {} at step {}: it received too late, and newer messages replaced them",
                names.mention(task),
                counted(*lost, "message"),
                named(channel),
                grouped(*step),
            ),
            Self::Closed { task, resource, by, step } => {
                let (task, resource, step) = (names.mention(task), named(resource), grouped(*step));
                let by = by.as_ref().map_or_else(String::new, |(by, step)| {
                    format!("; {} closed it at step {}", names.mention(by), grouped(*step))
                });
                format!("{task} found {resource} closed at step {step}{by}")
            }
            Self::PausedNode(node) => format!("node `{node}` is paused, and nothing resumes it"),
            Self::WokenByThread => {
                "a real thread woke a task shortly after the run had ended. A run does not wait for real threads. Replace \
                 the thread by `timeloop::task::spawn_blocking`, and do not start another runtime."
                    .to_owned()
            }
            Self::TokioRuntime => {
                "the code called tokio's own runtime, which does not exist inside a run. Replace tokio with timeloop in the \
                 code under test (`extern crate timeloop as tokio`). For a dependency that calls tokio itself, run \
                 `cargo timeloop test`."
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&TaskNames::plain()))
    }
}
