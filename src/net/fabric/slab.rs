//! Places for sockets and connections, which are referred to by number.
//!
//! Always true: a key finds what it was given for or nothing, never what has taken that place since; what is there never
//! moves, so that a million connections grow without being copied.

/// Where something stands, and the how-many-th thing there it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) slot: u32,
    generation: u32,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

/// So many places are made at once, as a power of two.
const CHUNK_BITS: u32 = 8;

/// A table of things.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Place<T>>>,
    free: Vec<u32>,
    used: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), used: 0 }
    }
}

impl<T> Slab<T> {
    /// Adds something.
    pub(super) fn insert(&mut self, value: T) -> Key {
        if let Some(slot) = self.free.pop() {
            let place = self.place(slot).expect("a free place is one");
            place.value = Some(value);
            return Key { slot, generation: place.generation };
        }
        let slot = self.used;
        self.used += 1;
        let chunk = (slot >> CHUNK_BITS) as usize;
        if chunk == self.chunks.len() {
            // The first one grows: most runs have few sockets.
            let room = if chunk == 0 { 4 } else { 1 << CHUNK_BITS };
            self.chunks.push(Vec::with_capacity(room));
        }
        self.chunks[chunk].push(Place { generation: 0, value: Some(value) });
        Key { slot, generation: 0 }
    }

    #[inline]
    fn place(&mut self, slot: u32) -> Option<&mut Place<T>> {
        self.chunks.get_mut((slot >> CHUNK_BITS) as usize)?.get_mut((slot & ((1 << CHUNK_BITS) - 1)) as usize)
    }

    /// What this key was given for, if it is still there.
    #[inline]
    pub(super) fn get(&mut self, key: Key) -> Option<&mut T> {
        let place = self.place(key.slot)?;
        if place.generation == key.generation { place.value.as_mut() } else { None }
    }

    /// What is in this place.
    #[inline]
    pub(super) fn at(&mut self, slot: u32) -> Option<&mut T> {
        self.place(slot)?.value.as_mut()
    }

    /// The key of what is in this place.
    pub(super) fn key(&mut self, slot: u32) -> Option<Key> {
        let place = self.place(slot)?;
        place.value.as_ref()?;
        Some(Key { slot, generation: place.generation })
    }

    /// Takes something out.
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.place(key.slot).filter(|place| place.generation == key.generation)?;
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(value)
    }

    /// The keys of all that is there, in order of place.
    pub(super) fn keys(&self) -> Vec<Key> {
        let places = self.chunks.iter().flatten();
        (0..)
            .zip(places)
            .filter(|(_, place)| place.value.is_some())
            .map(|(slot, place)| Key { slot, generation: place.generation })
            .collect()
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }
}
