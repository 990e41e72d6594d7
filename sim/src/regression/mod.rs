//! Regression files: the schedules under which a test has failed, kept for the next time.
//!
//! A file belongs to one test and is for people too: one line a deviation, comments where they like.
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
//! Always true: a file is only ever appended to, so nothing that a person or another version wrote is lost; a line that
//! can't be read costs the schedule that it is part of and no other.

mod seeded;
mod spelling;

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use spelling::Line;
pub(crate) use spelling::print as lines;

use crate::token::{crc32, tag};
use crate::{Schedule, Seed};

/// The folder of regression files, in the folder of the package under test.
pub(crate) const FOLDER: &str = "timeloop-regressions";
const HEADER: &str = "timeloop regressions, version 1";

/// The file with the schedules of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regressions {
    path: PathBuf,
    test: String,
}

/// What a regression file holds.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The schedules, in the order of the file.
    pub schedules: Vec<Stored>,
    /// The lines that can't be read, and why.
    pub problems: Vec<RegressionError>,
}

/// A schedule of a regression file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The line where it begins, from 1.
    pub line: usize,
    /// The schedule.
    pub schedule: Schedule,
}

impl Regressions {
    /// The name of the folder of regression files, which is in the folder of the package under test.
    pub const FOLDER: &str = FOLDER;

    /// The file of `test` in the folder `folder`, whether or not it exists.
    #[must_use]
    pub fn new(folder: &Path, test: &str) -> Self {
        Self { path: folder.join(file_name(test)), test: test.to_owned() }
    }

    /// The file at `path`, of whichever test.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), test: String::new() }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; one that does not exist holds nothing.
    ///
    /// # Errors
    /// When the file exists and can't be read.
    pub fn load(&self) -> Result<Loaded, RegressionError> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(self.parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Loaded::default()),
            Err(error) => Err(RegressionError::Read { path: self.path.clone(), error: error.to_string() }),
        }
    }

    /// Adds `schedule`, unless the file has it already; `comment` says what fails under it. Returns whether it was added.
    ///
    /// # Errors
    /// When the file can't be written, or was made by a later version.
    pub fn append(&self, schedule: &Schedule, comment: &str) -> Result<bool, RegressionError> {
        let loaded = self.load()?;
        if let Some(later) = loaded
            .problems
            .into_iter()
            .find(|problem| matches!(problem, RegressionError::LaterVersion { .. }))
        {
            return Err(later);
        }
        if loaded.schedules.iter().any(|stored| stored.schedule == *schedule) {
            return Ok(false);
        }
        let error =
            |error: io::Error| RegressionError::Write { path: self.path.clone(), error: error.to_string() };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(error)?;
        }
        let mut file =
            fs::OpenOptions::new().create(true).append(true).read(true).open(&self.path).map_err(error)?;
        let mut text = String::new();
        if file.metadata().map_err(error)?.len() == 0 {
            text.push_str(HEADER);
            text.push_str("\ntest ");
            text.push_str(&one_line(&self.test));
            text.push_str(concat!(
                "\n\n# Schedules under which this test has failed. timeloop tries them first, so commit this file.\n",
                "# To be rid of a schedule, delete it from the line `schedule` to the line `checksum`.\n",
            ));
        }
        // The empty line also ends a last line that was left without an end.
        text.push_str("\nschedule\n");
        for line in comment.lines() {
            text.push_str("  # ");
            text.push_str(line);
            text.push('\n');
        }
        let lines = spelling::print(schedule);
        for line in &lines {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(&format!("  checksum {:08x}\n", checksum(&lines)));
        // One write, so that two processes that fail at once do not mix their lines.
        file.write_all(text.as_bytes()).map_err(error)?;
        Ok(true)
    }

    fn parse(&self, text: &str) -> Loaded {
        let mut parser = Parser { regressions: self, loaded: Loaded::default(), block: None };
        let mut lines = (1..)
            .zip(text.trim_start_matches('\u{feff}').lines().map(str::trim))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .peekable();
        if let Some((number, line)) = lines.next_if(|(_, line)| line.starts_with("timeloop regressions")) {
            if line != HEADER {
                let found = excerpt(line);
                parser.problem(RegressionError::LaterVersion {
                    path: self.path.clone(),
                    line: number,
                    found,
                });
                return parser.loaded;
            }
        } else if let Some((number, line)) = lines.peek() {
            parser.bad_line(*number, line, HEADER);
            // Whatever stands there instead of the first line has been complained of.
            lines.next_if(|(_, line)| *line != "schedule");
        }
        for (number, line) in lines {
            parser.line(number, line);
        }
        parser.end_block();
        parser.loaded
    }
}

struct Parser<'a> {
    regressions: &'a Regressions,
    loaded: Loaded,
    block: Option<Block>,
}

