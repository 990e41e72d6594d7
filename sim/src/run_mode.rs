//! What a test is asked to run: `TIMELOOP_REPLAY`, read, found and checked.
//!
//! Attributes, properties, fuzz targets and the command line all ask here.
//!
//! # Invariants
//! A value that names nothing to run is an error: nothing else is run in its place.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::{EnvironmentError, ReplaySetting, Settings};
use crate::regression::Regressions;
use crate::{RegressionError, Schedule, TokenError};

/// What a test is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// Stored schedules, and then others.
    Explore,
    /// These schedules, of a token or of a regression file, and nothing else.
    Replay(Vec<Schedule>),
}

/// A file that is to be replayed, of a format that only the test knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayFile {
    /// Its path as a person has typed it.
    pub typed: PathBuf,
    /// Its path.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Settings {
    /// Resolves what the test called `test` is to run.
    ///
    /// # Errors
    /// When `TIMELOOP_REPLAY` is neither a token of this test nor a regression file that can be read whole.
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

    /// Reads the file that a test which takes more than a schedule is to replay; `None` when it is to explore.
    ///
    /// # Errors
    /// When `TIMELOOP_REPLAY` is a token, which has a schedule alone, or names no file that can be read.
    pub fn replay_file(&self) -> Result<Option<ReplayFile>, ExploreError> {
        let typed = match &self.replay {
            None => return Ok(None),
            Some(ReplaySetting::Token(_)) => return Err(ExploreError::TokenWithoutInput),
            Some(ReplaySetting::File(typed)) => typed,
        };
        let unreadable = |error| ExploreError::UnreadableFile { path: typed.clone(), error };
        let path = self.locate(typed, Path::exists);
        let path = path.ok_or_else(|| unreadable(": there is no such file".to_owned()))?;
        if path.is_dir() {
            return Err(unreadable(" is a folder".to_owned()));
        }
        let bytes = std::fs::read(&path).map_err(|error| unreadable(format!(": {error}")))?;
        Ok(Some(ReplayFile { typed: typed.clone(), path, bytes }))
    }

    /// The schedules of a regression file given by hand.
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

    /// The first path that `is_it`: as it stands, in the package's folder, or in a folder above that. Tests run in their
    /// package's folder; a path is mostly typed in the workspace's.
    fn locate(&self, path: &Path, is_it: fn(&Path) -> bool) -> Option<PathBuf> {
        let folders = self.package_folder.iter().flat_map(|folder| folder.ancestors());
        let in_package = folders.map(|folder| folder.join(path));
        std::iter::once(path.to_owned()).chain(in_package).find(|path| is_it(path))
    }
}

/// What kept an exploration from being made, or from being made in full.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExploreError {
    /// An environment variable has a value that is not accepted.
    Environment(EnvironmentError),
    /// The token to be replayed is no good.
    Token(TokenError),
    /// The file to be replayed is not there, or holds no schedule.
    NothingToReplay(PathBuf),
    /// Lines of the regression file, or all of it, can't be read. The other schedules were tried and the test explored.
    Regressions(Vec<RegressionError>),
    /// A token is to be replayed by a test that takes an input too.
    TokenWithoutInput,
    /// The file to be replayed can't be read.
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as the end of a sentence.
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
                "TIMELOOP_REPLAY=`{}` is neither a token nor a regression file with a schedule; accepted are a token, which \
                 starts with `TL1`, and the path of such a file",
                path.display()
            ),
            Self::Regressions(errors) => {
                let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::TokenWithoutInput => f.write_str(
                "TIMELOOP_REPLAY is a token, which has a schedule and no input, and a fuzz target needs both",
            ),
            Self::UnreadableFile { path, error } => {
                write!(f, "TIMELOOP_REPLAY=`{}`{error}", path.display())
            }
        }
    }
}

impl std::error::Error for ExploreError {}
