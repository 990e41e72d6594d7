//! How reports name tasks and places in source code.

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

impl From<&'static Location<'static>> for Site {
    fn from(location: &'static Location<'static>) -> Self {
        Self { file: Cow::Borrowed(location.file()), line: location.line(), column: location.column() }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if self.column == 0 { Ok(()) } else { write!(f, ":{}", self.column) }
    }
}

/// Who a task is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskLabel {
    /// Its spawn path.
    pub path: TaskPath,
    /// The name that it was given, or that of the function that it runs; empty where neither is known.
    pub name: Cow<'static, str>,
    /// Where it was spawned; `None` for the root.
    pub spawned: Option<Site>,
    /// The name of the node that it runs on; `None` for the one where the test itself runs.
    pub node: Option<Cow<'static, str>>,
}
