//! Everything before a build: checks, crates, lockfiles, and the cargo command with its configuration.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use cargo_metadata::Metadata;
use toml::Table;

use crate::arguments::{Compile, Graph};
use crate::crates::Crates;
use crate::exit::Failed;
use crate::graph::{self, Patch, Tokio};
use crate::host::Apart;
use crate::places::Places;
use crate::settings::Settings;
use crate::toolchain::{Toolchain, setting};
use crate::{crates, files, lock};

#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) toolchain: Toolchain,
    pub(crate) places: Places,
    pub(crate) settings: Settings,
    pub(crate) tokio: Tokio,
    /// The user's graph.
    pub(crate) metadata: Metadata,
    /// Set if build scripts or procedural macros use tokio, which is real there.
    pub(crate) apart: Option<Apart>,
    /// The arguments of cargo that replace tokio.
    configuration: Vec<OsString>,
}

/// Checks everything, and makes what a build needs.
pub(crate) fn prepare(graph: &Graph, compile: &Compile) -> Result<Prepared, Failed> {
    let toolchain = Toolchain::find()?;
    toolchain.check(&crates::oldest_rust())?;
    let places = Places::find(&toolchain, graph.manifest_path.as_deref(), compile.target_dir.as_deref())?;
    let settings = Settings::read(&places.root)?;
    toolchain.probe(&places)?;
    let metadata = users_graph(&toolchain, &places, graph)?;
    let tokio = graph::find_tokio(&metadata, &root_manifest(&places)?)?;
    graph::check_members(&metadata, graph.ignore_rust_version)?;
    let is_needed = !graph::compile_time_users(&metadata).is_empty();
    let apart = if is_needed { Apart::find(&toolchain, &places, graph, compile)? } else { None };
    let crates = crates::make(&places, &tokio, apart.is_some())?;
    lock::seed(&places.user_lock(), &places.patched_lock())?;
    let mut configuration = Vec::new();
    for Patch { table, key, version } in &tokio.patches {
        let entry = format!("patch.'{table}'.'{key}'");
        configuration.extend(setting(&format!("{entry}.path"), &crates.shim(version)));
        configuration.extend(["--config".into(), format!("{entry}.package='tokio'").into()]);
    }
    // Otherwise a folder from the user's configuration would be shared with the user's own builds.
    configuration.extend(setting("build.build-dir", &places.build));
    // A run takes a fraction of the time, also in a debug build. The code under test is compiled as the user's profile says.
    for package in ["timeloop", "timeloop-sim"] {
        configuration
            .extend(["--config".into(), format!("profile.dev.package.{package}.opt-level=2").into()]);
    }
    let prepared = Prepared { toolchain, places, settings, tokio, metadata, apart, configuration };
    prepared.check_replaced(graph, &crates)?;
    Ok(prepared)
}

/// Reads the graph as it is without timeloop.
fn users_graph(toolchain: &Toolchain, places: &Places, graph: &Graph) -> Result<Metadata, Failed> {
    let lock = places.root.join("Cargo.lock");
    if (graph.locked || graph.frozen) && !lock.is_file() {
        return Err(Failed::infrastructure(format!("--locked: there is no {}", lock.display())));
    }
    lock::copy(&lock, &places.user_lock())?;
    let mut command = toolchain.command("metadata", &places.user_lock())?;
    command.arg("--format-version=1").args(graph.words());
    if graph.locked || graph.frozen {
        command.arg("--locked");
    }
    graph::read(&mut command)
}

fn root_manifest(places: &Places) -> Result<Table, Failed> {
    let path = places.root.join("Cargo.toml");
    let text = files::context(fs::read_to_string(&path), "read", &path)?;
    text.parse().map_err(|error| Failed::infrastructure(format!("{}: {error}", path.display())))
}

impl Prepared {
    /// Returns a cargo command whose tokio is replaced: `test`, `run` or `metadata`.
    pub(crate) fn cargo(&self, subcommand: &str) -> Result<Command, Failed> {
        let mut command = self.toolchain.command(subcommand, &self.places.patched_lock())?;
        command.args(&self.configuration);
        Ok(command)
    }

    /// Returns a cargo command that compiles.
    pub(crate) fn compiling(&self, subcommand: &str) -> Result<Command, Failed> {
        let mut command = self.cargo(subcommand)?;
        command.arg("--target-dir").arg(&self.places.build);
        if let Some(apart) = &self.apart {
            apart.configure(&mut command);
        }
        Ok(command)
    }

