//! [`ShrinkPath`]: the steps that proptest took through a value tree, so that they can be repeated.
//!
//! # Invariants
//! A tree of the same strategy and seed that takes the same path has the same value, because a tree draws random
//! numbers only from the generator that created it.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use proptest::strategy::ValueTree;

/// The steps on a tree, in order, as alternating counts of `simplify` and `complicate` calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShrinkPath(Vec<(Turn, u32)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Simplify,
    Complicate,
}

impl ShrinkPath {
    fn push(&mut self, turn: Turn) {
        match self.0.last_mut() {
            Some((last, count)) if *last == turn => *count += 1,
            _ => self.0.push((turn, 1)),
        }
    }

    /// Repeats the path on `tree`.
    pub(super) fn repeat(&self, tree: &mut impl ValueTree) {
        for &(turn, count) in &self.0 {
            for _ in 0..count {
                match turn {
                    Turn::Simplify => tree.simplify(),
                    Turn::Complicate => tree.complicate(),
                };
            }
        }
    }
}

/// Formats the path. `s3 c1 s2` means three `simplify` calls, one `complicate`, two `simplify`.
impl fmt::Display for ShrinkPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (turn, count)) in self.0.iter().enumerate() {
            let gap = if number == 0 { "" } else { " " };
            let letter = match turn {
                Turn::Simplify => 's',
                Turn::Complicate => 'c',
            };
            write!(f, "{gap}{letter}{count}")?;
        }
        Ok(())
    }
}

impl FromStr for ShrinkPath {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.split_whitespace()
            .map(|word| {
                let turn = match word.as_bytes().first() {
                    Some(b's') => Turn::Simplify,
                    Some(b'c') => Turn::Complicate,
                    _ => return Err(()),
                };
                word[1..].parse().map(|count| (turn, count)).map_err(|_| ())
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// A tree that records its path.
#[derive(Debug)]
pub(super) struct RecordedTree<T> {
    pub(super) tree: T,
    pub(super) path: Rc<RefCell<ShrinkPath>>,
}

impl<T: ValueTree> ValueTree for RecordedTree<T> {
    type Value = T::Value;

    fn current(&self) -> T::Value {
        self.tree.current()
    }

    fn simplify(&mut self) -> bool {
        self.path.borrow_mut().push(Turn::Simplify);
        self.tree.simplify()
    }

    fn complicate(&mut self) -> bool {
        self.path.borrow_mut().push(Turn::Complicate);
        self.tree.complicate()
    }
}

#[cfg(test)]
mod tests {
    use super::{ShrinkPath, Turn};

    #[test]
    fn a_path_round_trips_through_text() {
        let mut path = ShrinkPath::default();
        for turn in [Turn::Simplify, Turn::Simplify, Turn::Complicate, Turn::Simplify] {
            path.push(turn);
        }
        assert_eq!(path.to_string(), "s2 c1 s1");
        assert_eq!("s2  c1 s1".parse(), Ok(path));
        assert_eq!("".parse(), Ok(ShrinkPath::default()));
        for bad in ["x1", "s", "s-1", "1", "ä1"] {
            assert_eq!(bad.parse::<ShrinkPath>(), Err(()), "{bad}");
        }
    }
}
