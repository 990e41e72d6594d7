//! The format of a property's regression file: failing inputs with their schedules.
//!
//! ```text
//! timeloop properties, version 1
//! test bank::tests::transfers
//!
//! case
//!   # panic at tests/bank.rs:41:9: the total was 90
//!   # run root.2 resume 0 after 0 other steps
//!   input [251]
//!   seed 17
//!   way s3 c1 s2
//!   schedule TL11NYEEH6B040020820000009P20D2R
//! ```
//!
//! An input is stored as what generates it: the seed, and the path that shrinking took (the line `way`). After an edit
//! of the strategy these give another input, so the file also contains the input as text. If proptest does not reveal
//! the path, a line `generated` contains the unshrunk input.
//!
//! # Invariants
//! A file is only appended to. An unreadable line invalidates only its own case.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proptest::test_runner::PersistedSeed;
use timeloop_sim::{BlockFile, BlockFormat, Blocks, RegressionError, Regressions, Schedule as Stored};

use super::shrink_path::ShrinkPath;
use crate::Seed;

/// A failing case of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredCase {
    /// The line at which it begins, from 1.
    pub(super) line: usize,
    /// The shrunk input, formatted.
    pub(super) input: String,
    pub(super) seed: CaseSeed,
    /// The path from the generated input to the shrunk one, if known.
    pub(super) path: Option<ShrinkPath>,
    /// The unshrunk input, formatted, if the path is unknown.
    pub(super) generated: Option<String>,
    /// The shrunk schedule, if there is one.
    pub(super) schedule: Option<Stored>,
}

/// The seed of the input: timeloop's own, or proptest's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CaseSeed {
    Timeloop(Seed),
    Proptest(PersistedSeed),
}

impl fmt::Display for CaseSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeloop(seed) => seed.fmt(f),
            Self::Proptest(seed) => seed.fmt(f),
        }
    }
}

impl FromStr for CaseSeed {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.parse() {
            Ok(seed) => Ok(Self::Timeloop(Seed(seed))),
            Err(_) => text.parse().map(Self::Proptest),
        }
    }
}

/// The file with the cases of one property.
#[derive(Clone, Debug)]
pub(super) struct CaseFile {
    file: BlockFile,
}

impl CaseFile {
    /// Returns the file of `test` in `folder`, beside the file of its schedules.
    pub(super) fn new(folder: &Path, test: &str) -> Self {
        let path = Regressions::new(folder, test).path().with_extension("proptest.txt");
        Self { file: BlockFile { path, test: test.to_owned() } }
    }

    pub(super) fn test(&self) -> &str {
        &self.file.test
    }

    /// Returns the file's path as the user would write it from the current folder.
    pub(super) fn display_path(&self) -> PathBuf {
        timeloop_sim::shown(&self.file.path)
    }

    pub(super) fn load(&self) -> Blocks<StoredCase> {
        let unreadable = |problem| Blocks { stored: Vec::new(), problems: vec![problem] };
        self.file.load::<CaseBlock>().unwrap_or_else(unreadable)
    }

    /// Appends a case unless the file contains it. `comment` describes the failure.
    pub(super) fn append(&self, case: &StoredCase, comment: &str) -> Result<(), RegressionError> {
        let lines = self.lines(case);
        let has = |stored: &StoredCase| self.lines(stored) == lines;
        self.file.append::<CaseBlock>(&with_description(comment, case), &lines, has).map(drop)
    }

    /// Returns the contents of a file with only this case, without the leading comment.
    pub(super) fn block(&self, case: &StoredCase, comment: &str) -> String {
        let block = self.file.block::<CaseBlock>(&with_description(comment, case), &self.lines(case));
        format!("\n{}{}", self.file.head::<CaseBlock>(), block.trim_end())
    }

    fn lines(&self, case: &StoredCase) -> Vec<String> {
        let StoredCase { line: _, input, seed, path, generated, schedule } = case;
        let mut lines = vec![format!("input {input}"), format!("seed {seed}")];
        lines.extend(path.as_ref().map(|path| format!("way {path}").trim_end().to_owned()));
        lines.extend(generated.as_ref().map(|generated| format!("generated {generated}")));
        lines
            .extend(schedule.as_ref().map(|schedule| format!("schedule {}", schedule.to_token(self.test()))));
        lines
    }
}

/// Formats an input for the file, on one line.
pub(super) fn one_line(input: &dyn fmt::Debug) -> String {
    // Line breaks in the `Debug` output must not become lines of the file.
    format!("{input:?}").replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").trim().to_owned()
}

/// Returns the comment, followed by a description of the schedule.
fn with_description(comment: &str, case: &StoredCase) -> String {
    case.schedule.as_ref().map_or_else(|| comment.to_owned(), |schedule| format!("{comment}\n{schedule}"))
}

/// The lines from one `case` to the next.
#[derive(Default)]
struct CaseBlock {
    input: Option<String>,
    seed: Option<CaseSeed>,
    path: Option<ShrinkPath>,
    generated: Option<String>,
    schedule: Option<Stored>,
}

impl BlockFormat for CaseBlock {
    const HEADER: &'static str = "timeloop properties, version 1";
    const BEGIN: &'static str = "case";
    const ABOUT: &'static str = "\
        # Inputs and schedules with which this test has failed. timeloop tries them first, so commit this file.\n\
        # To remove a case, delete the line `case` and the indented lines below it.";
    type Stored = StoredCase;

    fn line(&mut self, _number: usize, line: &str, test: &str) -> Result<(), &'static str> {
        fn set<T>(
            place: &mut Option<T>,
            value: Option<T>,
            accepted: &'static str,
        ) -> Result<(), &'static str> {
            match (&place, value) {
                (None, Some(value)) => *place = Some(value),
                (Some(_), Some(_)) => return Err("at most one line with this word in each case"),
                (_, None) => return Err(accepted),
            }
            Ok(())
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "input" => set(&mut self.input, Some(rest.to_owned()), "a line such as `input [251]`"),
            "seed" => set(&mut self.seed, rest.parse().ok(), "a line such as `seed 17`"),
            "way" => set(&mut self.path, rest.parse().ok(), "a line such as `way s3 c1 s2`"),
            "generated" => {
                set(&mut self.generated, Some(rest.to_owned()), "a line such as `generated [800, 3]`")
            }
            "schedule" => {
                let schedule = Stored::from_token(rest, test).ok();
                set(
                    &mut self.schedule,
                    schedule,
                    "`schedule TL1…` with the whole token of a schedule of this test",
                )
            }
            _ => Err("`case`, `input …`, `seed …`, `way …`, `generated …` or `schedule …`"),
        }
    }
    fn end(self, line: usize, file: &BlockFile) -> Result<StoredCase, RegressionError> {
        let Self { input, seed, path, generated, schedule } = self;
        match (input, seed) {
            (Some(input), Some(seed)) => Ok(StoredCase { line, input, seed, path, generated, schedule }),
            _ => {
                Err(file.bad_line(line, "case", "`case` with a line `input …` and a line `seed …` below it"))
            }
        }
    }
}
