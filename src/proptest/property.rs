//! A property as a function: it generates inputs, runs the test with each under several schedules, and keeps what fails.
//!
//! Unlike `proptest! { … }` it makes the generator itself, so it knows the way from a seed to the shrunk input, and can store it.
//!
//! Always true: with the defaults, and nothing in the environment, the cases are the same each time; a stored case that gives
//! the stored input again is run with it first.

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use timeloop_sim::{
    ExploreError, Found, FoundBy, RegressionsIn, Schedule as Stored, Settings, TestName, fail_with,
    print_note, render_report,
};

use super::joint::Hint;
use super::persistence::{HINTS_MAX, say_of};
use super::stored::{CaseFile, CaseSeed, StoredCase, one_line};
use super::trace::{Traced, Way};
use super::{Schedules, schedules};
use crate::explorer::test_of_this_thread;
use crate::harness::{TestResult, assert_no_loop};
use crate::schedule::{Why, replayed, verdict};
use crate::{Schedule, Seed};

/// Runs a test with many inputs, with each under several schedules; on a failure shrinks both, and reports.
///
/// This is `proptest! { … }` with [`schedules`] as a function, with one generator of inputs. It stores more of a failure
/// ([`Property`]), and its cases are the same each time, as those of a `#[timeloop::test]` are. As there the test's name is
/// that of the thread.
///
/// Inside of the test `prop_assert!` and its like may be used, and `prop_assume!` rejects an input.
///
/// # Panics
/// When a run fails; the panic's message is the report.
///
/// ```
/// use timeloop::proptest::{check, prelude::*};
///
/// # /*
/// #[test]
/// # */
/// fn sums() {
///     check(prop::collection::vec(0..100_u32, 0..5), |numbers| async move {
///         let expected: u32 = numbers.iter().sum();
///         let mut sum = 0;
///         for number in numbers {
///             sum += timeloop::spawn(async move { number }).await.unwrap();
///         }
///         prop_assert_eq!(sum, expected);
///         Ok(())
///     });
/// }
/// # sums();
/// ```
#[track_caller]
pub fn check<S, F, Fut>(strategy: S, test: F)
where
    S: Strategy,
    S::Value: Clone + Sync,
    F: Fn(S::Value) -> Fut + Sync,
    Fut: Future,
    Fut::Output: TestResult,
{
    Property::at(Location::caller()).check(strategy, test);
}

/// A property with its settings: [`check`] has the defaults.
///
/// A case that fails is kept in `timeloop-regressions/<test>.proptest.txt`, in the folder of the package under test: the seed, the
/// way from what it generates to the shrunk input, the shrunk input in words, and the shrunk schedule. Commit the file. From
/// then on that input is run under that schedule before anything else. Where an edit of the strategy makes of it another
/// input, a note says so and shows the stored one; then the schedule is tried with all other inputs. Nothing is written where
/// `CI` is set.
///
/// `TIMELOOP_SEED` and `TIMELOOP_REPLAY` are heeded, and proptest's variables, `PROPTEST_CASES` first among them. Cases are made
/// in this process: `fork` and `timeout` are for `proptest! { … }`.
#[derive(Clone, Debug)]
#[must_use = "a property does nothing until it is checked"]
pub struct Property {
    /// The test, its base seed, where its cases are stored, and the variables that it heeds.
    exploration: timeloop_sim::Config,
    config: Config,
    schedules: Schedules,
}

