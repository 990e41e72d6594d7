//! The frontier of a search as text, from which a later search continues.
//!
//! ```text
//! timeloop frontier, version 1
//! of exhaustive, limits 5c1d8a3e, program 9f0e61d20b6c7a41
//! explored 100000 redundant 17 bounded no
//! step 74696d656c6f6f70 0 0 0
//!   did 1000000000000010.1 74696d656c6f6f71
//!   want 74696d656c6f6f70
//! step …
//!   did
//!   want 74696d656c6f6f71
//!   want 74696d656c6f6f72
//!   asleep 74696d656c6f6f71 1000000000000010.0
//! checksum 9ba2dbd5
//! ```
//!
//! The line of a step names its task, its rank, the part of the bound used up before it, and how many tasks were asleep
//! before. `did` lists its effects: an operation is a resource and the code of the access, `end` is the end of the run,
//! and any other word is a task that it woke. `want` names a task to try there.
//!
//! # Invariants
//! - Reading a frontier yields the search that was written, or an error.
//! - A frontier is valid only for the program that wrote it; for another program, it is unknown what has been explored.

use std::fmt::{self, Write as _};

use super::dependence::Footprint;
use super::frame::{Choice, Frame, Sleeper};
use crate::token::crc32;
use crate::{Access, DecisionKey, Domain, Operation, ResourceKey, TaskKey};

const HEADER: &str = "timeloop frontier, version 1";

/// The contents of a frontier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frontier {
    pub(super) schedules: u64,
    pub(super) redundant: u64,
    pub(super) bounded: bool,
    pub(super) frames: Vec<Frame>,
}

/// Why a search can't continue an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrontierError {
    /// The frontier belongs to another program, or to a search with another bound or other limits.
    Other,
    /// The text does not have the format of this version.
    Damaged {
        /// The first invalid line, from 1.
        line: usize,
    },
}

impl fmt::Display for FrontierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other => f.write_str("the program, the bound or the limits have changed since"),
            Self::Damaged { line } => write!(f, "line {line} can't be read by this version of timeloop"),
        }
    }
}

impl std::error::Error for FrontierError {}

/// Formats a frontier. `of` identifies in one line the search that it belongs to.
pub(super) fn print(frontier: &Frontier, of: &str) -> String {
    let mut text = format!("{HEADER}\nof {of}\n");
    let bounded = if frontier.bounded { "yes" } else { "no" };
    let _ =
        writeln!(text, "explored {} redundant {} bounded {bounded}", frontier.schedules, frontier.redundant);
    for frame in &frontier.frames {
        let _ =
            writeln!(text, "step {:x} {} {} {}", frame.task.0, frame.rank, frame.spent, frame.asleep_before);
        for Choice { key, arity, value } in &frame.choices {
            let (domain, subject, number, index) = key.parts();
            let domain = domain.code();
            let _ = writeln!(text, "  chose {domain} {subject:x} {number} {index} {arity} {value}");
        }
        let _ = writeln!(text, "  did{}", Words(&frame.footprint));
        if frame.earlier_footprint != Footprint::default() {
            let _ = writeln!(text, "  earlier{}", Words(&frame.earlier_footprint));
        }
        for task in &frame.backtrack {
            let _ = writeln!(text, "  want {:x}", task.0);
        }
        for Sleeper { task, footprint } in &frame.asleep {
            let _ = writeln!(text, "  asleep {:x}{}", task.0, Words(footprint));
        }
    }
    let checksum = crc32(text.as_bytes());
    let _ = writeln!(text, "checksum {checksum:08x}");
    text
}

/// Formats a footprint as words, with a space before each.
struct Words<'a>(&'a Footprint);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in &self.0.operations {
            write!(f, " {:x}.{}", operation.resource.0, operation.access.code())?;
        }
        for task in &self.0.wakes {
            write!(f, " {:x}", task.0)?;
        }
        if self.0.ends { f.write_str(" end") } else { Ok(()) }
    }
}

