//! Properties over schedules: what a newcomer tries, and what is promised of it.

mod cases;
mod clients;
mod inputs;
mod stored;
