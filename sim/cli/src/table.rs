//! The table at the end: what was explored, what was found, and what fails in FIFO order, with the reasons.

use std::fmt::Write as _;

use crate::exit::Exit;
use crate::libtest::Libtest;
use crate::results::{Explored, Outcome};

/// All tests of a command, sorted.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// How many tests have passed under all schedules, and how many schedules that were.
    explored: (u64, u64),
    failed: Vec<Explored>,
    failed_by_stalls: Vec<Explored>,
    failed_by_short_reads: Vec<Explored>,
    not_here: Vec<Explored>,
    nondeterministic: Vec<Explored>,
    errors: Vec<Explored>,
    /// How many tests `timeloop.toml` skips.
    skipped: u64,
    /// Tests that have passed.
    passed: Vec<Explored>,
    /// How many tests without tokio have passed, and which have failed.
    ordinary: (u64, Vec<String>),
}

impl Table {
    /// Sorts the tests. libtest's word counts for whether a test has failed: a failure may be expected
    /// (`#[should_panic]`).
    pub(crate) fn new(results: Vec<Explored>, mut libtest: Libtest) -> Self {
        let mut table = Self::default();
        let mut passed = libtest.passed;
        let mut explored: Vec<(String, String)> = Vec::new();
        for result in results {
            // A test may explore several times.
            let test = (result.binary.clone(), result.path.clone());
            let is_first = !explored.contains(&test);
            if is_first {
                explored.push(test);
            }
            if result.outcome == Outcome::Skipped {
                table.skipped += 1;
                passed = passed.saturating_sub(1);
                continue;
            }
            // It has failed at first, and passes as tokio would run it, or with a process for each run.
            let passes_at_last = (result.needs.ignore_unobserved_panics || result.needs.processes)
                && result.outcome == Outcome::Explored;
            let was_failed = passes_at_last && libtest.take_failed(&result.path);
            let has_passed = result.outcome == Outcome::Explored
                || (result.outcome != Outcome::Error && !libtest.take_failed(&result.path));
            if has_passed {
                table.explored.0 += u64::from(is_first);
                table.explored.1 += result.schedules;
                passed = passed.saturating_sub(u64::from(is_first && !was_failed));
                table.passed.push(result);
                continue;
            }
            match result.outcome {
                Outcome::Explored | Outcome::Failed => table.failed.push(result),
                Outcome::FailedInBaseline => table.not_here.push(result),
                Outcome::Nondeterministic => table.nondeterministic.push(result),
                Outcome::FailedByStalls => table.failed_by_stalls.push(result),
                Outcome::FailedByShortReads => table.failed_by_short_reads.push(result),
                Outcome::Error => table.errors.push(result),
                // Handled above.
                Outcome::Skipped => {}
            }
        }
        table.ordinary = (passed, libtest.failed);
        table
    }

    /// Returns the tests that have passed.
    pub(crate) fn passed(&self) -> &[Explored] {
        &self.passed
    }

    /// Returns the tests that fail in some order.
    pub(crate) fn failed(&self) -> &[Explored] {
        &self.failed
    }

    /// Returns the tests that fail only if time passes while a task is ready.
    pub(crate) fn failed_by_stalls(&self) -> &[Explored] {
        &self.failed_by_stalls
    }

    /// Returns the tests that fail only if reads or writes are short.
    pub(crate) fn failed_by_short_reads(&self) -> &[Explored] {
        &self.failed_by_short_reads
    }

    /// Returns the tests that fail in FIFO order.
    pub(crate) fn not_here(&self) -> &[Explored] {
        &self.not_here
    }

    /// Returns the tests that are not deterministic.
    pub(crate) fn nondeterministic(&self) -> &[Explored] {
        &self.nondeterministic
    }

    /// Returns the paths of the failed tests without tokio.
    pub(crate) fn ordinary_failed(&self) -> &[String] {
        &self.ordinary.1
    }

