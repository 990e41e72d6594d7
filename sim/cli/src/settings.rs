//! `timeloop.toml`, in the root folder of the workspace.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::exit::Failed;

pub(crate) const NAME: &str = "timeloop.toml";
const ACCEPTED: &str = "accepted are `runs = 1000` (schedules per test), `stalls = true`, `hermetic = true`, `skip = [\"test path\"]`, \
                        `regressions = \"folder\"`, and for a test `[tests.\"crate::path\"]` with `skip = true`, \
                        `runs = 1000`, `stalls = true`, \
                        `varied_io = true`, `ignore_unobserved_panics = true` and `processes = true`";

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How many schedules to try in a test.
    pub(crate) runs: Option<u64>,
    /// Whether virtual time may pass while a task is ready.
    pub(crate) stalls: Option<bool>,
    /// Whether a run answers what code asks the C library.
    pub(crate) hermetic: Option<bool>,
    /// Parts of the paths of tests that are not run.
    pub(crate) skip: Vec<String>,
    /// The folder of regression files.
    pub(crate) regressions: Option<PathBuf>,
    /// The settings of single tests, by their names.
    pub(crate) tests: BTreeMap<String, OfTest>,
}

/// The settings of a single test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfTest {
    pub(crate) skip: bool,
    pub(crate) runs: Option<u64>,
    pub(crate) stalls: Option<bool>,
    /// Whether reads and writes may be short.
    pub(crate) varied_io: Option<bool>,
    /// Whether a panic of a task whose join handle is gone fails no run.
    pub(crate) ignore_unobserved_panics: bool,
    /// Whether each run has a process of its own.
    pub(crate) processes: bool,
}

impl OfTest {
    /// Reads a table. Returns `None` if a key or a value is not accepted.
    fn read(table: &Table) -> Option<Self> {
        let mut settings = Self::default();
        for (key, value) in table {
            match key.as_str() {
                "skip" => settings.skip = value.as_bool()?,
                "runs" => settings.runs = Some(runs(value)?),
                "stalls" => settings.stalls = Some(value.as_bool()?),
                "varied_io" => settings.varied_io = Some(value.as_bool()?),
                "ignore_unobserved_panics" => settings.ignore_unobserved_panics = value.as_bool()?,
                "processes" => settings.processes = value.as_bool()?,
                _ => return None,
            }
        }
        Some(settings)
    }

    /// Returns each setting that is given as `TIMELOOP_TESTS` and as `timeloop.toml` have it.
    fn given(self) -> impl Iterator<Item = (String, String)> {
        let flag = |name: &str, is_set: bool| is_set.then(|| (name.to_owned(), format!("{name} = true\n")));
        let switched = |name: &str, value: Option<bool>| {
            value.map(|value| (format!("{name}:{}", switch(value)), format!("{name} = {value}\n")))
        };
        let all = [
            flag("skip", self.skip),
            self.runs.map(|runs| (format!("runs:{runs}"), format!("runs = {runs}\n"))),
            switched("stalls", self.stalls),
            switched("varied_io", self.varied_io),
            flag("ignore_unobserved_panics", self.ignore_unobserved_panics),
            flag("processes", self.processes),
        ];
        all.into_iter().flatten()
    }

    /// Returns the settings as `TIMELOOP_TESTS` has them.
    fn text(self) -> String {
        self.given().map(|(text, _)| text).collect::<Vec<_>>().join(",")
    }

    /// Returns the settings as `timeloop.toml` has them, each on a line.
    pub(crate) fn lines(self) -> String {
        self.given().map(|(_, line)| line).collect()
    }
}

