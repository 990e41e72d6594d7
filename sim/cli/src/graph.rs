//! The graph of the user's dependencies, as `cargo metadata` shows it: which tokio is in it, and whether all of it is replaced.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use cargo_metadata::{
    DepKindInfo, DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId, TargetKind,
};

use crate::exit::Failed;
use crate::{crates, files};

const CRATES_IO: [&str; 2] =
    ["registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

/// The tokio that the program uses.
#[derive(Debug)]
pub(crate) struct Tokio {
    pub(crate) package: Package,
    /// The key of the table `patch` that replaces it: `crates-io` or a URL.
    pub(crate) patched: String,
}

/// Runs a `cargo metadata` command, whose messages are printed.
pub(crate) fn read(command: &mut Command) -> Result<Metadata, Failed> {
    try_read(command.stderr(Stdio::inherit()))?
        .map_err(|_| Failed::infrastructure("cargo can't resolve the dependencies: see above"))
}

/// Runs a `cargo metadata` command. If cargo can't resolve the dependencies, returns its messages.
pub(crate) fn try_read(command: &mut Command) -> Result<Result<Metadata, String>, Failed> {
    let program = Path::new(command.get_program()).to_owned();
    let output = files::context(command.stdin(Stdio::null()).output(), "run", &program)?;
    if !output.status.success() {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    MetadataCommand::parse(String::from_utf8_lossy(&output.stdout)).map(Ok).map_err(|error| {
        Failed::infrastructure(format!("can't parse the output of `cargo metadata`: {error}"))
    })
}

/// Returns the tokio that the program uses.
///
/// # Errors
/// When it can't be replaced.
pub(crate) fn find_tokio(metadata: &Metadata) -> Result<Tokio, Failed> {
    let packages: Vec<_> = metadata.packages.iter().filter(|package| is_tokio(package)).collect();
    let package = match packages[..] {
        [package] => package,
        [] => {
            return Err(Failed::infrastructure(
                "no package of this workspace depends on tokio 1.x, so there is nothing to explore",
            ));
        }
        _ => {
            let list: Vec<_> = packages.iter().map(|package| used(metadata, package)).collect();
            return Err(Failed::infrastructure(format!(
                "there are several tokio 1.x, and only one can be replaced:\n{}",
                list.join("\n")
            )));
        }
    };
    let Some(source) = package.source.as_ref().map(|source| source.repr.as_str()) else {
        return Err(Failed::infrastructure(format!(
            "{}\n`cargo timeloop` can't replace a tokio that is at a path, or that a `[patch]` takes from a path. Use \
             tokio from crates.io or from git, or write the tests with timeloop (https://docs.rs/timeloop).",
            used(metadata, package)
        )));
    };
    let requested = |dependency: &cargo_metadata::Dependency| {
        dependency.name == "tokio" && dependency.source.as_ref().is_none_or(|of| same_place(&of.repr, source))
    };
    if !metadata.packages.iter().flat_map(|package| &package.dependencies).any(requested) {
        return Err(Failed::infrastructure(format!(
            "{}\nYour `[patch]` already replaces tokio, and `cargo timeloop` can't replace it a second time. \
             Remove the `[patch]` of tokio, or depend on that tokio directly.",
            used(metadata, package)
        )));
    }
    let oldest = crates::oldest_tokio();
    if package.version < oldest {
        return Err(Failed::infrastructure(format!(
            "{}\ntimeloop needs tokio {oldest} or later: `cargo update -p tokio --recursive`",
            used(metadata, package)
        )));
    }
    Ok(Tokio { package: package.clone(), patched: patched(source) })
}

/// Checks what does not depend on tokio.
pub(crate) fn check_members(metadata: &Metadata, ignore_rust_version: bool) -> Result<(), Failed> {
    if let Some(package) = metadata.packages.iter().find(|package| package.name.as_str() == "timeloop") {
        return Err(Failed::infrastructure(format!(
            "{}\n`cargo timeloop` brings its own timeloop, and two of them can't share a run. Run tests that name timeloop with \
             `cargo test`: it explores them.",
            used(metadata, package)
        )));
    }
    let oldest = crates::oldest_rust();
    let too_low = |package: &&Package| package.rust_version.as_ref().is_some_and(|version| *version < oldest);
    match metadata.workspace_packages().into_iter().find(too_low).filter(|_| !ignore_rust_version) {
        None => Ok(()),
        Some(package) => Err(Failed::infrastructure(format!(
            "`{}` has the rust-version {}, and timeloop needs {oldest}. To run its tests with the active toolchain, \
             pass --ignore-rust-version.",
            package.name,
            package.rust_version.as_ref().map(ToString::to_string).unwrap_or_default()
        ))),
    }
}

/// Checks that every tokio 1.x is the one in `folder`.
pub(crate) fn check_replaced(metadata: &Metadata, folder: &Path) -> Result<(), Failed> {
    let real =
        |package: &&Package| is_tokio(package) && !package.manifest_path.as_std_path().starts_with(folder);
    let left: Vec<_> = metadata.packages.iter().filter(real).map(|package| used(metadata, package)).collect();
    let replaced = metadata.packages.iter().any(is_tokio) && left.is_empty();
    if replaced {
        return Ok(());
    }
    Err(Failed::infrastructure(format!(
        "the real tokio is still in the graph, so the tests would not run in a simulation:\n{}",
        left.join("\n")
    )))
}

/// Returns a warning for each use of tokio that is not as in the real program.
pub(crate) fn warnings(metadata: &Metadata) -> Vec<String> {
    let old =
        metadata.packages.iter().filter(|package| package.name.as_str() == "tokio" && !is_tokio(package));
    let old = old.map(|package| {
        format!("{}; it stays real, so what uses it is not simulated", used(metadata, package))
    });
    let at_compile_time = compile_time_users(metadata).into_iter().map(|(package, needed)| {
        format!(
            "`{package}` needs `{needed}` while compiling; tokio is replaced there too, and can't reach real sockets"
        )
    });
    old.chain(at_compile_time).collect()
}

/// Returns which packages need which ones while compiling (for a build script, or as procedural macros) that lead to tokio.
fn compile_time_users(metadata: &Metadata) -> BTreeSet<(String, String)> {
    let Some(resolve) = &metadata.resolve else { return BTreeSet::new() };
    let tokio = metadata.packages.iter().filter(|package| is_tokio(package));
    // Those that lead to tokio when they are compiled.
    let mut leading: BTreeSet<&PackageId> = tokio.map(|package| &package.id).collect();
    loop {
        let leads = |node: &&Node| {
            let is_normal = |kind: &DepKindInfo| kind.kind == DependencyKind::Normal;
            let mut needed = node.deps.iter().filter(|needed| needed.dep_kinds.iter().any(is_normal));
            !leading.contains(&node.id) && needed.any(|needed| leading.contains(&needed.pkg))
        };
        let more: Vec<_> = resolve.nodes.iter().filter(leads).map(|node| &node.id).collect();
        if more.is_empty() {
            break;
        }
        leading.extend(more);
    }
    let is_macro = |id: &PackageId| {
        metadata[id].targets.iter().any(|target| target.kind.contains(&TargetKind::ProcMacro))
    };
    let mut users = BTreeSet::new();
    for user in &resolve.nodes {
        for needed in user.deps.iter().filter(|needed| leading.contains(&needed.pkg)) {
            let for_build = needed.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Build);
            if for_build || is_macro(&needed.pkg) {
                users.insert((metadata[&user.id].name.to_string(), metadata[&needed.pkg].name.to_string()));
            }
        }
    }
    users
}

fn is_tokio(package: &Package) -> bool {
    package.name.as_str() == "tokio" && package.version.major == 1
}

/// Returns a line that names the package, where it comes from, and which packages depend on it.
pub(crate) fn used(metadata: &Metadata, package: &Package) -> String {
    let Package { name, version, source, .. } = package;
    let from = match source {
        Some(source) if CRATES_IO.contains(&source.repr.as_str()) => String::new(),
        Some(source) => format!(" ({source})"),
        None => format!(" ({})", package.manifest_path.parent().unwrap_or(&package.manifest_path)),
    };
    let users = users(metadata, package).join(", ");
    format!("{name} {version}{from}, used by {users}")
}

/// Returns the names of the packages that depend on this one.
pub(crate) fn users(metadata: &Metadata, package: &Package) -> Vec<String> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let users = nodes.filter(|node| node.dependencies.contains(&package.id));
    let users: BTreeSet<_> = users.map(|node| metadata[&node.id].name.to_string()).collect();
    users.into_iter().collect()
}

