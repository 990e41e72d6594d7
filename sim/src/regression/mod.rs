//! Regression files ([`Regressions`]): the schedules under which a test has failed, which are tried first the next time.
//!
//! A file belongs to one test. It is text that users may edit, with a line for each deviation, and comments.
//!
//! ```text
//! timeloop regressions, version 1
//! test bank::tests::transfers
//!
//! schedule
//!   # panic at tests/bank.rs:41:9: the total was 90
//!   run root.2 resume 3 after 4 other steps
//!   checksum 9ba2dbd5
//! ```
//!
//! # Invariants
//! Files are only appended to, so nothing that a user or another version wrote is lost. A line that can't be read invalidates
//! only its own schedule.

mod block_file;
mod error;
mod format;

use std::path::Path;

pub use block_file::{BlockFile, BlockFormat, Blocks};
pub(crate) use block_file::{read_file, unique_beside};
pub use error::RegressionError;
use format::Line;

use crate::console::shown;
use crate::token::{crc32, tag};
use crate::{Schedule, Seed};

/// The folder of regression files, in the folder of the package under test.
pub(crate) const FOLDER: &str = "timeloop-regressions";

/// The regression file of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regressions {
    file: BlockFile,
}

/// The contents of a regression file.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The schedules, in the order of the file.
    pub schedules: Vec<Stored>,
    /// The errors in the file.
    pub problems: Vec<RegressionError>,
}

/// A schedule of a regression file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The number of the line where it begins, from 1.
    pub line: usize,
    /// The schedule.
    pub schedule: Schedule,
}

impl Regressions {
    /// The name of the folder of regression files, which is in the folder of the package under test.
    pub const FOLDER: &str = FOLDER;

    /// Returns the file of `test` in `folder`, whether or not it exists.
    #[must_use]
    pub fn new(folder: &Path, test: &str) -> Self {
        Self { file: BlockFile { path: folder.join(file_name(test)), test: test.to_owned() } }
    }

    /// Returns the file at `path`, of any test.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { file: BlockFile { path: path.to_owned(), test: String::new() } }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Reads the file. A file that does not exist has no schedules.
    ///
    /// # Errors
    /// When the file exists and can't be read.
    pub fn load(&self) -> Result<Loaded, RegressionError> {
        let Blocks { stored, problems } = self.file.load::<ScheduleBlock>()?;
        Ok(Loaded { schedules: stored, problems })
    }

    /// Adds `schedule`, unless the file has it already; `comment` describes the failure. Returns whether it was added.
    ///
    /// # Errors
    /// When the file can't be written, or was made by a later version.
    pub fn append(&self, schedule: &Schedule, comment: &str) -> Result<bool, RegressionError> {
        let mut lines = format::print(schedule);
        lines.push(format!("checksum {:08x}", checksum(&lines)));
        self.file.append::<ScheduleBlock>(comment, &lines, |stored| stored.schedule == *schedule)
    }
}

/// The lines from one `schedule` to the next.
#[derive(Default)]
struct ScheduleBlock {
    lines: Vec<Line>,
    checksum: Option<(usize, u32)>,
}

impl BlockFormat for ScheduleBlock {
    const HEADER: &'static str = "timeloop regressions, version 1";
    const BEGIN: &'static str = "schedule";
    const ABOUT: &'static str = "\
        # Schedules under which this test has failed. timeloop tries them first, so commit this file.\n\
        # To remove a schedule, delete the lines from `schedule` to `checksum`.";
    type Stored = Stored;

    fn line(&mut self, number: usize, line: &str, _test: &str) -> Result<(), &'static str> {
        match format::parse(line)? {
            Line::Checksum(sum) => self.checksum = Some((number, sum)),
            line => self.lines.push(line),
        }
        Ok(())
    }

    fn end(self, line: usize, file: &BlockFile) -> Result<Stored, RegressionError> {
        let schedule = assemble(self.lines).ok_or_else(|| {
            let accepted = "below it: one line `seed …`, or decision lines, each for a different decision";
            file.bad_line(line, "schedule", accepted)
        })?;
        let sum = checksum(&format::print(&schedule));
        match self.checksum {
            Some((_, found)) if found == sum => Ok(Stored { line, schedule }),
            other => Err(RegressionError::Checksum {
                path: shown(&file.path),
                line: other.map_or(line, |(line, _)| line),
                found: other.map(|(_, found)| found),
                sum,
            }),
        }
    }
}

/// Returns the schedule of the lines; `None` if they contradict each other.
fn assemble(lines: Vec<Line>) -> Option<Schedule> {
    let mut seed = None;
    let mut deviations = Vec::new();
    let count = lines.len();
    for line in lines {
        match line {
            Line::Seeded(seed, strategy, estimates, version) => {
                return (count == 1).then_some(Schedule::Seeded { seed, strategy, estimates, version });
            }
            Line::Randomness(randomness) => {
                if seed.replace(randomness).is_some() {
                    return None;
                }
            }
            Line::Deviation(deviation) => deviations.push(deviation),
            Line::Checksum(_) => {}
        }
    }
    let mut keys: Vec<_> = deviations.iter().map(|deviation| deviation.key()).collect();
    keys.sort_unstable();
    keys.dedup();
    let randomness = seed.unwrap_or(Seed(0));
    (keys.len() == deviations.len()).then_some(Schedule::Deviations { randomness, deviations })
}

fn checksum(lines: &[String]) -> u32 {
    let text = lines.iter().fold("schedule".to_owned(), |text, line| text + "\n" + line);
    crc32(text.as_bytes())
}

/// Returns the file name for a test: `bank.tests.transfers.txt` for `bank::tests::transfers`. Characters that are unsafe in
/// file names are replaced, and then a hash is added, so that no two tests share a file.
fn file_name(test: &str) -> String {
    const CHARACTERS_MAX: usize = 150;
    let dotted = test.replace("::", ".");
    let safe: String = dotted
        .chars()
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' => character,
            _ => '_',
        })
        .take(CHARACTERS_MAX)
        .collect();
    if safe == dotted && !test.contains('.') && !test.is_empty() {
        format!("{safe}.txt")
    } else {
        format!("{safe}-{:08x}.txt", u32::from_be_bytes(tag(test)))
    }
}
