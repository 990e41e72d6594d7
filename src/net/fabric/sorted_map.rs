//! A map for the names and files of a run. Every user compiles each type of `BTreeMap` anew; this takes less code.

/// A map that keeps its entries sorted by their keys.
#[derive(Debug)]
pub(crate) struct SortedMap<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// Returns the index of a key, or the index at which to insert it.
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.entries.binary_search_by(|(other, _)| other.cmp(key))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        match self.find(key) {
            Ok(index) => Some(&self.entries[index].1),
            Err(_) => None,
        }
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(index) => self.entries[index].1 = value,
            Err(index) => self.entries.insert(index, (key, value)),
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Ok(index) = self.find(key) {
            self.entries.remove(index);
        }
    }

    /// Removes the entries whose key does not satisfy `keeps`.
    pub(super) fn retain(&mut self, mut keeps: impl FnMut(&K) -> bool) {
        self.entries.retain(|(key, _)| keeps(key));
    }

    /// Returns the entries in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.entries.iter()
    }
}
