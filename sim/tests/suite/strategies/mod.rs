//! Tests of the strategies, on toy programs.

mod contract;
mod estimates;
mod line_programs;
mod pct_and_delay;
mod published_figures;
mod starve_and_stall;
mod uniformity;
