//! How the command ends: [`Exit`], the exit codes, and [`Failed`], an error with its exit code.

use std::process::ExitCode;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing was found.
    Clean,
    /// Something around the tests has failed: the toolchain, the dependencies, the build.
    Infrastructure,
    /// The arguments or `timeloop.toml` are wrong. (clap ends with the same code.)
    Usage,
    /// A bug was found.
    Found,
    /// The exit code of the user's program, of `cargo timeloop run`.
    Program(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Infrastructure => 1,
            Exit::Usage => 2,
            Exit::Found => 42,
            Exit::Program(code) => code,
        })
    }
}

/// An error that ends the command.
#[derive(Debug)]
pub(crate) struct Failed {
    exit: Exit,
    message: String,
}

impl Failed {
    /// An error around the tests.
    pub(crate) fn infrastructure(message: impl Into<String>) -> Self {
        Self { exit: Exit::Infrastructure, message: message.into() }
    }

    /// A mistake of the user's.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// Prints the error, and returns its exit code.
    pub(crate) fn print(self) -> Exit {
        eprintln!("cargo timeloop: {}", self.message);
        self.exit
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}
