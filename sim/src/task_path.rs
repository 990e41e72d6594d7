//! The identity of a task: its spawn path, [`TaskPath`], and the hash of the path, [`TaskKey`].
//!
//! # Invariants
//! - Both depend only on content: the parent task, and the number of the child among the parent's children. They never
//!   depend on slots, addresses or the order in which unrelated tasks were spawned.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

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
/// A path shares the path of its parent, so that a chain of tasks takes memory in proportion to its length.
///
/// ```
/// use timeloop_sim::TaskPath;
/// let path = TaskPath::root().child(2).child(1);
/// assert_eq!(path.to_string(), "root.2.1");
/// assert_eq!("root.2.1".parse::<TaskPath>()?, path);
/// # Ok::<(), timeloop_sim::ParsePathError>(())
/// ```
#[derive(Clone, Default)]
pub struct TaskPath(Option<Arc<Child>>);

/// The last child number of a path, and the path before it.
struct Child {
    parent: TaskPath,
    index: u32,
    depth: usize,
    key: TaskKey,
}

impl Drop for Child {
    /// Drops the ancestors one by one: a recursion would overflow the stack for a long chain.
    fn drop(&mut self) {
        let mut parent = self.parent.0.take();
        while let Some(mut child) = parent.and_then(Arc::into_inner) {
            parent = child.parent.0.take();
        }
    }
}

impl TaskPath {
    /// Returns the path of the run's first task.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Returns the path of this task's child number `index` (the first is 1).
    #[must_use]
    pub fn child(&self, index: u32) -> Self {
        let (depth, key) = (self.depth() + 1, self.key().child(index));
        Self(Some(Arc::new(Child { parent: self.clone(), index, depth, key })))
    }

    /// Returns the number of ancestors: 0 for the root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.as_ref().map_or(0, |child| child.depth)
    }

    /// Returns the child numbers from the root down.
    #[must_use]
    pub fn indices(&self) -> Vec<u32> {
        let mut indices: Vec<u32> = self.upwards().collect();
        indices.reverse();
        indices
    }

    /// Returns the child numbers from the task up.
    fn upwards(&self) -> impl Iterator<Item = u32> {
        std::iter::successors(self.0.as_ref(), |child| child.parent.0.as_ref()).map(|child| child.index)
    }

    /// Returns the key of this path in decisions.
    #[must_use]
    pub fn key(&self) -> TaskKey {
        self.0.as_ref().map_or(TaskKey::ROOT, |child| child.key)
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

impl PartialEq for TaskPath {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            _ => false,
        };
        // Different paths can have the same key, so equal keys are no proof.
        same || (self.key() == other.key()
            && self.depth() == other.depth()
            && self.upwards().eq(other.upwards()))
    }
}

impl Eq for TaskPath {}

impl Hash for TaskPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for TaskPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TaskPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // A path is greater than its ancestors.
        let mut order = self.depth().cmp(&other.depth());
        let (mut one, mut two) = (self, other);
        while let Some(child) = &one.0
            && child.depth > other.depth()
        {
            one = &child.parent;
        }
        while let Some(child) = &two.0
            && child.depth > self.depth()
        {
            two = &child.parent;
        }
        // The difference that is nearest to the root decides.
        while let (Some(first), Some(second)) = (&one.0, &two.0)
            && !Arc::ptr_eq(first, second)
        {
            order = if first.index == second.index { order } else { first.index.cmp(&second.index) };
            (one, two) = (&first.parent, &second.parent);
        }
        order
    }
}

impl FromIterator<u32> for TaskPath {
    fn from_iter<I: IntoIterator<Item = u32>>(indices: I) -> Self {
        indices.into_iter().fold(Self::root(), |path, index| path.child(index))
    }
}

impl fmt::Display for TaskPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("root")?;
        self.indices().iter().try_for_each(|index| write!(f, ".{index}"))
    }
}

impl fmt::Debug for TaskPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskPath").field(&self.indices()).finish()
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

    #[test]
    fn paths_are_in_the_order_of_their_indices() {
        let mut paths = vec![TaskPath::root()];
        for depth in 0..3 {
            let deepest: Vec<_> = paths.iter().filter(|path| path.depth() == depth).cloned().collect();
            paths.extend(deepest.iter().flat_map(|path| [1, 2, 3].map(|index| path.child(index))));
        }
        // Some share their parents, the others do not.
        paths.extend(paths.clone().into_iter().map(|path| path.indices().into_iter().collect()));
        for one in &paths {
            for two in &paths {
                assert_eq!(one.cmp(two), one.indices().cmp(&two.indices()), "{one} and {two}");
            }
        }
    }
}
