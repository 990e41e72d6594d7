//! Properties over schedules: typical uses, and the documented guarantees.

mod cases;
mod clients;
#[cfg(feature = "net")]
mod faults;
mod fixture;
mod inputs;
mod stored;
