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
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proptest::test_runner::PersistedSeed;
use timeloop_sim::{RegressionError, Regressions, Schedule as Stored};

use super::trace::Way;
use crate::Seed;

const HEADER: &str = "timeloop properties, version 1";

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
    path: PathBuf,
    test: String,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct LoadedCases {
    pub(super) cases: Vec<StoredCase>,
    pub(super) problems: Vec<RegressionError>,
}

impl CaseFile {
    /// The file of `test` in `folder`, beside that of the schedules.
    pub(super) fn new(folder: &Path, test: &str) -> Self {
        let path = Regressions::new(folder, test).path().with_extension("proptest.txt");
        Self { path, test: test.to_owned() }
    }

    pub(super) fn test(&self) -> &str {
        &self.test
    }

    fn test_line(&self) -> String {
        format!("test {}", self.test.trim().escape_debug())
    }

    /// Where the file is, as a person would write it from here.
    pub(super) fn shown(&self) -> PathBuf {
        timeloop_sim::shown(&self.path)
    }

    pub(super) fn load(&self) -> LoadedCases {
        match fs::read(&self.path) {
            Ok(bytes) => Parser::new(self).parse(&String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => LoadedCases::default(),
            Err(error) => {
                let problem = RegressionError::Read { path: self.shown(), error: error.to_string() };
                LoadedCases { cases: Vec::new(), problems: vec![problem] }
            }
        }
    }

    /// Adds a case, unless the file has it already; `comment` says what fails.
    pub(super) fn append(&self, case: &StoredCase, comment: &str) -> Result<(), RegressionError> {
        let loaded = self.load();
        let later = |problem: &RegressionError| matches!(problem, RegressionError::LaterVersion { .. });
        if let Some(problem) = loaded.problems.into_iter().find(later) {
            return Err(problem);
        }
        let lines = self.lines(case);
        if loaded.cases.iter().any(|stored| self.lines(stored) == lines) {
            return Ok(());
        }
        let error =
            |error: io::Error| RegressionError::Write { path: self.shown(), error: error.to_string() };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(error)?;
        }
        let mut file =
            fs::OpenOptions::new().create(true).append(true).read(true).open(&self.path).map_err(error)?;
        let mut text = String::new();
        if file.metadata().map_err(error)?.len() == 0 {
            text.push_str(&format!(
                "{}\n\n\
                 # Inputs and schedules with which this test has failed. timeloop tries them first, so commit this file.\n\
                 # To be rid of a case, delete it from the line `case` to its last.\n",
                self.head()
            ));
        }
        text.push_str(&self.case_text(case, comment));
        // One write, so that two processes that fail at once do not mix their lines.
        file.write_all(text.as_bytes()).map_err(error)
    }

    /// What a file with nothing but this case has in it, without the comment at its head.
    pub(super) fn block(&self, case: &StoredCase, comment: &str) -> String {
        format!("\n{}\n{}", self.head(), self.case_text(case, comment).trim_end())
    }

    fn head(&self) -> String {
        format!("{HEADER}\n{}", self.test_line())
    }

    fn case_text(&self, case: &StoredCase, comment: &str) -> String {
        let mut text = "\ncase\n".to_owned();
        let told = case.schedule.as_ref().map(ToString::to_string);
        for line in comment.lines().chain(told.as_deref()) {
            text.push_str(&format!("  # {line}\n"));
        }
        self.lines(case).iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        text
    }

    fn lines(&self, case: &StoredCase) -> Vec<String> {
        let StoredCase { line: _, input, seed, way, generated, schedule } = case;
        let mut lines = vec![format!("input {input}"), format!("seed {seed}")];
        lines.extend(way.as_ref().map(|way| format!("way {way}").trim_end().to_owned()));
        lines.extend(generated.as_ref().map(|generated| format!("generated {generated}")));
        lines.extend(schedule.as_ref().map(|schedule| format!("schedule {}", schedule.to_token(&self.test))));
        lines
    }
}

/// An input as a file has it: in one line.
pub(super) fn one_line(input: &dyn fmt::Debug) -> String {
    // What `Debug` prints in several lines is not to be taken for lines of the file.
    format!("{input:?}").replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").trim().to_owned()
}

struct Parser<'a> {
    file: &'a CaseFile,
    loaded: LoadedCases,
    block: Option<Block>,
}

/// The lines from one `case` to the next.
#[derive(Default)]
struct Block {
    line: usize,
    spoilt: bool,
    input: Option<String>,
    seed: Option<CaseSeed>,
    way: Option<Way>,
    generated: Option<String>,
    schedule: Option<Stored>,
}

impl<'a> Parser<'a> {
    fn new(file: &'a CaseFile) -> Self {
        Self { file, loaded: LoadedCases::default(), block: None }
    }

    fn parse(mut self, text: &str) -> LoadedCases {
        let mut lines = (1..)
            .zip(text.trim_start_matches('\u{feff}').lines().map(str::trim))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        match lines.next() {
            None => return self.loaded,
            Some((_, line)) if line == HEADER => {}
            Some((number, line)) if line.starts_with("timeloop properties") => {
                let (path, found) = (self.file.shown(), excerpt(line));
                self.loaded.problems.push(RegressionError::LaterVersion { path, line: number, found });
                return self.loaded;
            }
            Some((number, line)) => self.bad(number, line, HEADER),
        }
        for (number, line) in lines {
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let rest = rest.trim();
            match (word, &mut self.block) {
                ("case", _) if rest.is_empty() => {
                    self.end_block();
                    self.block = Some(Block { line: number, ..Block::default() });
                }
                ("test", None) if line == self.file.test_line() => {}
                ("test", None) => self.bad(number, line, &self.file.test_line()),
                (_, None) => self.bad(number, line, "case"),
                (word, Some(block)) => {
                    if let Err(accepted) = block.line(word, rest, &self.file.test) {
                        block.spoilt = true;
                        self.bad(number, line, accepted);
                    }
                }
            }
        }
        self.end_block();
        self.loaded
    }

    fn end_block(&mut self) {
        let Some(Block { line, spoilt: false, input, seed, way, generated, schedule }) = self.block.take()
        else {
            return;
        };
        match (input, seed) {
            (Some(input), Some(seed)) => {
                self.loaded.cases.push(StoredCase { line, input, seed, way, generated, schedule });
            }
            _ => self.bad(line, "case", "a case with its lines `input …` and `seed …`"),
        }
    }

    fn bad(&mut self, line: usize, found: &str, accepted: &str) {
        self.loaded.problems.push(RegressionError::Line {
            path: self.file.shown(),
            line,
            found: excerpt(found),
            accepted: accepted.to_owned(),
        });
    }
}

impl Block {
    /// Takes a line, or says how such a line looks.
    fn line(&mut self, word: &str, rest: &str, test: &str) -> Result<(), &'static str> {
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
}

fn excerpt(line: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let start: String = line.chars().take(CHARACTERS_MAX).collect();
    let dots = if start.len() < line.len() { "…" } else { "" };
    format!("{}{dots}", start.escape_debug())
}
