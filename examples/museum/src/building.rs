//! The rooms that are programs of their own: other packages, which cargo builds and runs, and this program started anew.
//!
//! Always true: what they print goes nowhere but through here.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// All of them.
#[derive(Debug)]
pub(crate) struct Building {
    /// This program, for what wants a fresh process.
    pub(crate) here: Program,
    /// The exhibit whose pin cannot share a lockfile with the others.
    pub(crate) apart: Program,
    /// The versions without the bugs.
    pub(crate) fixed: Program,
    /// The version without the bug of the exhibit that is apart.
    pub(crate) apart_fixed: Program,
}

/// A program that has a room.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// Is there.
    Built(PathBuf),
    /// Cargo has to build it.
    Package { manifest: PathBuf, target: PathBuf },
}

impl Building {
    pub(crate) fn new() -> Result<Self, String> {
        let here =
            std::env::current_exe().map_err(|error| format!("can't tell where this program is: {error}"))?;
        // target/release/museum: what both lockfiles agree on is not built twice.
        let target =
            here.ancestors().nth(2).ok_or("can't tell which folder this program was built in")?.to_owned();
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
    /// Builds the program, if that has to be done.
    pub(crate) fn build(&self) -> Result<(), String> {
        let Some(mut command) = self.cargo("build") else { return Ok(()) };
        let output = command.stdin(Stdio::null()).output().map_err(|error| cannot_start(&command, &error))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{} could not be built:\n{}", self.shown(), String::from_utf8_lossy(&output.stderr)))
    }

    /// Asks the program, and gives the last line of its answer; each line before that goes to `on_line`.
    pub(crate) fn ask(&self, question: &[&str], on_line: impl Fn(&str)) -> Result<String, String> {
        let mut command = self.command();
        command.args(question).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot_start(&command, &error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut complaint = String::new();
        let answer = std::thread::scope(|scope| {
            // Both at once: a program that fills one pipe waits until it is read.
            scope.spawn(|| stderr.map(|mut stderr| stderr.read_to_string(&mut complaint)));
            let mut last = None;
            for line in
                stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok))
            {
                on_line(&line);
                last = Some(line);
            }
            last
        });
        let status =
            child.wait().map_err(|error| format!("{} can't be waited for: {error}", self.shown()))?;
        match answer {
            Some(answer) if status.success() => Ok(answer),
            _ if complaint.trim().is_empty() => Err(format!("{} ended with {status}", self.shown())),
            _ => Err(complaint.trim().to_owned()),
        }
    }

    /// Has the program show an exhibit, on this program's own output; whether it could.
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
    format!("can't start `{}`: {error}", command.get_program().to_string_lossy())
}
