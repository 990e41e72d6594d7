//! The toolchain: whether it is new enough, and how its cargo is made to leave `Cargo.lock` alone.
//!
//! `resolver.lockfile-path` puts the lockfile elsewhere. It is stable since cargo 1.97. Before, from 1.95 on, it is an unstable
//! feature that stable cargos have too. A variable makes them accept it: cargo's own tests use it. It changes neither the
//! compiler's arguments nor cargo's fingerprints; an `[unstable]` section of the user's configuration takes effect. The
//! processes that cargo starts get another value, so that a cargo among them behaves as without the variable.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use cargo_metadata::semver::Version;

use crate::exit::Failed;
use crate::files;
use crate::places::Places;

const CHANNEL: &str = "__CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS";

#[derive(Debug)]
pub(crate) struct Toolchain {
    cargo: PathBuf,
    pub(crate) cargo_version: Version,
    pub(crate) rustc_version: Version,
}

/// How `resolver.lockfile-path` is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    /// It is stable.
    None,
    /// By `-Zlockfile-path`.
    Flag,
    /// By `-Zlockfile-path` and the variable.
    FlagAndVariable,
}

impl Toolchain {
    /// Finds out which toolchain is active in the current folder.
    pub(crate) fn find() -> Result<Self, Failed> {
        let path =
            |name: &str, default: &str| env::var_os(name).map_or_else(|| default.into(), PathBuf::from);
        let cargo = path("CARGO", "cargo");
        let cargo_version = version_of(&cargo)?;
        let rustc_version = version_of(&path("RUSTC", "rustc"))?;
        Ok(Self { cargo, cargo_version, rustc_version })
    }

    /// Checks the versions; `oldest` is the oldest Rust that compiles timeloop.
    pub(crate) fn check(&self, oldest: &Version) -> Result<(), Failed> {
        if self.rustc_version < *oldest {
            return Err(Failed::infrastructure(format!(
                "the active toolchain has Rust {}, and timeloop needs {oldest} or later; `rustup update`, or choose another \
                 toolchain by `cargo +stable timeloop …`",
                self.rustc_version
            )));
        }
        self.switch().map(drop)
    }

    fn switch(&self) -> Result<Switch, Failed> {
        let Version { major, minor, pre, .. } = &self.cargo_version;
        let is_nightly = pre.starts_with("nightly") || pre.starts_with("dev");
        match (*major, *minor) {
            (1, 95..=96) if is_nightly => Ok(Switch::Flag),
            (1, 95..=96) => Ok(Switch::FlagAndVariable),
            (1, 0..=94) => Err(Failed::infrastructure(format!(
                "cargo {} always writes the lockfile beside your Cargo.toml, and `cargo timeloop` never writes your files; it \
                 needs cargo 1.95 or later (`rustup update`)",
                self.cargo_version
            ))),
            _ => Ok(Switch::None),
        }
    }

    /// Returns a cargo command whose lockfile is at `lock`. Other arguments may follow, also the user's `--config` and `-Z`.
    pub(crate) fn command(&self, subcommand: &str, lock: &Path) -> Result<Command, Failed> {
        let mut command = Command::new(&self.cargo);
        // First: settings before the subcommand are not in effect if others follow it.
        command.arg(subcommand);
        let switch = self.switch()?;
        if switch != Switch::None {
            command.arg("-Zlockfile-path");
        }
        if switch == Switch::FlagAndVariable {
            command.env(CHANNEL, "nightly");
            for setting in [format!("env.{CHANNEL}.value='stable'"), format!("env.{CHANNEL}.force=true")] {
                command.args(["--config".into(), setting]);
            }
        }
        command.args(setting("resolver.lockfile-path", lock));
        Ok(command)
    }

    /// Returns a cargo command that reads no lockfile.
    pub(crate) fn command_without_lock(&self) -> Command {
        Command::new(&self.cargo)
    }

    /// Checks that this cargo really puts a lockfile elsewhere, in a package of our own.
    pub(crate) fn probe(&self, places: &Places) -> Result<(), Failed> {
        let folder = files::beside(&places.state.join("probe"));
        let (manifest, lock) = (folder.join("Cargo.toml"), folder.join("lock/Cargo.lock"));
        let package =
            "[package]\nname = 'probe'\nversion = '0.0.0'\n[workspace]\n[lib]\npath = 'Cargo.toml'\n";
        files::write(&manifest, package.as_bytes())?;
        let mut command = self.command("metadata", &lock)?;
        command.args(["--offline", "--format-version=1", "--manifest-path"]).arg(&manifest);
        command.stdin(Stdio::null());
        let output = files::context(command.output(), "run", &self.cargo)?;
        let elsewhere = lock.is_file() && !folder.join("Cargo.lock").exists();
        fs::remove_dir_all(&folder).ok();
        if elsewhere {
            return Ok(());
        }
        Err(Failed::infrastructure(format!(
            "cargo {} ignores `resolver.lockfile-path` and would write your Cargo.lock, which `cargo timeloop` never changes; \
             use another version of cargo\n{}",
            self.cargo_version,
            String::from_utf8_lossy(&output.stderr)
        )))
    }
}

/// Returns the arguments that set a path in cargo's configuration.
pub(crate) fn setting(key: &str, path: &Path) -> [OsString; 2] {
    let path = toml::Value::String(path.display().to_string());
    ["--config".into(), format!("{key}={path}").into()]
}

/// Reads `rustc 1.95.0 (…)`.
fn version_of(program: &Path) -> Result<Version, Failed> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let output = files::context(output, "run", program)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split(' ').nth(1).and_then(|version| Version::parse(version.trim()).ok());
    version.ok_or_else(|| {
        Failed::infrastructure(format!(
            "`{} --version` does not print a version: {text}{}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_lockfile_elsewhere_depends_on_the_version() {
        let switch = |version: &str| {
            let [cargo_version, rustc_version] =
                [version, "1.88.0"].map(|version| version.parse().expect("a version"));
            let toolchain = Toolchain { cargo: "cargo".into(), cargo_version, rustc_version };
            toolchain.switch().map_err(|failed| failed.message().to_owned())
        };
        assert_eq!(switch("1.97.0"), Ok(Switch::None));
        assert_eq!(switch("1.98.0-nightly"), Ok(Switch::None));
        assert_eq!(switch("1.97.0-nightly"), Ok(Switch::None));
        assert_eq!(switch("1.96.0-nightly"), Ok(Switch::Flag));
        assert_eq!(switch("1.96.0-beta.1"), Ok(Switch::FlagAndVariable));
        assert_eq!(switch("1.95.0"), Ok(Switch::FlagAndVariable));
        assert!(switch("1.94.1").is_err_and(|message| message.contains("needs cargo 1.95 or later")));
    }

    #[test]
    fn an_old_compiler_is_refused() {
        let [cargo_version, rustc_version, oldest] =
            ["1.95.0", "1.87.0", "1.88.0"].map(|version| version.parse().expect("a version"));
        let toolchain = Toolchain { cargo: "cargo".into(), cargo_version, rustc_version };
        let failed = toolchain.check(&oldest).expect_err("it is too old");
        assert!(
            failed.message().contains("has Rust 1.87.0, and timeloop needs 1.88.0 or later"),
            "{failed:?}"
        );
    }
}
