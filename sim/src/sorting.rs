//! Sorting by numbers, compiled once.
//!
//! The standard library's sorts are generic: each item type and each key function compiles a whole sort again.

/// Sorts by a number; items with equal numbers stay in order.
pub(crate) fn sort_by_number<T>(items: &mut Vec<T>, number: impl Fn(&T) -> u128) {
    let mut order: Vec<(u128, usize)> =
        items.iter().enumerate().map(|(place, item)| (number(item), place)).collect();
    order.sort_unstable();
    let mut unsorted: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.into_iter().filter_map(|(_, place)| unsorted[place].take()));
}

/// Returns a number that orders pairs by the first, then by the second.
pub(crate) fn pair(first: u64, second: u64) -> u128 {
    u128::from(first) << 64 | u128::from(second)
}

#[cfg(test)]
mod tests {
    use super::{pair, sort_by_number};

    #[test]
    fn sorting_is_stable() {
        let mut words = vec!["sort", "me", "by", "length", "as", "I", "am"];
        sort_by_number(&mut words, |word| word.len() as u128);
        assert_eq!(words, ["I", "me", "by", "as", "am", "sort", "length"]);
    }

    #[test]
    fn pairs_are_ordered_by_the_first_then_by_the_second() {
        let mut pairs = vec![(2, 0), (1, u64::MAX), (0, 3), (1, 1)];
        sort_by_number(&mut pairs, |&(first, second)| pair(first, second));
        assert_eq!(pairs, [(0, 3), (1, 1), (1, u64::MAX), (2, 0)]);
    }
}
