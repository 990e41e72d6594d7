//! [`Settings`]: the `TIMELOOP_*` variables, which configure every exploration of a process.
//!
//! # Invariants
//! [`Settings::from_vars`] depends only on the variables passed to it. A bad value is an error that shows the accepted
//! form, and an unknown name is a warning, so that a typing error is never silently ignored.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZero;
use std::path::PathBuf;

use crate::strategy::spec::ACCEPTED as STRATEGIES;
use crate::{Seed, StrategySpec};

/// The settings from the environment; `None` leaves a setting to the test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `TIMELOOP_SEED`: the first seed.
    pub seed: Option<SeedSetting>,
    /// `TIMELOOP_RUNS`: the number of runs.
    pub runs: Option<u64>,
    /// `TIMELOOP_JOBS`: the number of threads.
    pub jobs: Option<NonZero<usize>>,
    /// `TIMELOOP_STRATEGY`: the strategy.
    pub strategy: Option<StrategySpec>,
    /// `TIMELOOP_REPLAY`: what to replay instead of exploring.
    pub replay: Option<ReplaySetting>,
    /// `TIMELOOP_CHECK`: the number of seeds to run twice, to compare the two runs.
    pub check: Option<u64>,
    /// `TIMELOOP_LOG`: how much to print.
    pub log: Option<Log>,
    /// `TIMELOOP_STALLS`: whether virtual time may pass while a task is ready.
    pub stalls: Option<bool>,
    /// `TIMELOOP_TESTS`: settings of single tests, by their names.
    pub tests: BTreeMap<String, TestSettings>,
    /// `TIMELOOP_HERMETIC`: whether the run answers what code asks the C library.
    pub hermetic: Option<bool>,
    /// `TIMELOOP_REGRESSIONS`: the folder that has a folder of regression files for each package.
    pub regressions: Option<PathBuf>,
    /// `TIMELOOP_RESULTS`: the file to which every exploration appends its result.
    pub results: Option<PathBuf>,
    /// The file for the verdict, in a process that [`in_own_process`](crate::in_own_process) has started for a test.
    pub verdict: Option<PathBuf>,
    /// `CI`: whether it is set, to anything but `false` or `0`. Then no file is written.
    pub ci: bool,
    /// `NEXTEST`: whether it is set, as cargo-nextest sets it. Then the default number of threads is 1, because nextest
    /// starts a process per core.
    pub nextest: bool,
    /// `CARGO_MANIFEST_DIR`: the folder of the package under test.
    pub package_folder: Option<PathBuf>,
    /// `CARGO_PKG_NAME`: the name of the package under test.
    pub package: Option<String>,
    /// Warnings about unknown variables and outdated values.
    pub warnings: Vec<String>,
}

/// The settings of a single test, which count more than those of all tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestSettings {
    /// Whether the test is not run at all: it passes without a run.
    pub skip: bool,
    /// The number of runs.
    pub runs: Option<u64>,
    /// Whether virtual time may pass while a task is ready.
    pub stalls: Option<bool>,
    /// Whether reads and writes may be short, and lookups slow.
    pub varied_io: Option<bool>,
    /// Whether a run continues, as in tokio, after a panic of a task whose join handle is gone.
    pub ignore_unobserved_panics: bool,
    /// Whether each run is made in a process of its own, so that it finds all statics as they are at the start of a process.
    /// [`in_own_process`](crate::in_own_process) does that.
    pub processes: bool,
}

/// The first seed of an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedSetting {
    /// This seed.
    Number(Seed),
    /// A seed that differs each time.
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
    /// Only reports of failures, notes and warnings.
    #[default]
    Silent,
    /// Also, for a test that passes, what its runs covered: [`Coverage`](crate::Coverage).
    Summary,
    /// As `Summary`, and the progress of exploring and shrinking, once a second.
    Progress,
    /// As `Progress`, and reports list every step of the run. For a test that passes, every step of the baseline run is
    /// printed, or of the replayed run.
    Steps,
}

/// An error about variables whose values are not accepted. Its text has a line for each.
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

/// The largest number of threads that make runs.
pub(crate) const JOBS_MAX: usize = 1_024;

