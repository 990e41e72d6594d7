//! The critical pair in words: what the failure hangs on, and that both ways were checked.

use std::fmt;

use crate::text::{Nanos, Nth, line};
use crate::{Critical, CriticalDecision, CriticalStep, Domain, Site};

impl fmt::Display for CriticalStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.task)?;
        match &self.resumes_at {
            _ if self.starts => f.write_str(" starts"),
            Some(site) => write!(f, " resumes at {}", line(site)),
            None => f.write_str(" resumes"),
        }
    }
}

/// What matters, as a sentence without its end: `` `audit` (root.2) reads `balance` at bank.rs:57 before … ``.
impl fmt::Display for Critical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = match self.otherwise {
            None => "the test passes (checked)".to_owned(),
            Some(kind) => format!("the test fails in another way, with a {kind} (checked)"),
        };
        match &self.decision {
            CriticalDecision::Order { first, second, resource } => {
                match (resource, &first.operation, &second.operation) {
                    (Some(resource), Some((one, one_at)), Some((two, two_at))) => {
                        let at = |site: &Option<Site>| {
                            site.as_ref().map_or_else(String::new, |site| format!(" at {}", line(site)))
                        };
                        let made = resource.made.as_ref();
                        let made = made.map_or_else(String::new, |site| format!(" (made at {})", line(site)));
                        let (one_at, two_at) = (at(one_at), at(two_at));
                        write!(f, "{} {} `{}`{made}{one_at} before ", first.task, one.verb(), resource.name)?;
                        write!(f, "{} {} it{two_at}", second.task, two.verb())?;
                    }
                    _ => write!(f, "{first} before {second}")?,
                }
                if first.at_ns != second.at_ns {
                    write!(f, " ({} later)", Nanos(second.at_ns.abs_diff(first.at_ns)))?;
                }
                write!(f, "; the other way round {ends}")
            }
            CriticalDecision::Randomness { fails, other } => write!(
                f,
                "the code under test draws the random numbers of seed {fails}; with those of seed {other} {ends}"
            ),
            CriticalDecision::World { effect, fails_with: true, .. } => {
                write!(f, "{effect}; if that does not happen, {ends}")
            }
            CriticalDecision::World { effect, .. } => {
                write!(f, "that it does not happen that {effect}; if it does, {ends}")
            }
            CriticalDecision::Choice { task, deviation, fails_with } => match deviation.domain {
                Domain::Stall => {
                    let (does, unless) =
                        if *fails_with { ("moves on", "does not") } else { ("does not move on", "does") };
                    write!(f, "time {does} before {task}; if it {unless}, {ends}")
                }
                _ => {
                    let branches = (Nth(deviation.value), Nth(0));
                    let (now, then) = if *fails_with { branches } else { (branches.1, branches.0) };
                    let nth = Nth(deviation.index);
                    write!(
                        f,
                        "when {task}, its {nth} `select!` polls the {now} branch first; with the {then} in its place {ends}"
                    )
                }
            },
        }
    }
}
