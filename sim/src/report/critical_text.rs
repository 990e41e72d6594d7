//! The critical pair, or another critical decision: with the other choice, the test passes.

use std::fmt;

use super::operation_text::{Form, verb};
use super::step_text::{self, at};
use super::task_names::TaskNames;
use crate::text::{Nanos, Nth, grouped, wrap, wrap_rows};
use crate::{
    Canceller, Critical, CriticalDecision, CriticalOperation, CriticalStep, Domain, Found, Frequency,
    PacketFate, WorldEffect,
};

/// Writes the critical decision, or how many changes did not make the test pass.
pub(super) fn write(text: &mut String, found: &Found, names: &TaskNames) {
    if let Some(critical) = &found.critical {
        let same = critical.fails == found.shrunk;
        let Text { name, condition, rows } = describe(critical, same, names);
        let checked = checked(same);
        text.push('\n');
        wrap(text, "", "  ", &format!("Critical {name} ({checked}): {condition}, {}", outcome(critical)));
        wrap_rows(text, &rows);
    } else if let Some(rescue) = &found.rescue {
        let Frequency { failing, tried, .. } = found.frequency;
        let same = rescue.fails == found.shrunk;
        let Text { condition, rows, .. } = describe(rescue, same, names);
        let (failing, tried) = (grouped(failing), grouped(tried));
        let sentence = format!(
            "The test fails in {failing} of {tried} schedules. It passes {condition} ({})",
            checked(same)
        );
        text.push('\n');
        wrap(text, "", "  ", &sentence);
        wrap_rows(text, &rows);
    } else if found.critical_tried > 0 {
        let tried = grouped(found.critical_tried);
        let all = grouped(found.frequency.tried);
        let sentence = if found.frequency.failing == found.frequency.tried && found.frequency.tried > 0 {
            format!("Every schedule that was tried fails: all {all}, and {tried} variants of this one")
        } else if found.frequency.is_usual() {
            let failing = grouped(found.frequency.failing);
            format!(
                "The test fails in {failing} of {all} schedules. None of the {tried} single changes to this one that were tried \
                 makes it pass"
            )
        } else {
            format!(
                "No critical order found: none of the {tried} single changes that were tried makes the test pass"
            )
        };
        text.push('\n');
        wrap(text, "", "  ", &sentence);
    }
}

/// `same` says whether the failing schedule that was checked is the one that is reported.
fn checked(same: bool) -> &'static str {
    if same { "checked" } else { "checked in a similar failing schedule" }
}

/// The text of a critical decision.
struct Text {
    /// What kind of decision it is.
    name: &'static str,
    /// The other choice, as a condition.
    condition: String,
    /// A label, which may be empty, and a clause for each line.
    rows: Vec<(String, String)>,
}

fn outcome(critical: &Critical) -> String {
    match critical.otherwise {
        None => "the test passes".to_owned(),
        Some(kind) => format!("the test fails in another way ({kind})"),
    }
}