impl Property {
    /// The property called `name`: its path with the crate first (`bank::tests::transfers`), or any other text. Tokens and
    /// stored cases belong to the name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self::of(TestName::new(name))
    }

    #[track_caller]
    fn at(location: &'static Location<'static>) -> Self {
        assert_no_loop(&|| format!("the property at {location}"));
        Self::of(test_of_this_thread(location))
    }

    fn of(test: TestName) -> Self {
        Self {
            exploration: timeloop_sim::Config::of(test),
            config: Config::default(),
            schedules: Schedules { heeds_environment: false, ..schedules() },
        }
    }

    /// How many inputs. Default 256.
    ///
    /// # Panics
    /// When `cases` is 0: such a property would test nothing.
    #[track_caller]
    pub fn cases(mut self, cases: u32) -> Self {
        assert!(cases > 0, "a property of 0 cases would test nothing; give 1 or more");
        self.config.cases = cases;
        self
    }

    /// proptest's own settings, in place of its defaults. Its generator and its regression files are not used.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Under which schedules each input is run. Default [`schedules()`](schedules).
    pub fn schedules(mut self, schedules: Schedules) -> Self {
        // The property asks the environment itself.
        self.schedules = Schedules { heeds_environment: false, ..schedules };
        self
    }

    /// The seed of the first case; those that follow count up from it. Default 0.
    pub fn seed(mut self, seed: impl Into<Seed>) -> Self {
        self.exploration.seed = seed.into();
        self
    }

    /// The folder where failing cases are kept. Default `timeloop-regressions` in the package's folder.
    pub fn regressions(mut self, folder: impl Into<PathBuf>) -> Self {
        self.exploration.regressions = RegressionsIn::Folder(folder.into());
        self
    }

    /// Keeps no failing cases and tries none that were kept.
    pub fn without_regressions(mut self) -> Self {
        self.exploration.regressions = RegressionsIn::Nowhere;
        self
    }

    /// Takes no settings from the environment, but for proptest's.
    pub fn without_environment(mut self) -> Self {
        self.exploration.environment = Some(Settings::default());
        self
    }

    /// Checks the property; returns if no case fails, else prints the report and panics with it.
    ///
    /// # Panics
    /// When a case fails, and when the settings, the environment or the stored cases are no good.
    #[track_caller]
    pub fn check<S, F, Fut>(&self, strategy: S, test: F)
    where
        S: Strategy,
        S::Value: Clone + Sync,
        F: Fn(S::Value) -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        let checked = self.run(strategy, test);
        checked.notes.iter().for_each(|note| print_note(note));
        let report = match (checked.failed, checked.error) {
            (None, None) => return,
            (Some(failed), error) => {
                let amiss = error.map_or_else(String::new, |error| self.amiss(&error));
                failed.found.report.clone() + &amiss
            }
            (None, Some(error)) => self.amiss(&error),
        };
        fail_with(report)
    }

    fn amiss(&self, error: &str) -> String {
        format!("timeloop: `{}`: {error}\n", self.exploration.test)
    }

    /// Checks the property, and says what came of it. A failing case does not panic here.
    ///
    /// # Panics
    /// Inside of a run: only one loop runs at a time.
    #[must_use]
    #[track_caller]
    pub fn run<S, F, Fut>(&self, strategy: S, test: F) -> Checked<S::Value>
    where
        S: Strategy,
        S::Value: Clone + Sync,
        F: Fn(S::Value) -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        let location = Location::caller();
        assert_no_loop(&|| format!("the property at {location}"));
        let mut checked = Checked { cases: 0, notes: Vec::new(), failed: None, error: None };
        let settings = match self.exploration.settings() {
            Ok(settings) => settings,
            Err(error) => {
                checked.error = Some(error.to_string());
                return checked;
            }
        };
        checked.notes.clone_from(&settings.warnings);
        let folder = self.exploration.regressions.folder(&settings);
        let config = timeloop_sim::Config { environment: Some(settings), ..self.exploration.clone() };
        let file = folder.map(|folder| CaseFile::new(&folder, config.test.as_str()));
        let mut checking = Checking {
            property: self,
            config,
            strategy: &strategy,
            test: &test,
            file,
            hints: Vec::new(),
            checked,
        };
        if let Err(error) = checking.all() {
            checking.checked.error = Some(error);
        }
        checking.checked
    }
}

/// What came of a property.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked<V> {
    /// How many inputs were generated and tried, besides stored ones, up to and with the first that failed.
    pub cases: u64,
    /// What a person should know besides, a sentence each.
    pub notes: Vec<String>,
    /// The failure, if there is one.
    pub failed: Option<FailedCase<V>>,
    /// What kept the property from being checked, or from being checked in full.
    pub error: Option<String>,
}