/// The names of all `TIMELOOP_*` variables.
const NAMES: [&str; 13] = [
    "TIMELOOP_SEED",
    "TIMELOOP_RUNS",
    "TIMELOOP_JOBS",
    "TIMELOOP_STRATEGY",
    "TIMELOOP_REPLAY",
    "TIMELOOP_CHECK",
    "TIMELOOP_LOG",
    "TIMELOOP_STALLS",
    "TIMELOOP_TESTS",
    "TIMELOOP_HERMETIC",
    "TIMELOOP_REGRESSIONS",
    "TIMELOOP_RESULTS",
    "TIMELOOP_COMMAND",
];

/// The variable with the path of the file for the verdict, in a process that was started for one test.
pub(crate) const VERDICT: &str = "TIMELOOP_VERDICT";

impl Settings {
    /// Reads this process's environment.
    ///
    /// # Errors
    /// When a variable has a value that is not accepted.
    pub fn from_environment() -> Result<Self, EnvironmentError> {
        Self::from_vars(std::env::vars_os().filter_map(|(name, value)| {
            // Invalid Unicode is shown as replacement characters.
            let ours = |name: &str| {
                name.starts_with("TIMELOOP_")
                    || ["CI", "NEXTEST", "CARGO_MANIFEST_DIR", "CARGO_PKG_NAME"].contains(&name)
            };
            let name = name.to_string_lossy().into_owned();
            ours(&name).then(|| (name, value.to_string_lossy().into_owned()))
        }))
    }

    /// Returns the settings for an exploration that other variables make impossible: where its result is written.
    pub(crate) fn of_results_alone() -> Self {
        let results = std::env::var_os("TIMELOOP_RESULTS").filter(|path| !path.is_empty());
        Self { results: results.map(PathBuf::from), ..Self::default() }
    }

    /// Returns the settings of the test of this name alone.
    #[must_use]
    pub fn single(&self, test: &str) -> TestSettings {
        self.tests.get(test).copied().unwrap_or_default()
    }

    /// Returns the settings for the test of this name: its own count more than those of all tests.
    pub(crate) fn of_test(mut self, test: &str) -> Self {
        let own = self.single(test);
        self.runs = own.runs.or(self.runs);
        self.stalls = own.stalls.or(self.stalls);
        self
    }

    /// Returns the first seed for a test whose own first seed is `default`.
    #[must_use]
    pub fn base_seed(&self, default: Seed) -> Seed {
        match self.seed {
            None => default,
            Some(SeedSetting::Number(seed)) => seed,
            // `RandomState` has random keys, so the hash differs each time.
            Some(SeedSetting::Random) => RandomState::new().hash_one("timeloop").into(),
        }
    }

    /// Reads settings from pairs of name and value. An empty value counts as unset.
    ///
    /// # Errors
    /// When values are not accepted. The error names all of them.
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