/// Returns the value of a variable that switches something.
fn switch(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

fn runs(value: &Value) -> Option<u64> {
    u64::try_from(value.as_integer()?).ok().filter(|runs| *runs > 0)
}

impl Settings {
    /// Reads the file, if there is one.
    pub(crate) fn read(root: &Path) -> Result<Self, Failed> {
        match fs::read_to_string(root.join(NAME)) {
            Ok(text) => Self::parse(&text, root).map_err(|error| Failed::usage(format!("{NAME}: {error}"))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failed::usage(format!("{NAME}: {error}"))),
        }
    }

    /// Returns the variables that switch something.
    pub(crate) fn switches(&self) -> impl Iterator<Item = (&'static str, OsString)> + use<> {
        let switches = [("TIMELOOP_STALLS", self.stalls), ("TIMELOOP_HERMETIC", self.hermetic)];
        switches.into_iter().filter_map(|(name, is_on)| Some((name, switch(is_on?).into())))
    }

    /// Returns the arguments with which test binaries skip tests.
    pub(crate) fn skipping(&self) -> impl Iterator<Item = &str> {
        self.skip.iter().flat_map(|path| ["--skip", path])
    }

    /// Returns the value of `TIMELOOP_TESTS`, without the settings for which `overridden` returns true.
    pub(crate) fn of_tests(
        tests: &BTreeMap<String, OfTest>,
        overridden: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let of_test = |(name, own): (&String, &OfTest)| {
            let mut own = *own;
            own.runs = own.runs.filter(|_| !overridden("TIMELOOP_RUNS"));
            own.stalls = own.stalls.filter(|_| !overridden("TIMELOOP_STALLS"));
            (own != OfTest::default()).then(|| format!("{name}={}", own.text()))
        };
        let tests: Vec<_> = tests.iter().filter_map(of_test).collect();
        (!tests.is_empty()).then(|| tests.join(";"))
    }

    pub(crate) fn parse(text: &str, root: &Path) -> Result<Self, String> {
        let mut settings = Self::default();
        for (key, value) in text.parse::<Table>().map_err(|error| error.to_string())? {
            settings.set(&key, &value, root).ok_or_else(|| format!("`{key} = {value}`: {ACCEPTED}"))?;
        }
        Ok(settings)
    }

    /// Returns `None` if the key or the value is not accepted.
    fn set(&mut self, key: &str, value: &Value, root: &Path) -> Option<()> {
        match key {
            "runs" => self.runs = Some(runs(value)?),
            "stalls" => self.stalls = Some(value.as_bool()?),
            "hermetic" => self.hermetic = Some(value.as_bool()?),
            "skip" => {
                let paths =
                    value.as_array()?.iter().map(|path| path.as_str().filter(|path| !path.is_empty()));
                self.skip = paths.map(|path| path.map(str::to_owned)).collect::<Option<_>>()?;
            }
            "regressions" => {
                self.regressions = Some(root.join(value.as_str().filter(|path| !path.is_empty())?))
            }
            "tests" => {
                for (name, table) in value.as_table()? {
                    if name.is_empty() || name.contains(['=', ';', ',']) {
                        return None;
                    }
                    self.tests.insert(name.clone(), OfTest::read(table.as_table()?)?);
                }
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let text = "runs = 50\nstalls = false\nhermetic = false\nskip = ['slow', 'bank::big']\nregressions = 'tests/schedules'\n\
             [tests.'bank::opens']\nruns = 7\nstalls = true\n[tests.'bank::closes']\nskip = true\n\
             [tests.'bank::panics']\nvaried_io = false\nignore_unobserved_panics = true\nprocesses = true\n";
        let settings = Settings {
            runs: Some(50),
            stalls: Some(false),
            hermetic: Some(false),
            skip: vec!["slow".into(), "bank::big".into()],
            regressions: Some("/work/tests/schedules".into()),
            tests: BTreeMap::from([
                ("bank::opens".into(), OfTest { runs: Some(7), stalls: Some(true), ..OfTest::default() }),
                ("bank::closes".into(), OfTest { skip: true, ..OfTest::default() }),
                (
                    "bank::panics".into(),
                    OfTest {
                        varied_io: Some(false),
                        ignore_unobserved_panics: true,
                        processes: true,
                        ..OfTest::default()
                    },
                ),
            ]),
        };
        let of_tests = Settings::of_tests(&settings.tests, |_| false);
        assert_eq!(
            of_tests.as_deref(),
            Some(
                "bank::closes=skip;bank::opens=runs:7,stalls:on;bank::panics=varied_io:off,ignore_unobserved_panics,processes"
            )
        );
        let of_tests = Settings::of_tests(&settings.tests, |variable| variable == "TIMELOOP_RUNS");
        assert_eq!(
            of_tests.as_deref(),
            Some(
                "bank::closes=skip;bank::opens=stalls:on;bank::panics=varied_io:off,ignore_unobserved_panics,processes"
            )
        );
        assert_eq!(Settings::parse(text, Path::new("/work")), Ok(settings));
        assert_eq!(Settings::parse("", Path::new("/work")), Ok(Settings::default()));
    }

    #[test]
    fn anything_else_is_an_error_that_lists_what_is_accepted() {
        for text in [
            "run = 50",
            "runs = 0",
            "runs = '5'",
            "stalls = 1",
            "hermetic = 'off'",
            "skip = 'a'",
            "skip = ['']",
            "regressions = ''",
            "tests = 1",
            "[tests.'a=b']\nskip = true",
            "[tests.a]\nskip = 1",
            "[tests.a]\nseed = 1",
        ] {
            let error = Settings::parse(text, Path::new("/work")).expect_err(text);
            assert!(error.ends_with(ACCEPTED), "{error}");
        }
        assert!(Settings::parse("runs =", Path::new("/work")).is_err());
    }
}
