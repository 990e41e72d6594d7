//! The way that proptest has gone through a value tree, so that it can be gone again.
//!
//! Always true: a tree of the same strategy and seed that is led the same way comes to the same value, because trees draw
//! from the generator that they were made with and from nothing else.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use proptest::strategy::ValueTree;

/// What was asked of a tree, in order: so many times to simplify, so many to complicate, and so on in turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Way(Vec<(Turn, u32)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Simplify,
    Complicate,
}

impl Way {
    fn push(&mut self, turn: Turn) {
        match self.0.last_mut() {
            Some((last, count)) if *last == turn => *count += 1,
            _ => self.0.push((turn, 1)),
        }
    }

    /// Leads `tree` this way.
    pub(super) fn lead(&self, tree: &mut impl ValueTree) {
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

/// `s3 c1 s2`: three times simpler, once back, twice simpler.
impl fmt::Display for Way {
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

impl FromStr for Way {
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

/// A tree that notes its way.
#[derive(Debug)]
pub(super) struct Traced<T> {
    pub(super) tree: T,
    pub(super) way: Rc<RefCell<Way>>,
}

impl<T: ValueTree> ValueTree for Traced<T> {
    type Value = T::Value;

    fn current(&self) -> T::Value {
        self.tree.current()
    }

    fn simplify(&mut self) -> bool {
        self.way.borrow_mut().push(Turn::Simplify);
        self.tree.simplify()
    }

    fn complicate(&mut self) -> bool {
        self.way.borrow_mut().push(Turn::Complicate);
        self.tree.complicate()
    }
}

#[cfg(test)]
mod tests {
    use super::{Turn, Way};

    #[test]
    fn a_way_reads_as_it_prints() {
        let mut way = Way::default();
        for turn in [Turn::Simplify, Turn::Simplify, Turn::Complicate, Turn::Simplify] {
            way.push(turn);
        }
        assert_eq!(way.to_string(), "s2 c1 s1");
        assert_eq!("s2  c1 s1".parse(), Ok(way));
        assert_eq!("".parse(), Ok(Way::default()));
        for bad in ["x1", "s", "s-1", "1", "ä1"] {
            assert_eq!(bad.parse::<Way>(), Err(()), "{bad}");
        }
    }
}
