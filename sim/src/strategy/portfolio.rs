//! The portfolio, the default strategy: the seed of a run chooses one of the other strategies, by a fixed mix
//! ([`UNTIMED_TABLE`], [`TIMED_TABLE`]).
//!
//! No single strategy is best for every test. Each run's strategy gets the estimates from the baseline run.
//!
//! # Invariants
//! - The choice is a function of the seed and of properties of the baseline run.
//! - The mix is a fixed pattern over consecutive seeds, so that any few of them contain several strategies.
//! - The choice draws nothing, so a run is the same as under its strategy alone.

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

/// The strategy of each seed, by the remainder of dividing it by the table's length, where virtual time does not
/// advance.
///
/// Tuned on the corpus (`cargo bench --bench search`): SURW finds most bugs soonest, lockstep finds the simplest at
/// once, and the others find what these two miss.
const UNTIMED_TABLE: [StrategySpec; 32] = [
    LOCKSTEP, RANDOM, SURW, SURW, POS, SURW, SURW, URW, SURW, SURW, POS, SURW, SURW, SURW, PCT, SURW, //
    SURW, POS, SURW, SURW, URW, SURW, SURW, STARVE, SURW, RANDOM, SURW, POS, SURW, DELAY, SURW, PCT,
];

/// As [`UNTIMED_TABLE`], where virtual time advances. Only the two strategies that let time pass find timing bugs, so
/// they have half of the seeds; they also try different orders of tasks.
const TIMED_TABLE: [StrategySpec; 16] = [
    LOCKSTEP, STARVE, STALL, SURW, STARVE, URW, SURW, STARVE, STALL, SURW, STARVE, POS, SURW, STARVE, STALL,
    PCT,
];

/// The strategies that take the place of SURW, in turn, where tasks announce operations but share no resource.
const SURW_SUBSTITUTES: [StrategySpec; 4] = [RANDOM, PCT, POS, PCT];

/// The strategies that take the place of SURW, in turn, where no operation is announced; RANDOM also takes the place of POS
/// there.
///
/// Tuned on the museum (`search`): each of the two is strong where the other is weak.
const SURW_SUBSTITUTES_UNANNOUNCED: [StrategySpec; 2] = [RANDOM, URW];

/// The properties of the baseline run by which the portfolio chooses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RunTraits {
    /// Whether tasks share a resource that at least one of them changes.
    pub(crate) shares: bool,
    /// Whether tasks announce operations.
    pub(crate) announces: bool,
    /// Whether virtual time advances.
    pub(crate) has_time: bool,
}

/// Counts, for each place of a table, the earlier places with the same strategy.
const fn earlier_occurrences<const N: usize>(table: &[StrategySpec; N]) -> [u8; N] {
    let mut numbers = [0; N];
    let mut place = 0;
    while place < N {
        let mut before = 0;
        while before < place {
            // No table contains one strategy with different parameters.
            if table[before].code() == table[place].code() {
                numbers[place] += 1;
            }
            before += 1;
        }
        place += 1;
    }
    numbers
}

/// Counts, for each place of a table, all places with the same strategy.
const fn occurrences<const N: usize>(table: &[StrategySpec; N]) -> [u8; N] {
    let mut counts = [0; N];
    let mut place = 0;
    while place < N {
        let mut other = 0;
        while other < N {
            if table[other].code() == table[place].code() {
                counts[place] += 1;
            }
            other += 1;
        }
        place += 1;
    }
    counts
}

/// A table with its precomputed counts, which every run needs.
#[derive(Debug)]
struct Table<const N: usize> {
    strategies: [StrategySpec; N],
    earlier_occurrences: [u8; N],
    occurrences: [u8; N],
}

impl<const N: usize> Table<N> {
    const fn new(strategies: [StrategySpec; N]) -> Self {
        Self {
            strategies,
            earlier_occurrences: earlier_occurrences(&strategies),
            occurrences: occurrences(&strategies),
        }
    }

    #[inline]
    fn strategy(&self, seed: Seed) -> StrategySpec {
        self.strategies[(seed.0 % N as u64) as usize]
    }

    #[inline]
    fn ordinal(&self, seed: Seed) -> u64 {
        let place = (seed.0 % N as u64) as usize;
        (seed.0 / N as u64) * u64::from(self.occurrences[place]) + u64::from(self.earlier_occurrences[place])
    }
}

static UNTIMED: Table<32> = Table::new(UNTIMED_TABLE);
static TIMED: Table<16> = Table::new(TIMED_TABLE);

/// Returns the strategy of the run with this seed.
pub(crate) fn choose(seed: Seed, traits: RunTraits) -> StrategySpec {
    let strategy = if traits.has_time { TIMED.strategy(seed) } else { UNTIMED.strategy(seed) };
    if traits.shares {
        return strategy;
    }
    let turn = ordinal(seed, traits) as usize;
    match strategy {
        SURW if traits.announces => SURW_SUBSTITUTES[turn % SURW_SUBSTITUTES.len()],
        SURW => SURW_SUBSTITUTES_UNANNOUNCED[turn % SURW_SUBSTITUTES_UNANNOUNCED.len()],
        POS if !traits.announces => RANDOM,
        strategy => strategy,
    }
}

/// Returns the number of seeds below this one that have the same strategy in the table.
pub(crate) fn ordinal(seed: Seed, traits: RunTraits) -> u64 {
    if traits.has_time { TIMED.ordinal(seed) } else { UNTIMED.ordinal(seed) }
}

/// Returns the strategy of the run with this seed when nothing is known of the run.
pub(crate) fn without_estimates(seed: Seed) -> StrategySpec {
    choose(seed, RunTraits { announces: true, ..RunTraits::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_that_have_a_strategy_in_common_are_numbered() {
        for has_time in [false, true] {
            let traits = RunTraits { shares: true, announces: true, has_time };
            let surw: Vec<_> = (0..40).map(Seed).filter(|seed| choose(*seed, traits) == SURW).collect();
            assert!(surw.len() > 4);
            for (number, seed) in (0..).zip(surw) {
                assert_eq!(ordinal(seed, traits), number);
            }
        }
    }

    #[test]
    fn what_does_not_suit_is_replaced() {
        let chosen = |shares, announces, has_time| -> Vec<_> {
            (0..64).map(|seed| choose(Seed(seed), RunTraits { shares, announces, has_time })).collect()
        };
        for has_time in [false, true] {
            assert!(!chosen(false, true, has_time).contains(&SURW));
            let unannounced = chosen(false, false, has_time);
            assert!(!unannounced.contains(&SURW) && !unannounced.contains(&POS));
            for instead in SURW_SUBSTITUTES {
                assert!(chosen(false, true, has_time).contains(&instead));
            }
            for instead in SURW_SUBSTITUTES_UNANNOUNCED {
                assert!(unannounced.contains(&instead));
            }
        }
        assert_eq!(chosen(true, true, false)[..32], UNTIMED_TABLE);
        assert_eq!(chosen(true, true, true)[16..32], TIMED_TABLE);
        assert!(!chosen(true, true, false).contains(&STALL) && chosen(true, true, true).contains(&STALL));
    }
}