    /// Returns whether there is no test at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.total() + self.skipped == 0 && self.ordinary.0 == 0 && self.ordinary.1.is_empty()
    }

    /// Returns how many tests with tokio there are.
    fn total(&self) -> u64 {
        let others = [
            &self.failed,
            &self.failed_by_stalls,
            &self.failed_by_short_reads,
            &self.not_here,
            &self.nondeterministic,
            &self.errors,
        ];
        self.explored.0 + others.map(|tests| tests.len() as u64).iter().sum::<u64>()
    }

    /// Returns how the command ends. `strict` counts what fails in FIFO order as a bug; `died` says that a test process has
    /// ended without a result.
    pub(crate) fn exit(&self, strict: bool, died: bool) -> Exit {
        let others =
            [&self.failed_by_stalls, &self.failed_by_short_reads, &self.not_here, &self.nondeterministic];
        let other = others.iter().any(|tests| !tests.is_empty()) || !self.ordinary.1.is_empty();
        if !self.failed.is_empty() || (strict && other) {
            Exit::Found
        } else if !self.errors.is_empty() {
            Exit::Usage
        } else if died {
            Exit::Infrastructure
        } else {
            Exit::Clean
        }
    }

    /// Renders the table; `command` replays a token.
    pub(crate) fn render(&self, command: &str) -> String {
        let (explored, schedules) = self.explored;
        let mut text = format!("cargo timeloop: {} with #[tokio::test]\n", tests(self.total()));
        let _ = writeln!(text, "{explored:>6} explored, no schedule failed ({schedules} schedules)");
        let panicked = self.passed.iter().filter(|test| test.needs.ignore_unobserved_panics).count();
        if panicked > 0 {
            let _ = writeln!(
                text,
                "         in {panicked} of them, tasks panic whose join handles are gone, as tokio allows"
            );
        }
        let processes = self.passed.iter().filter(|test| test.needs.processes).count();
        if processes > 0 {
            let _ = writeln!(
                text,
                "         in {processes} of them, each run had a process of its own, because runs leave something behind in statics"
            );
        }
        let title = "failed in some order: a bug in the test or in the code that it calls";
        let with_replay =
            |test: &Explored| [test.message.clone(), format!("{command} {} {}", test.token, test.arguments)];
        list(&mut text, title, &self.failed, with_replay);
        let title = "failed only if time passes while a task is ready, as on a busy machine (--strict counts it as a bug)";
        list(&mut text, title, &self.failed_by_stalls, with_replay);
        let title = "failed only if a read or write transfers a part of the bytes, as TCP allows (--strict counts it as a bug)";
        list(&mut text, title, &self.failed_by_short_reads, with_replay);
        let reason = |test: &Explored| [test.message.clone(), String::new()];
        let title =
            "failed already in FIFO order, the order of tokio's test runtime (--strict counts it as a bug)";
        list(&mut text, title, &self.not_here, reason);
        let title = "not deterministic: the same schedule gives different runs (--strict counts it as a bug)";
        list(&mut text, title, &self.nondeterministic, reason);
        list(&mut text, "not explored because of a wrong setting", &self.errors, reason);
        if self.skipped > 0 {
            let _ = writeln!(text, "{:>6} not run, because timeloop.toml skips them", self.skipped);
        }
        let (passed, failed) = &self.ordinary;
        if passed + failed.len() as u64 > 0 {
            let tests = if *passed == 1 { "test" } else { "tests" };
            let _ = writeln!(text, "{passed:>6} other {tests} passed; such tests run once, as they are");
        }
        if !failed.is_empty() {
            let (tests, them) =
                if failed.len() == 1 { ("test", "it as a bug") } else { ("tests", "them as bugs") };
            let _ = writeln!(text, "{:>6} other {tests} failed (--strict counts {them})", failed.len());
            failed.iter().for_each(|path| text.push_str(&format!("         {path}\n")));
        }
        text
    }
}