/// The lines from one `schedule` to the next.
struct Block {
    line: usize,
    lines: Vec<Line>,
    checksum: Option<(usize, u32)>,
    /// One line can't be read: the others are of no use without it.
    spoilt: bool,
}

impl Parser<'_> {
    fn problem(&mut self, problem: RegressionError) {
        self.loaded.problems.push(problem);
    }

    fn bad_line(&mut self, line: usize, found: &str, accepted: &str) {
        let path = self.regressions.path.clone();
        self.problem(RegressionError::Line {
            path,
            line,
            found: excerpt(found),
            accepted: accepted.to_owned(),
        });
    }

    fn line(&mut self, number: usize, line: &str) {
        if line == "schedule" {
            self.end_block();
            self.block = Some(Block { line: number, lines: Vec::new(), checksum: None, spoilt: false });
            return;
        }
        let Some(block) = &mut self.block else {
            let test = one_line(&self.regressions.test);
            match line
                .strip_prefix("test")
                .filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
            {
                Some(found) if test.is_empty() || found.trim() == test => {}
                Some(_) => self.bad_line(number, line, &format!("test {test}")),
                None => self.bad_line(number, line, "schedule"),
            }
            return;
        };
        match spelling::parse(line) {
            Ok(Line::Checksum(sum)) => block.checksum = Some((number, sum)),
            Ok(line) => block.lines.push(line),
            Err(accepted) => {
                block.spoilt = true;
                self.bad_line(number, line, accepted);
            }
        }
    }

    fn end_block(&mut self) {
        let Some(block) = self.block.take() else { return };
        if block.spoilt {
            return;
        }
        let Some(schedule) = assemble(block.lines) else {
            let accepted = "either one line `seed …`, or lines that each decide something else";
            self.bad_line(block.line, "schedule", accepted);
            return;
        };
        let sum = checksum(&spelling::print(&schedule));
        if block.checksum.is_some_and(|(_, found)| found == sum) {
            self.loaded.schedules.push(Stored { line: block.line, schedule });
        } else {
            let (line, found) =
                block.checksum.map_or((block.line, None), |(line, found)| (line, Some(found)));
            self.problem(RegressionError::Checksum { path: self.regressions.path.clone(), line, found, sum });
        }
    }
}

/// The schedule that the lines spell; `None` when they contradict each other.
fn assemble(lines: Vec<Line>) -> Option<Schedule> {
    let mut seed = None;
    let mut deviations = Vec::new();
    let count = lines.len();
    for line in lines {
        match line {
            Line::Seeded(seed, strategy, estimates) => {
                return (count == 1).then_some(Schedule::Seeded { seed, strategy, estimates });
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

/// The test's name as a file's name: `bank::tests::transfers` is `bank.tests.transfers.txt`. A name that holds what files
/// had better not be called gets its tag too, so that no two tests share a file.
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

/// A test's name as the file says it.
fn one_line(test: &str) -> String {
    test.trim().escape_debug().to_string()
}

fn excerpt(line: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let start: String = line.chars().take(CHARACTERS_MAX).collect();
    let dots = if start.len() < line.len() { "…" } else { "" };
    format!("{}{dots}", start.escape_debug())
}

/// Why a regression file, or a part of it, is of no use.
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
    /// A line makes no sense.
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// The line.
        found: String,
        /// How such a line looks.
        accepted: String,
    },
    /// A schedule was changed, or damaged.
    Checksum {
        /// The file.
        path: PathBuf,
        /// The line with the checksum, from 1; without one, the line where the schedule begins.
        line: usize,
        /// The checksum in the file.
        found: Option<u32>,
        /// The checksum of what the file says.
        sum: u32,
    },
    /// A version of timeloop that is newer than this one made the file.
    LaterVersion {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
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
                "{}:{line}: found `{found}` where `{accepted}` is accepted; mend the line, or delete its schedule",
                path.display()
            ),
            Self::Checksum { path, line, found: None, sum } => write!(
                f,
                "{}:{line}: the schedule has no checksum, so its end may be missing; restore it, or add the line \
                 `checksum {sum:08x}` if it is whole",
                path.display()
            ),
            Self::Checksum { path, line, found: Some(found), sum } => write!(
                f,
                "{}:{line}: checksum {found:08x} does not fit the schedule above it; restore the schedule, or put \
                 `checksum {sum:08x}` if the change was meant",
                path.display()
            ),
            Self::LaterVersion { path, line, found } => write!(
                f,
                "{}:{line}: found `{found}`, so a later version of timeloop made the file; this one reads and writes \
                 version 1: update timeloop",
                path.display()
            ),
        }
    }
}

impl std::error::Error for RegressionError {}
