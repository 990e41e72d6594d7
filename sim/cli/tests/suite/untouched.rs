//! The user's files are never written, not even for a moment.

use std::fs;
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
    // The user's settings do not displace those that put the lockfile elsewhere.
    project.timeloop(&["doctor", "--config", "term.unicode=false"]).assert_code(0);
    project.assert_untouched(&before);
}

/// Of futures-util, no version is left that takes this futures-core.
#[test]
fn an_old_lockfile_stays_as_it_is() {
    let project = Project::library("old-lock", SOURCE);
    let path = project.folder.join("Cargo.lock");
    let lock = fs::read_to_string(&path).expect("it was made");
    let (before, rest) = lock.split_once("name = \"futures-core\"\n").expect("tokio-stream needs it");
    let (_, after) = rest.split_once("\n\n").expect("another package");
    let old = "name = \"futures-core\"\nversion = \"0.3.15\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
               checksum = \"0402f765d8a89a26043b889b26ce3c4679d268fa6bb22cd7c6aad98340e179d1\"\n\n";
    fs::write(&path, format!("{before}{old}{after}")).expect("it is writable");
    let before = project.snapshot();
    let ended = project.timeloop(&["doctor"]);
    ended.assert_code(0);
    ended.assert_printed("this build alone uses newer versions of");
    project.assert_untouched(&before);
    project.timeloop(&["doctor", "--locked"]).assert_code(0);
}

/// A cargo that ignores the setting would write the user's lockfile.
#[test]
fn a_cargo_that_puts_its_lockfile_beside_the_manifest_is_not_called() {
    let project = Project::library("ignored", SOURCE);
    let cargo = project.folder.join("cargo");
    let script = "#!/bin/sh\nfor word do\n  shift\n  case $word in\n    resolver.lockfile-path=*) word=term.verbose=false ;;\n  esac\n  \
                  set -- \"$@\" \"$word\"\ndone\nexec cargo \"$@\"\n";
    fs::write(&cargo, script).expect("it is writable");
    project.shell("chmod +x cargo").assert_code(0);
    let before = project.snapshot();
    let ended = project.timeloop_by(&cargo, &["test"]);
    ended.assert_code(1);
    ended.assert_printed("ignores `resolver.lockfile-path` and would write your Cargo.lock");
    project.assert_untouched(&before);
}
