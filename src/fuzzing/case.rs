//! A test's input and the schedule that it is to be run under, from one fuzzer's input.
//!
//! Always true: where one ends and the other begins depends on the last bytes alone, so no change of the input's bytes
//! moves a decision, and none of a decision's the input.

use arbitrary::{Arbitrary, Result, Unstructured};

use super::{loose, record};
use crate::Schedule;

/// A test's input, and the schedule that the test is to be run under.
///
/// [`fuzz_target!`](crate::fuzz_target) needs none of this; it is for targets that are written with libFuzzer's own macro:
///
/// ```
/// # mod libfuzzer_sys {
/// #     macro_rules! fuzz_target { ($($t:tt)*) => {} }
/// #     pub(crate) use fuzz_target;
/// # }
/// use timeloop::{fuzzing::Case, spawn};
///
/// libfuzzer_sys::fuzz_target!(|case: Case<Vec<u8>>| {
///     let Case { input, schedule } = case;
///     schedule.run(|| async {
///         let input = input.clone();
///         let sum = spawn(async move { input.iter().map(|&byte| u64::from(byte)).sum::<u64>() });
///         assert!(sum.await.unwrap() < 1_000_000);
///     }).unwrap();
/// });
/// ```
///
/// A tuple `(T, Schedule)` or a struct with a `Schedule` in the last place works as well. Then the split depends on how many
/// bytes `T` takes, and [`fuzz_mutator!`](crate::fuzz_mutator) should not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case<T> {
    /// The input: of all bytes but those of the schedule.
    pub input: T,
    /// The schedule.
    pub schedule: Schedule,
}

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Case<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let input = T::arbitrary(u)?;
        Ok(Self { input, schedule: Schedule::arbitrary(u)? })
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> Result<Self> {
        let (input, records) = record::split(u.take_rest());
        let input = T::arbitrary_take_rest(Unstructured::new(input))?;
        Ok(Self { input, schedule: Schedule::fuzzed(record::schedule(records)) })
    }

    fn size_hint(depth: usize) -> (usize, Option<usize>) {
        Self::try_size_hint(depth).unwrap_or_default()
    }

    fn try_size_hint(
        depth: usize,
    ) -> std::result::Result<(usize, Option<usize>), arbitrary::MaxRecursionReached> {
        Ok((T::try_size_hint(depth)?.0, None))
    }
}

/// Bytes as decisions: no bytes are the quiet schedule, and each few bytes more are one deviation from it.
///
/// Deviations are counted from the end of the bytes, so that in a tuple or struct whose last part is a schedule, the parts
/// before it may take as many bytes as they like.
impl<'a> Arbitrary<'a> for Schedule {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let count = u.arbitrary_len::<[u8; loose::CHUNK]>()?;
        Ok(Self::fuzzed(loose::schedule(u.bytes(count * loose::CHUNK)?)))
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> Result<Self> {
        Ok(Self::fuzzed(loose::schedule(u.take_rest())))
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (0, None)
    }
}
