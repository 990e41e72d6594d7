//! The replay line of a report, copied into a shell.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::shell;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const TESTS: &str = r#"
#[cfg(test)]
mod tests {
    #[timeloop::test(runs = 1)]
    async fn r#type() {
        panic!("of the attribute");
    }

    #[cfg(feature = "extra")]
    #[timeloop::test(runs = 1)]
    async fn with_a_feature() {
        panic!("with a feature");
    }

    #[test]
    fn explored() {
        timeloop::explore(|| async { panic!("of a function") });
    }
}
"#;

const DOC: &str = "
//! ```
//! timeloop::explore(|| async { panic!(\"of a documentation test\") });
//! ```
";

/// Creates a workspace with two packages, in which every target has tests of the same names.
fn workspace() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay-lines");
    let member = |name: &str, features: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n{features}\n[dependencies]\ntimeloop = {{ \
             path = {ROOT:?} }}\n"
        )
    };
    let features = "[features]\ndefault = [\"base\"]\nbase = []\nextra = []\n";
    let main = format!("fn main() {{}}\n{TESTS}");
    let files = [
        ("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"corner-shop\", \"other\"]\n".to_owned()),
        // The versions that timeloop is tested with. They are available without a network.
        ("Cargo.lock", fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).expect("a lockfile")),
        ("other/Cargo.toml", member("other", "")),
        ("other/src/lib.rs", TESTS.replace("#[cfg(feature = \"extra\")]", "#[cfg(any())]")),
        ("corner-shop/Cargo.toml", member("corner-shop", features)),
        ("corner-shop/src/lib.rs", format!("{DOC}{TESTS}")),
        ("corner-shop/src/bin/cash-desk.rs", main.clone()),
        ("corner-shop/tests/over-night.rs", TESTS.to_owned()),
        ("corner-shop/examples/shop-window.rs", main),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the target folder can be written");
        fs::write(path, text).expect("the target folder can be written");
    }
    folder
}

/// Returns the replay lines of the reports.
fn replay_lines(printed: &str) -> Vec<&str> {
    printed.lines().filter_map(|line| line.strip_prefix("replay     ")).collect()
}

/// Runs each line. It must run one test, which fails.
fn assert_runs_one_test(folder: &Path, printed: &str, lines: &[&str]) {
    for line in lines {
        let replayed = shell(folder, line);
        let failed = replayed.matches("test result: FAILED. 0 passed; 1 failed").count();
        let others =
            replayed.matches("test result: ").count() - replayed.matches("test result: ok. 0 passed").count();
        assert_eq!((failed, others), (1, 1), "{line}\n{replayed}\n{printed}");
        assert!(replayed.contains(" failed under the replayed schedule"), "{line}\n{replayed}");
    }
}

#[cfg(unix)]
#[test]
fn a14_every_replay_line_runs_its_test() {
    let folder = workspace();
    let all = "cargo test --workspace --all-targets --no-fail-fast --features corner-shop/extra";
    let printed = shell(&folder, all);
    let lines = replay_lines(&printed);
    // Three tests of each target of a package, and two of the other one.
    assert_eq!(lines.len(), 4 * 3 + 2, "{printed}");
    for command in [
        "cargo test -p corner-shop --features extra --lib tests::r#type -- --exact",
        "cargo test -p corner-shop --features extra --bin cash-desk tests::with_a_feature -- --exact",
        "cargo test -p corner-shop --features extra --test over-night tests::r#type -- --exact",
        "cargo test -p corner-shop --features extra --example shop-window tests::r#type -- --exact",
        "cargo test -p corner-shop --example shop-window tests::explored -- --exact",
        "cargo test -p other --lib tests::r#type -- --exact",
    ] {
        assert!(
            lines.iter().any(|line| line.ends_with(command)),
            "no line ends with `{command}`: {lines:#?}"
        );
    }
    assert_runs_one_test(&folder, &printed, &lines);

    let printed = shell(&folder, "cargo test -p corner-shop --doc");
    let lines = replay_lines(&printed);
    assert_eq!(lines.len(), 1, "{printed}");
    assert!(lines[0].ends_with("cargo test -p corner-shop --doc"), "{lines:?}");
    assert_runs_one_test(&folder, &printed, &lines);

    // From outside of the workspace.
    let outside = folder.parent().expect("a folder");
    let printed = shell(
        outside,
        "cargo test --manifest-path replay-lines/corner-shop/Cargo.toml --no-default-features --lib tests::r#type -- --exact",
    );
    let lines = replay_lines(&printed);
    assert!(
        lines.iter().all(|line| line.ends_with(
            "cargo test --manifest-path replay-lines/corner-shop/Cargo.toml --no-default-features --lib tests::r#type -- \
             --exact"
        )),
        "{lines:?}"
    );
    assert_runs_one_test(outside, &printed, &lines);
    assert_eq!(lines.len(), 1, "{printed}");
}
