//! The hygiene of `select!`, `join!` and the others: names of the user and of the expansion do not collide.
//!
//! # Invariants
//! Every name that the expansions use is also a name of the user's here.
#![no_implicit_prelude]

use ::std::assert_eq;

use super::{after, run};

/// Types and functions that could be confused with the expansions' own.
#[expect(non_camel_case_types, dead_code, reason = "names that nobody should use, and some expansion might")]
mod decoys {
    pub(super) struct Poll;
    pub(super) struct Future;
    pub(super) struct Select;
    pub(super) struct Result;
    pub(super) struct Option;
    pub(super) struct Disabled;
    pub(super) struct u64;
    pub(super) struct bool;
    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) mod timeloop {}
    pub(super) mod __private {}
    pub(super) fn drop() {}
    pub(super) fn into_future() {}
}
#[expect(unused_imports, reason = "in scope is enough")]
use decoys::{
    __private, Disabled, Future, Option, Poll, Result, Select, bool, core, drop, into_future, std, timeloop,
    u64,
};

#[test]
fn names_of_the_user_keep_their_meaning() {
    run(|| async {
        let (disabled, output, pending, branch, value, matches, context, future_0) = (1, 2, 3, 4, 5, 6, 7, 8);
        let sum = ::timeloop::select! {
            biased;
            got = after(1, disabled + output + pending + branch), if matches == 6 && future_0 == 8 => {
                got + disabled + output + pending + branch + value + matches + context + future_0
            }
            _ = after(1, 0) => 0,
        };
        assert_eq!(sum, 46);
        let joined = ::timeloop::join!(after(1, output), after(1, pending), after(1, context));
        assert_eq!(joined, (2, 3, 7));
        let (rounds, error) = (9, 10);
        let joined: ::core::result::Result<_, ()> = ::timeloop::try_join!(
            after(1, ::core::result::Result::Ok(rounds)),
            after(1, ::core::result::Result::Ok(error))
        );
        assert_eq!(joined, ::core::result::Result::Ok((9, 10)));
    });
}

#[test]
fn names_of_the_expansion_are_not_visible() {
    // If handlers saw the expansion's variables, these would shadow the constants.
    #![expect(non_upper_case_globals, reason = "named like the expansion's variables")]
    const disabled: i32 = 1;
    const branch: i32 = 2;
    const pending: i32 = 3;
    const future_0: i32 = 4;
    const rounds: i32 = 5;
    const output: i32 = 6;
    run(|| async {
        let sum = ::timeloop::select! {
            got = after(1, disabled + pending), if branch == 2 => got + future_0 + output,
        };
        assert_eq!(sum, 14);
        assert_eq!(::timeloop::join!(after(1, rounds), after(1, future_0)), (5, 4));
    });
}

#[test]
fn under_another_name_of_the_crate() {
    use ::timeloop as clock;
    run(|| async {
        assert_eq!(clock::select! { value = after(1, 1) => value }, 1);
        assert_eq!(clock::join!(after(1, 1)), (1,));
        use clock::{join as both, select as first_of};
        assert_eq!(first_of! { value = after(1, 1) => value }, 1);
        assert_eq!(both!(after(1, 1), after(1, 2)), (1, 2));
        clock::task_local! { static KEY: ::core::primitive::u64; }
        assert_eq!(KEY.scope(3, async { KEY.get() }).await, 3);
        let pinned = async { 4 };
        clock::pin!(pinned);
        assert_eq!(pinned.await, 4);
    });
}

#[test]
fn labels_and_loops_of_the_user_are_distinct_from_the_expansions() {
    let rounds = run(|| async {
        let mut rounds = 0;
        'outer: loop {
            loop {
                rounds += 1;
                ::timeloop::select! {
                    _ = async { rounds += 1 }, if rounds < 5 => continue,
                    _ = after(1, ()), if rounds < 9 => continue 'outer,
                    else => break 'outer rounds,
                }
            }
        }
    });
    assert_eq!(rounds, 9);
}
