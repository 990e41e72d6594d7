//! The macros of fuzz targets.
//!
//! # Invariants
//! Items of libFuzzer are parse_strategy only through the crate `libfuzzer_sys` of the target's author.

/// Defines a fuzz target whose test runs under a schedule that the fuzzer generates together with the input.
///
/// Use it instead of `libfuzzer_sys::fuzz_target!`. The test is an async closure with one argument of any type that
/// implements [`Arbitrary`](https://docs.rs/arbitrary) and `Debug`. It fails as a `#[timeloop::test]` does. On a
/// failure the schedule is shrunk, the report is printed, and the process aborts, so that libFuzzer writes the input to
/// a file.
///
/// ```
/// # mod libfuzzer_sys {
/// #     pub enum Corpus { Keep, Reject }
/// #     pub fn fuzzer_mutate(_: &mut [u8], _: usize, _: usize) -> usize { 0 }
/// #     macro_rules! nothing { ($($t:tt)*) => {} }
/// #     pub(crate) use {nothing as fuzz_target, nothing as fuzz_mutator, nothing as fuzz_crossover};
/// # }
/// # use timeloop::spawn;
/// timeloop::fuzz_target!(async |amounts: Vec<u8>| {
///     let tasks: Vec<_> = amounts.into_iter().map(|amount| spawn(async move { u64::from(amount) })).collect();
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     assert!(sum < 1_000_000);
/// });
/// # fn main() {}
/// ```
///
/// The macro also defines a [mutator](crate::fuzz_mutator) and, under `cfg(test)`, a test parse_strategy `timeloop_replay`. The
/// test replays the crash file that `TIMELOOP_REPLAY` names. Without the variable, it replays every file in
/// `corpus/<target>` and every crash in `artifacts/<target>`. The target's file must therefore start with
/// `#![cfg_attr(not(test), no_main)]`.
///
/// `init: { … },` before the closure is code that runs once, before the first input.
#[macro_export]
#[cfg_attr(docsrs, doc(cfg(feature = "arbitrary")))]
macro_rules! fuzz_target {
    (init: $init:expr, async |$input:ident: $type:ty| $body:expr) => {
        $crate::__fuzz_target!($init, $type, async |$input: $type| $body);
    };
    (init: $init:expr, |$input:ident: $type:ty| $body:expr) => {
        $crate::__fuzz_target!($init, $type, async |$input: $type| ($body).await);
    };
    (async |$input:ident: $type:ty| $body:expr) => {
        $crate::__fuzz_target!((), $type, async |$input: $type| $body);
    };
    (|$input:ident: $type:ty| $body:expr) => {
        $crate::__fuzz_target!((), $type, async |$input: $type| ($body).await);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __fuzz_target {
    ($init:expr, $type:ty, $test:expr) => {
        #[cfg(not(test))]
        const _: () = {
            libfuzzer_sys::fuzz_target!(init: $init, |data: &[u8]| -> libfuzzer_sys::Corpus {
                if $crate::fuzzing::support::fuzz(&$crate::__fuzz_target!(), data, $test) {
                    libfuzzer_sys::Corpus::Keep
                } else {
                    libfuzzer_sys::Corpus::Reject
                }
            });
        };
        #[cfg(not(test))]
        $crate::fuzz_mutator!($type);
        #[cfg(test)]
        #[test]
        fn timeloop_replay() {
            $init;
            $crate::fuzzing::support::replay(&$crate::__fuzz_target!(), $test);
        }
    };
    () => {
        $crate::fuzzing::support::Target {
            name: match ::core::option_env!("CARGO_BIN_NAME") {
                ::core::option::Option::Some(name) => name,
                ::core::option::Option::None => ::core::env!("CARGO_CRATE_NAME"),
            },
            folder: ::core::env!("CARGO_MANIFEST_DIR"),
        }
    };
}

/// Defines a libFuzzer mutator that mutates decisions one by one: it inserts, removes, changes, moves, copies and swaps
/// them, and crosses over two inputs. libFuzzer itself mutates the input's bytes.
///
/// [`fuzz_target!`](crate::fuzz_target) includes it. Targets that use libFuzzer's own macro and take a
/// [`Case`](crate::fuzzing::Case) can add it. The argument is the type of the input, from which the mutator learns the
/// input's size: `timeloop::fuzz_mutator!(Vec<u8>);`.
#[macro_export]
#[cfg_attr(docsrs, doc(cfg(feature = "arbitrary")))]
macro_rules! fuzz_mutator {
    ($type:ty) => {
        #[cfg(not(test))]
        const _: () = {
            libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
                let input = $crate::fuzzing::support::InputSize::of::<$type>();
                let delegate = libfuzzer_sys::fuzzer_mutate;
                $crate::fuzzing::support::mutate(data, size, max_size, seed, input, delegate)
            });
            libfuzzer_sys::fuzz_crossover!(|data1: &[u8], data2: &[u8], out: &mut [u8], seed: u32| {
                $crate::fuzzing::support::cross_over(data1, data2, out, seed)
            });
        };
    };
}
