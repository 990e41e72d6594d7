//! Virtual time.

mod instant;
mod interval;
mod sleep;
mod stalls;
mod system_time;
mod timeout;
