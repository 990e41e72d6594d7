//! Runs exhibits in other programs: other packages, which cargo builds and runs, and fresh processes of this program.
//!
//! # Invariants
//! This module receives everything that they print.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// All of these programs.
#[derive(Debug)]
pub(crate) struct Programs {
    /// This program, for a fresh process.
    pub(crate) here: Program,
    /// The exhibit whose pinned version cannot share a lockfile with the others.
    pub(crate) apart: Program,
    /// The versions without the bugs.
    pub(crate) fixed: Program,
    /// The version without the bug of the exhibit in `apart`.
    pub(crate) apart_fixed: Program,
}

/// A program that runs exhibits.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// Already built.
    Built(PathBuf),
    /// Must be built by cargo.
    Package { manifest: PathBuf, target: PathBuf },
}

impl Programs {
    pub(crate) fn new() -> Result<Self, String> {
        let here = std::env::current_exe()
            .map_err(|error| format!("cannot determine where this program is: {error}"))?;
        // target/release/museum: dependencies that both lockfiles share are built only once.
        let target = here
            .ancestors()
            .nth(2)
            .ok_or("cannot determine which folder this program was built in")?
            .to_owned();
        let package = |folder| Program::Package {
            manifest: Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("Cargo.toml"),
            target: target.clone(),
        };
        Ok(Self {
            apart: package("apart"),
            fixed: package("fixed"),
            apart_fixed: package("apart-fixed"),
            here: Program::Built(here),
        })
    }
}

impl Program {
    /// Builds the program, if necessary.
    pub(crate) fn build(&self) -> Result<(), String> {
        let Some(mut command) = self.cargo("build") else { return Ok(()) };
        let output = command.stdin(Stdio::null()).output().map_err(|error| cannot_start(&command, &error))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{} could not be built:\n{}", self.shown(), String::from_utf8_lossy(&output.stderr)))
    }

    /// Runs the program, and returns the last line of its output. Passes each earlier line to `on_line`.
    pub(crate) fn ask(&self, question: &[&str], on_line: impl Fn(&str)) -> Result<String, String> {
        let mut command = self.command();
        command.args(question).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot_start(&command, &error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut error_text = String::new();
        let answer = std::thread::scope(|scope| {
            // Both at once: a program that fills one pipe blocks until it is read.
            scope.spawn(|| stderr.map(|mut stderr| stderr.read_to_string(&mut error_text)));
            let mut last = None;
            for line in
                stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok))
            {
                on_line(&line);
                last = Some(line);
            }
            last
        });
        let status = child.wait().map_err(|error| format!("cannot wait for {}: {error}", self.shown()))?;
        match answer {
            Some(answer) if status.success() => Ok(answer),
            _ if error_text.trim().is_empty() => Err(format!("{} ended with {status}", self.shown())),
            _ => Err(error_text.trim().to_owned()),
        }
    }

    /// Runs the program to show an exhibit on this program's own output. Returns whether it succeeded.
    pub(crate) fn show(&self, exhibit: &str) -> Result<bool, String> {
        self.build()?;
        let mut command = self.command();
        let status =
            command.args(["show", exhibit]).status().map_err(|error| cannot_start(&command, &error))?;
        Ok(status.success())
    }

    fn command(&self) -> Command {
        match self {
            Self::Built(program) => Command::new(program),
            Self::Package { .. } => {
                let mut command = self.cargo("run").expect("this is a package");
                command.arg("--");
                command
            }
        }
    }

    fn cargo(&self, verb: &str) -> Option<Command> {
        let Self::Package { manifest, target } = self else { return None };
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command.args([verb, "--release", "--quiet", "--manifest-path"]).arg(manifest);
        command.arg("--target-dir").arg(target);
        Some(command)
    }

    fn shown(&self) -> String {
        match self {
            Self::Built(program) => format!("the program {}", program.display()),
            Self::Package { manifest, .. } => format!("the package of {}", manifest.display()),
        }
    }
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start `{}`: {error}", command.get_program().to_string_lossy())
}
