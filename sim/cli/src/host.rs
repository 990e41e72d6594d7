//! Code that runs while cargo compiles: build scripts and procedural macros. Their tokio stays real.
//!
//! With an explicit target, cargo compiles that code apart from the program, also where both run on the same machine, and
//! flags for rustc reach the program alone. So a flag `--cfg` decides what the package `tokio` is. It is added to the flags
//! that the user has set, wherever that is: a package of our own, compiled in the user's configuration, reads them.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::arguments::{Compile, Graph};
use crate::exit::Failed;
use crate::files;
use crate::places::Places;
use crate::toolchain::{Toolchain, setting};

/// Set in the program, and not in code that runs while compiling.
pub(crate) const CFG: &str = "timeloop_simulates_tokio";

/// How cargo compiles the program apart from build scripts and procedural macros.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Apart {
    /// The target to pass, unless the program is for another machine anyway.
    target: Option<String>,
    /// The flags for rustc, as in `CARGO_ENCODED_RUSTFLAGS`.
    flags: String,
}

const BUILD_SCRIPT: &str = r#"fn main() {
    for name in ["TARGET", "HOST", "CARGO_ENCODED_RUSTFLAGS"] {
        println!("cargo::rustc-env={name}={}", std::env::var(name).unwrap_or_default());
    }
}
"#;

impl Apart {
    /// Finds out the target and the flags of the user's builds. Returns `None` if there are several targets.
    pub(crate) fn find(
        toolchain: &Toolchain,
        places: &Places,
        graph: &Graph,
        compile: &Compile,
    ) -> Result<Option<Self>, Failed> {
        let folder = files::beside(&places.state.join("flags"));
        let manifest = folder.join("Cargo.toml");
        let package = "[package]\nname = 'flags'\nversion = '0.0.0'\nedition = '2024'\nbuild = 'build.rs'\n[workspace]\n[lib]\n\
                       path = 'lib.rs'\n";
        files::write(&manifest, package.as_bytes())?;
        files::write(&folder.join("build.rs"), BUILD_SCRIPT.as_bytes())?;
        files::write(&folder.join("lib.rs"), b"")?;
        let mut command = toolchain.command_without_lock();
        command.args(setting("build.build-dir", &folder.join("target")));
        command.args(["check", "--quiet", "--offline", "--message-format=json", "--manifest-path"]);
        command.arg(&manifest).arg("--target-dir").arg(folder.join("target"));
        command.args(graph.configuring_words()).args(compile.target_words());
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = files::context(output, "run", &manifest)?;
        fs::remove_dir_all(&folder).ok();
        if !output.status.success() {
            return Err(Failed::infrastructure(
                "cargo can't compile an empty package in this folder, with your configuration: see above",
            ));
        }
        Ok(Self::read(&String::from_utf8_lossy(&output.stdout), compile.has_target()))
    }

    /// Reads cargo's messages.
    fn read(messages: &str, has_target: bool) -> Option<Self> {
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut scripts = messages.filter(|message| message["reason"] == "build-script-executed");
        let (script, None) = (scripts.next()?, scripts.next()) else { return None };
        let variables = script["env"].as_array()?;
        let variable = |name: &str| {
            let pair = variables.iter().find(|pair| pair[0] == name)?;
            pair[1].as_str().map(str::to_owned)
        };
        let (target, host, flags) =
            (variable("TARGET")?, variable("HOST")?, variable("CARGO_ENCODED_RUSTFLAGS")?);
        let separator = if flags.is_empty() { "" } else { "\x1f" };
        let flags = format!("{flags}{separator}--cfg\x1f{CFG}");
        Some(Self { target: (target == host && !has_target).then_some(target), flags })
    }

    /// Adds the target and the flags to a cargo command that compiles.
    pub(crate) fn configure(&self, command: &mut Command) {
        command.env("CARGO_ENCODED_RUSTFLAGS", &self.flags);
        if let Some(target) = &self.target {
            command.args(["--target", target]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(target: &str, flags: &str) -> String {
        let env = [["TARGET", target], ["HOST", "a"], ["CARGO_ENCODED_RUSTFLAGS", flags]];
        format!("{{}}\n{}\n", serde_json::json!({ "reason": "build-script-executed", "env": env }))
    }

    #[test]
    fn the_users_target_and_flags_stay() {
        let cfg = format!("--cfg\x1f{CFG}");
        let apart =
            |target: Option<&str>, flags: String| Some(Apart { target: target.map(str::to_owned), flags });
        assert_eq!(Apart::read(&message("a", ""), false), apart(Some("a"), cfg.clone()));
        assert_eq!(Apart::read(&message("a", ""), true), apart(None, cfg.clone()));
        let flags = "-Copt-level=1\x1f--cfg\x1fb c";
        assert_eq!(Apart::read(&message("b", flags), false), apart(None, format!("{flags}\x1f{cfg}")));
        assert_eq!(Apart::read(&(message("a", "") + &message("b", "")), true), None);
    }
}
