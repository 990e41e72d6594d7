//! Conversions between the errors of timeloop and of proptest.
//!
//! # Invariants
//! If the test rejects its input inside a run, proptest sees the rejection, not a failure.

use std::any::Any;
use std::borrow::Cow;

use proptest::test_runner::TestCaseError;

use crate::Site;
use crate::harness::TestError;
use crate::schedule::{FailedRun, FailureReason};

/// Returns the reason for rejecting the input, if the error is a rejection.
pub(crate) fn rejection(error: &dyn Any) -> Option<String> {
    match error.downcast_ref()? {
        TestCaseError::Reject(why) => Some(why.message().to_owned()),
        TestCaseError::Fail(_) => None,
    }
}

/// Converts the error, if it is proptest's. `prop_assert!` appends its location to the text. The location identifies
/// the failure independently of the values in the text.
pub(crate) fn test_error(error: &dyn Any) -> Option<TestError> {
    let (TestCaseError::Fail(why) | TestCaseError::Reject(why)) = error.downcast_ref()?;
    let why = why.message();
    let (message, site) = match why.rsplit_once(" at ").map(|(message, place)| (message, site(place))) {
        Some((message, Some(site))) => (message, Some(site)),
        _ => (why, None),
    };
    Some(TestError { message: message.to_owned(), site })
}

/// Parses a location such as `src/bank.rs:17`.
fn site(place: &str) -> Option<Site> {
    let (file, line) = place.rsplit_once(':')?;
    let line = line.parse().ok().filter(|_| file.ends_with(".rs") && !file.contains('\n'))?;
    Some(Site { file: Cow::Owned(file.to_owned()), line, column: 0 })
}

/// A failed run fails the case. A run whose test rejected its input rejects the case.
impl From<FailedRun> for TestCaseError {
    fn from(failed: FailedRun) -> Self {
        match failed.reason {
            FailureReason::Rejected(why) => Self::reject(why),
            // proptest prints words directly before the text and a full stop after it.
            FailureReason::Failed(found) => Self::fail(format!("\n\n{}\n", found.report.trim_end())),
        }
    }
}
