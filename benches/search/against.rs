//! Compares timeloop with another tool's results for the same programs.
//!
//! # Invariants
//! - The comparison uses the other tool's best strategy for each program, chosen separately by schedules and by time.

use std::time::Duration;

use timeloop::StrategySpec;

use crate::Row;
use crate::table::{short, time};

/// One line of the other tool's results. Further columns are ignored.
#[derive(Debug)]
pub(crate) struct Other {
    program: String,
    strategy: String,
    schedules: f64,
    micros: f64,
}

/// Reads a file of lines `program,strategy,found,schedules,microseconds`.
pub(crate) fn read(path: &str) -> Result<Vec<Other>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [program, strategy, _found, schedules, micros, ..] = fields[..] else { return None };
        let (schedules, micros) = (schedules.parse().ok()?, micros.parse().ok()?);
        Some(Other { program: program.to_owned(), strategy: strategy.to_owned(), schedules, micros })
    };
    text.lines()
        .skip(1)
        .map(|text| line(text).ok_or_else(|| format!("{path}: `{text}` has fewer than five fields")))
        .collect()
}

pub(crate) fn print(strategies: &[StrategySpec], rows: &[Row<'_>], others: &[Other]) {
    println!("| program | strategy | schedules | the other's best | | time | the other's best | | ratio |");
    println!("|---|---|--:|--:|---|--:|--:|---|--:|");
    for (number, &strategy) in strategies.iter().enumerate() {
        let (mut programs, mut no_more, mut slowest) = (0, 0, f64::INFINITY);
        for (program, found) in rows {
            let found = &found[number];
            let by = |key: fn(&Other) -> f64| {
                let same = others.iter().filter(|other| other.program == program.name);
                same.min_by(|one, two| key(one).total_cmp(&key(two)))
            };
            let (Some(fewest), Some(fastest)) = (by(|other| other.schedules), by(|other| other.micros))
            else {
                continue;
            };
            let ratio = fastest.micros / (found.time.as_secs_f64() * 1e6);
            programs += 1;
            no_more += u32::from(found.schedules <= fewest.schedules);
            slowest = slowest.min(ratio);
            println!(
                "| {} | {} | {:.1} | {:.1} | {} | {} | {} | {} | {ratio:.1} |",
                program.name,
                short(strategy),
                found.schedules,
                fewest.schedules,
                fewest.strategy,
                time(found.time),
                time(Duration::from_secs_f64(fastest.micros / 1e6)),
                fastest.strategy,
            );
        }
        println!(
            "| **{}** | no more schedules on {no_more} of {programs} | | | | | | at least | {slowest:.1} |",
            short(strategy)
        );
    }
}
