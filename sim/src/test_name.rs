//! What a test is called, and how a person runs it again.
//!
//! Always true: the name alone ties tokens and regression files to their test.

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
    /// A test called `name`: its path with the crate first (`bank::tests::transfers`), or any other text.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), command: None }
    }

    /// The same test, run by `command` instead of `cargo test`.
    #[must_use]
    pub fn with_command(self, command: impl Into<Arc<str>>) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The command that runs this test: the one given, else made of the name as `cargo test` wants it.
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

    /// The line that replays `schedule`, to be pasted into a shell.
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
