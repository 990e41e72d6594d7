//! The README's test fails as the README shows, in a separate package as a reader would create it. The replay line
//! replays it. The line that replaces tokio by timeloop works.
//!
//! `BLESS=1` rewrites the report in the README and in the crate's documentation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The pages that show the report, and the prefix of each line there.
const PAGES: [(&str, &str); 2] = [("README.md", ""), ("src/lib.rs", "//! ")];

/// A module that uses `tokio`, and its test, which uses it too. If the crate is not built for its tests, there is no
/// such name.
const SAYS_TOKIO: &str = "
#[cfg(test)]
mod cache {
    use tokio::sync::Mutex;
    use tokio::time::{Duration, Instant, sleep};

    async fn fill(cache: &Mutex<Vec<u32>>) {
        tokio::select! {
            () = sleep(Duration::from_secs(86_400)) => cache.lock().await.push(1),
            () = std::future::pending() => {}
        }
    }

    #[tokio::test]
    async fn a_day_passes() {
        let begun = Instant::now();
        fill(&Mutex::new(Vec::new())).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(86_400));
    }
}
";

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = read("README.md");
    let test = block(&readme, "rust", 0);
    let package = Package::new(&test, &block(&readme, "rust", 1));

    let printed = package.test(&[], &["--test", "bank"]);
    assert!(printed.contains("test result: FAILED. 0 passed; 1 failed"), "{printed}");
    let start = printed.find("timeloop: `bank::").unwrap_or_else(|| panic!("{printed}"));
    let end = start + printed[start..].find("\n\n\n").expect("the report ends");
    let report = &printed[start..end];
    for (page, margin) in PAGES {
        check(page, margin, report);
    }

    // The report's last line, verbatim.
    let replay = report.lines().last().and_then(|line| line.strip_prefix("replay ")).expect("its last line");
    let (setting, command) = replay.trim_start().split_once(' ').expect("a variable and a command");
    let setting = setting.split_once('=').expect("a variable");
    let arguments: Vec<&str> = command.strip_prefix("cargo test ").expect("a test").split(' ').collect();
    let replayed = package.test(&[setting], &arguments);
    assert!(replayed.contains("failed under the replayed schedule"), "{replayed}");
    assert!(replayed.contains("test result: FAILED. 0 passed; 1 failed"), "{replayed}");

    let swapped = package.test(&[], &["--lib"]);
    assert!(swapped.contains("test result: ok. 1 passed"), "{swapped}");
}

fn read(page: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(page)).expect(page)
}

/// Returns the block number `index` of this language.
fn block(text: &str, language: &str, index: usize) -> String {
    let fence = format!("\n```{language}\n");
    let (_, rest) = text.match_indices(&fence).nth(index).map(|(at, _)| text.split_at(at)).expect("a block");
    let rest = &rest[fence.len()..];
    rest[..rest.find("```").expect("the block's end")].to_owned()
}

/// Asserts that this page contains the report verbatim.
fn check(page: &str, margin: &str, report: &str) {
    let text = read(page);
    let fence = format!("{margin}```text\n");
    let end_fence = format!("\n{margin}```\n");
    let start =
        text.find(&fence).unwrap_or_else(|| panic!("{page} has no block for the report")) + fence.len();
    let end = start - 1 + text[start - 1..].find(&end_fence).expect("the block's end");
    let lines: Vec<String> =
        report.lines().map(|line| format!("{margin}{line}").trim_end().to_owned()).collect();
    let expected = lines.join("\n");
    let shown = text.get(start..end).unwrap_or_default();
    if std::env::var_os("BLESS").is_some() {
        let blessed = format!("{}{expected}{}", &text[..start], &text[end..]);
        fs::write(Path::new(ROOT).join(page), blessed).expect(page);
    } else {
        assert_eq!(shown, expected, "{page} shows another report; BLESS=1 writes the one that is printed");
    }
}

/// Creates a package in its own workspace.
struct Package(PathBuf);

impl Package {
    fn new(test: &str, swap: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
        // Schedules stored by an earlier test of the same name would be tried first.
        let _ = fs::remove_dir_all(folder.join("timeloop-regressions"));
        let manifest = format!(
            "[package]\nname = \"bank\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dev-dependencies]\n\
             timeloop = {{ path = {ROOT:?} }}\n"
        );
        let files = [
            ("Cargo.toml", manifest.as_str()),
            // The versions that timeloop is tested with. They are available without a network.
            ("Cargo.lock", &read("Cargo.lock")),
            ("tests/bank.rs", test),
            ("src/lib.rs", &format!("{swap}{SAYS_TOKIO}")),
        ];
        for (path, text) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("the target folder can be written");
            fs::write(path, text).expect("the target folder can be written");
        }
        Self(folder)
    }

    /// Returns everything that `cargo test` with these arguments prints.
    fn test(&self, vars: &[(&str, &str)], arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO"));
        command.args(["test", "--offline"]).args(arguments).current_dir(&self.0);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("TIMELOOP_") || name.starts_with("CARGO_") && name != "CARGO_HOME" {
                command.env_remove(&*name);
            }
        }
        command.env_remove("CI").env_remove("RUST_BACKTRACE").env("CARGO_TARGET_DIR", self.0.join("target"));
        // As a shell does in this folder.
        command.env("PWD", &self.0);
        let output = command.envs(vars.iter().copied()).output().expect("cargo runs");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}
