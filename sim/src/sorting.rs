//! Sorting by numbers, compiled once.
//!
//! The standard library's sorts are generic: each item type and each key function compiles a whole sort again.

/// Sorts by a number; items with equal numbers stay in order.
pub(crate) fn sort_by_number<T>(items: &mut [T], number: impl Fn(&T) -> u128) {
    let mut numbers = Vec::with_capacity(items.len());
    for item in &*items {
        numbers.push((number(item), numbers.len()));
    }
    for (one, other) in swaps(numbers) {
        items.swap(one, other);
    }
}

/// Returns the swaps of places that sort numbers, each of which comes with its place.
fn swaps(mut numbers: Vec<(u128, usize)>) -> Vec<(usize, usize)> {
    numbers.sort_unstable();
    let mut swaps = Vec::new();
    for first in 0..numbers.len() {
        // Follow the cycle from place to place until it returns to the first one.
        let mut place = first;
        loop {
            let from = std::mem::replace(&mut numbers[place].1, place);
            if from == first {
                break;
            }
            swaps.push((place, from));
            place = from;
        }
    }
    swaps
}

/// Adds an item to sorted ones, unless it is there.
pub(crate) fn insert_sorted<T: Ord>(items: &mut Vec<T>, item: T) {
    if let Err(place) = items.binary_search(&item) {
        items.insert(place, item);
    }
}

/// Returns a number that orders pairs by the first, then by the second.
pub(crate) fn pair(first: u64, second: u64) -> u128 {
    u128::from(first) << 64 | u128::from(second)
}

#[cfg(test)]
mod tests {
    use super::{insert_sorted, pair, sort_by_number};

    #[test]
    fn sorting_is_stable() {
        let mut words = vec!["sort", "me", "by", "length", "as", "I", "am"];
        sort_by_number(&mut words, |word| word.len() as u128);
        assert_eq!(words, ["I", "me", "by", "as", "am", "sort", "length"]);
    }

    #[test]
    fn sorting_agrees_with_the_standard_librarys() {
        let scrambled = |item: u64| item.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        for count in 0..200 {
            let mut items: Vec<u64> = (0..count).map(scrambled).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item % 17);
            sort_by_number(&mut items, |item| (item % 17).into());
            assert_eq!(items, expected);
        }
    }

    #[test]
    fn sorted_items_are_distinct() {
        let mut letters = Vec::new();
        "sorted letters".chars().for_each(|letter| insert_sorted(&mut letters, letter));
        assert_eq!(letters.into_iter().collect::<String>(), " delorst");
    }

    #[test]
    fn pairs_are_ordered_by_the_first_then_by_the_second() {
        let mut pairs = vec![(2, 0), (1, u64::MAX), (0, 3), (1, 1)];
        sort_by_number(&mut pairs, |&(first, second)| pair(first, second));
        assert_eq!(pairs, [(0, 3), (1, 1), (1, u64::MAX), (2, 0)]);
    }
}