/// `same` says whether the steps are those of the schedule that is reported.
fn describe(critical: &Critical, same: bool, names: &TaskNames) -> Text {
    let at_step = |step: &CriticalStep, otherwise: &str| match step.step {
        Some(step) if same => format!("step {step}"),
        _ => otherwise.to_owned(),
    };
    match &critical.decision {
        CriticalDecision::Order { first, second, resource } => {
            let mut rows =
                vec![(at_step(first, "first"), String::new()), (at_step(second, "then"), String::new())];
            match (resource, &first.operation, &second.operation) {
                (Some(resource), Some(one), Some(two)) => {
                    let made = resource.made.as_ref();
                    let made = made.map_or_else(String::new, |site| format!(" (created at {site})"));
                    let verb = |operation: &CriticalOperation| {
                        verb(resource.kind, operation.access, Form::Present, operation.mode)
                    };
                    let name = format!("`{}`{made}", resource.name);
                    let [a, b] = [first, second].map(|step| names.mention(&step.task));
                    rows[0].1 = format!("{a} {} {name}{}", verb(one), at(one.site.as_ref()));
                    rows[1].1 = format!("{b} {} it{}", verb(two), at(two.site.as_ref()));
                    rows[0].1.push_str(&cancelled(first));
                    rows[1].1.push_str(&cancelled(second));
                }
                _ => {
                    rows[0].1 = first.text(names);
                    rows[1].1 = second.text(names);
                }
            }
            if second.step.is_none() {
                rows[1].1.push_str(" (the failing run ends before this)");
            } else if first.at_ns != second.at_ns {
                let later = Nanos(second.at_ns.abs_diff(first.at_ns));
                rows[1].1.push_str(&format!(", {later} later"));
            }
            Text { name: "order", condition: "if these two swap".to_owned(), rows }
        }
        CriticalDecision::Randomness { fails, other } => Text {
            name: "randomness",
            condition: format!("with the random numbers of seed {other}"),
            rows: vec![(
                String::new(),
                format!("the code under test gets its random numbers from seed {fails}"),
            )],
        },
        CriticalDecision::World { effect, fails_with, .. } => {
            let condition = match effect {
                _ if !fails_with => "with this event",
                WorldEffect::Packet { fate: PacketFate::Takes(_), .. } | WorldEffect::Lookup { .. } => {
                    "with the least latency"
                }
                WorldEffect::Transfer { .. } => "with all bytes at once",
                _ => "without this event",
            };
            let not = if *fails_with { "" } else { " (not in the failing run)" };
            let rows = vec![(String::new(), format!("{}{not}", effect.text(names)))];
            Text { name: "event", condition: condition.to_owned(), rows }
        }
        CriticalDecision::Choice { task, deviation, fails_with } if deviation.domain == Domain::Stall => {
            let (name, condition, clause) = if *fails_with {
                let clause = match task.step {
                    Some(_) => format!("virtual time advances before {}", task.text(names)),
                    None => format!("virtual time advances while {} is ready", names.mention(&task.task)),
                };
                ("delay", "without this delay", clause)
            } else {
                let clause = format!("{} before virtual time advances", task.text(names));
                ("order", "if virtual time advances first", clause)
            };
            Text { name, condition: condition.to_owned(), rows: vec![(at_step(task, ""), clause)] }
        }
        CriticalDecision::Choice { task, deviation, fails_with } => {
            let branches = (Nth(deviation.value), Nth(0));
            let (now, other) = if *fails_with { branches } else { (branches.1, branches.0) };
            let nth = Nth(deviation.index);
            Text {
                name: "choice",
                condition: format!("with the {other} branch polled first"),
                rows: vec![(
                    at_step(task, ""),
                    format!("{}, and its {nth} `select!` polls the {now} branch first", task.text(names)),
                )],
            }
        }
    }
}

impl CriticalStep {
    fn text(&self, names: &TaskNames) -> String {
        let task = names.mention(&self.task);
        let does = step_text::does(self.kind, self.starts, self.resumes_at.as_ref(), Form::Present);
        format!("{task} {does}{}", cancelled(self))
    }
}

/// Renders the task and where it resumes: `` `audit` (root.2) resumes at bank.rs:57 ``.
impl fmt::Display for CriticalStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&TaskNames::plain()))
    }
}

/// Renders the futures that a step cancels, after a clause about the step, which says itself that the task is aborted.
fn cancelled(step: &CriticalStep) -> String {
    let cancellations = step.cancellations.iter().filter(|cancellation| cancellation.by != Canceller::Abort);
    cancellations.map(|cancellation| format!(", and {cancellation}")).collect()
}

/// Renders the decision in one line: `` order: `a` starts, then `b` starts; if these two swap, the test passes (checked) ``.
impl fmt::Display for Critical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text { name, condition, rows } = describe(self, false, &TaskNames::plain());
        let clauses: Vec<String> = rows.into_iter().map(|(_, clause)| clause).collect();
        write!(f, "{name}: {}; {condition}, {} (checked)", clauses.join(", then "), outcome(self))
    }
}
