//! Strategy names: parsed from text, stored in tokens and files, and chosen from seeds.

use proptest::prelude::*;
use timeloop_sim::{Config, FoundBy, RegressionsIn, Schedule, Seed, Settings, StrategySpec, explore};

use crate::exploring::config;
use crate::tokens::any_strategy;
use crate::toy::{self, Op, Toy};

/// The meaning of a code never changes.
#[test]
fn codes_do_not_change() {
    let codes: Vec<_> =
        StrategySpec::ALL.iter().map(|strategy| format!("{} {strategy}", strategy.code())).collect();
    assert_eq!(
        codes,
        [
            "0 random",
            "1 fifo",
            "2 pct(depth = 3)",
            "3 pos",
            "4 urw",
            "5 surw",
            "6 delay(bound = 2)",
            "11 lockstep",
            "7 starve",
            "8 stall",
            "9 portfolio",
            "10 exhaustive",
        ]
    );
    for strategy in StrategySpec::ALL {
        assert_eq!(StrategySpec::from_code(strategy.code()), Some(strategy));
        assert_eq!(strategy.name().parse(), Ok(strategy), "a name alone has the default parameters");
    }
    assert_eq!(StrategySpec::from_code(12), None);
    assert_eq!(StrategySpec::default(), StrategySpec::Portfolio);
}

#[test]
fn an_unknown_strategy_is_an_error_with_the_accepted_names() {
    for text in [
        "",
        "rnd",
        "Random",
        "pct(",
        "pct()",
        "pct(3)",
        "pct(depth = )",
        "pct(depth = -1)",
        "pct(depth = 0)",
        "delay(bound = 0)",
        "pct(depth = 4294967296)",
        "pct(bound = 3)",
        "pct(depth = 3",
        "pos(depth = 3)",
        "exhaustive(delays = many)",
    ] {
        let message = text.parse::<StrategySpec>().unwrap_err().to_string();
        let expected = format!(
            "`{text}` is not a strategy; accepted are `portfolio`, `random`, `fifo`, `pct` (`pct(depth = 3)`), `pos`, `urw`, \
             `surw`, `delay` (`delay(bound = 2)`), `lockstep`, `starve`, `stall` and `exhaustive` (`exhaustive(delays = 2)`, \
             `exhaustive(preemptions = 2)`)"
        );
        assert_eq!(message, expected);
    }
    for text in [" pct ( depth=7 ) ", "pct(depth = 7)", "pct(depth=7)", "pct(depth  =  007)"] {
        assert_eq!(text.parse(), Ok(StrategySpec::Pct { depth: 7 }), "{text}");
    }
}

#[test]
fn the_baseline_run_is_made_first() {
    let toy = Toy::new([Op::Yield, Op::Expect(0, 1)]);
    for strategy in StrategySpec::ALL {
        if matches!(strategy, StrategySpec::Fifo) {
            continue;
        }
        let exploration = explore(&Config { strategy, ..config("always") }, &toy);
        let found = exploration.found.as_ref().expect("it always fails");
        assert_eq!(found.by, FoundBy::Baseline, "{strategy}");
        assert_eq!(found.schedule, Schedule::baseline());
        assert_eq!(found.shrunk, Schedule::baseline());
        assert!(exploration.baseline_run && found.replayed);
        assert_eq!((exploration.runs, exploration.schedules()), (0, 1));
        assert!(found.stored.is_none(), "the baseline run is not stored");
        assert!(found.report.contains("\nfound by   the baseline run (FIFO order)\n"), "{}", found.report);
    }
}

#[test]
fn the_run_of_a_seed_does_not_depend_on_the_number_of_workers() {
    let toy = toy::lost_update();
    for strategy in StrategySpec::ALL {
        if matches!(strategy, StrategySpec::Fifo | StrategySpec::Exhaustive { .. }) {
            continue;
        }
        let explore = |seed: Seed, jobs| {
            explore(&Config { strategy, seed, jobs: Some(jobs), ..config("lost_update") }, &toy)
        };
        let found = |seed, jobs| {
            let exploration = explore(seed, jobs);
            let found = exploration.found.unwrap_or_else(|| panic!("{strategy} does not find the failure"));
            (exploration.runs, exploration.digest, found.by, found.schedule, found.trace_hash)
        };
        for base in [Seed(0), Seed(500)] {
            let alone = found(base, 1);
            assert_eq!(found(base, 3), alone, "{strategy} from {base}");
            // Starting at the failing seed finds the failure at once.
            let FoundBy::Seed { seed, .. } = alone.2 else { panic!("{strategy} found it by {:?}", alone.2) };
            let again = explore(seed, 1);
            assert_eq!(again.runs, 1, "{strategy} from {base}");
            assert_eq!(again.found.unwrap().schedule, alone.3);
        }
    }
}

#[test]
fn the_report_names_the_strategy_of_the_run() {
    let config = Config {
        environment: Some(Settings::default()),
        regressions: RegressionsIn::Nowhere,
        silent: true,
        ..Config::new("toys::races")
    };
    let exploration = explore(&config, &toy::races(4));
    assert_eq!(exploration.strategy, StrategySpec::Portfolio);
    let found = exploration.found.unwrap();
    let Schedule::Seeded { seed, strategy, .. } = found.schedule else { panic!("{:?}", found.schedule) };
    assert_ne!(strategy, StrategySpec::Portfolio);
    let line = format!(
        "\nfound by   seed {seed} (run {}, strategy `{strategy}`); TIMELOOP_SEED={seed} tries it first\n",
        seed.0 + 1
    );
    assert!(found.report.contains(&line), "{}", found.report);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_returns_what_was_printed(strategy in any_strategy()) {
        prop_assert_eq!(strategy.to_string().parse::<StrategySpec>(), Ok(strategy));
    }

    #[test]
    fn parsing_never_panics(text in ".*", name in "[a-z]{0,9}", inner in ".*") {
        let _ = text.parse::<StrategySpec>();
        let _ = format!("{name}({inner})").parse::<StrategySpec>();
    }
}
