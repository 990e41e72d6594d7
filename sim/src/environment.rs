//! The environment: `TIMELOOP_*` variables that steer every exploration of a process.
//!
//! Always true: [`Settings::from_vars`] is a function of the variables that it is handed; a bad value is an error that
//! shows the accepted form, and an unknown name a warning, so that no typing error passes for a setting.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZero;
use std::path::PathBuf;

use crate::strategy::spec::ACCEPTED as STRATEGIES;
use crate::{Seed, StrategySpec};

/// What the environment asks for; `None` leaves it to the test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `TIMELOOP_SEED`: where the seeds begin.
    pub seed: Option<SeedSetting>,
    /// `TIMELOOP_RUNS`: how many runs.
    pub runs: Option<u64>,
    /// `TIMELOOP_JOBS`: how many threads.
    pub jobs: Option<NonZero<usize>>,
    /// `TIMELOOP_STRATEGY`: which strategy.
    pub strategy: Option<StrategySpec>,
    /// `TIMELOOP_REPLAY`: what to replay instead of exploring.
    pub replay: Option<ReplaySetting>,
    /// `TIMELOOP_CHECK`: how many seeds to run twice, comparing the two runs.
    pub check: Option<u64>,
    /// `TIMELOOP_LOG`: how much to print.
    pub log: Option<Log>,
    /// `CI`: nothing is written where it is set.
    pub ci: bool,
    /// `CARGO_MANIFEST_DIR`: the folder of the package under test.
    pub package_folder: Option<PathBuf>,
    /// What looks like a mistake, a sentence each.
    pub warnings: Vec<String>,
}

/// Where the seeds begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedSetting {
    /// At this number.
    Number(Seed),
    /// At a number that differs each time.
    Random,
}

/// What to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplaySetting {
    /// The schedule of this token.
    Token(String),
    /// Every schedule of this regression file.
    File(PathBuf),
}

/// How much to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Log {
    /// Reports of failures, and warnings.
    #[default]
    Quiet,
    /// Also how far exploring and shrinking have come, once a second.
    Progress,
    /// As `Progress`, and reports list every step of the run.
    Steps,
}

/// Variables with values that are not accepted, a sentence each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentError {
    problems: Vec<String>,
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for EnvironmentError {}

/// Every variable of ours.
const NAMES: [&str; 7] = [
    "TIMELOOP_SEED",
    "TIMELOOP_RUNS",
    "TIMELOOP_JOBS",
    "TIMELOOP_STRATEGY",
    "TIMELOOP_REPLAY",
    "TIMELOOP_CHECK",
    "TIMELOOP_LOG",
];

impl Settings {
    /// Reads this process's environment.
    ///
    /// # Errors
    /// When a variable has a value that is not accepted.
    pub fn from_environment() -> Result<Self, EnvironmentError> {
        Self::from_vars(std::env::vars_os().filter_map(|(name, value)| {
            // Text that is not Unicode is shown with marks in its place.
            let ours =
                |name: &str| name.starts_with("TIMELOOP_") || name == "CI" || name == "CARGO_MANIFEST_DIR";
            let name = name.to_string_lossy().into_owned();
            ours(&name).then(|| (name, value.to_string_lossy().into_owned()))
        }))
    }

    /// Returns the seed where a test begins whose own base seed is `default`.
    #[must_use]
    pub fn base_seed(&self, default: Seed) -> Seed {
        match self.seed {
            None => default,
            Some(SeedSetting::Number(seed)) => seed,
            // The standard library's own source of numbers that differ each time.
            Some(SeedSetting::Random) => RandomState::new().hash_one("timeloop").into(),
        }
    }

    /// Reads settings from pairs of name and value. An empty value counts as none.
    ///
    /// # Errors
    /// When a variable has a value that is not accepted: all such variables are named.
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, EnvironmentError> {
        let mut settings = Self::default();
        let mut problems = Vec::new();
        for (name, value) in vars {
            let value = value.trim();
            if !value.is_empty()
                && let Err(accepted) = settings.set(&name, value)
            {
                problems.push(format!("{name}=`{}` {accepted}", value.escape_debug()));
            }
        }
        if problems.is_empty() { Ok(settings) } else { Err(EnvironmentError { problems }) }
    }

