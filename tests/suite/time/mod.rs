//! What virtual time promises.

mod instant;
mod interval;
mod sleep;
mod system_time;
mod timeout;
