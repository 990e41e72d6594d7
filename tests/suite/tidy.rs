//! The repository is consistent: its pages, versions, sources and CI agree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The maximum number of crates with timeloop's default features, since every user compiles them.
const CRATES_MAX: usize = 20;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the repository's files with this name or extension, by their paths from the root.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, name) = (folder.join(entry.file_name()), entry.file_name().into_string());
            let name = name.expect("names are Unicode");
            if entry.file_type().expect("a type").is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn versions_agree() {
    let manifest = read("Cargo.toml");
    let value = |key: &str| {
        let line = manifest.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
        line.and_then(|rest| rest.strip_suffix('"')).expect(key).to_owned()
    };
    let (version, rust) = (value("version"), value("rust-version"));

    let changelog = read("CHANGELOG.md");
    let newest = changelog.lines().find_map(|line| line.strip_prefix("## ")).expect("a release");
    assert!(
        newest.starts_with(&version),
        "the changelog's first release is {newest}, and the version {version}"
    );
    // timeloop and its parts are released together.
    assert_eq!(manifest.matches(&format!("version = \"={version}\"")).count(), 3);
    for package in ["sim", "sim/hermetic", "sim/macros"] {
        assert!(read(format!("{package}/Cargo.toml")).contains("version.workspace = true"), "{package}");
    }
    assert!(read("sim/cli/Cargo.toml").contains(&format!("version = \"{version}\"")), "sim/cli");
    assert!(read("README.md").contains(&format!("Rust {rust} or later")));
    let manifests = files("Cargo.toml");
    assert!(manifests.len() > 10, "{manifests:?}");
    for path in manifests {
        let manifest = read(&path);
        let agrees = ["rust-version.workspace = true".to_owned(), format!("rust-version = \"{rust}\"")];
        let agrees = agrees.iter().any(|line| manifest.contains(line));
        assert!(agrees || !manifest.contains("[package]"), "{}", path.display());
    }
}

/// Returns the shell blocks of a page.
fn commands(page: &str) -> Vec<String> {
    let text = read(page);
    let blocks = text.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split("\n```").next().expect("the block's end").trim().to_owned()).collect()
}

#[test]
fn ci_runs_the_first_commands_of_the_readme() {
    let ci = read(".ci/run");
    for command in &commands("README.md")[..2] {
        assert!(ci.contains(&format!("\n{command}\n")), "CI does not run `{command}`");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in files(".md") {
        let text = read(&page);
        let folder = page.parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            // Pages of the crate's documentation link to items.
            let is_path = !path.is_empty() && !path.contains("://") && !path.contains("::");
            let exists = root().join(folder).join(path).exists();
            assert!(!is_path || exists, "{} links to {link}", page.display());
        }
    }
}

#[test]
fn the_readme_lists_every_variable() {
    let source = read("sim/src/environment.rs");
    let names =
        source.split("const NAMES").nth(1).and_then(|rest| rest.split("];").next()).expect("the names");
    let names: Vec<&str> = names.split('"').filter(|word| word.starts_with("TIMELOOP_")).collect();
    assert!(names.len() >= 7, "{names:?}");
    let readme = read("README.md");
    for name in names {
        assert!(readme.contains(&format!("| `{name}` |")), "{name} is not in the README's table");
    }
}

/// Returns the lines of `cargo tree` for timeloop alone.
fn crates(arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "-p", "timeloop", "-e", "normal", "--prefix", "none", "--offline"]).args(arguments);
    let output = command.current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names of crates");
    // `(*)` marks a crate that was listed before.
    let mut crates: Vec<String> = text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect();
    crates.sort();
    crates.dedup();
    crates
}

#[test]
fn few_crates_are_dependencies() {
    let all = crates(&[]);
    assert!(all.len() <= CRATES_MAX, "{} crates: {all:#?}", all.len());
    let bare = crates(&["--no-default-features"]);
    assert!(
        !bare.iter().any(|name| name.starts_with("tokio ")),
        "tokio without the feature `sync`: {bare:#?}"
    );
}
