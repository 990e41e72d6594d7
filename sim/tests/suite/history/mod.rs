//! Histories and the check for linearizability.

mod agreement;
mod brute;
mod models;
mod objects;
mod recording;
mod scripts;
mod searching;
mod told;
