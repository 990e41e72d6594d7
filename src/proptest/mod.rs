//! Properties over schedules: the schedule as an input of a proptest, shrunk jointly with the others.
//!
//! Always true: what a property finds is repeated by its input and its shrunk schedule alone; the answers of a value tree to
//! `simplify` and `complicate` do not depend on what runs have found, so that proptest can walk the same way again in
//! another process.

mod clients;
mod error;
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
mod faults;
mod joint;
mod persistence;
mod property;
mod stored;
mod strategy;
mod trace;

pub mod prelude;

pub use clients::{Workload, clients};
pub(crate) use error::{rejection, test_error};
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
pub use faults::{Link, fault_plans, links};
pub(crate) use joint::Case;
pub use persistence::{Regressions, config};
pub use property::{Checked, FailedCase, Property, check};
pub use strategy::{ScheduleTree, Schedules, schedules};
