//! Tests are explored, sorted and replayed.

use std::fs;

use crate::project::{DEPENDENCIES, Project, manifest};

/// Two tasks that each add to a balance, which is written back after others may have run.
const RACE: &str = "
    use std::sync::Arc;
    use tokio::sync::Mutex;

    pub async fn deposit(balance: Arc<Mutex<i64>>) {
        let old = *balance.lock().await;
        *balance.lock().await = old + 1;
    }

    #[tokio::test]
    async fn both_count() {
        let balance = Arc::new(Mutex::new(0));
        let tasks = [tokio::spawn(deposit(balance.clone())), tokio::spawn(deposit(balance.clone()))];
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*balance.lock().await, 2, \"a deposit is lost\");
    }
";

const CLEAN: &str = "
    fn unused() {}

    use tokio_stream::StreamExt as _;

    #[tokio::test(flavor = \"multi_thread\", worker_threads = 2)]
    async fn streams() {
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        tokio::spawn(async move {
            for number in 0..3 {
                sender.send(number).await.unwrap();
            }
        });
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        assert_eq!(stream.map(|number| number + 1).collect::<Vec<i32>>().await, [1, 2, 3]);
        // Closures that wait for each other.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (back, returned) = tokio::sync::oneshot::channel();
        let first = tokio::task::spawn_blocking(move || {
            let number: i32 = receiver.blocking_recv().unwrap();
            back.send(number + 1).unwrap();
        });
        let second = tokio::task::spawn_blocking(move || {
            sender.send(1).unwrap();
            returned.blocking_recv().unwrap()
        });
        assert_eq!(second.await.unwrap(), 2);
        first.await.unwrap();
    }
";

#[test]
fn a_race_is_found_and_replayed() {
    let project = Project::library("race", RACE);
    let before = project.snapshot();
    let ended = project.timeloop(&["test"]);
    ended.assert_code(42);
    ended.assert_printed("1 failed in some order");
    ended.assert_printed("a deposit is lost");
    let line = ended.replay_line();
    assert!(line.starts_with("cargo timeloop replay TL1"), "{line}");
    let again = project.shell(line);
    again.assert_code(42);
    again.assert_printed("a deposit is lost");
    again.assert_printed("failed under the replayed schedule");
    // The last results have the token.
    let token = line.split(' ').nth(3).expect("a token");
    let again = project.timeloop(&["replay", token]);
    again.assert_code(42);
    again.assert_printed("a deposit is lost");
    let other = project.timeloop(&["replay", "TL1N0TKN0WN"]);
    other.assert_code(2);
    other.assert_printed("name its test");
    // The schedule is stored, and tried first.
    let stored = project.stored().join("regressions/race/race.both_count.txt");
    assert!(stored.is_file(), "{}", stored.display());
    let again = project.timeloop(&["explore", "--runs", "1"]);
    again.assert_code(42);
    again.assert_printed("the stored schedule at");
    project.assert_untouched(&before);
}

#[test]
fn what_passes_exits_with_zero_and_a_second_run_builds_nothing() {
    let project = Project::library("clean", CLEAN);
    let ended = project.timeloop(&["test"]);
    ended.assert_code(0);
    ended.assert_printed("1 explored, no schedule failed (1001 schedules)");
    ended.assert_printed("Compiling clean");
    // By the build alone.
    assert_eq!(ended.stderr.matches("function `unused` is never used").count(), 1, "{}", ended.stderr);
    let ended = project.timeloop(&["explore", "--runs", "7", "--strategy", "random", "--seed", "3"]);
    ended.assert_code(0);
    ended.assert_printed("(8 schedules)");
    ended.assert_not_printed("Compiling");
    let ended = project.timeloop(&["list"]);
    ended.assert_code(0);
    ended.assert_printed("streams: test");
    let ended = project.timeloop(&["test", "no_such_test"]);
    ended.assert_code(1);
    ended.assert_printed("no test was run");
}

