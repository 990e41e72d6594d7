//! Common imports for properties: proptest's own prelude, [`schedules`], [`clients`] and [`Schedule`].
//!
//! ```
//! use timeloop::proptest::prelude::*;
//! ```

#[doc(no_inline)]
pub use proptest::prelude::*;

#[doc(no_inline)]
pub use super::{clients, schedules};
#[doc(no_inline)]
pub use crate::Schedule;
