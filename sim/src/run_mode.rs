//! Resolves `TIMELOOP_REPLAY` to a [`RunMode`]: whether a test explores, or which schedules it replays.
//!
//! The attributes, properties and fuzz targets all use it.
//!
//! # Invariants
//! If `TIMELOOP_REPLAY` names nothing to replay, that is an error, and nothing is run.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::{EnvironmentError, ReplaySetting, Settings};
use crate::regression::{Regressions, read_file};
use crate::{RegressionError, Schedule, TokenError};

/// Whether a test explores or replays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// Tries the stored schedules, and then explores.
    Explore,
    /// Replays only these schedules, from a token or a regression file.
    Replay(Vec<Schedule>),
}

/// A file to replay, in a format that only the test knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayFile {
    /// The path as given in `TIMELOOP_REPLAY`.
    pub typed: PathBuf,
    /// The path at which the file was found.
    pub path: PathBuf,
    /// The contents.
    pub bytes: Vec<u8>,
}

impl Settings {
    /// Returns whether the test called `test` explores, or the schedules that it replays.
    ///
    /// # Errors
    /// When `TIMELOOP_REPLAY` is neither a token of this test nor a regression file that can be read completely.
    pub fn run_mode(&self, test: &str) -> Result<RunMode, ExploreError> {
        match &self.replay {
            None => Ok(RunMode::Explore),
            Some(ReplaySetting::Token(token)) => {
                let schedule = Schedule::from_token(token, test).map_err(ExploreError::Token)?;
                Ok(RunMode::Replay(vec![schedule]))
            }
            Some(ReplaySetting::File(path)) => self.read_regressions(path).map(RunMode::Replay),
        }
    }

    /// Reads the file to replay, for a test that needs an input besides a schedule. Returns `None` if the test explores.
    ///
    /// # Errors
    /// When `TIMELOOP_REPLAY` is a token, which has no input, or a file that can't be read.
    pub fn replay_file(&self) -> Result<Option<ReplayFile>, ExploreError> {
        let typed = match &self.replay {
            None => return Ok(None),
            Some(ReplaySetting::Token(_)) => return Err(ExploreError::TokenWithoutInput),
            Some(ReplaySetting::File(typed)) => typed,
        };
        let unreadable = |error| ExploreError::UnreadableFile { path: typed.clone(), error };
        let path = self.locate(typed, Path::exists);
        let path = path.ok_or_else(|| unreadable(": there is no such file".to_owned()))?;
        let bytes = read_file(&path).map_err(|error| unreadable(format!(": {error}")))?;
        Ok(Some(ReplayFile { typed: typed.clone(), path, bytes }))
    }

    /// Reads the schedules of the regression file at `path`.
    fn read_regressions(&self, path: &Path) -> Result<Vec<Schedule>, ExploreError> {
        let nothing = || ExploreError::NothingToReplay(path.to_owned());
        let path = self.locate(path, Path::is_file).ok_or_else(nothing)?;
        let loaded = Regressions::at(&path).load().map_err(|error| ExploreError::Regressions(vec![error]))?;
        if !loaded.problems.is_empty() {
            return Err(ExploreError::Regressions(loaded.problems));
        }
        if loaded.schedules.is_empty() {
            return Err(nothing());
        }
        Ok(loaded.schedules.into_iter().map(|stored| stored.schedule).collect())
    }

    /// Returns the first path for which `is_it` holds: `path` itself, `path` in the package's folder, or in a folder above.
    /// Tests run in their package's folder, but the path is often relative to the workspace's folder.
    fn locate(&self, path: &Path, is_it: fn(&Path) -> bool) -> Option<PathBuf> {
        let folders = self.package_folder.iter().flat_map(|folder| folder.ancestors());
        let in_package = folders.map(|folder| folder.join(path));
        std::iter::once(path.to_owned()).chain(in_package).find(|path| is_it(path))
    }
}

/// An error that prevented an exploration, or made it incomplete.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExploreError {
    /// An environment variable has a value that is not accepted.
    Environment(EnvironmentError),
    /// The token to replay is invalid.
    Token(TokenError),
    /// The file to replay does not exist, or contains no schedule.
    NothingToReplay(PathBuf),
    /// The regression file can't be read, completely or in part. An exploration has tried the other schedules and has
    /// explored; a replay has run nothing.
    Regressions(Vec<RegressionError>),
    /// `TIMELOOP_REPLAY` is a token, but the test also needs an input.
    TokenWithoutInput,
    /// The file to replay can't be read.
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// The reason, as the end of a sentence.
        error: String,
    },
}

impl fmt::Display for ExploreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(error) => error.fmt(f),
            Self::Token(error) => write!(f, "TIMELOOP_REPLAY: {error}"),
            Self::NothingToReplay(path) => write!(
                f,
                "TIMELOOP_REPLAY=`{}` is neither a token (which starts with `TL1`) nor the path of a regression file \
                 that exists and contains a schedule",
                path.display()
            ),
            Self::Regressions(errors) => {
                let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::TokenWithoutInput => f.write_str(
                "TIMELOOP_REPLAY is a token, which has a schedule but no input; a fuzz target needs both",
            ),
            Self::UnreadableFile { path, error } => {
                write!(f, "TIMELOOP_REPLAY=`{}`{error}", path.display())
            }
        }
    }
}

impl std::error::Error for ExploreError {}