fn tests(count: u64) -> String {
    if count == 1 { "1 test".into() } else { format!("{count} tests") }
}

/// Adds a line for each test, with lines below it that are not empty.
fn list(text: &mut String, title: &str, tests: &[Explored], below: impl Fn(&Explored) -> [String; 2]) {
    if tests.is_empty() {
        return;
    }
    let _ = writeln!(text, "{:>6} {title}", tests.len());
    for test in tests {
        let _ = writeln!(text, "         {}", test.test);
        for line in below(test).iter().flat_map(|lines| lines.lines()).filter(|line| !line.trim().is_empty())
        {
            let _ = writeln!(text, "           {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::explored;
    use crate::settings::OfTest;

    fn libtest(passed: u64, failed: &[&str]) -> Libtest {
        let mut libtest = Libtest::default();
        libtest.passed = passed;
        libtest.failed = failed.iter().map(|path| (*path).to_owned()).collect();
        libtest
    }

    #[test]
    fn tests_are_sorted() {
        let results = vec![
            explored("a", Outcome::Explored),
            explored("b", Outcome::Failed),
            explored("c", Outcome::FailedInBaseline),
            explored("d", Outcome::Nondeterministic),
            // An expected failure.
            explored("e", Outcome::FailedInBaseline),
            explored("f", Outcome::FailedByStalls),
            explored("g", Outcome::FailedByShortReads),
            explored("h", Outcome::Skipped),
            // It fails without these settings.
            Explored {
                needs: OfTest { ignore_unobserved_panics: true, ..OfTest::default() },
                ..explored("i", Outcome::Explored)
            },
        ];
        let table = Table::new(results, libtest(4, &["b", "c", "d", "f", "g", "i", "sum"]));
        let text = table.render("cargo timeloop replay");
        assert_eq!(
            text,
            "\
cargo timeloop: 8 tests with #[tokio::test]
     3 explored, no schedule failed (30 schedules)
         in 1 of them, tasks panic whose join handles are gone, as tokio allows
     1 failed in some order: a bug in the test or in the code that it calls
         bank::b
           panic: x
           cargo timeloop replay TL1 b -- --exact
     1 failed only if time passes while a task is ready, as on a busy machine (--strict counts it as a bug)
         bank::f
           panic: x
           cargo timeloop replay TL1 f -- --exact
     1 failed only if a read or write transfers a part of the bytes, as TCP allows (--strict counts it as a bug)
         bank::g
           panic: x
           cargo timeloop replay TL1 g -- --exact
     1 failed already in FIFO order, the order of tokio's test runtime (--strict counts it as a bug)
         bank::c
           panic: x
     1 not deterministic: the same schedule gives different runs (--strict counts it as a bug)
         bank::d
           panic: x
     1 not run, because timeloop.toml skips them
     1 other test passed; such tests run once, as they are
     1 other test failed (--strict counts it as a bug)
         sum
"
        );
        assert_eq!(table.exit(false, true), Exit::Found);
    }

    #[test]
    fn what_does_not_run_here_is_a_bug_only_if_strict() {
        let table = Table::new(vec![explored("c", Outcome::FailedInBaseline)], libtest(0, &["c"]));
        assert_eq!((table.exit(false, false), table.exit(true, false)), (Exit::Clean, Exit::Found));
        let table = Table::new(Vec::new(), libtest(0, &["sum"]));
        assert_eq!((table.exit(false, false), table.exit(true, false)), (Exit::Clean, Exit::Found));
        let table = Table::new(vec![explored("a", Outcome::Explored)], libtest(1, &[]));
        assert_eq!((table.exit(true, false), table.exit(true, true)), (Exit::Clean, Exit::Infrastructure));
        let table = Table::new(vec![explored("a", Outcome::Error)], libtest(0, &[]));
        assert_eq!(table.exit(false, true), Exit::Usage);
    }
}