    /// Reads one variable. An error is the rest of a sentence that starts with the variable: what is accepted.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "TIMELOOP_SEED" => self.seed = Some(parse_seed(value)?),
            "TIMELOOP_RUNS" => {
                let runs = parse_runs(value);
                self.runs = Some(
                    runs.ok_or("is not a number of runs; accepted is 1 to 18446744073709551615, as in TIMELOOP_RUNS=5000")?,
                );
            }
            "TIMELOOP_JOBS" => {
                let jobs = parse_number(value).and_then(|jobs| NonZero::new(usize::try_from(jobs).ok()?));
                let jobs = jobs.filter(|jobs| jobs.get() <= JOBS_MAX);
                self.jobs = Some(jobs.ok_or(
                    "is not a number of threads; accepted is 1 to 1024, as in TIMELOOP_JOBS=4 (the default is one per \
                     core, and 1 under nextest)",
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
                    "is not a number of seeds to run twice; accepted is 0 to 18446744073709551615, as in \
                     TIMELOOP_CHECK=100",
                )?);
            }
            "TIMELOOP_LOG" => {
                self.log = Some(match value {
                    "silent" => Log::Silent,
                    "quiet" => {
                        self.warnings.push("`TIMELOOP_LOG=quiet` is now `TIMELOOP_LOG=silent`".to_owned());
                        Log::Silent
                    }
                    "summary" => Log::Summary,
                    "progress" => Log::Progress,
                    "steps" => Log::Steps,
                    _ => {
                        return Err(
                            "is not a log level; accepted are `silent`, `summary`, `progress` and `steps`"
                                .to_owned(),
                        );
                    }
                });
            }
            "TIMELOOP_STALLS" => {
                self.stalls = Some(parse_switch(value).ok_or("is neither `on` nor `off`")?);
            }
            "TIMELOOP_TESTS" => {
                let tests = value.split(';').map(parse_test).collect::<Option<_>>();
                self.tests = tests.ok_or(
                    "are not settings of single tests; accepted is `name=setting,…`, several of them separated by `;`, with \
                     the settings `skip`, `runs:50`, `stalls:on`, `stalls:off`, `varied_io:on`, `varied_io:off`, \
                     `ignore_unobserved_panics` and `processes`",
                )?;
            }
            "TIMELOOP_HERMETIC" => {
                self.hermetic = Some(parse_switch(value).ok_or("is neither `on` nor `off`")?);
            }
            "TIMELOOP_REGRESSIONS" => self.regressions = Some(PathBuf::from(value)),
            "TIMELOOP_RESULTS" => self.results = Some(PathBuf::from(value)),
            VERDICT => self.verdict = Some(PathBuf::from(value)),
            // Used where replay lines are made.
            "TIMELOOP_COMMAND" => {}
            "CI" => self.ci = !matches!(value, "false" | "0"),
            "NEXTEST" => self.nextest = true,
            "CARGO_MANIFEST_DIR" => self.package_folder = Some(PathBuf::from(value)),
            "CARGO_PKG_NAME" => self.package = Some(value.to_owned()),
            _ if name.starts_with("TIMELOOP_") => self.warnings.push(unknown(name)),
            _ => {}
        }
        Ok(())
    }
}

fn parse_runs(text: &str) -> Option<u64> {
    parse_number(text).filter(|runs| *runs > 0)
}

fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// Parses the settings of a test, with its name: `bank::opens=runs:50,stalls:off`.
fn parse_test(text: &str) -> Option<(String, TestSettings)> {
    let (name, list) = text.split_once('=').filter(|(name, _)| !name.trim().is_empty())?;
    let mut settings = TestSettings::default();
    for setting in list.split(',').map(str::trim) {
        match setting.split_once(':') {
            None if setting == "skip" => settings.skip = true,
            None if setting == "ignore_unobserved_panics" => settings.ignore_unobserved_panics = true,
            None if setting == "processes" => settings.processes = true,
            Some(("runs", runs)) => settings.runs = Some(parse_runs(runs)?),
            Some(("stalls", switch)) => settings.stalls = Some(parse_switch(switch)?),
            Some(("varied_io", switch)) => settings.varied_io = Some(parse_switch(switch)?),
            _ => return None,
        }
    }
    Some((name.trim().to_owned(), settings))
}

/// Parses a decimal number, which may contain `_`.
fn parse_number(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(|character| *character != '_').collect();
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    if only_digits { digits.parse().ok() } else { None }
}

fn parse_seed(text: &str) -> Result<SeedSetting, String> {
    if text.eq_ignore_ascii_case("random") {
        return Ok(SeedSetting::Random);
    }
    let error = || {
        "is not a seed; accepted are a decimal number up to 18446744073709551615 (TIMELOOP_SEED=7), `0x` and up to 40 \
         hex digits (TIMELOOP_SEED=0x1f), up to 40 hex digits with at least one letter (TIMELOOP_SEED=$(git rev-parse \
         HEAD)), and `random`"
            .to_owned()
    };
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    // Digits alone are a decimal number, also when it is too large.
    if hex.is_none() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return parse_number(text).map(|number| SeedSetting::Number(Seed(number))).ok_or_else(error);
    }
    let digits = hex.unwrap_or(text);
    if !(1..=40).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(error());
    }
    // The first 16 digits of a longer number are enough to distinguish commits.
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
            format!("`{name}` is not a variable of timeloop and has no effect; did you mean `{known}`?")
        }
        None => {
            format!(
                "`{name}` is not a variable of timeloop and has no effect; accepted are {}",
                NAMES.join(", ")
            )
        }
    }
}

