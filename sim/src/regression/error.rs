//! Errors of reading and writing regression files.

use std::fmt;
use std::path::PathBuf;

/// An error in a regression file, or in a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegressionError {
    /// The file can't be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: String,
    },
    /// The file can't be written.
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: String,
    },
    /// A line is invalid.
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The line.
        found: String,
        /// What is accepted there, such as an example of a line.
        accepted: String,
    },
    /// A schedule was edited, or is damaged.
    Checksum {
        /// The file.
        path: PathBuf,
        /// The number of the line with the checksum, from 1; without a checksum, of the line where the schedule begins.
        line: usize,
        /// The checksum in the file.
        found: Option<u32>,
        /// The checksum of the schedule in the file.
        sum: u32,
    },
    /// The file was made by a later version of timeloop.
    LaterVersion {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The line.
        found: String,
    },
}

impl fmt::Display for RegressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => write!(
                f,
                "{}: the regression file can't be read ({error}); make it readable, or delete it",
                path.display()
            ),
            Self::Write { path, error } => write!(
                f,
                "{}: the failing schedule can't be stored there ({error}); make the folder writable, or choose another \
                 with `regressions`",
                path.display()
            ),
            Self::Line { path, line, found, accepted } => write!(
                f,
                "{}:{line}: found `{found}`, expected {accepted}; correct the line, or delete its whole block",
                path.display()
            ),
            Self::Checksum { path, line, found: None, sum } => write!(
                f,
                "{}:{line}: the schedule has no checksum, so its end may be missing; restore the schedule, or add the \
                 line `checksum {sum:08x}` if nothing is missing",
                path.display()
            ),
            Self::Checksum { path, line, found: Some(found), sum } => write!(
                f,
                "{}:{line}: checksum {found:08x} does not match the schedule above it; restore the schedule, or write \
                 `checksum {sum:08x}` if the change was intended",
                path.display()
            ),
            Self::LaterVersion { path, line, found } => write!(
                f,
                "{}:{line}: found `{found}`, so a later version of timeloop made the file; this version reads and writes \
                 version 1: update timeloop",
                path.display()
            ),
        }
    }
}

impl std::error::Error for RegressionError {}
