//! The portfolio: which strategy a run has, chosen from its seed.
//!
//! No single rule wins everywhere, so each run has the strategy that its seed says, with the estimates from the quiet run.
//!
//! Always true: the choice is a function of the seed and of what the quiet run was like; it is a fixed pattern over
//! consecutive seeds, so that any few of them hold some of each; and it draws nothing, so that all else that comes of the
//! seed is what it would be under the strategy by itself.

use super::StrategySpec;
use crate::Seed;

const RANDOM: StrategySpec = StrategySpec::Random;
const PCT: StrategySpec = StrategySpec::Pct { depth: 3 };
const POS: StrategySpec = StrategySpec::Pos;
const URW: StrategySpec = StrategySpec::Urw;
const SURW: StrategySpec = StrategySpec::Surw;
const DELAY: StrategySpec = StrategySpec::Delay { bound: 2 };
const STARVE: StrategySpec = StrategySpec::Starve;
const STALL: StrategySpec = StrategySpec::Stall;

/// The strategy of each seed, by what is left when it is divided by the length.
const TABLE: [StrategySpec; 16] =
    [SURW, POS, SURW, PCT, SURW, RANDOM, SURW, URW, SURW, POS, SURW, DELAY, SURW, STARVE, SURW, STALL];

/// What takes turns where a run has nothing for the strategy of the table to work on.
const INSTEAD: [StrategySpec; 4] = [RANDOM, PCT, POS, PCT];

/// What the choice looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traits {
    /// Tasks share a resource that at least one of them changes.
    pub(crate) shares: bool,
    /// Virtual time moves.
    pub(crate) has_time: bool,
}

/// The strategy of a run with this seed.
pub(crate) fn choose(seed: Seed, traits: Traits) -> StrategySpec {
    let length = TABLE.len() as u64;
    let place = (seed.0 % length) as usize;
    let suits = match TABLE[place] {
        StrategySpec::Surw => traits.shares,
        StrategySpec::Stall => traits.has_time,
        _ => true,
    };
    if suits {
        return TABLE[place];
    }
    INSTEAD[(ordinal(seed) % INSTEAD.len() as u64) as usize]
}

/// The strategy of a run with this seed, where nothing is known of what the run will do.
pub(crate) fn blind(seed: Seed) -> StrategySpec {
    choose(seed, Traits::default())
}

/// The how-many-th seed it is among those that have the same strategy in the table.
pub(crate) fn ordinal(seed: Seed) -> u64 {
    let length = TABLE.len() as u64;
    let place = (seed.0 % length) as usize;
    let same = |strategies: &[StrategySpec]| {
        strategies.iter().filter(|strategy| **strategy == TABLE[place]).count() as u64
    };
    (seed.0 / length) * same(&TABLE) + same(&TABLE[..place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_that_have_a_strategy_in_common_are_numbered() {
        let surw: Vec<_> = (0..40).map(Seed).filter(|seed| TABLE[seed.0 as usize % 16] == SURW).collect();
        assert!(surw.len() > 4);
        for (number, seed) in (0..).zip(surw) {
            assert_eq!(ordinal(seed), number);
        }
    }

    #[test]
    fn what_does_not_suit_is_replaced() {
        let all: Vec<_> =
            (0..64).map(|seed| choose(Seed(seed), Traits { shares: false, has_time: false })).collect();
        assert!(!all.contains(&SURW) && !all.contains(&STALL));
        for instead in INSTEAD {
            assert!(all.contains(&instead));
        }
        let full: Vec<_> =
            (0..16).map(|seed| choose(Seed(seed), Traits { shares: true, has_time: true })).collect();
        assert_eq!(full, TABLE);
    }
}
