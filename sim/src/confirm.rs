//! Confirming: a failure is believed once two more runs of its schedule have repeated it, step by step.
//!
//! Always true: what is confirmed can be replayed; what can't be is reported as nondeterminism, with the first step that
//! differs and what usually is to blame.

use std::fmt;

use crate::runner::{Meaning, Runner};
use crate::{Detail, Ended, Failure, FailureKind, Nanos, Record, Schedule, Seed};

/// Runs with more steps than this are not recorded: their record would fill the memory.
pub(crate) const RECORDED_STEPS_MAX: u64 = 2_000_000;

/// How two more runs of a failing schedule went.
#[derive(Debug)]
pub(crate) enum Confirmed {
    /// As the first; here is the second of them, with its record unless it is too long to be kept.
    Same(Box<Ended>),
    /// Not as the first.
    Differs(Box<Failure>),
}

/// Runs `schedule` twice more and compares the runs with `seen`.
pub(crate) fn confirm(runner: &Runner<'_>, schedule: &Schedule, seen: &Seen<'_>) -> Confirmed {
    let detail = if seen.steps > RECORDED_STEPS_MAX { Detail::Lean } else { Detail::Record };
    let (one, two) = (runner.run(schedule, detail), runner.run(schedule, detail));
    if !alike(&one, &two) {
        return Confirmed::Differs(difference(&one, &two, seen.failure));
    }
    if one.trace_hash != seen.trace_hash || fingerprint(&one) != seen.failure.map(Failure::fingerprint) {
        let mut failure =
            nondeterminism("the first run of a schedule differs from two later ones", seen.failure);
        failure.message.push_str(
            "\nThe later runs agree with each other, so most likely the first one left something behind in the process.",
        );
        return Confirmed::Differs(failure);
    }
    Confirmed::Same(Box::new(two))
}

/// The run that is to be confirmed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) failure: Option<&'a Failure>,
    pub(crate) trace_hash: u64,
    pub(crate) steps: u64,
}

/// Makes the exploration's first run, which passed, once more: what a run leaves behind in the process for the next ones
/// shows when the two differ, and a failure that came after it is not the schedule's doing.
pub(crate) fn left_behind(
    runner: &Runner<'_>,
    (schedule, trace_hash): &(Schedule, u64),
    seen: &Failure,
) -> Option<Box<Failure>> {
    let again = runner.run(schedule, Detail::Lean);
    (again.failure.is_some() || again.trace_hash != *trace_hash).then(|| {
        let which = match schedule {
            Schedule::Seeded { seed, .. } => format!("the run of seed {seed}"),
            Schedule::Deviations { .. } => "the quiet run".to_owned(),
        };
        let what = format!("{which} passed when it was the first, and goes another way now");
        let mut failure = nondeterminism(&what, Some(seen));
        failure.message.push_str(
            "\nMost likely a run leaves something behind for the next: a `static`, a `OnceLock`, a thread-local, a global \
             client or pool.",
        );
        failure
    })
}

/// Runs each of `runs` seeds twice; the first seed whose runs differ, and how.
pub(crate) fn check(
    runner: &Runner<'_>,
    base: Seed,
    meaning: &Meaning,
    runs: u64,
) -> Option<(Seed, Box<Failure>)> {
    (0..runs).map(|index| base.of_run(index)).find_map(|seed| {
        runner.begin_exploring(meaning);
        let (one, two) = (runner.explore(seed, meaning), runner.explore(seed, meaning));
        if alike(&one, &two) {
            return None;
        }
        let seen = Seen {
            failure: one.failure.as_deref().or(two.failure.as_deref()),
            trace_hash: one.trace_hash,
            steps: one.steps.max(two.steps),
        };
        match confirm(runner, &meaning.schedule(seed), &seen) {
            Confirmed::Differs(failure) => Some((seed, failure)),
            // The second run was the odd one out, and is gone.
            Confirmed::Same(_) => {
                Some((seed, nondeterminism("two runs of one schedule differ", seen.failure)))
            }
        }
    })
}

fn fingerprint(ended: &Ended) -> Option<crate::Fingerprint> {
    ended.failure.as_ref().map(|failure| failure.fingerprint())
}

fn alike(one: &Ended, two: &Ended) -> bool {
    one.trace_hash == two.trace_hash && fingerprint(one) == fingerprint(two)
}

