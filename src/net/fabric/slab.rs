//! A slab: a table whose entries are addressed by [`Key`].
//!
//! # Invariants
//! A key never finds a later entry in the same slot, because keys carry the slot's generation. Entries never move, so
//! a table of a million connections grows without copying them.

/// The slot of an entry, and the generation of that slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) slot: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// The binary logarithm of the number of slots that are allocated at once.
const CHUNK_BITS: u32 = 8;

/// A table of values.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Slot<T>>>,
    free: Vec<u32>,
    used: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), used: 0 }
    }
}

impl<T> Slab<T> {
    /// Adds a value.
    pub(super) fn insert(&mut self, value: T) -> Key {
        if let Some(slot) = self.free.pop() {
            let free = self.slot_mut(slot).expect("a slot in the free list exists");
            free.value = Some(value);
            return Key { slot, generation: free.generation };
        }
        let slot = self.used;
        self.used += 1;
        let chunk = (slot >> CHUNK_BITS) as usize;
        if chunk == self.chunks.len() {
            // The first chunk grows: most runs have few sockets.
            let capacity = if chunk == 0 { 4 } else { 1 << CHUNK_BITS };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        self.chunks[chunk].push(Slot { generation: 0, value: Some(value) });
        Key { slot, generation: 0 }
    }

    #[inline]
    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot<T>> {
        self.chunks.get_mut((slot >> CHUNK_BITS) as usize)?.get_mut((slot & ((1 << CHUNK_BITS) - 1)) as usize)
    }

    /// Returns the value with this key, if it is still there.
    #[inline]
    pub(super) fn get(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.slot_mut(key.slot)?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    /// Returns the value in this slot.
    #[inline]
    pub(super) fn at(&mut self, slot: u32) -> Option<&mut T> {
        self.slot_mut(slot)?.value.as_mut()
    }

    /// Returns the key of the value in this slot.
    pub(super) fn key(&mut self, slot: u32) -> Option<Key> {
        let entry = self.slot_mut(slot)?;
        entry.value.as_ref()?;
        Some(Key { slot, generation: entry.generation })
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.slot_mut(key.slot).filter(|entry| entry.generation == key.generation)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(value)
    }

    /// Returns the keys of all values, in order of slots.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        let mut slot = 0;
        for chunk in &self.chunks {
            for entry in chunk {
                if entry.value.is_some() {
                    keys.push(Key { slot, generation: entry.generation });
                }
                slot += 1;
            }
        }
        keys
    }

    /// Returns the number of values.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }
}
