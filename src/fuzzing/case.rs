//! [`Case`]: a test's input with a schedule, decoded from one fuzzer's input.
//!
//! # Invariants
//! The split depends only on the last bytes. Changing the input's bytes moves no decision, and changing a decision does
//! not move the input.

use arbitrary::{Arbitrary, Result, Unstructured};

use super::{raw_bytes, record};
use crate::Schedule;

/// A test's input with the schedule to run the test under.
///
/// [`fuzz_target!`](crate::fuzz_target) does not need it. It is for targets that use libFuzzer's own macro:
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
/// A tuple `(T, Schedule)` works too, and so does a struct whose last field is a `Schedule`. Then the split depends on
/// how many bytes `T` takes, and [`fuzz_mutator!`](crate::fuzz_mutator) must not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case<T> {
    /// The input, decoded from all bytes except the schedule's.
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

/// Decodes bytes as decisions. No bytes are the baseline schedule, and every four bytes add one deviation.
///
/// Deviations are counted from the end of the bytes. In a tuple or struct whose last part is a schedule, the parts
/// before may therefore take any number of bytes.
impl<'a> Arbitrary<'a> for Schedule {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let count = u.arbitrary_len::<[u8; raw_bytes::CHUNK]>()?;
        Ok(Self::fuzzed(raw_bytes::schedule(u.bytes(count * raw_bytes::CHUNK)?)))
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> Result<Self> {
        Ok(Self::fuzzed(raw_bytes::schedule(u.take_rest())))
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (0, None)
    }
}
