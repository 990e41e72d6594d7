//! Guides: from an empty file to a test that runs in CI, one way of using timeloop a page.

#[cfg(feature = "arbitrary")]
#[cfg_attr(docsrs, doc(cfg(feature = "arbitrary")))]
#[doc = include_str!("fuzzing.md")]
pub mod fuzzing {}

#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
#[doc = include_str!("properties.md")]
pub mod properties {}
