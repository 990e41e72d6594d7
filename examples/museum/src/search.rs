//! Counts the schedules that strategies take to find each bug.
//!
//! # Invariants
//! The numbers depend only on the scenarios, the crate versions, the strategies and the number of base seeds.

use std::process::ExitCode;

use museum::exhibit_set::{self, Searched};
use museum::{EXHIBIT_SET, EXHIBITS, Exhibit};
use timeloop::StrategySpec;

use crate::programs::Programs;

const HELP: &str = "\
Counts the schedules up to the first failure, the baseline run included, and prints a Markdown table of means.

usage: cargo run --release --manifest-path examples/museum/Cargo.toml -- search [<option>]

  --strategy <strategy>   a column; may be given several times. Default: `random` and `portfolio`
  --exhibit <exhibit>     a row; may be given several times. Default: all
  --seeds <number>        the number of base seeds. Default: 200

The last column is the ratio of the last strategy to the first one, with the lower bound of its 95 % interval.
";

/// The command line's options.
struct Options {
    strategies: Vec<StrategySpec>,
    exhibits: Vec<&'static Exhibit>,
    bases: u64,
}

/// Prints the table.
pub(crate) fn print(arguments: &[&str]) -> ExitCode {
    if arguments == ["--help"] {
        exhibit_set::say(HELP);
        return ExitCode::SUCCESS;
    }
    match parse(arguments) {
        Ok(options) => measure(&options).map_or_else(|problem| failed(&problem, 1), |()| ExitCode::SUCCESS),
        Err(problem) => failed(&problem, 2),
    }
}

fn failed(problem: &str, code: u8) -> ExitCode {
    crate::print_error(problem);
    ExitCode::from(code)
}

fn parse(arguments: &[&str]) -> Result<Options, String> {
    let mut options = Options { strategies: Vec::new(), exhibits: Vec::new(), bases: 200 };
    for pair in arguments.chunks(2) {
        match *pair {
            ["--strategy", name] => {
                options.strategies.push(name.parse().map_err(|error| format!("`{name}`: {error}"))?);
            }
            ["--exhibit", name] => {
                options.exhibits.push(Exhibit::named(name).ok_or_else(|| crate::unknown(name))?);
            }
            ["--seeds", number] => match number.parse() {
                Ok(bases) if bases > 0 => options.bases = bases,
                _ => return Err(format!("`{number}` is not a number of base seeds; accepted is 1 or more")),
            },
            [option @ ("--strategy" | "--exhibit" | "--seeds")] => {
                return Err(format!("`{option}` wants a value"));
            }
            [option, ..] => {
                return Err(format!(
                    "`{option}` is not an option; accepted are `--strategy`, `--exhibit` and `--seeds`"
                ));
            }
            [] => {}
        }
    }
    if options.strategies.is_empty() {
        options.strategies = vec![StrategySpec::Random, StrategySpec::Portfolio];
    }
    if options.exhibits.is_empty() {
        options.exhibits = EXHIBITS.iter().collect();
    }
    Ok(options)
}

fn measure(options: &Options) -> Result<(), String> {
    let Options { strategies, exhibits, bases } = options;
    let programs = Programs::new()?;
    programs.apart.build()?;
    let names: Vec<_> = strategies.iter().map(ToString::to_string).collect();
    exhibit_set::say(&format!(
        "| exhibit | {} | ratio |\n|---|{}\n",
        names.join(" | "),
        "--:|".repeat(names.len() + 1)
    ));
    for exhibit in exhibits {
        let program = match EXHIBIT_SET.scenario(exhibit.name) {
            Some(_) => &programs.here,
            None => &programs.apart,
        };
        let mut line = format!("| {} |", exhibit.name);
        let mut found = Vec::new();
        for name in &names {
            let answer = program.ask(&["search", exhibit.name, name, &bases.to_string()], |_| {})?;
            let searched: Searched = answer.parse()?;
            let missed = if searched.missed > 0 { "*" } else { "" };
            line += &format!(" {:.1} ± {:.1}{missed} |", searched.mean, searched.error);
            found.push(searched);
        }
        exhibit_set::say(&format!("{line} {} |\n", ratio(&found)));
    }
    exhibit_set::say(&format!(
        "\nMean schedules to the first failure ± standard error, {bases} base seeds; *: not found from every base seed.\n"
    ));
    Ok(())
}

/// Formats the ratio of the last to the first, and its lower bound.
fn ratio(found: &[Searched]) -> String {
    let [first, .., last] = found else { return String::new() };
    let ratio = last.mean / first.mean;
    // The error of a quotient, to the first order.
    let error = ratio * (last.error / last.mean).hypot(first.error / first.mean);
    format!("{ratio:.2}, at least {:.2}", 1.96f64.mul_add(-error, ratio))
}
