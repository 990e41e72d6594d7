//! Between the errors of timeloop and those of proptest.
//!
//! Always true: what a test rejects is rejected, be it inside of a run.

use std::any::Any;
use std::borrow::Cow;

use proptest::test_runner::TestCaseError;

use crate::Site;
use crate::harness::TestError;
use crate::schedule::{FailedRun, Why};

/// Why the input is rejected, if the error says so.
pub(crate) fn rejection(error: &dyn Any) -> Option<String> {
    match error.downcast_ref()? {
        TestCaseError::Reject(why) => Some(why.message().to_owned()),
        TestCaseError::Fail(_) => None,
    }
}

/// What fails, if the error is proptest's: its text, and the place that `prop_assert!` puts at the text's end, by which one
/// failure is told from another whatever the values in it.
pub(crate) fn test_error(error: &dyn Any) -> Option<TestError> {
    let (TestCaseError::Fail(why) | TestCaseError::Reject(why)) = error.downcast_ref()?;
    let why = why.message();
    let (message, site) = match why.rsplit_once(" at ").map(|(message, place)| (message, site(place))) {
        Some((message, Some(site))) => (message, Some(site)),
        _ => (why, None),
    };
    Some(TestError { message: message.to_owned(), site })
}

/// `src/bank.rs:17` as a place.
fn site(place: &str) -> Option<Site> {
    let (file, line) = place.rsplit_once(':')?;
    let line = line.parse().ok().filter(|_| file.ends_with(".rs") && !file.contains('\n'))?;
    Some(Site { file: Cow::Owned(file.to_owned()), line, column: 0 })
}

/// A failed run fails the case, and one whose test rejects its input rejects it.
impl From<FailedRun> for TestCaseError {
    fn from(failed: FailedRun) -> Self {
        match failed.why {
            Why::Rejected(why) => Self::reject(why),
            // proptest puts words right before the text and a full stop behind it.
            Why::Failed(found) => Self::fail(format!("\n\n{}\n", found.report.trim_end())),
        }
    }
}
