//! The text format of a schedule in a regression file.
//!
//! A deviation is a line, and so is a seed with its strategy and estimates:
//!
//! ```text
//! seed 17 strategy random
//! seed 17 version 2 strategy random
//! seed 17 strategy pct(depth = 3) steps 20
//! seed 17 strategy surw resource 0123456789abcdef counts root=5 root.1=4
//! ```
//!
//! # Invariants
//! Parsing the printed lines of a schedule returns that schedule. The amount of space between words does not matter; the order
//! of the words does.

use std::fmt::{self, Write as _};

use crate::{Deviation, Domain, Estimates, ResourceKey, Schedule, Seed, SeedVersion, StrategySpec, TaskPath};

/// Returns the lines of a schedule, without its checksum.
pub(super) fn print(schedule: &Schedule) -> Vec<String> {
    match schedule {
        Schedule::Seeded { seed, strategy, estimates, version } => {
            vec![print_seeded(*seed, *strategy, estimates, *version)]
        }
        Schedule::Deviations { randomness, deviations } => {
            let randomness = (randomness.0 != 0).then(|| format!("randomness {randomness}"));
            randomness.into_iter().chain(deviations.iter().map(print_deviation)).collect()
        }
    }
}

fn print_deviation(deviation: &Deviation) -> String {
    let Deviation { task, resume, domain, index, value } = deviation;
    match domain {
        Domain::Schedule => {
            let others = value.saturating_sub(1);
            format!("run {task} resume {resume} after {others} other {}", plural(others, "step"))
        }
        Domain::Select => format!("select {task} resume {resume} index {index} branch {value}"),
        Domain::Operation => {
            let others = value.saturating_sub(1);
            format!(
                "pause {task} resume {resume} operation {index} for {others} other {}",
                plural(others, "step")
            )
        }
        Domain::Stall => format!("stall {task} resume {resume} index {index} instants {value}"),
        Domain::User => format!("draw {task} resume {resume} index {index} value {value}"),
        Domain::Network => format!("network {task} packet {resume} index {index} value {value}"),
        Domain::Fault => format!("fault {task} number {resume} index {index} value {value}"),
        Domain::Io => format!("io {task} resume {resume} index {index} value {value}"),
    }
}

fn plural(count: u32, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// One line of a schedule.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Seeded(Seed, StrategySpec, Estimates, SeedVersion),
    Randomness(Seed),
    Deviation(Deviation),
    Checksum(u32),
}

/// Parses a line. An error says what is accepted: a valid line that starts with the same word.
pub(super) fn parse(line: &str) -> Result<Line, &'static str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (accepted, parsed) = match words.first().copied() {
        Some("run") => ("a line such as `run root.2 resume 3 after 4 other steps`", parse_run(&words)),
        Some("select") => ("a line such as `select root.1 resume 0 index 0 branch 2`", {
            parse_choice(&words, Domain::Select, "branch")
        }),
        Some("draw") => (
            "a line such as `draw root.1 resume 0 index 0 value 2`",
            parse_choice(&words, Domain::User, "value"),
        ),
        Some("pause") => {
            ("a line such as `pause root.2 resume 3 operation 1 for 4 other steps`", parse_pause(&words))
        }
        Some("stall") => (
            "a line such as `stall root.2 resume 3 index 0 instants 1`",
            parse_choice(&words, Domain::Stall, "instants"),
        ),
        Some("network") => (
            "a line such as `network root.1.2 packet 11 index 0 value 180`",
            parse_world_decision(&words, Domain::Network, "packet"),
        ),
        Some("fault") => (
            "a line such as `fault root.1 number 0 index 0 value 1`",
            parse_world_decision(&words, Domain::Fault, "number"),
        ),
        Some("io") => {
            ("a line such as `io root.1 resume 0 index 0 value 2`", parse_choice(&words, Domain::Io, "value"))
        }
        Some("seed") => ("a line such as `seed 17 strategy random`", parse_seeded(&words)),
        Some("randomness") => (
            "a line such as `randomness 17`",
            match words[..] {
                [_, seed] => number(seed).map(|seed| Line::Randomness(Seed(seed))),
                _ => None,
            },
        ),
        Some("checksum") => (
            "a line such as `checksum 0123abcd`",
            match words[..] {
                [_, sum] if sum.len() == 8 => u32::from_str_radix(sum, 16).ok().map(Line::Checksum),
                _ => None,
            },
        ),
        _ => (
            "`schedule`, `run …`, `pause …`, `stall …`, `select …`, `draw …`, `network …`, `fault …`, `io …`, \
             `seed …`, `randomness …` or `checksum …`",
            None,
        ),
    };
    parsed.ok_or(accepted)
}

fn parse_run(words: &[&str]) -> Option<Line> {
    let ["run", task, "resume", resume, "after", others, "other", "step" | "steps"] = *words else {
        return None;
    };
    let value = number::<u32>(others)?.checked_add(1)?;
    deviation(task, resume, Domain::Schedule, "0", value)
}

fn parse_pause(words: &[&str]) -> Option<Line> {
    let ["pause", task, "resume", resume, "operation", index, "for", others, "other", "step" | "steps"] =
        *words
    else {
        return None;
    };
    let value = number::<u32>(others)?.checked_add(1)?;
    deviation(task, resume, Domain::Operation, index, value)
}

fn parse_choice(words: &[&str], domain: Domain, word: &str) -> Option<Line> {
    let [_, task, "resume", resume, "index", index, value_word, value] = *words else { return None };
    if value_word != word {
        return None;
    }
    deviation(task, resume, domain, index, number(value).filter(|value| *value > 0)?)
}

