//! [`IntMap`], [`IntSet`] and [`AddressMap`]: ordered by integers, and compiled once.
//!
//! `BTreeMap` is generic down to its nodes: each pair of key and value types costs every user a tenth of a second of
//! compile time. Here, one tree of [`Numbers`] maps any key to an index into a vector, and only the vector is generic.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// Maps keys to small numbers: the only instance of `BTreeMap` that these maps need.
pub type Numbers = BTreeMap<u128, u32>;

/// A map from integers to values. It iterates in the order of its keys.
pub struct IntMap<V> {
    places: Places,
    values: Vec<Option<V>>,
}

/// The index of each key's value.
#[derive(Default)]
struct Places {
    by_key: Numbers,
    /// The indices whose values were removed.
    free: Vec<u32>,
}

impl Places {
    fn find(&self, key: u128) -> Option<usize> {
        self.by_key.get(&key).map(|&place| place as usize)
    }

    /// Assigns an index to a new key: a free one, or else the index after the `used` ones.
    fn add(&mut self, key: u128, used: usize) -> usize {
        let place = self.free.pop().unwrap_or_else(|| u32::try_from(used).expect("fewer than 2^32 values"));
        self.by_key.insert(key, place);
        place as usize
    }

    fn remove(&mut self, key: u128) -> Option<usize> {
        let place = self.by_key.remove(&key)?;
        self.free.push(place);
        Some(place as usize)
    }

    fn remove_first(&mut self) -> Option<(u128, usize)> {
        let (key, place) = self.by_key.pop_first()?;
        self.free.push(place);
        Some((key, place as usize))
    }
}

/// The invariant that connects keys and values.
const HAS_VALUE: &str = "a key and its value are added and removed together";

impl<V> Default for IntMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> IntMap<V> {
    /// Makes an empty map, without allocating.
    #[must_use]
    pub const fn new() -> Self {
        let places = Places { by_key: BTreeMap::new(), free: Vec::new() };
        Self { places, values: Vec::new() }
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.by_key.len()
    }

    /// Returns whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.by_key.is_empty()
    }

    /// Returns the least key.
    #[must_use]
    pub fn first_key(&self) -> Option<u128> {
        self.places.by_key.first_key_value().map(|(&key, _)| key)
    }

    /// Removes the least key; returns it with its value.
    pub fn pop_first(&mut self) -> Option<(u128, V)> {
        let (key, place) = self.places.remove_first()?;
        Some((key, self.values[place].take().expect(HAS_VALUE)))
    }

    /// Returns the least key from `least` on.
    #[must_use]
    pub fn next_key(&self, least: impl Into<u128>) -> Option<u128> {
        next_key(&self.places.by_key, least.into())
    }

    /// Returns the keys in order.
    pub fn keys(&self) -> impl Iterator<Item = u128> {
        self.places.by_key.keys().copied()
    }

    /// Returns the keys and their values in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (u128, &V)> {
        self.places
            .by_key
            .iter()
            .map(|(&key, &place)| (key, self.values[place as usize].as_ref().expect(HAS_VALUE)))
    }

    /// Returns whether the map has this key.
    pub fn contains_key(&self, key: impl Into<u128>) -> bool {
        self.places.by_key.contains_key(&key.into())
    }

    /// Returns the value of a key.
    pub fn get(&self, key: impl Into<u128>) -> Option<&V> {
        self.values[self.places.find(key.into())?].as_ref()
    }

    /// Returns the value of a key, to be changed.
    pub fn get_mut(&mut self, key: impl Into<u128>) -> Option<&mut V> {
        self.values[self.places.find(key.into())?].as_mut()
    }

    /// Returns the value of a key, which `make` makes where there is none.
    pub fn get_or_insert_with(&mut self, key: impl Into<u128>, make: impl FnOnce() -> V) -> &mut V {
        let key = key.into();
        let place = match self.places.find(key) {
            Some(place) => place,
            None => self.add(key, make()),
        };
        self.values[place].as_mut().expect(HAS_VALUE)
    }

    /// Sets the value of a key; returns the previous one.
    pub fn insert(&mut self, key: impl Into<u128>, value: V) -> Option<V> {
        let key = key.into();
        match self.places.find(key) {
            Some(place) => self.values[place].replace(value),
            None => {
                self.add(key, value);
                None
            }
        }
    }

    fn add(&mut self, key: u128, value: V) -> usize {
        let place = self.places.add(key, self.values.len());
        if place == self.values.len() {
            self.values.push(None);
        }
        self.values[place] = Some(value);
        place
    }

    /// Removes a key; returns its value.
    pub fn remove(&mut self, key: impl Into<u128>) -> Option<V> {
        let place = self.places.remove(key.into())?;
        self.values[place].take()
    }
}

