//! [`BlockFile`]: a text file of stored failures, in blocks of lines. A [`BlockFormat`] defines the contents of a block.
//!
//! ```text
//! timeloop regressions, version 1
//! test bank::tests::transfers
//!
//! schedule
//!   # a comment
//!   a line
//! ```
//!
//! # Invariants
//! - Files are only appended to, so nothing that a user or another version wrote is lost. A line that can't be read
//!   invalidates only its own block.
//! - Several processes may append at once. A file is created with its first block, and a block is appended in a single write.
//!   Where the file system can't create a file with contents, the head may be repeated, so a repeated head is accepted.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::error::RegressionError;
use crate::console::shown;

/// The format of blocks. A value is a block whose lines are being read.
pub trait BlockFormat: Default {
    /// The first line of a file, which ends with the version.
    const HEADER: &'static str;
    /// The first line of a block.
    const BEGIN: &'static str;
    /// The comment at the head of a new file.
    const ABOUT: &'static str;
    /// The contents of a block.
    type Stored;

    /// Reads a line of the block, which belongs to `test`.
    ///
    /// # Errors
    /// An example of what is accepted, if the line is invalid.
    fn line(&mut self, number: usize, line: &str, test: &str) -> Result<(), &'static str>;

    /// Ends the block, which begins at `line`.
    ///
    /// # Errors
    /// When its lines are incomplete or contradictory.
    fn end(self, line: usize, file: &BlockFile) -> Result<Self::Stored, RegressionError>;
}

/// A file of blocks that belongs to one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFile {
    /// The path of the file, whether or not it exists.
    pub path: PathBuf,
    /// The test; empty to accept the file of any test.
    pub test: String,
}

/// The blocks of a file, in order.
#[derive(Debug)]
pub struct Blocks<T> {
    /// The valid blocks.
    pub stored: Vec<T>,
    /// The errors in the others.
    pub problems: Vec<RegressionError>,
}

impl BlockFile {
    /// Reads the file. A file that does not exist has no blocks.
    ///
    /// # Errors
    /// When the file exists and can't be read.
    pub fn load<B: BlockFormat>(&self) -> Result<Blocks<B::Stored>, RegressionError> {
        match read_file(&self.path) {
            Ok(bytes) => Ok(self.parse::<B>(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Blocks { stored: Vec::new(), problems: Vec::new() })
            }
            Err(error) => Err(RegressionError::Read { path: shown(&self.path), error: error.to_string() }),
        }
    }

