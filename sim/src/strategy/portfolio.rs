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

/// For each place of a table, how many before it have the same strategy.
const fn counted<const N: usize>(table: &[StrategySpec; N]) -> [u8; N] {
    let mut numbers = [0; N];
    let mut place = 0;
    while place < N {
        let mut before = 0;
        while before < place {
            // No table has one strategy with different parameters.
            if table[before].code() == table[place].code() {
                numbers[place] += 1;
            }
            before += 1;
        }
        place += 1;
    }
    numbers
}

/// How many places of a table have the same strategy as each.
const fn shares<const N: usize>(table: &[StrategySpec; N]) -> [u8; N] {
    let mut shares = [0; N];
    let mut place = 0;
    while place < N {
        let mut other = 0;
        while other < N {
            if table[other].code() == table[place].code() {
                shares[place] += 1;
            }
            other += 1;
        }
        place += 1;
    }
    shares
}

/// A table, with what is counted in it beforehand: each run asks.
#[derive(Debug)]
struct Table<const N: usize> {
    strategies: [StrategySpec; N],
    counted: [u8; N],
    shares: [u8; N],
}

impl<const N: usize> Table<N> {
    const fn new(strategies: [StrategySpec; N]) -> Self {
        Self { strategies, counted: counted(&strategies), shares: shares(&strategies) }
    }

    #[inline]
    fn strategy(&self, seed: Seed) -> StrategySpec {
        self.strategies[(seed.0 % N as u64) as usize]
    }

    #[inline]
    fn ordinal(&self, seed: Seed) -> u64 {
        let place = (seed.0 % N as u64) as usize;
        (seed.0 / N as u64) * u64::from(self.shares[place]) + u64::from(self.counted[place])
    }
}

static USUAL: Table<32> = Table::new(TABLE);
static TIMED: Table<16> = Table::new(TIMED_TABLE);

/// The strategy of a run with this seed.
pub(crate) fn choose(seed: Seed, traits: Traits) -> StrategySpec {
    let strategy = if traits.has_time { TIMED.strategy(seed) } else { USUAL.strategy(seed) };
    if traits.shares || strategy.code() != SURW.code() {
        return strategy;
    }
    INSTEAD[(ordinal(seed, traits) % INSTEAD.len() as u64) as usize]
}

/// The how-many-th seed it is among those that have the same strategy in the table.
pub(crate) fn ordinal(seed: Seed, traits: Traits) -> u64 {
    if traits.has_time { TIMED.ordinal(seed) } else { USUAL.ordinal(seed) }
}

/// The strategy of a run with this seed, where nothing is known of what the run will do.
pub(crate) fn blind(seed: Seed) -> StrategySpec {
    choose(seed, Traits::default())
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
