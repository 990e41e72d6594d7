//! How many schedules each strategy takes to find each bug of the corpus.
fn main() {}
#[expect(dead_code, reason = "soon")]
mod programs;
