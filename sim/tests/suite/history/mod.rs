//! Histories and the check for linearizability.

mod agreement;
mod brute_force;
mod messages;
mod models;
mod objects;
mod recording;
mod scripts;
mod searching;
