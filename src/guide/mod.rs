//! The guide: one page for each part of timeloop.
//!
//! | page | what it covers |
//! |---|---|
//! | [`cargo_timeloop`] | a tokio program and its dependencies as they are, by one command |
//! | [`gallery`] | what `cargo timeloop` finds in the tests of published packages |
//! | [`tokio`] | testing code that uses tokio, in unit tests, integration tests and workspaces |
//! | [`reports`] | how to read a report |
//! | [`replaying`] | tokens, regression files, seeds, and the variables `TIMELOOP_*` |
//! | [`strategies`] | how schedules are searched, and how many the main strategies need |
//! | [`exhaustive`] | every schedule of a small test |
//! | [`network`] | nodes, sockets, links, faults, linearizability |
//! | [`adapters`] | hyper, rustls, quinn and openraft as published |
//! | `properties` (feature `proptest`) | schedules as inputs of properties |
//! | `fuzzing` (feature `arbitrary`) | schedules as inputs of a fuzzer |
//! | [`determinism`] | what a seed decides, and what varies |
//! | [`hermetic`] | clocks, random numbers, names and threads of `std` in a run, under Linux |
//! | [`ci_and_nextest`] | continuous integration, and nextest |
//! | [`other_tools`] | when to use loom, shuttle, turmoil, madsim or bach instead |
//! | [`speed`] | what a run costs, and faster debug builds |
//! | [`stability`] | how long seeds and tokens keep their meaning |
//! | [`platforms`] | what differs between operating systems and builds |
//! | `asyncio` | a table from Python's asyncio to timeloop |

#[doc = include_str!("adapters.md")]
pub mod adapters {}

#[cfg(feature = "sync")]
#[cfg_attr(docsrs, doc(cfg(feature = "sync")))]
#[doc = include_str!("asyncio.md")]
pub mod asyncio {}

#[doc = include_str!("cargo_timeloop.md")]
pub mod cargo_timeloop {}

#[doc = include_str!("ci_and_nextest.md")]
pub mod ci_and_nextest {}

#[doc = include_str!("determinism.md")]
pub mod determinism {}

#[cfg(feature = "sync")]
#[cfg_attr(docsrs, doc(cfg(feature = "sync")))]
#[doc = include_str!("exhaustive.md")]
pub mod exhaustive {}

#[cfg(feature = "arbitrary")]
#[cfg_attr(docsrs, doc(cfg(feature = "arbitrary")))]
#[doc = include_str!("fuzzing.md")]
pub mod fuzzing {}

#[doc = include_str!("gallery.md")]
pub mod gallery {}

#[doc = include_str!("hermetic.md")]
pub mod hermetic {}

#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
#[doc = include_str!("network.md")]
pub mod network {}

#[doc = include_str!("other_tools.md")]
pub mod other_tools {}

#[doc = include_str!("platforms.md")]
pub mod platforms {}

#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
#[doc = include_str!("properties.md")]
pub mod properties {}

#[doc = include_str!("replaying.md")]
pub mod replaying {}

#[doc = include_str!("reports.md")]
pub mod reports {}

#[doc = include_str!("speed.md")]
pub mod speed {}

#[doc = include_str!("stability.md")]
pub mod stability {}

#[doc = include_str!("strategies.md")]
pub mod strategies {}

#[doc = include_str!("tokio.md")]
pub mod tokio {}