    /// Adds a block, unless the file `has` it already. Returns whether it was added.
    ///
    /// # Errors
    /// When the file can't be written, or was made by a later version.
    pub fn append<B: BlockFormat>(
        &self,
        comment: &str,
        lines: &[String],
        has: impl Fn(&B::Stored) -> bool,
    ) -> Result<bool, RegressionError> {
        let Blocks { stored, problems } = self.load::<B>()?;
        let later = |problem: &RegressionError| matches!(problem, RegressionError::LaterVersion { .. });
        if let Some(later) = problems.into_iter().find(later) {
            return Err(later);
        }
        if stored.iter().any(has) {
            return Ok(false);
        }
        let error =
            |error: io::Error| RegressionError::Write { path: shown(&self.path), error: error.to_string() };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(error)?;
        }
        let block = self.block::<B>(comment, lines);
        let first = format!("{}\n{}\n{block}", self.head::<B>(), B::ABOUT);
        if create_with(&self.path, &first) {
            return Ok(true);
        }
        let mut file =
            fs::OpenOptions::new().create(true).append(true).read(true).open(&self.path).map_err(error)?;
        let is_empty = file.metadata().map_err(error)?.len() == 0;
        // A single write, so that the lines of two processes that append at once do not mix.
        file.write_all(if is_empty { first } else { block }.as_bytes()).map_err(error)?;
        Ok(true)
    }

    /// Returns the lines at the head of a file.
    #[must_use]
    pub fn head<B: BlockFormat>(&self) -> String {
        format!("{}\n{}\n", B::HEADER, self.test_line())
    }

    fn test_line(&self) -> String {
        format!("test {}", self.test.trim().escape_debug())
    }

    /// Returns the lines of a block.
    #[must_use]
    pub fn block<B: BlockFormat>(&self, comment: &str, lines: &[String]) -> String {
        // The leading line break also ends an unterminated last line.
        let mut text = format!("\n{}\n", B::BEGIN);
        comment.lines().for_each(|line| text.push_str(&format!("  # {line}\n")));
        lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        text
    }

    fn parse<B: BlockFormat>(&self, text: &str) -> Blocks<B::Stored> {
        let mut blocks = Blocks { stored: Vec::new(), problems: Vec::new() };
        let lines: Vec<(usize, &str)> = (1..)
            .zip(text.trim_start_matches('\u{feff}').lines().map(str::trim))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let Some((&(number, header), mut lines_after)) = lines.split_first() else { return blocks };
        if header != B::HEADER {
            let kind = B::HEADER.split(',').next().unwrap_or_default();
            if header.starts_with(kind) {
                let (path, found) = (shown(&self.path), excerpt(header));
                blocks.problems.push(RegressionError::LaterVersion { path, line: number, found });
                return blocks;
            }
            blocks.problems.push(self.bad_line(number, header, &format!("`{}`", B::HEADER)));
            if header == B::BEGIN {
                lines_after = &lines;
            }
        }
        for chunk in lines_after.chunk_by(|_, (_, next)| *next != B::BEGIN) {
            let (&(first, begin), rest) = chunk.split_first().expect("chunks have lines");
            if begin != B::BEGIN {
                let bad =
                    chunk.iter().filter_map(|(line, found)| self.read_test(*line, found, B::BEGIN).err());
                blocks.problems.extend(bad);
                continue;
            }
            // A repeated head ends the block.
            let head = rest.iter().position(|(_, found)| *found == B::HEADER).unwrap_or(rest.len());
            let (rest, head) = rest.split_at(head);
            let repeated = head.iter().filter(|(_, found)| *found != B::HEADER);
            blocks
                .problems
                .extend(repeated.filter_map(|(line, found)| self.read_test(*line, found, B::BEGIN).err()));
            let problems = blocks.problems.len();
            let mut block = B::default();
            for (line, found) in rest {
                if let Err(accepted) = block.line(*line, found, &self.test) {
                    blocks.problems.push(self.bad_line(*line, found, accepted));
                }
            }
            // A block with an invalid line is dropped.
            if blocks.problems.len() == problems {
                match block.end(first, self) {
                    Ok(stored) => blocks.stored.push(stored),
                    Err(problem) => blocks.problems.push(problem),
                }
            }
        }
        blocks
    }

    /// Checks a line before the first block, which has to name the test.
    fn read_test(&self, line: usize, found: &str, begin: &str) -> Result<(), RegressionError> {
        let name =
            found.strip_prefix("test").filter(|rest| !rest.starts_with(|next: char| !next.is_whitespace()));
        match name {
            Some(_) if self.test.is_empty() => Ok(()),
            Some(name) if format!("test {}", name.trim()) == self.test_line() => Ok(()),
            Some(_) => Err(self.bad_line(line, found, &format!("`{}`", self.test_line()))),
            None => Err(self.bad_line(line, found, &format!("`{begin}`"))),
        }
    }

    /// Returns the error about an invalid line.
    #[must_use]
    pub fn bad_line(&self, line: usize, found: &str, accepted: &str) -> RegressionError {
        let (path, found, accepted) = (shown(&self.path), excerpt(found), accepted.to_owned());
        RegressionError::Line { path, line, found, accepted }
    }
}

/// Reads a regular file. Anything else, such as a pipe or a device, may block or never end.
///
/// # Errors
/// When the file can't be read, or is not a regular file.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() {
        return fs::read(path);
    }
    let found = if kind.is_dir() { "a folder" } else { "a pipe, a socket or a device" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {found}, and a regular file is expected")))
}

/// Creates the file with these contents, unless it exists or the file system does not allow it. Returns whether it was created.
/// No process ever sees a part of the contents.
fn create_with(path: &Path, contents: &str) -> bool {
    let new = unique_beside(path);
    // Unlike a renamed file, a hard link does not replace an existing file.
    let created = fs::write(&new, contents).and_then(|()| fs::hard_link(&new, path));
    let _ = fs::remove_file(&new);
    created.is_ok()
}

/// Returns a path in the same folder that no other process or thread uses.
pub(crate) fn unique_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Relaxed);
    path.with_extension(format!("new-{}-{number}", std::process::id()))
}

fn excerpt(line: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let start: String = line.chars().take(CHARACTERS_MAX).collect();
    let dots = if start.len() < line.len() { "…" } else { "" };
    format!("{}{dots}", start.escape_debug())
}
