//! The strategies, on toy tasks.

mod choices;
mod contract;
mod machine;
mod profile;
mod programs;
mod time;
mod uniform;
