//! The results that test processes write, a line of JSON for each exploration (`TIMELOOP_RESULTS`).

use std::fs;
use std::path::Path;

use serde_json::Value;

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
    pub(crate) message: String,
    pub(crate) token: String,
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
            "error" => Outcome::Error,
            _ => return None,
        },
        schedules: object["schedules"].as_u64()?,
        message: text("message"),
        token: text("token"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line = r#"{"test":"bank::a","path":"a","package":null,"binary":"/b","arguments":"a","outcome":"failed","message":"panic \"x\"","token":"TL1","schedules":7}"#;
        let explored = parse(line).expect("it is valid");
        assert_eq!((explored.outcome, explored.schedules), (Outcome::Failed, 7));
        assert_eq!((explored.message.as_str(), explored.package.as_str()), ("panic \"x\"", ""));
        assert_eq!(parse(&line[..40]), None);
    }
}
