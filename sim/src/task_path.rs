//! The identity of a task: its spawn path, [`TaskPath`], and the hash of the path, [`TaskKey`].
//!
//! # Invariants
//! - Both depend only on content: the parent task, and the number of the child among the parent's children. They never
//!   depend on slots, addresses or the order in which unrelated tasks were spawned.

use std::fmt;
use std::str::FromStr;

/// A task's identity within a run as a number: a hash of its spawn path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskKey(pub u64);

impl TaskKey {
    /// The run's first task.
    pub const ROOT: Self = Self(0x7469_6D65_6C6F_6F70);

    /// Returns the key of this task's child number `index` (the first is 1).
    #[must_use]
    #[inline]
    pub const fn child(self, index: u32) -> Self {
        // splitmix64's finalizer over parent and index.
        let mut z = self.0.wrapping_add((index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self(z ^ (z >> 31))
    }
}

/// A task's spawn path: `root`, `root.2` (the second task that the root spawned), `root.2.1`, …
///
/// ```
/// use timeloop_sim::TaskPath;
/// let path = TaskPath::root().child(2).child(1);
/// assert_eq!(path.to_string(), "root.2.1");
/// assert_eq!("root.2.1".parse::<TaskPath>()?, path);
/// # Ok::<(), timeloop_sim::ParsePathError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskPath(Vec<u32>);

impl TaskPath {
    /// Returns the path of the run's first task.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Returns the path of this task's child number `index` (the first is 1).
    #[must_use]
    pub fn child(&self, index: u32) -> Self {
        let mut indices = Vec::with_capacity(self.0.len() + 1);
        indices.extend_from_slice(&self.0);
        indices.push(index);
        Self(indices)
    }

    /// Returns the child numbers from the root down.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.0
    }

    /// Returns the key of this path in decisions.
    #[must_use]
    pub fn key(&self) -> TaskKey {
        self.0.iter().fold(TaskKey::ROOT, |key, &index| key.child(index))
    }

    /// Returns the path with this key, if it is a likely one. Keys are hashes, so this searches the likely paths.
    pub(crate) fn find(key: TaskKey) -> Option<Self> {
        fn search(key: TaskKey, at: TaskKey, path: &mut Vec<u32>, depth: usize, width: u32) -> bool {
            if at == key {
                return true;
            }
            if depth == 0 {
                return false;
            }
            for index in 1..=width {
                path.push(index);
                if search(key, at.child(index), path, depth - 1, width) {
                    return true;
                }
                path.pop();
            }
            false
        }
        // Few tasks have both a deep path and a high index. Each shape covers a few hundred thousand paths.
        let shapes = [(1, 100_000), (2, 400), (3, 60), (4, 20), (6, 7)];
        let mut path = Vec::new();
        shapes
            .into_iter()
            .any(|(depth, width)| search(key, TaskKey::ROOT, &mut path, depth, width))
            .then(|| path.into_iter().collect())
    }
}

impl FromIterator<u32> for TaskPath {
    fn from_iter<I: IntoIterator<Item = u32>>(indices: I) -> Self {
        Self(indices.into_iter().collect())
    }
}

impl fmt::Display for TaskPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("root")?;
        self.0.iter().try_for_each(|index| write!(f, ".{index}"))
    }
}

/// The error for a text that is not a spawn path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePathError(String);

impl fmt::Display for ParsePathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a task's spawn path; one looks like `root`, `root.2` or `root.2.1`", self.0)
    }
}

impl std::error::Error for ParsePathError {}

impl FromStr for TaskPath {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParsePathError(text.to_owned());
        let mut parts = text.split('.');
        if parts.next() != Some("root") {
            return Err(error());
        }
        parts
            .map(|part| match part.parse::<u32>() {
                Ok(index) if index > 0 && !part.starts_with('+') => Ok(index),
                _ => Err(error()),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{TaskKey, TaskPath};

    #[test]
    fn spawn_paths_are_found_again() {
        let root = TaskPath::root();
        for path in
            [root.clone(), root.child(70_000), root.child(3).child(350), root.child(1).child(1).child(59)]
        {
            assert_eq!(TaskPath::find(path.key()), Some(path));
        }
        assert_eq!(TaskPath::find(TaskKey(7)), None);
    }
}
