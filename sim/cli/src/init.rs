//! The `timeloop.toml` that `cargo timeloop init` writes: settings for the tests that do not run here as they are, each with
//! the reason.

use std::fmt::Write as _;

use crate::results::Explored;
use crate::settings::OfTest;
use crate::table::Table;

/// A test whose exploration takes longer gets fewer schedules.
const SLOW_MS: u64 = 60_000;

/// How long the exploration of such a test may take.
const WANTED_MS: u64 = 10_000;

/// Returns the contents of the file.
pub(crate) fn file(table: &Table) -> String {
    let mut text = String::from(
        "# Settings of `cargo timeloop`, as `cargo timeloop init` has written them. Delete a table, and its test is explored as\n\
         # all others.\n",
    );
    if !table.ordinary_failed().is_empty() {
        text.push_str("\n# Tests without #[tokio::test] that fail here. Each text skips all tests whose paths contain it.\n");
        let paths: Vec<_> = table.ordinary_failed().iter().map(|path| format!("\"{path}\"")).collect();
        let _ = writeln!(text, "skip = [{}]", paths.join(", "));
    }
    for test in table.failed() {
        let _ = writeln!(text, "\n# {} fails in some order, and is left to be corrected.", test.test);
        comment(&mut text, "", &test.message);
    }
    let skipped = OfTest { skip: true, ..OfTest::default() };
    let mut failed = |test: &Explored, reason, settings| {
        of_test(&mut text, &test.test, reason, &test.message, settings);
    };
    for test in table.failed_by_stalls() {
        failed(test, "Fails only if time passes while a task is ready: ", test.needs);
    }
    for test in table.failed_by_short_reads() {
        failed(test, "Fails only if a read or write transfers a part of the bytes: ", test.needs);
    }
    for test in table.not_here() {
        failed(test, "Fails in FIFO order: ", skipped);
    }
    for test in table.nondeterministic() {
        failed(test, "Not deterministic: ", skipped);
    }
    for test in table.passed() {
        let is_slow = test.millis > SLOW_MS;
        let runs = is_slow.then(|| (test.schedules * WANTED_MS / test.millis).max(1));
        let needs = OfTest { runs, ..test.needs };
        let mut reasons = Vec::new();
        if needs.ignore_unobserved_panics {
            reasons.push("Tasks panic whose join handles are gone, as tokio allows.".to_owned());
        }
        if needs.processes {
            reasons.push("Runs leave something behind in statics.".to_owned());
        }
        if is_slow {
            reasons.push(format!("{} schedules took {} s.", test.schedules, test.millis / 1_000));
        }
        if !reasons.is_empty() {
            of_test(&mut text, &test.test, &reasons.join(" "), "", needs);
        }
    }
    text
}

/// Adds the table of a test, with the reason above it.
fn of_test(text: &mut String, test: &str, reason: &str, message: &str, settings: OfTest) {
    text.push('\n');
    comment(text, reason, message);
    let _ = write!(text, "[tests.\"{test}\"]\n{}", settings.lines());
}

/// Adds a comment, in which the first line of the message follows `begin`.
fn comment(text: &mut String, begin: &str, message: &str) {
    let line = format!("{begin}{}", message.lines().next().unwrap_or_default());
    if !line.is_empty() {
        let _ = writeln!(text, "# {}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::libtest::Libtest;
    use crate::results::{Outcome, explored};
    use crate::settings::Settings;

    #[test]
    fn each_test_gets_what_lets_it_run_and_the_reason() {
        let result = |path: &str, outcome, millis| Explored {
            schedules: 1_000,
            millis,
            message: "panic: x\ny".into(),
            ..explored(path, outcome)
        };
        let with = |result: Explored, needs| Explored { needs, ..result };
        let without_stalls = OfTest { stalls: Some(false), ..OfTest::default() };
        let results = vec![
            result("quick", Outcome::Explored, 60_000),
            result("slow", Outcome::Explored, 100_000),
            result("race", Outcome::Failed, 1),
            with(result("exact", Outcome::FailedByStalls, 1), without_stalls),
            with(
                result("whole", Outcome::FailedByShortReads, 1),
                OfTest { varied_io: Some(false), ..without_stalls },
            ),
            with(
                result("detached", Outcome::Explored, 1),
                OfTest { ignore_unobserved_panics: true, ..OfTest::default() },
            ),
            with(result("counts", Outcome::Explored, 1), OfTest { processes: true, ..OfTest::default() }),
            result("here", Outcome::FailedInBaseline, 1),
            result("other", Outcome::Nondeterministic, 1),
        ];
        let mut libtest = Libtest::default();
        libtest.failed = ["race", "exact", "whole", "detached", "counts", "here", "other", "sum"]
            .map(str::to_owned)
            .into();
        let text = file(&Table::new(results, libtest));
        let settings = "
# Tests without #[tokio::test] that fail here. Each text skips all tests whose paths contain it.
skip = [\"sum\"]

# bank::race fails in some order, and is left to be corrected.
# panic: x

# Fails only if time passes while a task is ready: panic: x
[tests.\"bank::exact\"]
stalls = false

# Fails only if a read or write transfers a part of the bytes: panic: x
[tests.\"bank::whole\"]
stalls = false
varied_io = false

# Fails in FIFO order: panic: x
[tests.\"bank::here\"]
skip = true

# Not deterministic: panic: x
[tests.\"bank::other\"]
skip = true

# 1000 schedules took 100 s.
[tests.\"bank::slow\"]
runs = 100

# Tasks panic whose join handles are gone, as tokio allows.
[tests.\"bank::detached\"]
ignore_unobserved_panics = true

# Runs leave something behind in statics.
[tests.\"bank::counts\"]
processes = true
";
        assert!(text.ends_with(settings), "{text}");
        let settings = Settings::parse(&text, Path::new("/bank")).expect("what is written can be read");
        assert_eq!(settings.tests.len(), 7);
    }
}
