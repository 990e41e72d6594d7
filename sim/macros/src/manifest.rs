//! Finds the name under which a package depends on timeloop, in its manifest.
//!
//! # Invariants
//! The manifest is only searched, line by line. Where that finds nothing, the name is `timeloop`, and `crate = …` sets another.

use std::path::PathBuf;
use std::{env, fs};

/// Returns the path of the crate `timeloop` in the package that is being compiled: `::timeloop`, or `::tokio` after
/// `tokio = { package = "timeloop" }`.
pub(crate) fn path_of_timeloop() -> String {
    let name = renamed().unwrap_or_else(|| "timeloop".into());
    format!("::{}", name.replace('-', "_"))
}

/// Returns the other name of the dependency, if the package and its workspace have no dependency with the name `timeloop`.
fn renamed() -> Option<String> {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    match dependency(&manifest) {
        Found::Own => None,
        Found::Renamed(name) => Some(name),
        // `name.workspace = true` says the package in the manifest of the workspace.
        Found::Nothing => folder.ancestors().skip(1).find_map(|folder| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
            match dependency(&manifest) {
                Found::Renamed(name) => Some(name),
                Found::Own | Found::Nothing => None,
            }
        }),
    }
}

#[derive(Debug, PartialEq)]
enum Found {
    /// There is a dependency with the name `timeloop`.
    Own,
    /// There is one on the package `timeloop` with this name.
    Renamed(String),
    Nothing,
}

/// Searches a manifest for a dependency on timeloop.
fn dependency(manifest: &str) -> Found {
    let mut found = Found::Nothing;
    // The section `[dependencies.name]`, and whether names of dependencies are the keys of the section.
    let (mut section_name, mut in_dependencies) = (None, false);
    for line in manifest.lines() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_start_matches('[').split(']').next().unwrap_or_default();
            in_dependencies = section.ends_with("dependencies");
            section_name =
                section.rsplit_once("dependencies.").map(|(_, name)| name.trim_matches('"').to_owned());
            if section_name.as_deref() == Some("timeloop") {
                return Found::Own;
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim().trim_matches('"');
        let name = key.split('.').next().unwrap_or(key);
        if in_dependencies && name == "timeloop" {
            return Found::Own;
        }
        let value: String = value.chars().filter(|character| !character.is_whitespace()).collect();
        if in_dependencies && (value.contains("package=\"timeloop\"") || is_package(key, &value)) {
            found = Found::Renamed(name.to_owned());
        } else if let Some(name) = &section_name
            && key == "package"
            && value.starts_with("\"timeloop\"")
        {
            found = Found::Renamed(name.clone());
        }
    }
    found
}

/// Returns whether this is `name.package = "timeloop"`.
fn is_package(key: &str, value: &str) -> bool {
    key.ends_with(".package") && value.starts_with("\"timeloop\"")
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
            assert_eq!(dependency(manifest), Found::Renamed("tokio".into()), "{manifest}");
        }
    }

    #[test]
    fn the_own_name_comes_first() {
        let manifest =
            "[dependencies]\ntokio = { package = \"timeloop\" }\n[dev-dependencies]\ntimeloop = \"0.1\"";
        assert_eq!(dependency(manifest), Found::Own);
        assert_eq!(dependency("[dependencies.timeloop]\npath = \"..\""), Found::Own);
        assert_eq!(
            dependency("[package]\nname = \"timeloop\"\n[dependencies]\ntokio = \"1\""),
            Found::Nothing
        );
    }
}
