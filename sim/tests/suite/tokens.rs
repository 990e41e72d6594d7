//! Tokens: reading returns what was written, and damage is detected and reported.

use proptest::prelude::*;
use timeloop_sim::{
    Bound, Deviation, Domain, Estimates, ResourceKey, Schedule, Seed, SeedVersion, StrategySpec, TaskPath,
    TokenError,
};

const TEST: &str = "bank::tests::transfers";

fn deviation(path: &str, resume: u32, domain: Domain, index: u32, value: u32) -> Deviation {
    Deviation { task: path.parse().unwrap(), resume, domain, index, value }
}

fn seeded(strategy: StrategySpec, set: impl FnOnce(&mut Estimates)) -> Schedule {
    let mut estimates = Estimates::default();
    set(&mut estimates);
    Schedule::Seeded { seed: Seed(17), strategy, estimates, version: SeedVersion::V1 }
}

/// Tokens of version 1 and their schedules. A change here breaks the tokens and files that users have stored.
fn golden() -> Vec<(&'static str, Schedule)> {
    vec![
        ("TL10XRS7S3M000135NXXJW0", seeded(StrategySpec::Random, |_| {})),
        (
            "TL121RS7S3M000ZZZZZZZZZZZZZZW0W67A958",
            Schedule::Seeded {
                seed: Seed(u64::MAX),
                strategy: StrategySpec::Fifo,
                estimates: Estimates::default(),
                version: SeedVersion::V1,
            },
        ),
        ("TL10XRS7S3M04001ZEFMSYG", Schedule::baseline()),
        (
            "TL11DRS7S3M00106481NG14CH4P8M",
            seeded(StrategySpec::Pct { depth: 3 }, |estimates| estimates.steps = 300),
        ),
        (
            "TL141RS7S3M002H26014D2PF2DBSQQG800014002084040G4080043GABE7DJ4G",
            seeded(StrategySpec::Surw, |estimates| {
                estimates.resource = Some(ResourceKey(0x0123_4567_89AB_CDEF));
                let count = |path: &str, count| (path.parse().unwrap(), count);
                estimates.counts =
                    vec![count("root", 9), count("root.1", 4), count("root.1.2", 1), count("root.7", 5)];
            }),
        ),
        (
            "TL11DRS7S3M003H21G5S00NXXQVYW",
            seeded(StrategySpec::Starve, |estimates| (estimates.tasks, estimates.instants) = (5, 200)),
        ),
        ("TL115RS7S3M005020GHY6PKYXG", seeded(StrategySpec::Exhaustive { bound: Bound::Delays(2) }, |_| ())),
        (
            "TL14HRS7S3M060D1B7K1R1G20G30000A000040G40NC080Z18G4081FZZZZZW7SWY29SG",
            Schedule::Deviations {
                randomness: Seed(4_000_000_000),
                deviations: vec![
                    deviation("root.2", 3, Domain::Schedule, 0, 5),
                    deviation("root", 0, Domain::Select, 1, 2),
                    deviation("root.300.1", 70_000, Domain::User, 2, u32::MAX),
                ],
            },
        ),
    ]
}

#[test]
fn golden_tokens_do_not_change() {
    for (token, schedule) in golden() {
        assert_eq!(schedule.to_token(TEST), token, "{schedule:?}");
        assert_eq!(Schedule::from_token(token, TEST), Ok(schedule.clone()));
        assert_eq!(Schedule::from_token_of_any_test(token), Ok(schedule));
    }
}

#[test]
fn case_and_surrounding_space_do_not_matter() {
    for (token, schedule) in golden() {
        for copy in [token.to_lowercase(), format!("  {token}\n"), token.replacen("TL10", "TL1O", 1)] {
            assert_eq!(Schedule::from_token(&copy, TEST), Ok(schedule.clone()), "{copy}");
        }
    }
}

#[test]
fn each_error_says_what_is_accepted() {
    let (token, _) = golden().remove(0);
    let answer = |text: &str| Schedule::from_token(text, TEST).unwrap_err().to_string();
    assert_eq!(
        answer("seventeen"),
        "`seventeen` is not a token; a token is one word that starts with `TL1`, as printed in a report"
    );
    assert_eq!(
        answer("the line that says TIMELOOP_REPLAY"),
        "`the line that says TIMEL…` is not a token; a token is one word that starts with `TL1`, as printed in a report"
    );
    assert_eq!(
        answer(""),
        "`` is not a token; a token is one word that starts with `TL1`, as printed in a report"
    );
    let truncated = "the token is incomplete; copy the whole word, from `TL1` to its last character";
    for length in 3..token.len() {
        assert_eq!(answer(&token[..length]), truncated, "{length} characters");
    }
    let mistyped = "the token has a typo (its checksum is wrong); copy it again from the report";
    assert_eq!(answer(&token.replacen('5', "6", 1)), mistyped);
    assert_eq!(answer(&format!("{token}00")), mistyped);
    assert_eq!(
        answer(&token.replacen('5', "-", 1)),
        "a token can't contain `-`: it is `TL1` followed by digits and letters; copy it again from the report"
    );
    assert_eq!(
        answer(&token.replacen("TL1", "TL2", 1)),
        "the token starts with `TL2`, so a later version of timeloop made it; this version reads `TL1`: update timeloop"
    );
    assert_eq!(
        Schedule::from_token(token, "bank::tests::withdrawals").unwrap_err().to_string(),
        "the token is not one of `bank::tests::withdrawals`, or that test had another name when the token was printed; run the test \
         whose report printed it, or explore again"
    );
    assert_eq!(
        TokenError::UnknownStrategy { code: 9 }.to_string(),
        "the token names strategy number 9, which this version of timeloop does not have; update timeloop"
    );
    assert_eq!(
        TokenError::UnknownDomain { code: 9 }.to_string(),
        "the token has a decision of kind number 9, which this version of timeloop does not have; update timeloop"
    );
}