    /// Sets one variable, or says what is wrong and what is accepted.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "TIMELOOP_SEED" => self.seed = Some(parse_seed(value)?),
            "TIMELOOP_RUNS" => {
                let runs = parse_number(value).filter(|runs| *runs > 0);
                self.runs = Some(
                    runs.ok_or("is not a number of runs; accepted is 1 or more, as in TIMELOOP_RUNS=5000")?,
                );
            }
            "TIMELOOP_JOBS" => {
                let jobs = parse_number(value).and_then(|jobs| NonZero::new(usize::try_from(jobs).ok()?));
                self.jobs = Some(jobs.ok_or(
                    "is not a number of threads; accepted is 1 or more, as in TIMELOOP_JOBS=4 (without it, one a core)",
                )?);
            }
            "TIMELOOP_STRATEGY" => {
                let strategy = value.parse().map_err(|_| format!("is not a strategy; {STRATEGIES}"))?;
                self.strategy = Some(strategy);
            }
            "TIMELOOP_REPLAY" => self.replay = Some(parse_replay(value)),
            "TIMELOOP_CHECK" => {
                let check = parse_number(value);
                self.check = Some(check.ok_or(
                    "is not a number of seeds to run twice; accepted is a whole number, as in TIMELOOP_CHECK=100",
                )?);
            }
            "TIMELOOP_LOG" => {
                self.log = Some(match value {
                    "quiet" => Log::Quiet,
                    "progress" => Log::Progress,
                    "steps" => Log::Steps,
                    _ => {
                        return Err(
                            "is not a way to log; accepted are `quiet`, `progress` and `steps`".to_owned()
                        );
                    }
                });
            }
            "CI" => self.ci = !matches!(value, "false" | "0"),
            "CARGO_MANIFEST_DIR" => self.package_folder = Some(PathBuf::from(value)),
            _ if name.starts_with("TIMELOOP_") => self.warnings.push(unknown(name)),
            _ => {}
        }
        Ok(())
    }
}

/// Digits, with `_` between them where a person likes.
fn parse_number(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(|character| *character != '_').collect();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

fn parse_seed(text: &str) -> Result<SeedSetting, String> {
    if text.eq_ignore_ascii_case("random") {
        return Ok(SeedSetting::Random);
    }
    let error = || {
        "is not a seed; accepted are a number (TIMELOOP_SEED=7), up to 40 hex digits such as a commit's id \
         (TIMELOOP_SEED=0x1f or TIMELOOP_SEED=$(git rev-parse HEAD)) and `random`"
            .to_owned()
    };
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if let (None, Some(number)) = (hex, parse_number(text)) {
        return Ok(SeedSetting::Number(Seed(number)));
    }
    let digits = hex.unwrap_or(text);
    if !(1..=40).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(error());
    }
    // Of a longer number the first 16 digits count: they tell commits apart well enough.
    let number = u64::from_str_radix(&digits[..digits.len().min(16)], 16).map_err(|_| error())?;
    Ok(SeedSetting::Number(Seed(number)))
}

fn parse_replay(text: &str) -> ReplaySetting {
    let token = match text.as_bytes() {
        [b't' | b'T', b'l' | b'L', version, rest @ ..] => {
            version.is_ascii_digit() && rest.iter().all(u8::is_ascii_alphanumeric)
        }
        _ => false,
    };
    if token { ReplaySetting::Token(text.to_owned()) } else { ReplaySetting::File(PathBuf::from(text)) }
}

fn unknown(name: &str) -> String {
    let nearest = NAMES.into_iter().min_by_key(|known| distance(name, known));
    match nearest.filter(|known| distance(name, known) <= 2) {
        Some(known) => {
            format!("`{name}` is no variable of timeloop's and has no effect; did you mean `{known}`?")
        }
        None => {
            format!("`{name}` is no variable of timeloop's and has no effect; there are {}", NAMES.join(", "))
        }
    }
}