impl<V> fmt::Debug for IntMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntMap").field("keys", &self.places.by_key).finish_non_exhaustive()
    }
}

/// A set of integers.
#[derive(Debug, Default)]
pub struct IntSet(Numbers);

impl IntSet {
    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a key; returns whether it is new.
    pub fn insert(&mut self, key: impl Into<u128>) -> bool {
        self.0.insert(key.into(), 0).is_none()
    }

    /// Removes a key; returns whether it was there.
    pub fn remove(&mut self, key: impl Into<u128>) -> bool {
        self.0.remove(&key.into()).is_some()
    }

    /// Returns whether the set has this key.
    pub fn contains(&self, key: impl Into<u128>) -> bool {
        self.0.contains_key(&key.into())
    }

    /// Returns the keys in order.
    pub fn keys(&self) -> impl Iterator<Item = u128> {
        self.0.keys().copied()
    }

    /// Returns the least key from `least` on.
    #[must_use]
    pub fn next_key(&self, least: impl Into<u128>) -> Option<u128> {
        next_key(&self.0, least.into())
    }
}

/// A small number for each IP address.
#[derive(Debug, Default)]
pub struct AddressMap {
    four: Numbers,
    six: Numbers,
}

impl AddressMap {
    /// Returns the number of an address.
    #[must_use]
    pub fn get(&self, address: IpAddr) -> Option<u32> {
        let number = match address {
            IpAddr::V4(address) => self.four.get(&address.to_bits().into()),
            IpAddr::V6(address) => self.six.get(&address.to_bits()),
        };
        number.copied()
    }

    /// Sets the number of an address.
    pub fn insert(&mut self, address: IpAddr, number: u32) {
        match address {
            IpAddr::V4(address) => self.four.insert(address.to_bits().into(), number),
            IpAddr::V6(address) => self.six.insert(address.to_bits(), number),
        };
    }

    /// Returns the number of an address; a new one gets the number of addresses before it.
    pub fn number(&mut self, address: IpAddr) -> u32 {
        self.get(address).unwrap_or_else(|| {
            let number = (self.four.len() + self.six.len()) as u32;
            self.insert(address, number);
            number
        })
    }
}

fn next_key(numbers: &Numbers, least: u128) -> Option<u128> {
    numbers.range(least..).next().map(|(&key, _)| key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::IntMap;
    use crate::{Domain, Seed, Stream};

    /// Does the same to an `IntMap` and a `BTreeMap`.
    #[test]
    fn it_is_a_map() {
        let mut random = Stream::new(Seed(1), Domain::User, 0);
        let (mut map, mut model) = (IntMap::<u32>::new(), BTreeMap::<u64, u32>::new());
        for value in 0..5_000 {
            let key = u64::from(random.below(40)) << 40;
            match random.below(6) {
                0 => assert_eq!(map.insert(key, value), model.insert(key, value)),
                1 => assert_eq!(map.remove(key), model.remove(&key)),
                2 => assert_eq!(
                    map.get_or_insert_with(key, || value),
                    model.entry(key).or_insert_with(|| value)
                ),
                3 => assert_eq!(map.get_mut(key), model.get_mut(&key)),
                4 => assert_eq!(
                    (map.get(key), map.contains_key(key)),
                    (model.get(&key), model.contains_key(&key))
                ),
                _ => {
                    assert_eq!(map.first_key(), model.keys().next().map(|key| (*key).into()));
                    if random.below(4) == 0 {
                        let first = model.pop_first().map(|(key, value)| (key.into(), value));
                        assert_eq!(map.pop_first(), first);
                    }
                }
            }
            assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            let least = u64::from(random.below(40)) << 40;
            let next = model.range(least..).next().map(|(key, _)| u128::from(*key));
            assert_eq!(map.next_key(least), next);
            assert!(map.keys().eq(model.keys().map(|key| u128::from(*key))));
            assert!(map.iter().map(|(_, value)| value).eq(model.values()));
        }
        assert!(map.values.len() <= 40, "places are used again");
    }
}