/// Returns the key of the table `patch` for this source.
fn patched(source: &str) -> String {
    if CRATES_IO.contains(&source) { "crates-io".into() } else { format!("'{}'", place(source)) }
}

/// Returns the URL of a source, without the kind, the branch and the commit.
fn place(source: &str) -> &str {
    let url = match source.split_once('+') {
        // A sparse registry is named with its kind.
        Some(("registry" | "git", url)) => url,
        _ => source,
    };
    url.split(['?', '#']).next().unwrap_or(url)
}

fn same_place(one: &str, other: &str) -> bool {
    place(one) == place(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The template of the package `tokio` is beside timeloop's own tokio.
    #[test]
    fn a_real_tokio_is_noticed() {
        let shim = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../shim")
            .canonicalize()
            .expect("it is in the repository");
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["metadata", "--format-version=1", "--locked", "--manifest-path"])
            .arg(shim.join("Cargo.toml"));
        let metadata = read(&mut command).expect("it has a lockfile");
        let failed = check_replaced(&metadata, &shim).expect_err("there is another one");
        assert!(failed.message().contains("the real tokio is still in the graph"), "{failed:?}");
        assert!(failed.message().contains(", used by timeloop"), "{failed:?}");
        assert!(check_replaced(&metadata, Path::new("/")).is_ok());
        assert!(find_tokio(&metadata).is_err_and(|failed| failed.message().contains("several tokio 1.x")));
    }

    #[test]
    fn the_patched_table_is_that_of_the_source() {
        for (source, key) in [
            ("registry+https://github.com/rust-lang/crates.io-index", "crates-io"),
            (
                "git+https://github.com/tokio-rs/tokio?branch=master#0123abcd",
                "'https://github.com/tokio-rs/tokio'",
            ),
            ("git+file:///work/tokio#0123abcd", "'file:///work/tokio'"),
            ("sparse+https://crates.example/index/", "'sparse+https://crates.example/index/'"),
            ("registry+https://crates.example/index", "'https://crates.example/index'"),
        ] {
            assert_eq!(patched(source), key);
        }
    }
}
