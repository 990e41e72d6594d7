//! The repository keeps its own promises: the pages, the versions, the sources and CI agree with each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// At most so many crates come with timeloop's default features: everybody who uses it compiles them.
const MAX_CRATES: usize = 20;

/// Longer files hold more than one concept.
const MAX_LINES: usize = 700;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file in these folders, by its path from the root.
fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("a type").is_dir() {
                if entry.file_name() != "target" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty());
    found.sort();
    found
}

const EVERYWHERE: [&str; 6] = ["src", "sim", "tests", "examples", "benches", "fuzz/fuzz_targets"];

#[test]
fn every_file_says_first_what_it_is_for() {
    for path in sources(&EVERYWHERE) {
        let text = read(&path);
        assert!(text.starts_with("//! "), "{} does not open with a `//!` comment", path.display());
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines; split it", path.display());
    }
}

/// What a library prints gets in the way of what its users print. What there is to say goes through these places.
#[test]
fn nothing_is_printed_by_the_way() {
    const MAY_PRINT: [&str; 5] = [
        "sim/src/console.rs",
        "sim/src/watchdog.rs",
        // Before the process is stopped.
        "src/engine/panics.rs",
        "src/fuzzing/target.rs",
        // In the `main` of a program.
        "sim/macros/src/attributes.rs",
    ];

    for path in sources(&["src", "sim/src", "sim/macros/src"]) {
        let text = read(&path);
        // Unit tests come last in a file.
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (number, line) in (1..).zip(code.lines()) {
            let line = line.trim_start();
            let sanctioned = MAY_PRINT.iter().any(|may| path == Path::new(may));
            let prints = ["print!(", "println!(", "dbg!(", "stdout()", "stderr()"];
            let prints = prints.iter().any(|print| line.contains(print));
            assert!(!prints || sanctioned || line.starts_with("//"), "{}:{number}: {line}", path.display());
        }
    }
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
    assert_eq!(manifest.matches(&format!("version = \"={version}\"")).count(), 2);
    for package in ["sim", "sim/macros"] {
        assert!(read(format!("{package}/Cargo.toml")).contains("version.workspace = true"), "{package}");
    }
    assert!(read("README.md").contains(&format!("Rust {rust} or later")));
    for package in [
        "fuzz",
        "examples/fuzzing",
        "examples/fuzzing/fuzz",
        "examples/properties",
        "examples/http",
        "examples/tls",
        "examples/quic",
        "examples/consensus",
        "benches/shuttle",
        "benches/network",
        "examples/museum/fixed",
        "examples/museum/apart",
        "examples/museum/apart-fixed",
    ] {
        let manifest = read(format!("{package}/Cargo.toml"));
        assert!(manifest.contains(&format!("rust-version = \"{rust}\"")), "{package}");
    }
    let minor = version.rsplit_once('.').expect("three numbers").0;
    assert!(
        changelog.contains(&format!("Within {minor},")),
        "the changelog promises nothing about seeds of {minor}"
    );
}

/// The shell blocks of a page.
fn commands(page: &str) -> Vec<String> {
    let text = read(page);
    let blocks = text.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split("\n```").next().expect("the block's end").trim().to_owned()).collect()
}

#[test]
fn the_first_commands_of_the_readme_are_what_ci_runs() {
    let commands = commands("README.md");
    let museum = "cargo run --release -p museum";
    let tests = "cargo test --workspace --exclude museum\ncargo test -p museum";
    assert_eq!(commands[..2], [museum, tests]);
    let ci = read(".ci/run");
    for block in [museum, tests] {
        assert!(ci.contains(&format!("\n{block}\n")), "CI does not run `{block}`");
    }
    for other in ["cargo bench --bench compare", "--manifest-path fuzz/Cargo.toml"] {
        assert!(ci.contains(other), "CI does not run `{other}`");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in ["README.md", "CHANGELOG.md", "fuzz/README.md", "examples/museum/README.md"] {
        let text = read(page);
        let folder = Path::new(page).parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            let is_path = !path.is_empty() && !path.contains("://");
            assert!(!is_path || root().join(folder).join(path).exists(), "{page} links to {link}");
        }
    }
}

#[test]
fn the_museum_s_table_is_the_same_on_both_pages() {
    let table = |page: &str| {
        let text = read(page);
        let start = text.find("```text\nexhibit ").expect("the table") + "```text\n".len();
        text[start..].split("\n```").next().expect("the table's end").to_owned()
    };
    assert_eq!(table("README.md"), table("examples/museum/README.md"));
}

#[test]
fn the_readme_knows_every_variable() {
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

/// The lines of `cargo tree` for timeloop alone.
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
fn few_crates_come_along() {
    let all = crates(&[]);
    assert!(all.len() <= MAX_CRATES, "{} crates: {all:#?}", all.len());
    let said = format!("Default features bring {} crates", all.len());
    assert!(read("README.md").contains(&said), "the README does not say: {said}");

    let bare = crates(&["--no-default-features"]);
    assert!(
        !bare.iter().any(|name| name.starts_with("tokio ")),
        "tokio without the feature `sync`: {bare:#?}"
    );
}
