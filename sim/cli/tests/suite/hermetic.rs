//! What the tests and their dependencies ask the system is answered by the run.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::fs;

use crate::project::{DEPENDENCIES, Project, manifest};

const SOURCE: &str = "
    use std::collections::HashMap;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn draws() {
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let order: Vec<u32> = (0..20).map(|key| (key, ())).collect::<HashMap<_, _>>().into_keys().collect();
        println!(\"drawn {} {} {order:?}\", begun.elapsed() >= Duration::from_secs(3600), rand::random::<u64>());
    }

    #[tokio::test]
    async fn starts_a_thread() {
        std::thread::spawn(|| ()).join().unwrap();
    }
";

/// Returns what the runs of the first test have printed.
fn drawn(project: &Project) -> Vec<String> {
    let variables = [("TIMELOOP_JOBS", "1"), ("TIMELOOP_RUNS", "3")];
    let ended = project.timeloop_with(&["test", "draws", "--", "--nocapture"], &variables);
    ended.assert_code(0);
    let lines: Vec<_> = ended.stdout.lines().filter_map(|line| line.split_once("drawn ")).collect();
    assert!(lines.len() >= 3, "{}", ended.stdout);
    lines.into_iter().map(|(_, drawn)| drawn.to_owned()).collect()
}

#[test]
fn std_and_rand_obey_the_seed() {
    let dependencies = format!("{DEPENDENCIES}rand = '0.9'\n");
    let files = [("Cargo.toml", &*manifest("hermetic", &dependencies)), ("src/lib.rs", SOURCE)];
    let project = Project::new("hermetic", &files);
    project.commit();
    let once = drawn(&project);
    assert_eq!(once, drawn(&project), "two processes");
    assert!(once.iter().all(|drawn| drawn.starts_with("true ")), "{once:?}");
    // The baseline run draws as the first seed does.
    assert!(once[1..].windows(2).all(|pair| pair[0] != pair[1]), "the seeds differ: {once:?}");
    let ended = project.timeloop(&["test", "starts_a_thread"]);
    ended.assert_code(0);
    ended.assert_printed("1 not deterministic");
    ended.assert_printed("escape at src/lib.rs:15");
    ended.assert_printed("starts a real thread (`pthread_create`)");
    // A test that does not mind.
    fs::write(project.folder.join("timeloop.toml"), "hermetic = false\n").expect("it is writable");
    let ended = project.timeloop(&["test", "starts_a_thread"]);
    ended.assert_code(0);
    ended.assert_printed("1 explored");
    assert!(drawn(&project).iter().all(|drawn| drawn.starts_with("false ")));
}
