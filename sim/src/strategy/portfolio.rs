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
const LOCKSTEP: StrategySpec = StrategySpec::Lockstep;
const STARVE: StrategySpec = StrategySpec::Starve;
const STALL: StrategySpec = StrategySpec::Stall;

/// The strategy of each seed, by what is left when it is divided by the length.
///
/// Tuned on the corpus (`cargo bench --bench search`): selective uniformity finds most bugs soonest, lockstep the plainest
/// at once, and the others what neither sees.
const TABLE: [StrategySpec; 32] = [
    LOCKSTEP, RANDOM, SURW, SURW, POS, SURW, SURW, URW, SURW, SURW, POS, SURW, SURW, SURW, PCT, SURW, //
    SURW, POS, SURW, SURW, URW, SURW, SURW, STARVE, SURW, RANDOM, SURW, POS, SURW, DELAY, SURW, PCT,
];

/// The same where virtual time moves. What hangs on time is found by none but the two that let it pass, so that they have
/// half of the seeds; they try orders of tasks as well.
const TIMED_TABLE: [StrategySpec; 16] = [
    LOCKSTEP, STARVE, STALL, SURW, STARVE, URW, SURW, STARVE, STALL, SURW, STARVE, POS, SURW, STARVE, STALL,
    PCT,
];

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

fn table(traits: Traits) -> &'static [StrategySpec] {
    if traits.has_time { &TIMED_TABLE } else { &TABLE }
}

/// The strategy of a run with this seed.
pub(crate) fn choose(seed: Seed, traits: Traits) -> StrategySpec {
    let table = table(traits);
    let strategy = table[(seed.0 % table.len() as u64) as usize];
    if traits.shares || strategy != SURW {
        return strategy;
    }
    INSTEAD[(ordinal(seed, traits) % INSTEAD.len() as u64) as usize]
}

/// The strategy of a run with this seed, where nothing is known of what the run will do.
pub(crate) fn blind(seed: Seed) -> StrategySpec {
    choose(seed, Traits::default())
}

/// The how-many-th seed it is among those that have the same strategy in the table.
pub(crate) fn ordinal(seed: Seed, traits: Traits) -> u64 {
    let table = table(traits);
    let length = table.len() as u64;
    let place = (seed.0 % length) as usize;
    let same = |strategies: &[StrategySpec]| {
        strategies.iter().filter(|strategy| **strategy == table[place]).count() as u64
    };
    (seed.0 / length) * same(table) + same(&table[..place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_that_have_a_strategy_in_common_are_numbered() {
        for has_time in [false, true] {
            let traits = Traits { shares: true, has_time };
            let surw: Vec<_> = (0..40).map(Seed).filter(|seed| choose(*seed, traits) == SURW).collect();
            assert!(surw.len() > 4);
            for (number, seed) in (0..).zip(surw) {
                assert_eq!(ordinal(seed, traits), number);
            }
        }
    }

    #[test]
    fn what_does_not_suit_is_replaced() {
        let chosen = |shares, has_time| -> Vec<_> {
            (0..64).map(|seed| choose(Seed(seed), Traits { shares, has_time })).collect()
        };
        assert!(!chosen(false, false).contains(&SURW));
        for instead in INSTEAD {
            assert!(chosen(false, false).contains(&instead));
        }
        assert_eq!(chosen(true, false)[..32], TABLE);
        assert_eq!(chosen(true, true)[16..32], TIMED_TABLE);
        assert!(!chosen(true, false).contains(&STALL) && chosen(true, true).contains(&STALL));
    }
}
