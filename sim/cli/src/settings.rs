//! `timeloop.toml`, in the root folder of the workspace.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::exit::Failed;

const NAME: &str = "timeloop.toml";
const ACCEPTED: &str = "accepted are `runs = 1000` (schedules per test), `stalls = true`, `skip = [\"test path\"]` and \
                        `regressions = \"folder\"`";

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How many schedules to try in a test.
    pub(crate) runs: Option<u64>,
    /// Whether virtual time may pass while a task is ready.
    pub(crate) stalls: Option<bool>,
    /// Parts of the paths of tests that are not run.
    pub(crate) skip: Vec<String>,
    /// The folder of regression files.
    pub(crate) regressions: Option<PathBuf>,
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

    /// Returns the arguments with which test binaries skip tests.
    pub(crate) fn skipping(&self) -> impl Iterator<Item = &str> {
        self.skip.iter().flat_map(|path| ["--skip", path])
    }

    fn parse(text: &str, root: &Path) -> Result<Self, String> {
        let mut settings = Self::default();
        for (key, value) in text.parse::<Table>().map_err(|error| error.to_string())? {
            settings.set(&key, &value, root).ok_or_else(|| format!("`{key} = {value}`: {ACCEPTED}"))?;
        }
        Ok(settings)
    }

    /// Returns `None` if the key or the value is not accepted.
    fn set(&mut self, key: &str, value: &Value, root: &Path) -> Option<()> {
        match key {
            "runs" => self.runs = Some(u64::try_from(value.as_integer()?).ok().filter(|runs| *runs > 0)?),
            "stalls" => self.stalls = Some(value.as_bool()?),
            "skip" => {
                let paths =
                    value.as_array()?.iter().map(|path| path.as_str().filter(|path| !path.is_empty()));
                self.skip = paths.map(|path| path.map(str::to_owned)).collect::<Option<_>>()?;
            }
            "regressions" => {
                self.regressions = Some(root.join(value.as_str().filter(|path| !path.is_empty())?))
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
        let text =
            "runs = 50\nstalls = false\nskip = ['slow', 'bank::big']\nregressions = 'tests/schedules'\n";
        let settings = Settings {
            runs: Some(50),
            stalls: Some(false),
            skip: vec!["slow".into(), "bank::big".into()],
            regressions: Some("/work/tests/schedules".into()),
        };
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
            "skip = 'a'",
            "skip = ['']",
            "regressions = ''",
        ] {
            let error = Settings::parse(text, Path::new("/work")).expect_err(text);
            assert!(error.ends_with(ACCEPTED), "{error}");
        }
        assert!(Settings::parse("runs =", Path::new("/work")).is_err());
    }
}
