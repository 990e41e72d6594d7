//! Properties over schedules: what a newcomer tries, and what is promised of it.

mod cases;
mod inputs;
mod stored;
