//! Rewrites manifests: those of our own crates, of the user's tokio under another name, and of the package `tokio`.
//!
//! # Invariants
//! Every manifest is a workspace of its own, so that no other workspace claims it.

use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::semver::Version;
use toml::{Table, Value};

use crate::host;

/// The package name of the user's tokio underneath timeloop: a patch of `tokio` leaves it alone.
pub(crate) const REAL_TOKIO: &str = "timeloop-tokio";

/// The key of the user's tokio in the package `tokio`.
pub(crate) const REAL_KEY: &str = "timeloop_real_tokio";

/// Parses one of our own manifests.
///
/// # Panics
/// If it is not a manifest.
pub(crate) fn parse(text: &str) -> Table {
    text.parse().expect("our own manifests are valid")
}

/// Rewrites the manifest of one of our own crates. Its dependencies within the workspace are beside it; the crate `tokio` is
/// at `real_tokio`.
pub(crate) fn of_ours(text: &str, workspace: &str, real_tokio: &Path) -> String {
    let workspace = parse(workspace);
    let workspace = workspace["workspace"].as_table().expect("it is a workspace");
    let mut manifest = parse(text);
    let mut package = Table::new();
    for key in ["name", "version", "edition"] {
        let value = &manifest["package"][key];
        let inherited = value.as_table().is_some_and(|value| value.contains_key("workspace"));
        package.insert(key.into(), if inherited { workspace["package"][key].clone() } else { value.clone() });
    }
    package.insert("publish".into(), false.into());
    let mut written = Table::new();
    written.insert("package".into(), package.into());
    written.insert("workspace".into(), Table::new().into());
    for key in ["lib", "features", "dependencies", "target"] {
        if let Some(value) = manifest.remove(key) {
            written.insert(key.into(), value);
        }
    }
    if let Some(dependencies) = written.get_mut("dependencies").and_then(Value::as_table_mut) {
        for (name, dependency) in dependencies.iter_mut() {
            let Some(dependency) = dependency.as_table_mut() else { continue };
            if dependency.remove("workspace").is_some() {
                dependency.insert("path".into(), format!("../{name}").into());
            } else if name == "tokio" {
                dependency.insert("package".into(), REAL_TOKIO.into());
                dependency.insert("path".into(), real_tokio.display().to_string().into());
            }
        }
    }
    print(&written)
}

/// Rewrites the manifest of the user's tokio, which is in `folder`: with another name, and without what only its own tests
/// need.
///
/// # Errors
/// When it is not a manifest.
pub(crate) fn of_real_tokio(
    text: &str,
    folder: &Path,
    version: &Version,
    edition: &str,
) -> Result<String, toml::de::Error> {
    let mut manifest: Table = text.parse()?;
    manifest
        .retain(|key, _| ["package", "lib", "features", "dependencies", "target", "lints"].contains(&key));
    let inherits_lints = manifest.get("lints").is_some_and(|lints| lints.get("workspace").is_some());
    if inherits_lints {
        manifest.remove("lints");
    }
    if let Some(written) = manifest.get_mut("package").and_then(Value::as_table_mut) {
        written.retain(|key, _| ["build", "autolib"].contains(&key));
        // These may be inherited from a workspace.
        written.insert("version".into(), version.to_string().into());
        written.insert("edition".into(), edition.into());
        written.insert("name".into(), REAL_TOKIO.into());
        written.insert("publish".into(), false.into());
    }
    // As it is called in messages and backtraces.
    let library = manifest.entry("lib").or_insert_with(|| Table::new().into());
    if let Some(library) = library.as_table_mut() {
        library.insert("name".into(), "tokio".into());
        library.entry("path").or_insert_with(|| "src/lib.rs".into());
    }
    if let Some(dependencies) = manifest.get_mut("dependencies") {
        from_folder(dependencies, folder);
    }
    for (_, target) in manifest.get_mut("target").and_then(Value::as_table_mut).into_iter().flatten() {
        if let Some(target) = target.as_table_mut() {
            target.retain(|key, _| key == "dependencies");
            if let Some(dependencies) = target.get_mut("dependencies") {
                from_folder(dependencies, folder);
            }
        }
    }
    manifest.insert("workspace".into(), Table::new().into());
    Ok(print(&manifest))
}

/// Makes the paths of dependencies absolute. A published manifest has none.
fn from_folder(dependencies: &mut Value, folder: &Path) {
    for (_, dependency) in dependencies.as_table_mut().into_iter().flatten() {
        if let Some(path) = dependency.get_mut("path")
            && let Some(relative) = path.as_str()
        {
            *path = folder.join(relative).display().to_string().into();
        }
    }
}

/// Fills the template of the package `tokio`: with this version, and features of these names. The features of tokio that
/// one of them turns on are turned on here too.
pub(crate) fn of_shim(template: &str, version: &Version, features: &BTreeMap<String, Vec<String>>) -> Table {
    let mut manifest = parse(template);
    let package = manifest["package"].as_table_mut().expect("the template has a package");
    package.insert("version".into(), version.to_string().into());
    let features = features.iter().map(|(name, implied)| {
        let implied =
            implied.iter().filter(|name| features.contains_key(*name)).map(|name| name.as_str().into());
        (name.clone(), Value::Array(implied.collect()))
    });
    manifest.insert("features".into(), Value::Table(features.collect()));
    let dependencies = manifest["dependencies"].as_table_mut().expect("the template has dependencies");
    for (name, dependency) in dependencies.iter_mut() {
        let dependency = dependency.as_table_mut().expect("they are tables");
        dependency.insert("path".into(), format!("../{name}").into());
    }
    manifest.remove("lints");
    manifest
}