#[test]
fn each_single_change_of_a_golden_token_is_detected() {
    for (token, _) in golden() {
        for (place, was) in token.char_indices() {
            for character in "0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().filter(|character| *character != was)
            {
                let mut changed = token.to_owned();
                changed.replace_range(place..=place, &character.to_string());
                assert!(Schedule::from_token(&changed, TEST).is_err(), "{token} and {changed}");
            }
        }
    }
}

fn any_number() -> impl Strategy<Value = u32> {
    prop_oneof![0..8_u32, any::<u32>()]
}

fn any_path() -> impl Strategy<Value = TaskPath> {
    prop::collection::vec(any_number().prop_map(|index| index.max(1)), 0..5)
        .prop_map(|indices| indices.into_iter().collect::<TaskPath>())
}

pub(crate) fn any_strategy() -> impl Strategy<Value = StrategySpec> {
    (prop::sample::select(StrategySpec::ALL.to_vec()), any_number()).prop_flat_map(|(strategy, number)| {
        prop::sample::select(match strategy {
            StrategySpec::Pct { .. } => vec![strategy, StrategySpec::Pct { depth: number.max(1) }],
            StrategySpec::Delay { .. } => vec![strategy, StrategySpec::Delay { bound: number.max(1) }],
            StrategySpec::Exhaustive { .. } => {
                [Bound::None, Bound::Delays(number), Bound::Preemptions(number)]
                    .map(|bound| StrategySpec::Exhaustive { bound })
                    .to_vec()
            }
            _ => vec![strategy],
        })
    })
}

fn any_estimates() -> impl Strategy<Value = Estimates> {
    let counts = prop::collection::btree_map(any_path(), any_number(), 0..6);
    let resource = prop::option::of(any::<u64>().prop_map(ResourceKey));
    (any_number(), any_number(), any_number(), any::<(u64, bool)>(), resource, counts).prop_map(
        |(steps, tasks, instants, (stall_ns, varied_io), resource, counts)| {
            let mut estimates = Estimates::default();
            estimates.steps = steps;
            estimates.tasks = tasks;
            estimates.instants = instants;
            estimates.stall_ns = stall_ns;
            estimates.varied_io = varied_io;
            estimates.resource = resource;
            estimates.counts = counts.into_iter().collect();
            estimates
        },
    )
}

pub(crate) fn any_schedule() -> impl Strategy<Value = Schedule> {
    let seed = prop_oneof![Just(0), 0..1_000_u64, any::<u64>()].prop_map(Seed);
    let domain = prop::sample::select(Domain::ALL.to_vec());
    let deviation = (any_path(), any_number(), domain, any_number(), any_number()).prop_map(
        |(task, resume, domain, index, value)| {
            let index = if domain == Domain::Schedule { 0 } else { index };
            Deviation { task, resume, domain, index, value: value.max(1) }
        },
    );
    let deviations = prop::collection::vec(deviation, 0..20).prop_map(|mut deviations| {
        let mut seen = std::collections::BTreeSet::new();
        deviations.retain(|deviation| seen.insert(deviation.key()));
        deviations
    });
    prop_oneof![
        (
            seed.clone(),
            any_strategy(),
            any_estimates(),
            prop::sample::select(vec![SeedVersion::V1, SeedVersion::V2])
        )
            .prop_map(|(seed, strategy, estimates, version)| Schedule::Seeded {
                seed,
                strategy,
                estimates,
                version
            }),
        (seed, deviations)
            .prop_map(|(randomness, deviations)| Schedule::Deviations { randomness, deviations }),
    ]
}

/// Returns the digit that a character is read as.
fn digit(character: char) -> char {
    match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_returns_what_was_written(schedule in any_schedule(), test in ".*") {
        let token = schedule.to_token(&test);
        prop_assert!(token.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
        prop_assert_eq!(Schedule::from_token(&token, &test), Ok(schedule));
    }

    #[test]
    fn any_one_changed_character_is_detected(
        schedule in any_schedule(),
        place in any::<prop::sample::Index>(),
        character in prop_oneof![prop::char::range('0', 'z'), any::<char>()],
    ) {
        let token: Vec<char> = schedule.to_token(TEST).chars().collect();
        let place = place.index(token.len());
        let mut changed = token.clone();
        changed[place] = character;
        let same = if place < 2 {
            character.eq_ignore_ascii_case(&token[place])
        } else if place == 2 {
            character == token[place]
        } else {
            digit(character) == digit(token[place])
        };
        let read = Schedule::from_token(&changed.into_iter().collect::<String>(), TEST);
        prop_assert_eq!(read.is_ok(), same);
    }

    #[test]
    fn swapped_neighbors_are_detected(schedule in any_schedule(), place in any::<prop::sample::Index>()) {
        let mut token: Vec<char> = schedule.to_token(TEST).chars().collect();
        let place = place.index(token.len() - 1);
        prop_assume!(token[place] != token[place + 1]);
        token.swap(place, place + 1);
        prop_assert!(Schedule::from_token(&token.into_iter().collect::<String>(), TEST).is_err());
    }

    #[test]
    fn reading_never_panics(text in ".*", body in "[0-9A-Za-z]{0,60}") {
        let _ = Schedule::from_token(&text, TEST);
        let _ = Schedule::from_token(&format!("TL1{body}"), TEST);
    }
}