    fn check_replaced(&self, graph: &Graph, crates: &Crates) -> Result<(), Failed> {
        let read = || {
            let mut command = self.cargo("metadata")?;
            graph::try_read(command.arg("--format-version=1").args(graph.words()))
        };
        let metadata = match read()? {
            Ok(metadata) => metadata,
            Err(messages) => {
                let updated = self.update_old_versions(graph)?;
                read()?
                    .map_err(|_| unresolved(&messages, &crates.shim(&self.tokio.newest.version)))
                    .inspect(|_| eprintln!("cargo timeloop: {updated}"))?
            }
        };
        graph::check_replaced(&metadata, &crates.folder)
    }

    /// Updates packages that timeloop needs and the user's lockfile has, in our own lockfile: old versions of them may not go
    /// with any version of timeloop's other dependencies. Returns a note.
    fn update_old_versions(&self, graph: &Graph) -> Result<String, Failed> {
        let packages = self.metadata.packages.iter().map(|package| package.name.as_str());
        let packages: Vec<_> = packages.filter(|name| UPDATED.contains(name)).collect();
        let mut command = self.cargo("update")?;
        command.args(["--quiet", "--manifest-path"]).arg(self.places.root.join("Cargo.toml"));
        command.args((graph.offline || graph.frozen).then_some("--offline")).args(&packages);
        files::context(
            command.stdin(Stdio::null()).stderr(Stdio::null()).status(),
            "run",
            Path::new("cargo update"),
        )?;
        Ok(format!(
            "some versions in your Cargo.lock are too old for timeloop's dependencies; this build alone uses newer versions \
             of {}",
            packages.join(", ")
        ))
    }

    /// Prints warnings about the graph.
    pub(crate) fn warn(&self) {
        for warning in self.warnings() {
            eprintln!("cargo timeloop: warning: {warning}");
        }
    }

    /// Returns a warning for each use of tokio that is not as in the real program.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = graph::old_tokios(&self.metadata);
        if self.apart.is_none() {
            warnings.extend(graph::compile_time_users(&self.metadata).iter().map(|(package, needed)| {
                format!(
                    "`{package}` needs `{needed}` while compiling; with several targets, tokio is replaced there too, and \
                     can't reach real sockets"
                )
            }));
        }
        warnings
    }
}

/// Packages that are timeloop's dependencies and often a program's.
const UPDATED: [&str; 7] =
    ["autocfg", "bytes", "futures-core", "futures-task", "futures-util", "pin-project-lite", "scopeguard"];

/// What cargo says of a `[patch]` in its configuration beside ours.
const CONFIGURED_PATCH: [&str; 2] = ["specification is ambiguous", "several `[patch]` entries"];

fn unresolved(messages: &str, shim: &Path) -> Failed {
    if messages.contains("location searched: directory source") {
        return Failed::infrastructure(format!(
            "cargo can't resolve the dependencies with timeloop:\n{messages}\nYour dependencies are vendored, and timeloop has \
             others (rand, futures-util and so on), which are not. To make a folder that has all of them, with access to \
             crates.io:\n  cargo vendor --sync {} target/timeloop/vendor\nThen pass it instead of yours, whose name in \
             your cargo configuration comes after `source.`:\n  \
             --config 'source.vendored-sources.directory=\"target/timeloop/vendor\"'",
            shim.join("Cargo.toml").display()
        ));
    }
    if CONFIGURED_PATCH.iter().any(|text| messages.contains(text)) {
        return Failed::infrastructure(format!(
            "cargo can't resolve the dependencies with timeloop:\n{messages}\nIf your cargo configuration \
             (.cargo/config.toml) has a `[patch]` of tokio, move it to the Cargo.toml of the workspace's root. In the \
             configuration, `cargo timeloop` can replace only an entry `tokio.path = …`."
        ));
    }
    Failed::infrastructure(format!(
        "cargo can't resolve the dependencies with timeloop:\n{messages}\nThe tests need timeloop's own dependencies (rand 0.10, \
         rand_chacha 0.10, futures-util 0.3 and others). Where dependencies are vendored or the network is off, they must be \
         there too."
    ))
}
