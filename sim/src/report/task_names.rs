//! The names of tasks in texts: `` `audit` (root.2) ``, `` `root.2` ``. The path of a task without a name says little, so the
//! first mention in a report says where it was spawned ([`TaskNames`]).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use crate::text::{escaped, grouped, line};
use crate::{TaskLabel, TaskPath};

/// The tasks that a report has introduced so far: it has said where they were spawned.
#[derive(Debug)]
pub(super) struct TaskNames {
    /// `None` if no task is introduced.
    introduced: Option<RefCell<BTreeSet<TaskPath>>>,
}

impl TaskNames {
    /// Creates the names for a new report.
    pub(super) fn of_report() -> Self {
        Self { introduced: Some(RefCell::default()) }
    }

    /// Creates names that introduce no task, for a text that is not part of a report.
    pub(super) fn plain() -> Self {
        Self { introduced: None }
    }

    /// Renders a task; the first mention of a task without a name adds where it was spawned:
    /// `` `root.2` (spawned at bank.rs:57) ``.
    pub(super) fn mention(&self, task: &TaskLabel) -> String {
        match &task.spawned {
            Some(site) if task.name.is_empty() && self.introduce(task) => {
                format!("{task} (spawned at {})", line(site))
            }
            _ => task.to_string(),
        }
    }

    /// Notes that the report says where the task was spawned. Returns whether it has not done so before.
    pub(super) fn introduce(&self, task: &TaskLabel) -> bool {
        self.introduced.as_ref().is_some_and(|tasks| tasks.borrow_mut().insert(task.path.clone()))
    }
}

/// The number of child numbers that a [short](TaskPath::shortened) path shows at either end.
const SHOWN_AT_ENDS: usize = 4;

impl TaskPath {
    /// Formats the path for people: a deep path shows its first and its last numbers.
    pub(crate) fn shortened(&self) -> String {
        let depth = self.depth();
        if depth <= 3 * SHOWN_AT_ENDS {
            return self.to_string();
        }
        let indices = self.indices();
        let part = |indices: &[u32]| indices.iter().map(|index| format!(".{index}")).collect::<String>();
        let (first, last) = (part(&indices[..SHOWN_AT_ENDS]), part(&indices[depth - SHOWN_AT_ENDS..]));
        format!("root{first}.…{last}, {} levels deep", grouped(depth as u64))
    }
}

/// Formats a task: `` `root` ``, `` `audit` (root.2) `` or `` `root.2` ``; `` `audit` `` if the path is not known, and
/// `` `audit` on db-1 (root.2) `` on a node.
impl fmt::Display for TaskLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, node) = self.node.as_ref().map_or(("", ""), |node| (" on ", node));
        let name = escaped(&self.name);
        if name.is_empty() {
            write!(f, "`{}`{before}{node}", self.path.shortened())
        } else if self.spawned.is_some() && self.path.depth() == 0 {
            write!(f, "`{name}`{before}{node}")
        } else {
            write!(f, "`{name}`{before}{node} ({})", self.path.shortened())
        }
    }
}