/// Two runs that are not alike, by the first step in which they differ.
pub(crate) fn difference(one: &Ended, two: &Ended, seen: Option<&Failure>) -> Box<Failure> {
    let what = "two runs of one schedule differ";
    let (Some(a), Some(b)) = (&one.record, &two.record) else { return nondeterminism(what, seen) };
    let step = first_difference(a, b);
    let mut failure = match step {
        Some(step) => {
            let told = Told { step, one: a, two: b };
            nondeterminism(&format!("{what}, first at {told}"), seen)
        }
        None => nondeterminism("two runs of one schedule take the same steps and end differently", seen),
    };
    if let Some((step, record)) =
        step.zip(step.and_then(|step| [a, b].into_iter().find(|r| step < r.steps.len())))
    {
        failure.at_step = step as u64;
        failure.at_ns = record.steps[step].at_ns;
        failure.task = Some(Box::new(record.task_of(&record.steps[step]).label.clone()));
    }
    failure
}

pub(crate) fn nondeterminism(what: &str, seen: Option<&Failure>) -> Box<Failure> {
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
    Box::new(Failure {
        kind: FailureKind::Nondeterminism,
        message,
        notes: Box::default(),
        site: None,
        task: None,
        blocked: Box::default(),
        network: Box::default(),
        at_ns: seen.map_or(0, |failure| failure.at_ns),
        at_step: seen.map_or(0, |failure| failure.at_step),
    })
}

/// The index of the first step that differs in who ran, when, or what it chose.
fn first_difference(one: &Record, two: &Record) -> Option<usize> {
    let shape = |record: &Record, step: usize| {
        record
            .steps
            .get(step)
            .map(|step| (record.task_of(step).key, record.arrival_of(step).resume, step.at_ns))
    };
    let hash = |record: &Record, step: usize| record.steps.get(step).map(|step| step.trace_hash);
    (0..one.steps.len().max(two.steps.len())).find(|&step| {
        let next = (hash(one, step + 1), hash(two, step + 1));
        // A step whose choices differ shows in the hash before the next one.
        shape(one, step) != shape(two, step) || matches!(next, (Some(a), Some(b)) if a != b)
    })
}

/// A step that differs, in words.
struct Told<'a> {
    step: usize,
    one: &'a Record,
    two: &'a Record,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, one, two } = *self;
        let who = |record: &Record| {
            record.steps.get(step).map(|step| {
                let label = &record.task_of(step).label;
                let spawned =
                    label.spawned.as_ref().map_or_else(String::new, |site| format!(", spawned at {site},"));
                format!("{label}{spawned} for the {} time", Nth(record.arrival_of(step).resume))
            })
        };
        let at = |record: &Record| record.steps.get(step).map(|step| step.at_ns);
        write!(f, "step {}", step + 1)?;
        if let Some(at_ns) = at(one).or(at(two)) {
            write!(f, ", after {}", Nanos(at_ns))?;
        }
        match (who(one), who(two)) {
            (Some(a), Some(b)) if a == b => match (at(one), at(two)) {
                (Some(a_ns), Some(b_ns)) if a_ns != b_ns => {
                    write!(f, ": one run resumes {a}, the other does so after {}", Nanos(b_ns))
                }
                _ => write!(f, ": both resume {a}, which then makes different choices"),
            },
            (Some(a), Some(b)) => write!(f, ": one run resumes {a}, the other {b}"),
            (Some(who), None) | (None, Some(who)) => {
                write!(f, ": one run has ended, the other resumes {who}")
            }
            (None, None) => Ok(()),
        }
    }
}

/// A count from 0 as an ordinal from 1.
pub(crate) struct Nth(pub(crate) u32);

impl fmt::Display for Nth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u64::from(self.0) + 1;
        let ending = match (number % 10, number % 100) {
            (1, tens) if tens != 11 => "st",
            (2, tens) if tens != 12 => "nd",
            (3, tens) if tens != 13 => "rd",
            _ => "th",
        };
        write!(f, "{number}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::Nth;

    #[test]
    fn ordinals() {
        let words: Vec<_> =
            [0, 1, 2, 3, 9, 10, 11, 12, 20, 21, 110].map(|count| Nth(count).to_string()).into();
        assert_eq!(
            words,
            ["1st", "2nd", "3rd", "4th", "10th", "11th", "12th", "13th", "21st", "22nd", "111th"]
        );
    }
}
