//! The variables, tokens and arguments that configure a test.

use timeloop::task::yield_now;

use crate::support::{Ended, child, is_child};

/// Run by the tests below. In a child process nothing panics, so it must fail.
#[timeloop::test(runs = 2)]
#[should_panic]
async fn expects_a_panic() {
    yield_now().await;
    assert!(is_child(), "as expected");
}

/// As above, with an argument that is not accepted.
#[timeloop::test(runs = if is_child() { 0 } else { 1 })]
#[should_panic]
async fn expects_a_panic_in_no_runs() {
    panic!("as expected");
}

/// As above, without the attribute.
#[test]
#[should_panic]
fn expects_a_panic_of_a_function() {
    timeloop::explore(|| async { assert!(is_child(), "as expected") });
}

/// As above, with one schedule that the test makes itself.
#[test]
#[should_panic]
fn expects_a_panic_of_a_schedule() {
    let run = timeloop::Schedule::baseline().run(|| async { assert!(is_child(), "as expected") });
    run.unwrap();
}

/// The error must end the process: the harness takes any panic for the expected one.
fn refused(ended: &Ended, error: &str) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains(error), "{ended:?}");
    assert!(!ended.stdout.contains("test result"), "{ended:?}");
}

#[test]
fn a13_an_invalid_configuration_never_passes_a_test() {
    let of_another = timeloop::StoredSchedule::baseline().to_token("suite::faults::another");
    for test in ["expects_a_panic", "expects_a_panic_of_a_function", "expects_a_panic_of_a_schedule"] {
        let test = format!("faults::configuration::{test}");
        let unset = child(&test, &[]);
        assert_eq!(unset.code, Some(101), "without a panic it fails: {unset:?}");
        for (name, value, error) in [
            ("TIMELOOP_SEED", "abc$", "TIMELOOP_SEED=`abc$` is not a seed"),
            ("TIMELOOP_JOBS", "0", "TIMELOOP_JOBS=`0` is not a number of threads"),
            ("TIMELOOP_REPLAY", "no/such/file.txt", "TIMELOOP_REPLAY=`no/such/file.txt` is neither"),
            ("TIMELOOP_REPLAY", &of_another[..of_another.len() - 1], "TIMELOOP_REPLAY: the token "),
        ] {
            refused(&child(&test, &[(name, value)]), error);
        }
    }
    let replayed = child("faults::configuration::expects_a_panic", &[("TIMELOOP_REPLAY", &of_another)]);
    refused(&replayed, "the token is not one of");
    let no_runs = child("faults::configuration::expects_a_panic_in_no_runs", &[]);
    refused(
        &no_runs,
        "timeloop: `suite::faults::configuration::expects_a_panic_in_no_runs`: an exploration of 0 runs would test \
         nothing; give 1 or more",
    );
}

#[test]
fn a18_numbers_beyond_their_range_are_refused() {
    const TEST: &str = "faults::configuration::expects_a_panic";
    for (name, value, accepted) in [
        ("TIMELOOP_SEED", "18446744073709551616", "a decimal number up to 18446744073709551615"),
        ("TIMELOOP_SEED", "1_8446744073709551616", "a decimal number up to 18446744073709551615"),
        ("TIMELOOP_RUNS", "18446744073709551616", "accepted is 1 to 18446744073709551615"),
        ("TIMELOOP_CHECK", "18446744073709551616", "accepted is 0 to 18446744073709551615"),
        ("TIMELOOP_JOBS", "18446744073709551615", "accepted is 1 to 1024"),
        ("TIMELOOP_STRATEGY", "pct(depth = 4294967296)", "is not a strategy; accepted are"),
    ] {
        let ended = child(TEST, &[(name, value)]);
        refused(&ended, &format!("{name}=`{value}`"));
        refused(&ended, accepted);
    }
    // With a letter, or after `0x`, the digits are hexadecimal.
    for seed in ["18446744073709551615", "0x18446744073709551616", "68be2bec0ffee68be2bec0ffee68be2bec0ffee0"]
    {
        assert_eq!(child(TEST, &[("TIMELOOP_SEED", seed)]).code, Some(101), "{seed} is accepted");
    }
}
