//! The results that test processes write, a line of JSON for each exploration (`TIMELOOP_RESULTS`).

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::settings::OfTest;

/// The result of an exploration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explored {
    /// The test's name, with its crate.
    pub(crate) test: String,
    /// The test's path in its binary.
    pub(crate) path: String,
    pub(crate) package: String,
    pub(crate) binary: String,
    /// The arguments of `cargo test` that run it alone.
    pub(crate) arguments: String,
    pub(crate) outcome: Outcome,
    pub(crate) schedules: u64,
    /// How long the exploration took, in ms.
    pub(crate) millis: u64,
    pub(crate) message: String,
    pub(crate) token: String,
    /// The settings with which the test was run after it had failed without them.
    pub(crate) needs: OfTest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No schedule has failed.
    Explored,
    /// A schedule other than the baseline run, or the one that was replayed, has failed.
    Failed,
    /// The baseline run has failed.
    FailedInBaseline,
    /// The same schedule has given different runs, or something has escaped from the simulation.
    Nondeterministic,
    /// Some schedules fail, and none of those in which time passes only while no task is ready.
    FailedByStalls,
    /// As [`FailedByStalls`](Self::FailedByStalls), and all reads and writes transfer as much as they can.
    FailedByShortReads,
    /// `timeloop.toml` skips the test.
    Skipped,
    /// A setting is wrong.
    Error,
}

/// Reads a file of results. A process that was killed may have left a part of a line, which is skipped.
pub(crate) fn read(path: &Path) -> Vec<Explored> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<Explored> {
    let object: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
    Some(Explored {
        test: text("test"),
        path: text("path"),
        package: text("package"),
        binary: text("binary"),
        arguments: text("arguments"),
        outcome: match object["outcome"].as_str()? {
            "explored" => Outcome::Explored,
            "failed" => Outcome::Failed,
            "failed_in_baseline" => Outcome::FailedInBaseline,
            "nondeterministic" => Outcome::Nondeterministic,
            "skipped" => Outcome::Skipped,
            "error" => Outcome::Error,
            _ => return None,
        },
        schedules: object["schedules"].as_u64()?,
        millis: object["millis"].as_u64()?,
        message: text("message"),
        token: text("token"),
        needs: OfTest::default(),
    })
}

/// Returns the result of a test, for the tests of this crate.
#[cfg(test)]
pub(crate) fn explored(path: &str, outcome: Outcome) -> Explored {
    Explored {
        test: format!("bank::{path}"),
        path: path.into(),
        package: "bank".into(),
        binary: "/bank".into(),
        arguments: format!("{path} -- --exact"),
        outcome,
        schedules: 10,
        millis: 1,
        message: "panic: x".into(),
        token: "TL1".into(),
        needs: OfTest::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line = r#"{"test":"bank::a","path":"a","package":null,"binary":"/b","arguments":"a","outcome":"failed","message":"panic \"x\"","token":"TL1","schedules":7,"millis":3}"#;
        let explored = parse(line).expect("it is valid");
        assert_eq!((explored.outcome, explored.schedules), (Outcome::Failed, 7));
        assert_eq!((explored.message.as_str(), explored.package.as_str()), ("panic \"x\"", ""));
        assert_eq!(parse(&line[..40]), None);
    }
}
