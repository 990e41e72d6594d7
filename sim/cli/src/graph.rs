//! The graph of the user's dependencies, as `cargo metadata` shows it: which tokio is in it, and whether all of it is replaced.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use cargo_metadata::camino::Utf8Path;
use cargo_metadata::semver::Version;
use cargo_metadata::{
    DepKindInfo, Dependency, DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId, TargetKind,
};
use toml::{Table, Value};

use crate::exit::Failed;
use crate::{crates, files};

const CRATES_IO: [&str; 2] =
    ["registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

/// The tokio 1.x that the program uses. There may be several, from different sources.
#[derive(Debug)]
pub(crate) struct Tokio {
    /// The newest one, which is underneath timeloop.
    pub(crate) newest: Package,
    /// All of them.
    pub(crate) packages: Vec<Package>,
    /// The entries of the tables `patch` that replace them.
    pub(crate) patches: Vec<Patch>,
}

/// An entry of a table `patch`, which replaces one tokio.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    /// The key of the table: `crates-io` or a URL.
    pub(crate) table: String,
    /// The key in the table. An entry of the user's with this key is not in effect.
    pub(crate) key: String,
    /// The version of the tokio that is replaced.
    pub(crate) version: Version,
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

/// Returns the tokio that the program uses. `manifest` is that of the workspace's root.
///
/// # Errors
/// When it can't be replaced.
pub(crate) fn find_tokio(metadata: &Metadata, manifest: &Table) -> Result<Tokio, Failed> {
    let mut packages: Vec<_> =
        metadata.packages.iter().filter(|package| is_tokio(package)).cloned().collect();
    packages.sort_by(|one, other| other.version.cmp(&one.version));
    let Some(newest) = packages.first().cloned() else {
        return Err(Failed::infrastructure(
            "no package of this workspace depends on tokio 1.x, so there is nothing to explore",
        ));
    };
    if let Some(member) = packages.iter().find(|package| metadata.workspace_members.contains(&package.id)) {
        let folder = folder(member);
        let folder = folder.strip_prefix(&metadata.workspace_root).unwrap_or(folder);
        return Err(Failed::infrastructure(format!(
            "{}\nThis tokio is a member of your workspace, and cargo replaces no member. Make it a dependency at a path that \
             is no member: take it out of `members`, and write `exclude = [\"{folder}\"]` into the table `[workspace]` of \
             the root's Cargo.toml.",
            used(metadata, member)
        )));
    }
    let oldest = crates::oldest_tokio();
    if newest.version < oldest {
        return Err(Failed::infrastructure(format!(
            "{}\ntimeloop needs tokio {oldest} or later: `cargo update -p tokio --recursive`",
            used(metadata, &newest)
        )));
    }
    let mut requests = BTreeSet::new();
    for node in metadata.resolve.iter().flat_map(|resolve| &resolve.nodes) {
        requests.extend(requested_from(metadata, node, &packages));
    }
    let patches = patches(&requests, manifest);
    Ok(Tokio { newest, packages, patches })
}

/// Returns from which sources a package requests tokio, and the version that it gets.
fn requested_from(metadata: &Metadata, node: &Node, packages: &[Package]) -> Vec<(Place, Version)> {
    let given: Vec<_> = packages.iter().filter(|package| node.dependencies.contains(&package.id)).collect();
    let requested = metadata[&node.id].dependencies.iter().filter(|dependency| dependency.name == "tokio");
    let requested: Vec<_> = requested.collect();
    let mut requests = Vec::new();
    for package in given {
        let at_home = |dependency: &&&Dependency| is_of(package, dependency);
        let own: Vec<_> = requested.iter().filter(at_home).collect();
        if let Some(dependency) = own.first() {
            requests.push((Place::of(dependency, Some(package)), package.version.clone()));
            continue;
        }
        // A `[patch]` has put the package in the place of another one.
        let patched = requested.iter().filter(|dependency| {
            dependency.req.matches(&package.version) && !packages.iter().any(|other| is_of(other, dependency))
        });
        requests.extend(patched.map(|dependency| (Place::of(dependency, None), package.version.clone())));
    }
    requests
}

/// Returns whether the dependency, without a `[patch]`, is this package.
fn is_of(package: &Package, dependency: &Dependency) -> bool {
    match (&dependency.source, &package.source, &dependency.path) {
        (Some(one), Some(other), _) => Place::parse(&one.repr).is(&Place::parse(&other.repr)),
        (None, None, Some(path)) => path == folder(package),
        _ => false,
    }
}

/// Returns entries that replace the tokio of each place and version.
fn patches(requests: &BTreeSet<(Place, Version)>, manifest: &Table) -> Vec<Patch> {
    let mut patches: Vec<Patch> = Vec::new();
    for (place, version) in requests {
        // An entry of the user's is overridden by one with the same keys.
        let users = manifest.get("patch").and_then(Value::as_table).into_iter().flatten();
        let mut users = users.filter(|(table, _)| Place::of_table(table).is(place));
        let (table, entries) = users
            .next()
            .map_or((place.table(), None), |(table, entries)| (table.clone(), entries.as_table()));
        let is_tokio = |(key, entry): &(&String, &Value)| {
            entry.get("package").and_then(Value::as_str).unwrap_or(key) == "tokio"
        };
        let keys = entries.into_iter().flatten().filter(is_tokio).map(|(key, _)| key.clone());
        let is_others = |key: &String| entries.is_some_and(|entries| entries.contains_key(key));
        let more = ["tokio".to_owned()].into_iter().chain((2..).map(|number| format!("tokio-{number}")));
        let more = more.filter(|key| !is_others(key));
        let is_free = |key: &String| !patches.iter().any(|patch| patch.table == table && patch.key == *key);
        let key = keys.chain(more).find(is_free).expect("the numbers do not end");
        patches.push(Patch { table, key, version: version.clone() });
    }
    patches
}

/// Where packages come from: what a table `patch` is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    CratesIo,
    /// A registry, a repository of git, or a folder.
    Url(String),
}