/// Lets the package `tokio` depend on what it depends on where [`host::CFG`] is set alone, and elsewhere on the real tokio, at
/// this path and with these features.
pub(crate) fn with_real_tokio(manifest: &mut Table, path: &Path, features: &BTreeMap<String, Vec<String>>) {
    let mut real = Table::new();
    real.insert("package".into(), REAL_TOKIO.into());
    real.insert("path".into(), path.display().to_string().into());
    real.insert("default-features".into(), false.into());
    let real = Table::from_iter([(REAL_KEY.to_owned(), real.into())]);
    let simulated = manifest.remove("dependencies").expect("the template has dependencies");
    let target =
        |dependencies: Value| Value::Table(Table::from_iter([("dependencies".to_owned(), dependencies)]));
    let cfg = host::CFG;
    let targets =
        [(format!("cfg({cfg})"), target(simulated)), (format!("cfg(not({cfg}))"), target(real.into()))];
    manifest.insert("target".into(), Table::from_iter(targets).into());
    let own = manifest.get_mut("features").and_then(Value::as_table_mut).into_iter().flatten();
    for (name, implied) in own.filter(|(name, _)| features.contains_key(*name)) {
        let implied = implied.as_array_mut().expect("features are arrays");
        implied.push(format!("{REAL_KEY}/{name}").into());
    }
}

/// Returns the manifest's text.
pub(crate) fn print(manifest: &Table) -> String {
    toml::to_string(manifest).expect("a parsed manifest can be printed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_the_real_package_have_their_names() {
        let features = [
            ("default", vec![]),
            ("full", vec!["net", "rt"]),
            ("net", vec!["libc", "mio/os-poll", "dep:socket2"]),
            ("libc", vec!["dep:libc"]),
            ("rt", vec![]),
        ];
        let features = features
            .map(|(name, implied)| (name.to_owned(), implied.into_iter().map(str::to_owned).collect()));
        let template =
            "[package]\nname = 'tokio'\nversion = '1.0.0'\n[dependencies]\ntimeloop = { path = '../..' }\n";
        let manifest = of_shim(template, &Version::new(1, 50, 0), &features.into());
        assert_eq!(manifest["package"]["version"].as_str(), Some("1.50.0"));
        assert_eq!(manifest["features"]["net"], Value::Array(vec!["libc".into()]), "{manifest:?}");
        assert_eq!(
            manifest["features"]["full"],
            Value::Array(vec!["net".into(), "rt".into()]),
            "{manifest:?}"
        );
        assert_eq!(manifest["features"]["libc"], Value::Array(vec![]), "{manifest:?}");
        assert_eq!(manifest["dependencies"]["timeloop"]["path"].as_str(), Some("../timeloop"));
    }

    #[test]
    fn the_real_package_gets_another_name() {
        let text = "[package]\nname = 'tokio'\nversion = '1.50.0'\nedition.workspace = true\nreadme = 'README.md'\n\
                    [lints]\nworkspace = true\n[dependencies]\ntokio-macros = { version = '2', path = '../m', optional = true }\n\
                    [dev-dependencies]\ntempfile = '3'\n[target.'cfg(unix)'.dev-dependencies]\nnix = '1'\n[[test]]\nname = 'a'\n";
        let rewrite = |text| of_real_tokio(text, Path::new("/fork/tokio"), &Version::new(1, 50, 0), "2021");
        let manifest = parse(&rewrite(text).expect("it is a manifest"));
        assert_eq!(manifest["package"]["name"].as_str(), Some(REAL_TOKIO));
        assert_eq!(manifest["lib"]["name"].as_str(), Some("tokio"));
        assert_eq!(manifest["package"]["edition"].as_str(), Some("2021"));
        assert_eq!(manifest["dependencies"]["tokio-macros"]["path"].as_str(), Some("/fork/tokio/../m"));
        let keys: Vec<_> = manifest.keys().map(String::as_str).collect();
        assert_eq!(keys, ["dependencies", "lib", "package", "target", "workspace"]);
        assert!(rewrite("[package").is_err());
    }

    #[test]
    fn our_crates_are_beside_each_other() {
        let workspace = crate::archive::text("timeloop/Cargo.toml");
        let manifest = parse(&of_ours(workspace, workspace, Path::new("/real")));
        assert_eq!(manifest["package"]["edition"].as_str(), Some("2024"));
        assert_eq!(manifest["dependencies"]["timeloop-sim"]["path"].as_str(), Some("../timeloop-sim"));
        assert_eq!(manifest["dependencies"]["tokio"]["package"].as_str(), Some(REAL_TOKIO));
        assert_eq!(manifest["dependencies"]["tokio"]["path"].as_str(), Some("/real"));
        let targets = manifest["target"].as_table().expect("dependencies of some targets");
        let dependencies = targets.values().filter_map(|target| target.get("dependencies"));
        assert!(dependencies.into_iter().any(|dependencies| dependencies.get("corosensei").is_some()));
    }
}
