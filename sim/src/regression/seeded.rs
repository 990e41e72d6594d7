//! How a seed, a strategy and what it was told are spelled in a regression file: one line.
//!
//! ```text
//! seed 17 strategy random
//! seed 17 strategy pct(depth = 3) steps 20
//! seed 17 strategy surw resource 0123456789abcdef counts root=5 root.1=4
//! ```
//!
//! Always true: what is printed reads back as the same, and the parts of a line have one order.

use std::fmt::Write as _;

use super::spelling::{Line, number};
use crate::{Estimates, ResourceKey, Seed, StrategySpec, TaskPath};

pub(super) fn print_seeded(seed: Seed, strategy: StrategySpec, estimates: &Estimates) -> String {
    let mut line = format!("seed {seed} strategy {strategy}");
    let Estimates { steps, tasks, instants, resource, counts } = estimates;
    for (word, number) in [("steps", *steps), ("tasks", *tasks), ("instants", *instants)] {
        if number > 0 {
            let _ = write!(line, " {word} {number}");
        }
    }
    if let Some(ResourceKey(key)) = resource {
        let _ = write!(line, " resource {key:016x}");
    }
    if !counts.is_empty() {
        line.push_str(" counts");
        counts.iter().for_each(|(path, count)| line.push_str(&format!(" {path}={count}")));
    }
    line
}

pub(super) fn parse_seeded(words: &[&str]) -> Option<Line> {
    let ["seed", seed, "strategy", rest @ ..] = words else { return None };
    // A strategy with parameters is several words.
    let end = match rest.first()?.contains('(') {
        true => rest.iter().position(|word| word.ends_with(')'))? + 1,
        false => 1,
    };
    let strategy = rest[..end].join(" ").parse().ok()?;
    let mut rest = &rest[end..];
    let mut take = |word: &str| {
        let [first, value, others @ ..] = rest else { return None };
        (*first == word).then(|| {
            rest = others;
            *value
        })
    };
    let mut estimates = Estimates::default();
    let Estimates { steps, tasks, instants, .. } = &mut estimates;
    for (word, into) in [("steps", steps), ("tasks", tasks), ("instants", instants)] {
        if let Some(value) = take(word) {
            *into = number(value).filter(|number| *number > 0)?;
        }
    }
    if let Some(key) = take("resource") {
        let digits = key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        let key = digits.then(|| u64::from_str_radix(key, 16).ok())??;
        estimates.resource = Some(ResourceKey(key));
    }
    if let ["counts", counts @ ..] = rest {
        estimates.counts = counts
            .iter()
            .map(|word| {
                let (path, count) = word.split_once('=')?;
                Some((path.parse::<TaskPath>().ok()?, number(count)?))
            })
            .collect::<Option<_>>()?;
        let sorted = estimates.counts.is_sorted_by(|(path, _), (next, _)| path < next);
        if counts.is_empty() || !sorted {
            return None;
        }
    } else if !rest.is_empty() {
        return None;
    }
    Some(Line::Seeded(Seed(number(seed)?), strategy, estimates))
}
