//! Properties over schedules: the schedule is an input of a proptest, and is shrunk jointly with the other inputs.
//!
//! # Invariants
//! - The input and the shrunk schedule alone reproduce what a property found.
//! - The answers of a value tree to `simplify` and `complicate` do not depend on the results of runs, so that another
//!   process can repeat the same path.

mod case_file;
mod clients;
mod error;
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
mod faults;
mod joint_shrinking;
mod persistence;
mod property;

mod shrink_path;
mod strategy;

pub mod prelude;

pub use clients::{Workload, clients};
pub(crate) use error::{rejection, test_error};
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
pub use faults::{Link, fault_plans, links};
pub(crate) use joint_shrinking::Case;
pub use persistence::{Regressions, config};
pub use property::{Checked, FailedCase, Property, check};
pub use strategy::{ScheduleTree, Schedules, schedules};
