//! Where the simulation once differed from tokio. Each test has the number of the difference in its name, or the name of what
//! was missing.

#[cfg(all(feature = "net", unix))]
mod net;