impl Place {
    /// Returns the place of a dependency; `package` is the package there, if it is known.
    fn of(dependency: &Dependency, package: Option<&Package>) -> Self {
        match (&dependency.source, &dependency.path, package) {
            (Some(source), _, _) => Self::parse(&source.repr),
            (None, _, Some(package)) => Self::parse(&package.id.repr),
            (None, path, None) => Self::Url(format!("file://{}", path.as_deref().unwrap_or("".into()))),
        }
    }

    /// Reads a source, or the name of a package without a source.
    fn parse(source: &str) -> Self {
        if CRATES_IO.contains(&source) {
            return Self::CratesIo;
        }
        let url = match source.split_once('+') {
            // A sparse registry is named with its kind.
            Some(("registry" | "git" | "path", url)) => url,
            _ => source,
        };
        Self::Url(url.split(['?', '#']).next().unwrap_or(url).to_owned())
    }

    /// Reads the key of a table `patch`.
    fn of_table(key: &str) -> Self {
        if key == "crates-io" || CRATES_IO.iter().any(|source| source.ends_with(&format!("+{key}"))) {
            return Self::CratesIo;
        }
        Self::Url(key.to_owned())
    }

    /// Returns whether both are the same place for cargo, which ignores some differences of URLs.
    fn is(&self, other: &Self) -> bool {
        let [one, other] = [self, other].map(|place| {
            let Self::Url(url) = place else { return None };
            let url = url.trim_end_matches('/');
            let url = url.strip_suffix(".git").unwrap_or(url);
            Some(if url.starts_with("https://github.com/") { url.to_lowercase() } else { url.to_owned() })
        });
        one == other
    }

    /// Returns the key of the table `patch`.
    fn table(&self) -> String {
        match self {
            Self::CratesIo => "crates-io".into(),
            Self::Url(url) => url.clone(),
        }
    }
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

/// Returns a warning for each tokio that is not replaced.
pub(crate) fn old_tokios(metadata: &Metadata) -> Vec<String> {
    let old =
        metadata.packages.iter().filter(|package| package.name.as_str() == "tokio" && !is_tokio(package));
    let old = old.map(|package| {
        format!("{}; it stays real, so what uses it is not simulated", used(metadata, package))
    });
    old.collect()
}

/// Returns which packages need which ones while compiling (for a build script, or as procedural macros) that lead to tokio.
pub(crate) fn compile_time_users(metadata: &Metadata) -> BTreeSet<(String, String)> {
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
        None => format!(" ({})", folder(package)),
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

fn folder(package: &Package) -> &Utf8Path {
    package.manifest_path.parent().unwrap_or(&package.manifest_path)
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
    }

    #[test]
    fn the_patched_table_is_that_of_the_source() {
        for (source, table) in [
            ("registry+https://github.com/rust-lang/crates.io-index", "crates-io"),
            (
                "git+https://github.com/tokio-rs/tokio?branch=master#0123abcd",
                "https://github.com/tokio-rs/tokio",
            ),
            ("git+file:///work/tokio#0123abcd", "file:///work/tokio"),
            ("sparse+https://crates.example/index/", "sparse+https://crates.example/index/"),
            ("registry+https://crates.example/index", "https://crates.example/index"),
            ("path+file:///work/my%20tokio#tokio@1.50.0", "file:///work/my%20tokio"),
        ] {
            assert_eq!(Place::parse(source).table(), table);
        }
    }

    #[test]
    fn entries_of_the_users_are_overridden() {
        let manifest = "[patch.crates-io]\nfork = { package = 'tokio', path = 'a' }\ntokio = { package = 'other', git = 'b' }\n\
                        [patch.'https://github.com/Tokio-rs/tokio.git']\ntokio = { path = 'a' }\n";
        let git = Place::Url("https://github.com/tokio-rs/tokio".into());
        let requests =
            [(Place::CratesIo, 50), (Place::CratesIo, 54), (git, 50), (Place::Url("file:///a".into()), 50)];
        let requests = requests.map(|(place, minor)| (place, Version::new(1, minor, 0)));
        let patches = patches(&requests.into(), &manifest.parse().expect("it is a manifest"));
        let patches: Vec<_> =
            patches.iter().map(|patch| (&*patch.table, &*patch.key, patch.version.minor)).collect();
        // The other package `tokio` stays where it is.
        let expected = [
            ("crates-io", "fork", 50),
            ("crates-io", "tokio-2", 54),
            ("file:///a", "tokio", 50),
            ("https://github.com/Tokio-rs/tokio.git", "tokio", 50),
        ];
        assert_eq!(patches, expected);
    }
}
