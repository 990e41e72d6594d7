//! [`TaskNames`]: renders the tasks of a report. The path of a task without a name says little, so its first mention says where
//! it was spawned.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::text::line;
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
