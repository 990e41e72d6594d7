//! The regression file of a property: inputs and schedules with which it has failed.
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
//! An input is stored as what it takes to generate it: the seed, and the way that shrinking took. After an edit of the strategy
//! they give something else, which is why the input stands there in words as well. Where proptest keeps the way to itself, a
//! line `generated` has what the seed gave.
//!
//! Always true: a file is only ever appended to; a line that can't be read costs the case that it is part of and no other.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proptest::test_runner::PersistedSeed;
use timeloop_sim::{BlockFile, BlockFormat, Blocks, RegressionError, Regressions, Schedule as Stored};

use super::trace::Way;
use crate::Seed;

/// A case with which a property has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredCase {
    /// The line where it begins, from 1.
    pub(super) line: usize,
    /// The shrunk input, as it prints.
    pub(super) input: String,
    pub(super) seed: CaseSeed,
    /// The way from what the seed gives to the shrunk input, where it is known.
    pub(super) way: Option<Way>,
    /// What the seed gave before it was shrunk, as it prints, where the way is not known.
    pub(super) generated: Option<String>,
    /// The shrunk schedule, where there is one.
    pub(super) schedule: Option<Stored>,
}

/// What the input is generated from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CaseSeed {
    Ours(Seed),
    Theirs(PersistedSeed),
}

impl fmt::Display for CaseSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(seed) => seed.fmt(f),
            Self::Theirs(seed) => seed.fmt(f),
        }
    }
}

impl FromStr for CaseSeed {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.parse() {
            Ok(seed) => Ok(Self::Ours(Seed(seed))),
            Err(_) => text.parse().map(Self::Theirs),
        }
    }
}

/// The file with the cases of one property.
#[derive(Clone, Debug)]
pub(super) struct CaseFile {
    file: BlockFile,
}

impl CaseFile {
    /// The file of `test` in `folder`, beside that of the schedules.
    pub(super) fn new(folder: &Path, test: &str) -> Self {
        let path = Regressions::new(folder, test).path().with_extension("proptest.txt");
        Self { file: BlockFile { path, test: test.to_owned() } }
    }

    pub(super) fn test(&self) -> &str {
        &self.file.test
    }

    /// Where the file is, as a person would write it from here.
    pub(super) fn shown(&self) -> PathBuf {
        timeloop_sim::shown(&self.file.path)
    }

    pub(super) fn load(&self) -> Blocks<StoredCase> {
        let unreadable = |problem| Blocks { stored: Vec::new(), problems: vec![problem] };
        self.file.load::<CaseBlock>().unwrap_or_else(unreadable)
    }

    /// Adds a case, unless the file has it already; `comment` says what fails.
    pub(super) fn append(&self, case: &StoredCase, comment: &str) -> Result<(), RegressionError> {
        let lines = self.lines(case);
        let has = |stored: &StoredCase| self.lines(stored) == lines;
        self.file.append::<CaseBlock>(&with_sentence(comment, case), &lines, has).map(drop)
    }

    /// What a file with nothing but this case has in it, without the comment at its head.
    pub(super) fn block(&self, case: &StoredCase, comment: &str) -> String {
        let block = self.file.block::<CaseBlock>(&with_sentence(comment, case), &self.lines(case));
        format!("\n{}{}", self.file.head::<CaseBlock>(), block.trim_end())
    }

    fn lines(&self, case: &StoredCase) -> Vec<String> {
        let StoredCase { line: _, input, seed, way, generated, schedule } = case;
        let mut lines = vec![format!("input {input}"), format!("seed {seed}")];
        lines.extend(way.as_ref().map(|way| format!("way {way}").trim_end().to_owned()));
        lines.extend(generated.as_ref().map(|generated| format!("generated {generated}")));
        lines
            .extend(schedule.as_ref().map(|schedule| format!("schedule {}", schedule.to_token(self.test()))));
        lines
    }
}

/// An input as a file has it: in one line.
pub(super) fn one_line(input: &dyn fmt::Debug) -> String {
    // What `Debug` prints in several lines is not to be taken for lines of the file.
    format!("{input:?}").replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").trim().to_owned()
}

/// The comment, and what the schedule does.
fn with_sentence(comment: &str, case: &StoredCase) -> String {
    case.schedule.as_ref().map_or_else(|| comment.to_owned(), |schedule| format!("{comment}\n{schedule}"))
}

/// The lines from one `case` to the next.
#[derive(Default)]
struct CaseBlock {
    input: Option<String>,
    seed: Option<CaseSeed>,
    way: Option<Way>,
    generated: Option<String>,
    schedule: Option<Stored>,
}

impl BlockFormat for CaseBlock {
    const HEADER: &'static str = "timeloop properties, version 1";
    const BEGIN: &'static str = "case";
    const ABOUT: &'static str = "\
        # Inputs and schedules with which this test has failed. timeloop tries them first, so commit this file.\n\
        # To be rid of a case, delete it from the line `case` to its last.";
    type Stored = StoredCase;

    fn line(&mut self, _number: usize, line: &str, test: &str) -> Result<(), &'static str> {
        fn set<T>(
            place: &mut Option<T>,
            value: Option<T>,
            accepted: &'static str,
        ) -> Result<(), &'static str> {
            match (&place, value) {
                (None, Some(value)) => *place = Some(value),
                (Some(_), Some(_)) => return Err("one such line in each case"),
                (_, None) => return Err(accepted),
            }
            Ok(())
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "input" => set(&mut self.input, Some(rest.to_owned()), "input [251]"),
            "seed" => set(&mut self.seed, rest.parse().ok(), "seed 17"),
            "way" => set(&mut self.way, rest.parse().ok(), "way s3 c1 s2"),
            "generated" => set(&mut self.generated, Some(rest.to_owned()), "generated [800, 3]"),
            "schedule" => {
                let schedule = Stored::from_token(rest, test).ok();
                set(&mut self.schedule, schedule, "schedule TL1…, the whole token of a schedule of this test")
            }
            _ => Err("case`, `input …`, `seed …`, `way …`, `generated …` or `schedule …"),
        }
    }
    fn end(self, line: usize, file: &BlockFile) -> Result<StoredCase, RegressionError> {
        let Self { input, seed, way, generated, schedule } = self;
        match (input, seed) {
            (Some(input), Some(seed)) => Ok(StoredCase { line, input, seed, way, generated, schedule }),
            _ => Err(file.bad_line(line, "case", "a case with its lines `input …` and `seed …`")),
        }
    }
}
