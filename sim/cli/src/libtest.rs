//! Reads what libtest prints: which tests have failed, and how many have passed.

/// The results of all test binaries of a `cargo test`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Libtest {
    /// The paths of the tests that have failed. The same path may be in several binaries.
    pub(crate) failed: Vec<String>,
    pub(crate) passed: u64,
    /// How many binaries have ended with a test that failed.
    pub(crate) failed_binaries: u64,
    /// The names in the list that is being read. Only the last list of a binary has names alone.
    list: Vec<String>,
}

impl Libtest {
    /// Reads a line of the standard output.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if line == "failures:" {
            self.list.clear();
        } else if let Some(name) = line.strip_prefix("    ") {
            self.list.push(name.to_owned());
        } else if let Some(result) = line.strip_prefix("test result: ") {
            let passed =
                result.split_once(". ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok());
            self.passed += passed.unwrap_or_default();
            if result.starts_with("FAILED") {
                self.failed_binaries += 1;
                self.failed.append(&mut self.list);
            }
            self.list.clear();
        } else if !line.is_empty() {
            self.list.clear();
        }
    }

    /// Returns whether a test of this path has failed, and takes it from the list.
    pub(crate) fn take_failed(&mut self, path: &str) -> bool {
        let index = self.failed.iter().position(|failed| failed == path);
        index.map(|index| self.failed.remove(index)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Libtest {
        let mut libtest = Libtest::default();
        text.lines().for_each(|line| libtest.line(line));
        libtest
    }

    #[test]
    fn failures_are_those_of_the_last_list() {
        let mut libtest = read(
            "
running 3 tests
test a::passes ... ok
test a::fails ... FAILED
test b::fails ... some output
FAILED

failures:

---- a::fails stdout ----
failures:
    not_a_test
thread panicked

---- b::fails stdout ----
    an indented line

failures:
    a::fails
    b::fails

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s

running 1 test
test c ... ok

test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
",
        );
        assert_eq!((libtest.passed, libtest.failed_binaries), (13, 1));
        assert_eq!(libtest.failed, ["a::fails", "b::fails"]);
        assert!(libtest.take_failed("a::fails"));
        assert!(!libtest.take_failed("a::fails"));
        assert_eq!(libtest.failed, ["b::fails"]);
    }
}