/// Parses a frontier.
pub(super) fn parse(text: &str, of: &str) -> Result<Frontier, FrontierError> {
    let text = text.replace("\r\n", "\n");
    let mut frontier = Frontier { schedules: 0, redundant: 0, bounded: false, frames: Vec::new() };
    let mut read = 0;
    let mut is_whole = false;
    for (number, line) in (1..).zip(text.lines()) {
        let damaged = FrontierError::Damaged { line: number };
        let words: Vec<&str> = line.split_whitespace().collect();
        let good = match (number, &*words) {
            _ if is_whole => None,
            (1, _) => (line == HEADER).then_some(()),
            (2, ["of", ..]) if line.strip_prefix("of ") == Some(of) => Some(()),
            (2, ["of", ..]) => return Err(FrontierError::Other),
            (3, ["explored", schedules, "redundant", redundant, "bounded", bounded]) => {
                header(&mut frontier, schedules, redundant, bounded)
            }
            (4.., ["checksum", checksum]) => {
                is_whole = u32::from_str_radix(checksum, 16) == Ok(crc32(&text.as_bytes()[..read]));
                is_whole.then_some(())
            }
            (4.., [what, words @ ..]) => add(&mut frontier.frames, what, words),
            _ => None,
        };
        good.ok_or(damaged)?;
        read += line.len() + 1;
    }
    if is_whole { Ok(frontier) } else { Err(FrontierError::Damaged { line: text.lines().count() + 1 }) }
}

fn header(frontier: &mut Frontier, schedules: &str, redundant: &str, bounded: &str) -> Option<()> {
    frontier.schedules = schedules.parse().ok()?;
    frontier.redundant = redundant.parse().ok()?;
    frontier.bounded = match bounded {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    Some(())
}

/// Adds the contents of a line.
fn add(frames: &mut Vec<Frame>, what: &str, words: &[&str]) -> Option<()> {
    if what == "step" {
        let [task, rank, spent, asleep_before] = words else { return None };
        let mut frame = Frame::of(task_key(task)?);
        frame.rank = rank.parse().ok()?;
        frame.spent = spent.parse().ok()?;
        frame.asleep_before = asleep_before.parse().ok()?;
        frames.push(frame);
        return Some(());
    }
    let frame = frames.last_mut()?;
    match (what, words) {
        ("chose", [domain, subject, number, index, arity, value]) => {
            let domain = Domain::from_code(domain.parse().ok()?)?;
            let (number, index) = (number.parse().ok()?, index.parse().ok()?);
            let key = DecisionKey::from_parts(domain, task_key(subject)?.0, number, index);
            let (arity, value) = (arity.parse().ok()?, value.parse().ok()?);
            frame.choices.push(Choice { key, arity, value });
        }
        ("did", words) => frame.footprint = footprint(words)?,
        ("earlier", words) => frame.earlier_footprint = footprint(words)?,
        ("want", [task]) => frame.backtrack.push(task_key(task)?),
        ("asleep", [task, words @ ..]) => {
            frame.asleep.push(Sleeper { task: task_key(task)?, footprint: footprint(words)? });
        }
        _ => return None,
    }
    Some(())
}

fn task_key(word: &str) -> Option<TaskKey> {
    u64::from_str_radix(word, 16).ok().map(TaskKey)
}

fn footprint(words: &[&str]) -> Option<Footprint> {
    let mut footprint = Footprint::default();
    for word in words {
        match (word.split_once('.'), *word) {
            (Some((resource, access)), _) => {
                let code: u8 = access.parse().ok()?;
                let access = Access::ALL.into_iter().find(|access| access.code() == code)?;
                let resource = ResourceKey(u64::from_str_radix(resource, 16).ok()?);
                footprint.performs(Operation { resource, access });
            }
            (None, "end") => footprint.ends = true,
            (None, task) => footprint.wakes(task_key(task)?),
        }
    }
    Some(footprint)
}