/// Returns the edit distance: the number of characters to insert, remove, replace or swap with a neighbor.
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
            ("TIMELOOP_STALLS", "off"),
            (
                "TIMELOOP_TESTS",
                "bank::a=skip; bank::b=runs:50,stalls:on,varied_io:off,ignore_unobserved_panics,processes",
            ),
            ("TIMELOOP_HERMETIC", "on"),
            ("TIMELOOP_REGRESSIONS", "target/regressions"),
            ("TIMELOOP_RESULTS", "target/results"),
            ("TIMELOOP_COMMAND", "cargo timeloop replay"),
            ("TIMELOOP_VERDICT", "target/verdict"),
            ("CI", "true"),
            ("NEXTEST", "1"),
            ("CARGO_MANIFEST_DIR", "some/where"),
            ("CARGO_PKG_NAME", "bank"),
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
            stalls: Some(false),
            tests: BTreeMap::from([
                ("bank::a".to_owned(), TestSettings { skip: true, ..TestSettings::default() }),
                (
                    "bank::b".to_owned(),
                    TestSettings {
                        skip: false,
                        runs: Some(50),
                        stalls: Some(true),
                        varied_io: Some(false),
                        ignore_unobserved_panics: true,
                        processes: true,
                    },
                ),
            ]),
            hermetic: Some(true),
            regressions: Some(PathBuf::from("target/regressions")),
            results: Some(PathBuf::from("target/results")),
            verdict: Some(PathBuf::from("target/verdict")),
            ci: true,
            nextest: true,
            package_folder: Some(PathBuf::from("some/where")),
            package: Some("bank".to_owned()),
            warnings: Vec::new(),
        };
        assert_eq!(settings, Ok(expected));
    }

    #[test]
    fn settings_of_one_test_count_more_than_those_of_all() {
        let tests = "bank::b=runs:50,stalls:off";
        let settings = read(&[("TIMELOOP_RUNS", "7"), ("TIMELOOP_STALLS", "on"), ("TIMELOOP_TESTS", tests)])
            .expect("they are accepted");
        let of = |test| {
            let settings = settings.clone().of_test(test);
            (settings.runs, settings.stalls)
        };
        assert_eq!(of("bank::b"), (Some(50), Some(false)));
        assert_eq!(of("bank::bb"), (Some(7), Some(true)));
        for wrong in [
            "bank::b",
            "=skip",
            "bank::b=",
            "bank::b=runs:0",
            "bank::b=stalls",
            "bank::b=skip;",
            "bank::b=slow",
        ] {
            let error = read(&[("TIMELOOP_TESTS", wrong)]).expect_err(wrong);
            assert!(error.contains("are not settings of single tests; accepted is"), "{error}");
        }
    }

    #[test]
    fn accepts_every_form_of_a_seed() {
        let seed = |text: &str| read(&[("TIMELOOP_SEED", text)]).map(|settings| settings.seed);
        let number = |number| Ok(Some(SeedSetting::Number(Seed(number))));
        assert_eq!(seed("random"), Ok(Some(SeedSetting::Random)));
        assert_eq!(seed("18446744073709551615"), number(u64::MAX));
        assert_eq!(seed("0x1f"), number(0x1F));
        assert_eq!(seed("0x10"), number(16));
        assert_eq!(seed("10"), number(10));
        assert_eq!(seed("fba623f"), number(0x0FBA_623F));
        assert_eq!(seed("68be2bec0ffee68be2bec0ffee68be2bec0ffee0"), number(0x68BE_2BEC_0FFE_E68B));
        assert_eq!(seed(" "), Ok(None));
    }

    #[test]
    fn distinguishes_tokens_from_paths() {
        for token in ["TL1ABC", "tl2abc", "TL1", "TL10U!".trim_end_matches('!')] {
            assert_eq!(parse_replay(token), ReplaySetting::Token(token.to_owned()), "{token}");
        }
        for path in ["timeloop-regressions/a.txt", "TL1.txt", "a", "TLC", "TL1/a"] {
            assert_eq!(parse_replay(path), ReplaySetting::File(PathBuf::from(path)), "{path}");
        }
    }

    #[test]
    fn ci_set_to_false_counts_as_unset() {
        let ci = |value: &str| read(&[("CI", value)]).map(|settings| settings.ci);
        assert_eq!(ci("1"), Ok(true));
        assert_eq!(ci("woodpecker"), Ok(true));
        for off in ["", "0", "false"] {
            assert_eq!(ci(off), Ok(false), "{off}");
        }
    }

    #[test]
    fn a_bad_value_is_an_error_with_the_accepted_form() {
        for (name, value, message) in [
            (
                "TIMELOOP_RUNS",
                "abc",
                "TIMELOOP_RUNS=`abc` is not a number of runs; accepted is 1 to 18446744073709551615, as in TIMELOOP_RUNS=5000",
            ),
            (
                "TIMELOOP_RUNS",
                "0",
                "TIMELOOP_RUNS=`0` is not a number of runs; accepted is 1 to 18446744073709551615, as in TIMELOOP_RUNS=5000",
            ),
            (
                "TIMELOOP_JOBS",
                "-1",
                "TIMELOOP_JOBS=`-1` is not a number of threads; accepted is 1 to 1024, as in TIMELOOP_JOBS=4 \
                 (the default is one per core, and 1 under nextest)",
            ),
            (
                "TIMELOOP_SEED",
                "0xyz",
                "TIMELOOP_SEED=`0xyz` is not a seed; accepted are a decimal number up to 18446744073709551615 \
                 (TIMELOOP_SEED=7), `0x` and up to 40 hex digits (TIMELOOP_SEED=0x1f), up to 40 hex digits with at least \
                 one letter (TIMELOOP_SEED=$(git rev-parse HEAD)), and `random`",
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
                "TIMELOOP_CHECK=`all` is not a number of seeds to run twice; accepted is 0 to 18446744073709551615, \
                 as in TIMELOOP_CHECK=100",
            ),
            (
                "TIMELOOP_LOG",
                "debug",
                "TIMELOOP_LOG=`debug` is not a log level; accepted are `silent`, `summary`, `progress` and `steps`",
            ),
            ("TIMELOOP_STALLS", "1", "TIMELOOP_STALLS=`1` is neither `on` nor `off`"),
            ("TIMELOOP_HERMETIC", "no", "TIMELOOP_HERMETIC=`no` is neither `on` nor `off`"),
        ] {
            assert_eq!(read(&[(name, value)]), Err(message.to_owned()));
        }
        let two = read(&[("TIMELOOP_LOG", "x"), ("TIMELOOP_STRATEGY", "y")]).unwrap_err();
        assert_eq!(two.lines().count(), 2, "every bad value is named: {two}");
    }

    #[test]
    fn accepts_the_former_name_of_silent_with_a_warning() {
        let log =
            |value: &str| read(&[("TIMELOOP_LOG", value)]).map(|settings| (settings.log, settings.warnings));
        assert_eq!(log("silent"), Ok((Some(Log::Silent), Vec::new())));
        assert_eq!(
            log("quiet"),
            Ok((Some(Log::Silent), vec!["`TIMELOOP_LOG=quiet` is now `TIMELOOP_LOG=silent`".to_owned()]))
        );
    }

    #[test]
    fn warns_about_an_unknown_name() {
        let warnings = |name: &str| read(&[(name, "1")]).map(|settings| settings.warnings);
        assert_eq!(
            warnings("TIMELOOP_SEDE"),
            Ok(vec![
                "`TIMELOOP_SEDE` is not a variable of timeloop and has no effect; did you mean `TIMELOOP_SEED`?"
                    .to_owned()
            ])
        );
        assert_eq!(
            warnings("TIMELOOP_COLOUR"),
            Ok(vec![
                "`TIMELOOP_COLOUR` is not a variable of timeloop and has no effect; accepted are TIMELOOP_SEED, \
                 TIMELOOP_RUNS, TIMELOOP_JOBS, TIMELOOP_STRATEGY, TIMELOOP_REPLAY, TIMELOOP_CHECK, TIMELOOP_LOG, \
                 TIMELOOP_STALLS, TIMELOOP_TESTS, TIMELOOP_HERMETIC, TIMELOOP_REGRESSIONS, TIMELOOP_RESULTS, TIMELOOP_COMMAND"
                    .to_owned()
            ])
        );
    }
}