/// An input and a schedule with which a property fails, both shrunk.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedCase<V> {
    /// The input.
    pub input: V,
    /// Everything that was found out about the run that fails with it; the report has the input too.
    pub found: Box<Found>,
}

/// A property while it is checked.
struct Checking<'a, S: Strategy, F> {
    property: &'a Property,
    /// The configuration, with the variables to heed.
    config: timeloop_sim::Config,
    strategy: &'a S,
    test: &'a F,
    file: Option<CaseFile>,
    /// The schedules of stored cases whose input is no longer generated.
    hints: Vec<Arc<Hint>>,
    checked: Checked<S::Value>,
}

/// How a case went.
enum CaseOutcome<V> {
    Passed,
    Rejected,
    Failed(V, Box<Found>),
}

impl<S, F, Fut> Checking<'_, S, F>
where
    S: Strategy,
    S::Value: Clone + Sync,
    F: Fn(S::Value) -> Fut + Sync,
    Fut: Future,
    Fut::Output: TestResult,
{
    fn settings(&self) -> &Settings {
        self.config.environment.as_ref().expect("set when the property began")
    }

    fn all(&mut self) -> Result<(), String> {
        let asked_for = replayed(&self.config).map_err(|error| error.to_string())?;
        if self.stored(asked_for.as_deref())? || asked_for.is_some() {
            return Ok(());
        }
        let base = self.settings().base_seed(self.config.seed);
        let (mut index, mut rejected) = (0, 0);
        while self.checked.cases < u64::from(self.property.config.cases) {
            let (case, seed) = (index, base.of_run(index));
            index += 1;
            let way = Rc::default();
            let tree = self.generate(seed, self.hints.clone(), &way)?;
            match self.try_out(tree)? {
                CaseOutcome::Passed => self.checked.cases += 1,
                CaseOutcome::Rejected => {
                    rejected += 1;
                    let max = self.property.config.max_global_rejects;
                    if rejected > max {
                        return Err(format!(
                            "the test rejects too many inputs: {rejected}, and {max} are accepted, beside {} that it took; \
                             generate fewer of those, or raise `max_global_rejects` of proptest's `Config`",
                            self.checked.cases
                        ));
                    }
                }
                CaseOutcome::Failed(input, found) => {
                    self.checked.cases += 1;
                    self.keep(FoundBy::Case { index: case, seed }, input, found, Some(way.take()));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Tries the stored cases, or those with a schedule that was asked for; whether one fails.
    fn stored(&mut self, asked_for: Option<&[Stored]>) -> Result<bool, String> {
        let not_stored = |place: &str| {
            format!(
                "TIMELOOP_REPLAY: no case with this schedule is stored{place}, and a schedule alone has no input; \
                 `TIMELOOP_SEED`, with the seed from the report's line `found by`, finds both"
            )
        };
        let Some(file) = self.file.clone() else {
            return if asked_for.is_some() { Err(not_stored("")) } else { Ok(false) };
        };
        let loaded = file.load();
        if !loaded.problems.is_empty() {
            self.checked.error = Some(ExploreError::Regressions(loaded.problems).to_string());
        }
        let wanted = |case: &&StoredCase| {
            asked_for.is_none_or(|asked| case.schedule.as_ref().is_some_and(|own| asked.contains(own)))
        };
        let cases: Vec<_> = loaded.stored.iter().rev().filter(wanted).collect();
        if asked_for.is_some() && cases.is_empty() {
            return Err(not_stored(&format!(" in {}", file.shown().display())));
        }
        let mut stale = Vec::new();
        for case in cases {
            let CaseSeed::Ours(seed) = case.seed else { continue };
            let hint = case.schedule.clone().map(Hint::new);
            let generate = || self.generate(seed, hint.iter().cloned().collect(), &Rc::default());
            let Ok(mut tree) = generate() else { continue };
            let mut met = false;
            if let Some(way) = &case.way {
                way.lead(&mut tree);
                met = one_line(&tree.current().0) == case.input;
            }
            if !met {
                stale.extend(hint.clone().map(|hint| (hint, case)));
                let Ok(whole) = generate() else { continue };
                tree = whole;
            }
            if let Ok(CaseOutcome::Failed(input, found)) = self.try_out(tree) {
                if !met {
                    self.checked.notes.extend(say_of(&file, case, false, 0));
                }
                let by = FoundBy::Regression { path: file.shown(), line: case.line };
                self.keep(by, input, found, None);
                return Ok(true);
            }
            if met {
                let unapplied = hint.map_or(0, |hint| hint.unapplied.load(Relaxed));
                self.checked.notes.extend(say_of(&file, case, true, unapplied));
            }
        }
        for (_, case) in &stale {
            self.checked.notes.extend(say_of(&file, case, false, 0));
        }
        self.hints = stale.into_iter().map(|(hint, _)| hint).take(HINTS_MAX).collect();
        Ok(false)
    }

    /// The tree of the case with this seed.
    fn generate(
        &self,
        seed: Seed,
        hints: Vec<Arc<Hint>>,
        way: &Rc<RefCell<Way>>,
    ) -> Result<Traced<<(&S, Schedules) as Strategy>::Tree>, String> {
        let mut key = *b"a property's case               ";
        key[24..].copy_from_slice(&seed.0.to_le_bytes());
        let config = Config { failure_persistence: None, ..self.property.config.clone() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &key);
        let schedules = Schedules { hints, ..self.property.schedules.clone() };
        let tree = (self.strategy, schedules).new_tree(&mut TestRunner::new_with_rng(config, rng));
        let tree = tree.map_err(|why| format!("no input can be generated: {}", why.message()))?;
        Ok(Traced { tree, way: Rc::clone(way) })
    }

    /// Runs the test with the input of `tree`, and if it fails with simpler ones.
    fn try_out(
        &self,
        tree: Traced<<(&S, Schedules) as Strategy>::Tree>,
    ) -> Result<CaseOutcome<S::Value>, String> {
        let config = Config { failure_persistence: None, ..self.property.config.clone() };
        let last = RefCell::new(None);
        let outcome = TestRunner::new(config).run_one(tree, |(input, schedule): (S::Value, Schedule)| {
            let made = schedule.made(self.config.clone(), None, || (self.test)(input.clone()), verdict);
            made.map_err(|failed| match failed.why {
                Why::Failed(found) => {
                    *last.borrow_mut() = Some(found);
                    TestCaseError::fail("")
                }
                Why::Rejected(why) => TestCaseError::reject(why),
            })
        });
        match (outcome, last.into_inner()) {
            (Ok(true), _) => Ok(CaseOutcome::Passed),
            (Ok(false), _) => Ok(CaseOutcome::Rejected),
            (Err(TestError::Fail(_, (input, _))), Some(found)) => Ok(CaseOutcome::Failed(input, found)),
            (Err(TestError::Fail(why, _) | TestError::Abort(why)), _) => Err(why.message().to_owned()),
        }
    }

    /// Stores what has failed, and writes the report.
    fn keep(&mut self, by: FoundBy, input: S::Value, mut found: Box<Found>, way: Option<Way>) {
        if let (Some(file), FoundBy::Case { seed, .. }, false) = (&self.file, &by, self.settings().ci) {
            let case = StoredCase {
                line: 0,
                input: one_line(&input),
                seed: CaseSeed::Ours(*seed),
                way,
                generated: None,
                schedule: Some(found.shrunk.clone()),
            };
            found.stored = Some(match file.append(&case, &found.headline()) {
                Ok(()) => format!("{}, tried first next time: commit it", file.shown().display()),
                Err(error) => format!("nowhere: {error}"),
            });
        }
        found.by = by;
        found.input = Some(told(&input));
        found.report = render_report(&self.config, &found);
        self.checked.failed = Some(FailedCase { input, found });
    }
}

/// An input for the report: in one line, if that is short enough to be read.
fn told(input: &dyn fmt::Debug) -> String {
    const CHARACTERS_MAX: usize = 100;
    let short = format!("{input:?}");
    if short.chars().count() <= CHARACTERS_MAX { short } else { format!("{input:#?}") }
}
