//! Finds the name under which a package depends on timeloop, in its manifest. With the feature `shim`, a package that does not
//! depend on timeloop has it through the crate `tokio`.
//!
//! # Invariants
//! The manifest is only searched, line by line. Where that finds nothing, the name is `timeloop`, and `crate = …` sets another.

use std::path::PathBuf;
use std::{env, fs};

/// The name under which the crate `tokio` of `cargo timeloop` has the crate `timeloop`.
pub(crate) const IN_TOKIO: &str = "__timeloop";

/// Returns the path of the crate `timeloop` in the package that is being compiled: `::timeloop`, or `::tokio` after
/// `tokio = { package = "timeloop" }`. If it is in the crate `tokio`: `::tokio::__timeloop`.
pub(crate) fn path_of_timeloop() -> String {
    if is_in_tokio() {
        let tokio = path_in_package("tokio").unwrap_or_else(|| "::tokio".into());
        return format!("{tokio}::{IN_TOKIO}");
    }
    path_in_package("timeloop").unwrap_or_else(|| "::timeloop".into())
}

/// Returns whether the package that is being compiled has timeloop in the crate `tokio`: with the feature `shim`, if it does
/// not depend on timeloop.
pub(crate) fn is_in_tokio() -> bool {
    cfg!(feature = "shim")
        // Within timeloop itself there is no such dependency.
        && env::var_os("CARGO_PKG_NAME").is_none_or(|name| name != "timeloop")
        && path_in_package("timeloop").is_none()
}

/// Returns the path of the crate of this package, or `None` if neither the package nor its workspace depends on it.
fn path_in_package(package: &str) -> Option<String> {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    let name = match dependency(&manifest, package) {
        Found::Own => package.to_owned(),
        Found::Renamed(name) => name,
        // `name.workspace = true` says the package in the manifest of the workspace.
        Found::Nothing => folder.ancestors().skip(1).find_map(|folder| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
            match dependency(&manifest, package) {
                Found::Renamed(name) => Some(name),
                Found::Own | Found::Nothing => None,
            }
        })?,
    };
    Some(format!("::{}", name.replace('-', "_")))
}

#[derive(Debug, PartialEq)]
enum Found {
    /// There is a dependency with the name of the package.
    Own,
    /// There is one on the package with this name.
    Renamed(String),
    Nothing,
}

/// Searches a manifest for a dependency on the package.
fn dependency(manifest: &str, package: &str) -> Found {
    let mut found = Found::Nothing;
    // The section `[dependencies.name]`, and whether names of dependencies are the keys of the section.
    let (mut section_name, mut in_dependencies) = (None, false);
    // A string without escapes may have either quotes.
    let manifest = manifest.replace('\'', "\"");
    for line in manifest.lines() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_start_matches('[').split(']').next().unwrap_or_default();
            in_dependencies = section.ends_with("dependencies");
            section_name =
                section.rsplit_once("dependencies.").map(|(_, name)| name.trim_matches('"').to_owned());
            if section_name.as_deref() == Some(package) {
                return Found::Own;
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim().trim_matches('"');
        let name = key.split('.').next().unwrap_or(key);
        if in_dependencies && name == package {
            return Found::Own;
        }
        let value: String = value.chars().filter(|character| !character.is_whitespace()).collect();
        let quoted = format!("\"{package}\"");
        let is_package = key.ends_with(".package") && value.starts_with(&quoted);
        if in_dependencies && (value.contains(&format!("package={quoted}")) || is_package) {
            found = Found::Renamed(name.to_owned());
        } else if let Some(name) = &section_name
            && key == "package"
            && value.starts_with(&quoted)
        {
            found = Found::Renamed(name.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_dependency_is_found_in_each_form() {
        for manifest in [
            "[dependencies]\ntokio = { package = \"timeloop\", version = \"0.1\" }",
            "[dev-dependencies]\nserde = \"1\"\ntokio={version=\"0.1\",package=\"timeloop\"}",
            "[dependencies.tokio]\nversion = \"0.1\"\npackage = \"timeloop\"",
            "[target.'cfg(unix)'.dependencies]\ntokio.package = \"timeloop\"",
            "[workspace.dependencies]\ntokio = { path = \"../timeloop\", package = \"timeloop\" }",
        ] {
            assert_eq!(dependency(manifest, "timeloop"), Found::Renamed("tokio".into()), "{manifest}");
        }
    }

    #[test]
    fn the_own_name_comes_first() {
        let manifest =
            "[dependencies]\ntokio = { package = \"timeloop\" }\n[dev-dependencies]\ntimeloop = \"0.1\"";
        assert_eq!(dependency(manifest, "timeloop"), Found::Own);
        assert_eq!(dependency("[dependencies.timeloop]\npath = \"..\"", "timeloop"), Found::Own);
        assert_eq!(
            dependency("[package]\nname = \"timeloop\"\n[dependencies]\ntokio = \"1\"", "timeloop"),
            Found::Nothing
        );
    }

    #[test]
    fn another_package_is_found_too() {
        for (manifest, found) in [
            ("[dependencies]\ntokio = \"1\"", Found::Own),
            ("[dev-dependencies.runtime]\npackage = \"tokio\"", Found::Renamed("runtime".into())),
            (
                "[dependencies]\nruntime = { package = 'tokio', version = '1' }",
                Found::Renamed("runtime".into()),
            ),
            ("[dependencies]\ntokio-util = \"0.7\"", Found::Nothing),
        ] {
            assert_eq!(dependency(manifest, "tokio"), found, "{manifest}");
        }
    }
}