/// How many characters must be put in, taken out or changed, or neighbours swapped, to make one text the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::from_vars(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn accepts_each_variable() {
        let settings = read(&[
            ("TIMELOOP_SEED", "7"),
            ("TIMELOOP_RUNS", "10_000"),
            ("TIMELOOP_JOBS", "4"),
            ("TIMELOOP_STRATEGY", "fifo"),
            ("TIMELOOP_REPLAY", "tl1abc"),
            ("TIMELOOP_CHECK", "100"),
            ("TIMELOOP_LOG", "steps"),
            ("CI", "true"),
            ("CARGO_MANIFEST_DIR", "some/where"),
            ("PATH", "else/where"),
        ]);
        let expected = Settings {
            seed: Some(SeedSetting::Number(Seed(7))),
            runs: Some(10_000),
            jobs: NonZero::new(4),
            strategy: Some(StrategySpec::Fifo),
            replay: Some(ReplaySetting::Token("tl1abc".to_owned())),
            check: Some(100),
            log: Some(Log::Steps),
            ci: true,
            package_folder: Some(PathBuf::from("some/where")),
            warnings: Vec::new(),
        };
        assert_eq!(settings, Ok(expected));
    }

    #[test]
    fn accepts_seeds_in_every_spelling() {
        let seed = |text: &str| read(&[("TIMELOOP_SEED", text)]).map(|settings| settings.seed);
        let number = |number| Ok(Some(SeedSetting::Number(Seed(number))));
        assert_eq!(seed("random"), Ok(Some(SeedSetting::Random)));
        assert_eq!(seed("18446744073709551615"), number(u64::MAX));
        assert_eq!(seed("0x1f"), number(0x1F));
        assert_eq!(seed("0x10"), number(16));
        assert_eq!(seed("10"), number(10));
        assert_eq!(seed("fba623f"), number(0x0FBA_623F));
        assert_eq!(seed("68be2bec0ffee68be2bec0ffee68be2bec0ffee0"), number(0x68BE_2BEC_0FFE_E68B));
        assert_eq!(seed("6812212345678901234567890123456789012345"), number(0x6812_2123_4567_8901));
        assert_eq!(seed(" "), Ok(None));
    }

    #[test]
    fn tells_tokens_from_paths() {
        for token in ["TL1ABC", "tl2abc", "TL1", "TL10U!".trim_end_matches('!')] {
            assert_eq!(parse_replay(token), ReplaySetting::Token(token.to_owned()), "{token}");
        }
        for path in ["timeloop-regressions/a.txt", "TL1.txt", "a", "TLC", "TL1/a"] {
            assert_eq!(parse_replay(path), ReplaySetting::File(PathBuf::from(path)), "{path}");
        }
    }

    #[test]
    fn only_a_ci_that_is_on_counts() {
        let ci = |value: &str| read(&[("CI", value)]).map(|settings| settings.ci);
        assert_eq!(ci("1"), Ok(true));
        assert_eq!(ci("woodpecker"), Ok(true));
        for off in ["", "0", "false"] {
            assert_eq!(ci(off), Ok(false), "{off}");
        }
    }

    #[test]
    fn a_bad_value_is_answered_by_the_accepted_form() {
        for (name, value, message) in [
            (
                "TIMELOOP_RUNS",
                "abc",
                "TIMELOOP_RUNS=`abc` is not a number of runs; accepted is 1 or more, as in TIMELOOP_RUNS=5000",
            ),
            (
                "TIMELOOP_RUNS",
                "0",
                "TIMELOOP_RUNS=`0` is not a number of runs; accepted is 1 or more, as in TIMELOOP_RUNS=5000",
            ),
            (
                "TIMELOOP_JOBS",
                "-1",
                "TIMELOOP_JOBS=`-1` is not a number of threads; accepted is 1 or more, as in TIMELOOP_JOBS=4 \
                 (without it, one a core)",
            ),
            (
                "TIMELOOP_SEED",
                "0xyz",
                "TIMELOOP_SEED=`0xyz` is not a seed; accepted are a number (TIMELOOP_SEED=7), up to 40 hex digits such \
                 as a commit's id (TIMELOOP_SEED=0x1f or TIMELOOP_SEED=$(git rev-parse HEAD)) and `random`",
            ),
            (
                "TIMELOOP_STRATEGY",
                "pct(deep = 3)",
                "TIMELOOP_STRATEGY=`pct(deep = 3)` is not a strategy; accepted are `portfolio`, `random`, `fifo`, `pct` \
                 (`pct(depth = 3)`), `pos`, `urw`, `surw`, `delay` (`delay(bound = 2)`), `lockstep`, `starve`, `stall` and \
                 `exhaustive` (`exhaustive(delays = 2)`, `exhaustive(preemptions = 2)`)",
            ),
            (
                "TIMELOOP_CHECK",
                "all",
                "TIMELOOP_CHECK=`all` is not a number of seeds to run twice; accepted is a whole number, as in \
                 TIMELOOP_CHECK=100",
            ),
            (
                "TIMELOOP_LOG",
                "debug",
                "TIMELOOP_LOG=`debug` is not a way to log; accepted are `quiet`, `progress` and `steps`",
            ),
        ] {
            assert_eq!(read(&[(name, value)]), Err(message.to_owned()));
        }
        let two = read(&[("TIMELOOP_LOG", "x"), ("TIMELOOP_STRATEGY", "y")]).unwrap_err();
        assert_eq!(two.lines().count(), 2, "every bad value is named: {two}");
    }

    #[test]
    fn an_unknown_name_is_warned_about() {
        let warnings = |name: &str| read(&[(name, "1")]).map(|settings| settings.warnings);
        assert_eq!(
            warnings("TIMELOOP_SEDE"),
            Ok(vec![
                "`TIMELOOP_SEDE` is no variable of timeloop's and has no effect; did you mean `TIMELOOP_SEED`?"
                    .to_owned()
            ])
        );
        assert_eq!(
            warnings("TIMELOOP_COLOUR"),
            Ok(vec![
                "`TIMELOOP_COLOUR` is no variable of timeloop's and has no effect; there are TIMELOOP_SEED, \
                 TIMELOOP_RUNS, TIMELOOP_JOBS, TIMELOOP_STRATEGY, TIMELOOP_REPLAY, TIMELOOP_CHECK, TIMELOOP_LOG"
                    .to_owned()
            ])
        );
    }
}
