//! Prints the results as a Markdown table and as CSV.
//!
//! # Invariants
//! - A dash is a bug that was never found.
//! - A star is a bug that was not found from every base seed; a miss counts as the cap.
//! - Geometric means count 10,000 for a miss and leave out nothing.

use std::time::Duration;

use timeloop::StrategySpec;

use crate::programs::Figure;
use crate::search::{CAP, Found};
use crate::{Program, Row};

const PUBLISHED: [&str; 5] = ["SURW", "PCT3", "PCT10", "POS", "random"];
const SHUTTLE: [&str; 4] = ["random", "PCT3", "PCT10", "URW"];

/// Returns a strategy's name for a column header. `pct(depth = 3)` is wider than a column; the other parameters are the
/// defaults.
pub(crate) fn short(strategy: StrategySpec) -> String {
    match strategy {
        StrategySpec::Pct { depth } => format!("pct{depth}"),
        strategy => strategy.name().to_owned(),
    }
}

pub(crate) fn print(strategies: &[StrategySpec], rows: &[Row<'_>], seeds: u64) {
    println!("Mean schedules to the first failure, {seeds} base seeds; – never, * not from every base seed");
    println!();
    let mut header = String::from("| program |");
    strategies.iter().for_each(|&strategy| header += &format!(" {} |", short(strategy)));
    PUBLISHED.iter().for_each(|name| header += &format!(" published {name} |"));
    SHUTTLE.iter().for_each(|name| header += &format!(" shuttle {name} |"));
    println!("{header}");
    println!("|---|{}", "--:|".repeat(strategies.len() + PUBLISHED.len() + SHUTTLE.len()));
    for (program, found) in rows {
        let mut line = format!("| {} |", program.name);
        found.iter().for_each(|found| line += &format!(" {} |", schedules(found)));
        figures(&mut line, program.published);
        figures(&mut line, program.shuttle);
        println!("{line}");
    }
    geometric(strategies, rows, "geometric mean, published", &|program| program.published.is_some());
    geometric(strategies, rows, "geometric mean, shuttle's", &|program| program.shuttle.is_some());
    geometric(strategies, rows, "geometric mean, async", &|program| program.fixed.is_some());
    geometric(strategies, rows, "geometric mean, all", &|_| true);
    println!();
    println!("Mean time to the first failure");
    println!();
    let mut header = String::from("| program |");
    strategies.iter().for_each(|&strategy| header += &format!(" {} |", short(strategy)));
    println!("{header}");
    println!("|---|{}", "--:|".repeat(strategies.len()));
    for (program, found) in rows {
        let mut line = format!("| {} |", program.name);
        for found in found {
            let cell = if found.found == 0 { "–".to_owned() } else { time(found.time) };
            line += &format!(" {cell} |");
        }
        println!("{line}");
    }
}

pub(crate) fn csv(strategies: &[StrategySpec], rows: &[Row<'_>]) {
    println!("program,strategy,found,schedules,microseconds,error");
    for (program, found) in rows {
        for (strategy, found) in strategies.iter().zip(found) {
            let micros = found.time.as_secs_f64() * 1e6;
            let (strategy, Found { found, schedules, error, .. }) = (short(*strategy), found);
            println!("{},{strategy},{found},{schedules:.1},{micros:.1},{error:.2}", program.name);
        }
    }
}

fn schedules(found: &Found) -> String {
    match found {
        Found { found: 0, .. } => "–".to_owned(),
        Found { schedules, .. } => {
            let star = if found.found < found.of { "*" } else { "" };
            let digits = usize::from(*schedules < 9.95);
            format!("{schedules:.digits$}{star}")
        }
    }
}

pub(crate) fn time(time: Duration) -> String {
    match time.as_secs_f64() * 1e6 {
        micros if micros < 1e3 => format!("{micros:.0} µs"),
        micros if micros < 1e6 => format!("{:.1} ms", micros / 1e3),
        micros => format!("{:.1} s", micros / 1e6),
    }
}

fn figures<const N: usize>(line: &mut String, figures: Option<[Figure; N]>) {
    match figures {
        None => *line += &"  |".repeat(N),
        Some(figures) => {
            for figure in figures {
                *line += &figure.map_or(" – |".to_owned(), |figure| format!(" {figure} |"));
            }
        }
    }
}

pub(crate) fn geometric_mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let logs: Vec<f64> = numbers.map(f64::ln).collect();
    (logs.iter().sum::<f64>() / logs.len() as f64).exp()
}

fn geometric(strategies: &[StrategySpec], rows: &[Row<'_>], name: &str, belongs: &dyn Fn(&Program) -> bool) {
    let rows: Vec<_> = rows.iter().filter(|(program, _)| belongs(program)).collect();
    if rows.len() < 2 {
        return;
    }
    let mut line = format!("| **{name}** |");
    for index in 0..strategies.len() {
        line += &format!(" {:.1} |", geometric_mean(rows.iter().map(|(_, found)| found[index].schedules)));
    }
    figures_mean(&mut line, rows.iter().map(|(program, _)| program.published));
    figures_mean(&mut line, rows.iter().map(|(program, _)| program.shuttle));
    println!("{line}");
}

/// Appends the geometric mean of each column, if every row has it.
fn figures_mean<const N: usize>(line: &mut String, rows: impl Iterator<Item = Option<[Figure; N]>>) {
    let Some(rows) = rows.collect::<Option<Vec<_>>>() else {
        *line += &"  |".repeat(N);
        return;
    };
    for column in 0..N {
        let number = |row: &[Figure; N]| row[column].map_or(CAP as f64, f64::from);
        *line += &format!(" {:.1} |", geometric_mean(rows.iter().map(number)));
    }
}
