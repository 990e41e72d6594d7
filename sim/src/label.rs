//! Names of tasks and places in reports: [`TaskLabel`] and [`Site`].

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

use crate::TaskPath;

/// A place in source code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// The file, as the compiler names it.
    pub file: Cow<'static, str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1; 0 where it is not known.
    pub column: u32,
}

impl Site {
    /// Creates a place. The path of a file in Cargo's registry is shortened to `crate-1.0.0/src/…`, which is the same on every
    /// machine.
    #[must_use]
    pub fn new(file: Cow<'static, str>, line: u32, column: u32) -> Self {
        let start = ["/registry/src/", "\\registry\\src\\"].into_iter().find_map(|folder| {
            let registry = file.find(folder)? + folder.len();
            Some(registry + file[registry..].find(['/', '\\'])? + 1)
        });
        let file = match (start, file) {
            (None, file) => file,
            (Some(start), Cow::Borrowed(file)) => Cow::Borrowed(&file[start..]),
            (Some(start), Cow::Owned(file)) => Cow::Owned(file[start..].to_owned()),
        };
        Self { file, line, column }
    }
}

impl From<&'static Location<'static>> for Site {
    fn from(location: &'static Location<'static>) -> Self {
        Self::new(Cow::Borrowed(location.file()), location.line(), location.column())
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if self.column == 0 { Ok(()) } else { write!(f, ":{}", self.column) }
    }
}

/// A task as shown to people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskLabel {
    /// Its spawn path.
    pub path: TaskPath,
    /// The task's name, or else that of the function that it runs; empty if neither is known.
    pub name: Cow<'static, str>,
    /// Where it was spawned; `None` for the root.
    pub spawned: Option<Site>,
    /// The name of the node that it runs on; `None` for the test's own node.
    pub node: Option<Cow<'static, str>>,
}
