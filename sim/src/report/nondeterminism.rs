//! The message for nondeterminism: where two runs of one schedule differ, and the usual causes.

use std::fmt;

use crate::confirm::SUSPECTING_RUNS;
use crate::text::{Nanos, Nth, done_at, grouped};
use crate::{Difference, DifferentStep, Failure, Resumed};

const CAUSES: &str = "\
The code depends on something besides the schedule. Common causes:
- iteration over a `HashMap` or `HashSet`, whose order is random (`timeloop::collections` has deterministic ones)
- the real clock: `std::time::Instant::now`, `SystemTime::now`
- random numbers that do not come from `timeloop::rng()`
- a `static` or thread-local that one run leaves changed for the next
- addresses or thread ids that are compared, sorted or hashed
- a real thread, or another runtime, that wakes a task or sends it something
- `futures::select!` or tokio's own `select!`, which use random generators of their own";

/// Says how runs of one schedule differ, and lists the usual causes.
pub(super) fn message(differ: &Difference, seen: Option<&Failure>) -> String {
    let what = match differ {
        Difference::Unknown => "two runs of one schedule differ".to_owned(),
        Difference::Step(step) => format!("two runs of one schedule differ, first at {step}"),
        Difference::End => "two runs take the same steps but end differently".to_owned(),
        Difference::First => "the first run of a schedule differs from two later runs of it".to_owned(),
        Difference::LeftBehind(seed) => {
            let run = match seed {
                Some(seed) => format!("seed {seed}"),
                None => "the baseline run".to_owned(),
            };
            format!(
                "{run} passed as the first run of the process, but took other steps in {SUSPECTING_RUNS} later runs"
            )
        }
        Difference::Prefix(steps) => {
            let first = if *steps == 1 { "step".to_owned() } else { format!("{} steps", grouped(*steps)) };
            format!(
                "a run should have repeated the first {first} of an earlier run, but its step {} differs",
                grouped(*steps)
            )
        }
    };
    let mut message = format!("{what}.\n{CAUSES}");
    if let Some(failure) = seen {
        message.push_str(&format!("\nOne of the runs failed: {failure}"));
    }
    message.push_str(match differ {
        Difference::LeftBehind(_) => {
            "\nA run probably leaves state behind for the next one: in a `static`, a `OnceLock`, a thread-local, or a global \
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
            write!(f, ", at virtual time {}", Nanos(resumed.at_ns))?;
        }
        match &self.runs {
            [Some(a), Some(b)] if (&a.task, a.resume) == (&b.task, b.resume) => {
                if a.at_ns == b.at_ns {
                    write!(f, ": both runs resume {a}, but the task then makes different choices")
                } else {
                    write!(f, ": one run resumes {a}, the other run does so at {}", Nanos(b.at_ns))
                }
            }
            [Some(a), Some(b)] => write!(f, ": one run resumes {a}, the other run {b}"),
            [Some(resumed), None] | [None, Some(resumed)] => {
                write!(f, ": one run has ended, the other run resumes {resumed}")
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
