//! [`TestName`]: the name of a test, and the command that runs it.
//!
//! # Invariants
//! Tokens and regression files are bound to their test by its name alone.

use std::fmt;
use std::sync::Arc;

use crate::Schedule;

/// A test's name, and the command that runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestName {
    name: Arc<str>,
    command: Option<Arc<str>>,
}

impl TestName {
    /// Creates a name: the path of a test with the crate first (`bank::tests::transfers`), or any other text.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), command: None }
    }

    /// Sets the command that runs the test, instead of `cargo test`.
    #[must_use]
    pub fn with_command(self, command: impl Into<Arc<str>>) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the command that runs this test: the one that was set, or else a `cargo test` command made from the name.
    ///
    /// ```
    /// use timeloop_sim::TestName;
    /// let test = TestName::new("bank::tests::transfers");
    /// assert_eq!(test.command(), "cargo test tests::transfers -- --exact");
    /// assert_eq!(test.with_command("cargo run").command(), "cargo run");
    /// assert_eq!(TestName::new("transfers").command(), "cargo test");
    /// ```
    #[must_use]
    pub fn command(&self) -> String {
        match (&self.command, self.name.split_once("::")) {
            (Some(command), _) => command.to_string(),
            (None, Some((_crate, path))) => format!("cargo test {path} -- --exact"),
            (None, None) => "cargo test".to_owned(),
        }
    }

    /// Returns the shell command that replays `schedule`.
    #[must_use]
    pub fn replay_line(&self, schedule: &Schedule) -> String {
        format!("TIMELOOP_REPLAY={} {}", schedule.to_token(&self.name), self.command())
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