#[test]
fn what_fails_in_the_baseline_run_does_not_run_here() {
    let source = "
        #[tokio::test]
        async fn starts_a_process() {
            tokio::process::Command::new(\"true\").status().await.unwrap();
        }

        #[tokio::test]
        #[should_panic(expected = \"as expected\")]
        async fn panics() {
            panic!(\"as expected\");
        }

        #[test]
        fn adds() {
            assert_eq!(1 + 1, 2);
        }

        #[test]
        fn fails() {
            panic!(\"always\");
        }
    ";
    let project = Project::library("baseline", source);
    let ended = project.timeloop(&["test"]);
    ended.assert_code(0);
    ended.assert_printed("2 tests with #[tokio::test]");
    ended.assert_printed("1 explored");
    ended.assert_printed("1 failed already in FIFO order");
    ended.assert_printed("`true` is not started, because a simulation has no other processes");
    ended.assert_printed("1 other test passed");
    ended.assert_printed("1 other test failed");
    project.timeloop(&["test", "--strict"]).assert_code(42);
    project.timeloop(&["test", "--strict", "--", "--skip", "fails", "--skip", "starts"]).assert_code(0);
}

/// Under Linux, each run has a process of its own if that helps.
#[test]
fn different_runs_of_a_schedule_are_not_deterministic() {
    let source = "
        use std::sync::atomic::{AtomicU64, Ordering};

        static RUNS: AtomicU64 = AtomicU64::new(0);

        #[tokio::test]
        async fn counts() {
            assert!(RUNS.fetch_add(1, Ordering::Relaxed) < 20, \"a static outlives the run\");
        }

        #[tokio::test]
        async fn tosses_a_coin() {
            use std::hash::BuildHasher as _;
            let hash = std::collections::hash_map::RandomState::new().hash_one(0);
            assert!(hash % 16 > 0, \"the coin decides\");
        }
    ";
    let project = Project::library("leftovers", source);
    let real = [("TIMELOOP_HERMETIC", "off"), ("TIMELOOP_RUNS", "200")];
    let ended = project.timeloop_with(&["test"], &real);
    ended.assert_code(0);
    let not_explored = if cfg!(target_os = "linux") { 1 } else { 2 };
    ended.assert_printed(&format!("{not_explored} not deterministic"));
    if cfg!(target_os = "linux") {
        ended.assert_printed("1 explored");
        ended.assert_printed("in 1 of them, each run had a process of its own");
        let settings = "[tests.\"leftovers::counts\"]\nprocesses = true\n";
        fs::write(project.folder.join("timeloop.toml"), settings).expect("it is writable");
        let ended = project.timeloop_with(&["test", "counts", "--", "--exact"], &real);
        ended.assert_code(0);
        ended.assert_not_printed("run again with a process for each run");
    }
    let ended = project.timeloop(&["explore", "--runs", "lots", "counts"]);
    ended.assert_code(2);
    ended.assert_printed("TIMELOOP_RUNS=`lots` is not a number of runs");
}

/// Members have tests of the same names, a program that a test starts, a file that a test reads, and documentation tests.
#[test]
fn a_workspace_works_as_with_cargo_test() {
    let member = |name: &str| manifest(name, DEPENDENCIES);
    let integration = "
        #[tokio::test]
        async fn reads_and_starts() {
            assert_eq!(std::fs::read_to_string(\"data/number\").unwrap().trim(), \"7\");
            let program = std::process::Command::new(env!(\"CARGO_BIN_EXE_server\")).output().unwrap();
            assert_eq!(String::from_utf8(program.stdout).unwrap(), \"served in 3600 s\\n\");
            // cargo's own variables are not those of a nightly cargo.
            let channel = std::env::var(\"__CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS\");
            assert_ne!(channel.as_deref(), Ok(\"nightly\"));
        }
    ";
    let server = "
        #[tokio::main]
        async fn main() {
            let start = tokio::time::Instant::now();
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
            println!(\"served in {} s\", start.elapsed().as_secs());
            if std::env::args().len() > 1 {
                std::process::exit(7);
            }
        }
    ";
    let documented = format!(
        "/// Adds.\n///\n/// ```\n/// let task = async {{ tokio::spawn(async {{ 2 }}).await.unwrap() }};\n\
         /// let runtime = tokio::runtime::Runtime::new().unwrap();\n/// assert_eq!(runtime.block_on(task), 2);\n/// ```\n\
         pub fn add() {{}}\n#[cfg(test)] mod tests {{ {CLEAN} }}"
    );
    let project = Project::new(
        "members",
        &[
            ("Cargo.toml", "[workspace]\nmembers = ['one', 'two']\nresolver = '2'\n"),
            ("one/Cargo.toml", &member("one")),
            ("one/src/lib.rs", &documented),
            ("one/src/bin/server.rs", server),
            ("one/data/number", "7\n"),
            ("one/tests/it.rs", integration),
            ("two/Cargo.toml", &member("two")),
            (
                "two/src/lib.rs",
                &format!("#[cfg(test)] mod tests {{ {CLEAN} {} }}", RACE.replace("use", "pub use")),
            ),
            (
                "timeloop.toml",
                "runs = 30\nstalls = false\nskip = ['both_count']\nregressions = 'schedules'\n",
            ),
        ],
    );
    project.commit();
    let before = project.snapshot();
    let ended = project.timeloop(&["test"]);
    ended.assert_code(0);
    ended.assert_printed("3 explored, no schedule failed (93 schedules)");
    // The documentation test.
    ended.assert_printed("1 other test passed");
    assert_eq!(project.git_status(), "");
    let ended = project.timeloop(&["run", "--quiet", "--bin", "server"]);
    ended.assert_code(0);
    assert_eq!(ended.stdout, "served in 3600 s\n");
    project.timeloop(&["run", "--bin", "server", "argument"]).assert_code(7);
    project.assert_untouched(&before);
    // In a folder that `timeloop.toml` names.
    fs::write(project.folder.join("timeloop.toml"), "regressions = 'schedules'\n").expect("it is writable");
    let ended = project.timeloop(&["test", "-p", "two"]);
    ended.assert_code(42);
    assert!(project.folder.join("schedules/two/two.tests.both_count.txt").is_file());
    let line = ended.replay_line();
    assert!(line.contains(" -p two --lib tests::both_count -- --exact"), "{line}");
    project.shell(line).assert_code(42);
}

/// What fails only by a stall or a short read, what panics unnoticed, and what does not run here, get their settings; a finding
/// does not.
#[test]
fn settings_are_written_on_request() {
    let source = "
        #[tokio::test]
        async fn is_exact() {
            let start = tokio::time::Instant::now();
            tokio::join!(
                async { tokio::time::sleep(std::time::Duration::from_secs(1)).await },
                async { tokio::task::yield_now().await },
            );
            let other = tokio::spawn(tokio::time::sleep(std::time::Duration::from_secs(5)));
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            assert_eq!(start.elapsed().as_secs(), 2, \"late\");
            other.await.unwrap();
        }

        #[tokio::test]
        async fn reads_at_once() {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let listener = tokio::net::TcpListener::bind(\"127.0.0.1:0\").await.unwrap();
            let mut client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            client.write_all(b\"whole\").await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            assert_eq!(server.read(&mut [0; 64]).await.unwrap(), 5, \"a part\");
        }

        #[tokio::test]
        async fn forgets_a_task_that_panics() {
            tokio::spawn(async { panic!(\"forgotten\") });
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }

        #[tokio::test]
        async fn starts_a_process() {
            tokio::process::Command::new(\"true\").status().await.unwrap();
        }

        #[test]
        fn fails() {
            panic!(\"always\");
        }
    ";
    let project = Project::library("contact", &format!("{source}{RACE}"));
    let before = project.snapshot();
    let ended = project.timeloop(&["test", "--", "--skip", "both_count"]);
    ended.assert_code(0);
    ended.assert_printed("1 failed only if time passes while a task is ready");
    ended.assert_printed("contact::is_exact");
    ended.assert_printed("1 failed only if a read or write transfers a part of the bytes");
    ended.assert_printed("1 explored, no schedule failed");
    ended.assert_printed("in 1 of them, tasks panic whose join handles are gone");
    project.assert_untouched(&before);
    let ended = project.timeloop(&["test", "--strict", "is_exact", "--", "--exact"]);
    ended.assert_code(42);
    ended.assert_printed("1 failed only if time passes while a task is ready");
    // Settled by the user, so that it is not tried again.
    let ended = project.timeloop_with(&["test", "is_exact"], &[("TIMELOOP_STALLS", "on")]);
    ended.assert_code(42);
    ended.assert_printed("1 failed in some order");
    let ended = project.timeloop(&["init"]);
    ended.assert_code(42);
    let path = project.folder.join("timeloop.toml");
    let text = fs::read_to_string(&path).expect("it was written");
    for part in [
        "skip = [\"fails\"]\n",
        "# contact::both_count fails in some order, and is left to be corrected.\n# panic at src/lib.rs:",
        "[tests.\"contact::is_exact\"]\nstalls = false\n",
        "[tests.\"contact::reads_at_once\"]\nstalls = false\nvaried_io = false\n",
        "[tests.\"contact::forgets_a_task_that_panics\"]\nignore_unobserved_panics = true\n",
        "[tests.\"contact::starts_a_process\"]\nskip = true\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let ended = project.timeloop(&["test", "--strict", "--", "--skip", "both_count"]);
    ended.assert_code(0);
    ended.assert_printed("3 explored, no schedule failed (3003 schedules)");
    ended.assert_printed("1 not run, because timeloop.toml skips them");
    let ended = project.timeloop(&["init"]);
    ended.assert_code(2);
    ended.assert_printed("`init` writes it only where there is none");
}

#[test]
fn two_commands_at_once_do_not_disturb_each_other() {
    let project = Project::library("twice", CLEAN);
    let other = std::thread::scope(|scope| {
        let other = scope.spawn(|| project.timeloop(&["test"]));
        project.timeloop(&["test"]).assert_code(0);
        other.join().expect("it has not panicked")
    });
    other.assert_code(0);
    other.assert_printed("1 explored, no schedule failed (1001 schedules)");
}

/// The attributes find timeloop under other names of tokio, and take tokio's arguments.
#[test]
fn tokio_may_have_another_name() {
    let source = "
        pub mod inner {
            pub use runtime;
        }

        #[runtime::test(unhandled_panic = \"ignore\", start_paused = true)]
        async fn renamed() {
            runtime::time::sleep(std::time::Duration::from_secs(1)).await;
        }

        #[runtime::test(crate = \"crate::inner::runtime\")]
        async fn by_path() {
            let (one, two) = runtime::join!(async { 1 }, async { 2 });
            runtime::select! { () = async {} => assert_eq!(one + two, 3) }
        }
    ";
    let dependency = "runtime = { package = 'tokio', version = '1.47', features = ['full'] }\n";
    let project =
        Project::new("renamed", &[("Cargo.toml", &manifest("renamed", dependency)), ("src/lib.rs", source)]);
    project.commit();
    let ended = project.timeloop(&["test"]);
    ended.assert_code(0);
    ended.assert_printed("2 explored");
}

#[test]
fn clean_removes_everything_but_the_regressions() {
    let project = Project::library("cleaning", RACE).with_own_target();
    // What was stored and built by another command; building it takes long.
    let stored = project.folder.join("target/timeloop");
    for file in ["build/debug/a", "crates/1/a", "lock/user/Cargo.lock", "regressions/a.txt", "results.jsonl"]
    {
        let path = stored.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it is writable");
        fs::write(path, "a").expect("it is writable");
    }
    fs::create_dir(stored.join(".probe.new-1")).expect("it is writable");
    project.timeloop(&["clean"]).assert_code(0);
    let entries = fs::read_dir(&stored).expect("it exists");
    let names: Vec<_> = entries.map(|entry| entry.expect("it is read").file_name()).collect();
    assert_eq!(names, ["regressions"]);
    project.timeloop(&["clean", "--regressions"]).assert_code(0);
    assert!(!stored.exists());
}
