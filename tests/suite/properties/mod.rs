//! Properties over schedules: what a newcomer tries, and what is promised of it.

mod cases;
mod clients;
#[cfg(feature = "net")]
mod faults;
mod fixture;
mod inputs;
mod stored;
