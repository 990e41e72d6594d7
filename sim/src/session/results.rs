//! Appends the result of an exploration to the file of `TIMELOOP_RESULTS`: a line of JSON, which other programs read.
//!
//! | field | meaning |
//! |---|---|
//! | `test` | the name of the test |
//! | `path` | its path in the binary, as libtest prints it, or null |
//! | `package` | the package under test, or null |
//! | `binary` | the path of the test binary |
//! | `arguments` | the arguments of `cargo test` that run the test alone, or null |
//! | `outcome` | `explored`, `failed`, `failed_in_baseline`, `nondeterministic`, `skipped` or `error` |
//! | `schedules` | how many schedules were tried |
//! | `millis` | how long that took, in ms of real time |
//! | `message` | the failure or the error in one line, or null |
//! | `token` | the token of the failing schedule, or null |
//! | `digest` | a hash of the steps of all these schedules: equal if all runs were equal |
//!
//! # Invariants
//! A line is appended in a single write, so that several processes may append at once.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use super::Session;
use crate::test_binary::TestBinary;
use crate::{Exploration, FailureKind, FoundBy};

impl Session<'_> {
    /// Appends the result to the file, if there is one. An error is a note: the test's own result is more important.
    pub(super) fn write_result(&mut self) {
        let Some(path) = &self.settings.results else { return };
        let (package, elapsed) = (self.settings.package.as_deref(), self.stopwatch.elapsed());
        if let Err(error) = append(path, &line(&self.exploration, package, elapsed)) {
            let note = format!("TIMELOOP_RESULTS=`{}` can't be written: {error}", path.display());
            self.note(note);
        }
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())
}

/// Returns the line, with its end.
fn line(exploration: &Exploration, package: Option<&str>, elapsed: Duration) -> String {
    let Exploration { test, found, error, .. } = exploration;
    let outcome = match (found, error) {
        (None, None) if exploration.skipped => "skipped",
        (None, None) => "explored",
        (None, Some(_)) => "error",
        (Some(found), _) => match (found.failure.kind, &found.by) {
            (FailureKind::Nondeterminism | FailureKind::Escape, _) => "nondeterministic",
            (_, FoundBy::Baseline) => "failed_in_baseline",
            _ => "failed",
        },
    };
    let message = found.as_ref().map(|found| found.headline());
    let message = message.or_else(|| error.as_ref().map(ToString::to_string));
    let mut line = String::from("{");
    for (name, value) in [
        ("test", Some(test.as_str().to_owned())),
        ("path", test.path().map(str::to_owned)),
        ("package", package.map(str::to_owned)),
        ("binary", Some(TestBinary::of_this_process().path().display().to_string())),
        ("arguments", test.arguments()),
        ("outcome", Some(outcome.to_owned())),
        ("message", message),
        ("token", found.as_ref().map(|found| found.token.clone())),
        ("digest", Some(format!("{:016x}", exploration.digest))),
    ] {
        let value = value.map_or("null".to_owned(), |value| json(&value));
        let _ = write!(line, "\"{name}\":{value},");
    }
    let _ = writeln!(line, "\"schedules\":{},\"millis\":{}}}", exploration.schedules(), elapsed.as_millis());
    line
}

/// Returns the text as a string of JSON.
fn json(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn strings_of_json_are_escaped() {
        assert_eq!(json("a \"b\"\\\n\u{1b}é"), r#""a \"b\"\\\n\u001bé""#);
    }
}
