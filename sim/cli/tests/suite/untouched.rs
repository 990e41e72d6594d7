//! The user's files are never written, not even for a moment.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::project::{DEPENDENCIES, Project, manifest};

const SOURCE: &str = "
    #[tokio::test]
    async fn sleeps() {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
";

#[test]
fn nothing_is_written_when_it_is_killed() {
    let project = Project::library("killed", SOURCE).with_own_target();
    let before = project.snapshot();
    for moment in [30, 90, 170, 260, 400, 700, 1_100, 1_700, 2_300, 3_100] {
        let mut child = project.start(&["test"]);
        sleep(Duration::from_millis(moment));
        // With everything that it has started.
        let group = format!("-{}", child.id());
        Command::new("kill").args(["-9", "--", &group]).status().expect("it runs");
        child.wait().expect("it has ended");
        project.assert_untouched(&before);
        assert_eq!(project.git_status(), "", "killed after {moment} ms");
    }
    // It works afterwards.
    project.timeloop(&["doctor"]).assert_code(0);
}

/// A project without a lockfile does not get one.
#[test]
fn no_lockfile_is_made() {
    let project = Project::new(
        "unlocked",
        &[("Cargo.toml", &manifest("unlocked", DEPENDENCIES)), ("src/lib.rs", SOURCE)],
    );
    let before = project.snapshot();
    project.timeloop(&["test"]).assert_code(0);
    project.assert_untouched(&before);
}
