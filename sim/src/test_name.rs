//! [`TestName`]: the name of a test, and the command that runs it.
//!
//! # Invariants
//! Tokens and regression files are bound to their test by its name alone.

use std::fmt;
use std::sync::Arc;

use crate::Schedule;
use crate::test_binary::TestBinary;
use crate::text::escaped;

/// A test's name, and the command that runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestName {
    name: Arc<str>,
    command: Command,
}

/// The command that runs a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Command {
    /// A `cargo test` command made from the name.
    #[default]
    FromName,
    /// This command.
    Given(Arc<str>),
    /// A command that runs a test of the running binary: the test's path, and the features of the binary if known. Without
    /// a path, a command that runs the program.
    OfBinary(Option<Arc<str>>, Option<&'static str>),
}

impl TestName {
    /// Creates a name: the path of a test with the crate first (`bank::tests::transfers`), or any other text.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), command: Command::FromName }
    }

    /// Sets the command that runs the test, instead of `cargo test`.
    #[must_use]
    pub fn with_command(self, command: impl Into<Arc<str>>) -> Self {
        Self { command: Command::Given(command.into()), ..self }
    }

    /// Sets the command to the one that runs the test at `path` in the running test binary: the name of its thread, as
    /// `cargo test` prints it. Without a path, the command runs the program. `features` are the features that the binary's
    /// package was built with, separated by commas, if they are known.
    ///
    /// The command selects the package, the binary and the features, and works in the folder where cargo was called.
    #[must_use]
    pub fn of_this_binary(self, path: Option<&str>, features: Option<&'static str>) -> Self {
        Self { command: Command::OfBinary(path.map(Arc::from), features), ..self }
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
            (Command::Given(command), _) => command.to_string(),
            (Command::OfBinary(path, features), _) => {
                TestBinary::of_this_process().command(path.as_deref(), *features)
            }
            (Command::FromName, Some((_crate, path))) => format!("cargo test {} -- --exact", escaped(path)),
            (Command::FromName, None) => "cargo test".to_owned(),
        }
    }

    /// Returns the shell command that replays `schedule`. For a test of the running binary it starts with the value of
    /// `TIMELOOP_COMMAND`, if that is set.
    #[must_use]
    pub fn replay_line(&self, schedule: &Schedule) -> String {
        let token = schedule.to_token(&self.name);
        let command = std::env::var("TIMELOOP_COMMAND").ok().filter(|command| !command.trim().is_empty());
        match command.zip(self.arguments()) {
            Some((command, arguments)) => {
                format!("{} {token} {arguments}", command.trim()).trim_end().to_owned()
            }
            None => format!("TIMELOOP_REPLAY={token} {}", self.command()),
        }
    }

    /// Returns the arguments of `cargo test` that run this test, if it is one of the running binary.
    pub(crate) fn arguments(&self) -> Option<String> {
        let Command::OfBinary(path, features) = &self.command else { return None };
        let binary = TestBinary::of_this_process();
        (!binary.is_program()).then(|| binary.arguments(path.as_deref(), *features))
    }

    /// Returns the path of the test in the running test binary, as `cargo test` prints it, if it is known.
    pub(crate) fn path(&self) -> Option<&str> {
        match &self.command {
            Command::OfBinary(path, _) => path.as_deref(),
            Command::FromName | Command::Given(_) => None,
        }
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.name))
    }
}
