//! The macros of a fuzz target.
//!
//! Always true: nothing of libFuzzer's is named here but through the crate `libfuzzer_sys` of whoever writes the target.

/// Defines a fuzz target whose test is run under a schedule that the fuzzer makes up together with the input.
///
/// Takes the place of `libfuzzer_sys::fuzz_target!`. The test is an async closure with one argument, of any type that is
/// [`Arbitrary`](https://docs.rs/arbitrary) and `Debug`; it fails as a `#[timeloop::test]` does. Then the schedule
/// is shrunk, the report printed, and the process stopped, so that libFuzzer writes the input to a file.
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
/// Besides the target it defines a [mutator](crate::fuzz_mutator) and, where `cfg(test)` is set, a test called
/// `timeloop_replay`: it replays the crash file that `TIMELOOP_REPLAY` names, or without that every file in
/// `corpus/<target>` and every crash in `artifacts/<target>`. The target's file therefore opens with
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

/// Lets libFuzzer mutate decisions one by one: put one in, take one out, change, move, copy or swap; and cross two inputs
/// over. The input's own bytes stay libFuzzer's to mutate.
///
/// [`fuzz_target!`](crate::fuzz_target) has it built in. Beside libFuzzer's own macro it is for targets that take a
/// [`Case`](crate::fuzzing::Case); its argument is the type of the input, whose size the mutator then knows:
/// `timeloop::fuzz_mutator!(Vec<u8>);`.
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