fn parse_world_decision(words: &[&str], domain: Domain, word: &str) -> Option<Line> {
    let [_, task, number_word, resume, "index", index, "value", value] = *words else { return None };
    if number_word != word {
        return None;
    }
    deviation(task, resume, domain, index, number(value).filter(|value| *value > 0)?)
}

fn deviation(task: &str, resume: &str, domain: Domain, index: &str, value: u32) -> Option<Line> {
    let task: TaskPath = task.parse().ok()?;
    Some(Line::Deviation(Deviation { task, resume: number(resume)?, domain, index: number(index)?, value }))
}

/// Parses a number that consists only of digits.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn print_seeded(seed: Seed, strategy: StrategySpec, estimates: &Estimates, version: SeedVersion) -> String {
    let version = match version {
        SeedVersion::V1 => "",
        SeedVersion::V2 => " version 2",
    };
    let mut line = format!("seed {seed}{version} strategy {strategy}");
    let Estimates { steps, tasks, instants, stall_ns, varied_io, resource, counts } = estimates;
    let numbers = [
        ("steps", u64::from(*steps)),
        ("tasks", u64::from(*tasks)),
        ("instants", u64::from(*instants)),
        ("stall_ns", *stall_ns),
        ("varied_io", u64::from(*varied_io)),
    ];
    for (word, number) in numbers {
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

fn parse_seeded(words: &[&str]) -> Option<Line> {
    let (version, seed, rest) = match words {
        ["seed", seed, "version", "2", "strategy", rest @ ..] => (SeedVersion::V2, seed, rest),
        ["seed", seed, "strategy", rest @ ..] => (SeedVersion::V1, seed, rest),
        _ => return None,
    };
    // A strategy with parameters can be several words.
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
    if let Some(value) = take("stall_ns") {
        estimates.stall_ns = number(value).filter(|ns| *ns > 0)?;
    }
    if let Some(value) = take("varied_io") {
        estimates.varied_io = value == "1";
        if !estimates.varied_io {
            return None;
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
    Some(Line::Seeded(Seed(number(seed)?), strategy, estimates, version))
}

/// Writes the lines of a regression file as one: `the baseline run`, `seed 7 strategy random`, `run root.2 resume 0 after 0
/// other steps; select root.1 resume 3 index 0 branch 2`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = print(self);
        f.pad(&if lines.is_empty() { "the baseline run".to_owned() } else { lines.join("; ") })
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, parse, print};
    use crate::{Deviation, Domain, Estimates, Schedule, Seed, SeedVersion, StrategySpec, TaskPath};

    #[test]
    fn parses_what_it_prints() {
        let task = TaskPath::root().child(2).child(1);
        let deviation =
            |domain, index, value| Deviation { task: task.clone(), resume: 3, domain, index, value };
        let deviations = vec![
            deviation(Domain::Schedule, 0, 1),
            deviation(Domain::Schedule, 0, 2),
            deviation(Domain::Select, 1, 4),
            deviation(Domain::User, 2, 9),
            deviation(Domain::Operation, 1, 1),
            deviation(Domain::Operation, 0, 2),
            deviation(Domain::Stall, 1, 3),
            deviation(Domain::Network, 0, 180),
            deviation(Domain::Fault, 2, 5),
            deviation(Domain::Io, 1, 3),
        ];
        let lines = print(&Schedule::Deviations { randomness: Seed(17), deviations: deviations.clone() });
        assert_eq!(
            lines,
            [
                "randomness 17",
                "run root.2.1 resume 3 after 0 other steps",
                "run root.2.1 resume 3 after 1 other step",
                "select root.2.1 resume 3 index 1 branch 4",
                "draw root.2.1 resume 3 index 2 value 9",
                "pause root.2.1 resume 3 operation 1 for 0 other steps",
                "pause root.2.1 resume 3 operation 0 for 1 other step",
                "stall root.2.1 resume 3 index 1 instants 3",
                "network root.2.1 packet 3 index 0 value 180",
                "fault root.2.1 number 3 index 2 value 5",
                "io root.2.1 resume 3 index 1 value 3",
            ]
        );
        assert_eq!(parse(&lines[0]), Ok(Line::Randomness(Seed(17))));
        for (line, deviation) in lines[1..].iter().zip(deviations) {
            assert_eq!(parse(line), Ok(Line::Deviation(deviation)));
        }
        let seeded = Schedule::seeded(Seed(u64::MAX), StrategySpec::Fifo);
        assert_eq!(print(&seeded), ["seed 18446744073709551615 version 2 strategy fifo"]);
        let read = Line::Seeded(Seed(u64::MAX), StrategySpec::Fifo, Estimates::default(), SeedVersion::V2);
        assert_eq!(parse(&print(&seeded)[0]), Ok(read));
    }

    #[test]
    fn errors_give_an_example_of_a_valid_line() {
        for (line, accepted) in [
            (
                "run root.0 resume 3 after 4 other steps",
                "a line such as `run root.2 resume 3 after 4 other steps`",
            ),
            ("run root.2 resume 3", "a line such as `run root.2 resume 3 after 4 other steps`"),
            (
                "run root.2 resume 3 after 4294967295 other steps",
                "a line such as `run root.2 resume 3 after 4 other steps`",
            ),
            (
                "select root.1 resume 0 index 0 branch 0",
                "a line such as `select root.1 resume 0 index 0 branch 2`",
            ),
            (
                "select root.1 resume 0 index 0 value 1",
                "a line such as `select root.1 resume 0 index 0 branch 2`",
            ),
            ("seed +7 strategy random", "a line such as `seed 17 strategy random`"),
            ("seed 7 strategy pcd", "a line such as `seed 17 strategy random`"),
            ("checksum 12", "a line such as `checksum 0123abcd`"),
        ] {
            assert_eq!(parse(line), Err(accepted), "{line}");
        }
    }
}
