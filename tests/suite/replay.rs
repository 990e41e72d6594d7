//! Finding, storing and replaying failures: each test runs other tests of this file in separate processes, with the
//! environment variables that a user would set.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::rc::Rc;

use timeloop::task::{self, yield_now};

use crate::support::{Ended, Folder, by_name, child, explorer, is_child};

/// Adds to the value that it read before it let other tasks run.
async fn deposit(balance: Rc<Cell<u32>>, amount: u32, fixed: bool) {
    let before = balance.get();
    if amount > 1 {
        yield_now().await; // @yield
    }
    balance.set(if fixed { balance.get() } else { before } + amount);
}

/// Loses an update if the second deposit starts before the first, unless `FIXED` is set. If `REWRITTEN` is set, spawns
/// no task.
async fn loses_an_update() {
    let set = |name| std::env::var_os(name).is_some();
    if set("REWRITTEN") {
        return;
    }
    let balance = Rc::new(Cell::new(0));
    let small = task::spawn(deposit(Rc::clone(&balance), 1, set("FIXED"))); // @small
    let large = task::spawn(deposit(Rc::clone(&balance), 2, set("FIXED"))); // @large
    small.await.unwrap(); // @await small
    large.await.unwrap(); // @await large
    assert_eq!(balance.get(), 3, "an update was lost"); // @assert
}

/// Run by the tests below.
#[timeloop::test(strategy = "random")]
async fn fails() {
    if is_child() {
        loses_an_update().await;
    }
}

/// Run by the tests below.
#[timeloop::test]
async fn passes() {}

/// Run by the tests below: prints what it finds in a machine-readable form.
#[test]
fn prints_what_it_finds() {
    if is_child() {
        let explorer =
            timeloop::Explorer::new("suite::replay::fails").strategy("random").without_regressions();
        let found = explorer.run(loses_an_update).found.expect("it fails");
        // Bypasses the test harness's capture of output.
        let line = format!("{} {:016x} {}\n", found.fingerprint, found.trace_hash, found.token);
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

const TOKEN: &str = "TL11QK6CVWH04002082000000F8SF15M";

/// Runs `fails` in a folder.
fn run_in(folder: &Folder, vars: &[(&str, &str)]) -> Ended {
    let folder = [("CARGO_MANIFEST_DIR", folder.path())];
    child("replay::fails", &[&folder, vars].concat())
}

/// Returns what it printed, with names for locations and folders. It must have failed.
fn failing(folder: &Folder, vars: &[(&str, &str)]) -> String {
    let ended = run_in(folder, vars);
    assert_eq!(ended.code, Some(101), "{ended:?}");
    assert_eq!(ended.stderr, "");
    // Line breaks depend on the folder's name.
    by_name!(folder.hidden_in(ended.printed()).replace("\n           ", " "))
}

/// Returns the error with which it ended the process.
fn refusing(folder: &Folder, vars: &[(&str, &str)]) -> String {
    let ended = run_in(folder, vars);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    folder.hidden_in(&ended.stderr)
}

/// Returns what it printed past the harness's capture. It must have passed.
fn passing(folder: &Folder, vars: &[(&str, &str)]) -> String {
    let ended = run_in(folder, vars);
    assert!(ended.passed(), "{ended:?}");
    by_name!(folder.hidden_in(&ended.stderr))
}

const CRITICAL: &str = "
Critical order (checked): if these two swap, the test passes
  step 2  `deposit` (root.2) starts
  step 3  `deposit` (root.1) starts
";

const SHRUNK: &str = "shrunk     from # deviations to # in # runs\n";

/// Renders the expected report. The headline, the critical pair and the lines above the replay line differ.
fn report(how: &str, critical: &str, footer: &str) -> String {
    format!(
        "
timeloop: `suite::replay::fails` {how}: panic at <assert>:5

  assertion `left == right` failed: an update was lost
    left: 2
   right: 3
  (in task `root`, after 5 steps, at virtual time 0 s)
{critical}
Failing schedule: FIFO order, except
  step 2  `deposit` (root.2) starts before `deposit` (root.1) starts
  (`deposit` (root.1) is spawned at <small>:17; `deposit` (root.2) is spawned at
   <large>:17)

Steps (▸ out of FIFO order)
    step  time  task              ran from → to
       1   0 s  root              start → <await small>
  ▸    2   0 s  deposit (root.2)  start → <yield>
       3   0 s  deposit (root.1)  start → end
       4   0 s  deposit (root.2)  <yield> → end
       5   0 s  root              <await small> → panic

{footer}replay     TIMELOOP_REPLAY=TL1# cargo test replay::fails -- --exact
"
    )
}

const FILE: &str = "timeloop-regressions/suite.replay.fails.txt";

#[test]
fn found_stored_and_found_again() {
    let folder = Folder::new();
    assert_eq!(
        failing(&folder, &[]),
        report(
            "failed in # of # schedules",
            CRITICAL,
            &format!(
                "\
found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
{SHRUNK}stored     FOLDER/timeloop-regressions/suite.replay.fails.txt, replayed first from now on; commit it
"
            )
        )
    );
    let file = fs::read_to_string(folder.0.join(FILE)).unwrap();
    assert_eq!(
        by_name!(file),
        "\
timeloop regressions, version 1
test suite::replay::fails

# Schedules under which this test has failed. timeloop tries them first, so commit this file.
# To remove a schedule, delete the lines from `schedule` to `checksum`.

schedule
  # panic at <assert>:5: assertion `left == right` failed: an update was lost
  run root.2 resume 0 after 0 other steps
  checksum 200533a0
"
    );

    // The next time it is tried first, whatever the seed.
    assert_eq!(
        failing(&folder, &[("TIMELOOP_SEED", "1000"), ("TIMELOOP_RUNS", "1")]),
        report(
            "failed under a stored schedule, and in # of # others",
            CRITICAL,
            "found by   the stored schedule at FOLDER/timeloop-regressions/suite.replay.fails.txt:7\nshrunk     no shorter failing schedule found in # runs (# deviation)\n"
        )
    );
    assert_eq!(fs::read_to_string(folder.0.join(FILE)).unwrap(), file, "a schedule is kept once");

    // Fixed: the schedule applies and passes, and nothing is printed.
    assert_eq!(passing(&folder, &[("FIXED", "1")]), "");
    // Rewritten: the schedule no longer applies, which is not a failure but is reported.
    let rewritten = passing(&folder, &[("REWRITTEN", "1")]);
    let mut lines = rewritten.lines();
    assert_eq!(
        lines.next(),
        Some(
            "\
timeloop: FOLDER/timeloop-regressions/suite.replay.fails.txt:7: the schedule no longer applies: 1 of its decisions is not reached any more, and the test passes under it; delete it if the code has changed for good"
        )
    );
    // It has a single task now.
    assert!(lines.next().is_some_and(|line| line.contains(" took the same steps")), "{rewritten}");
    assert_eq!(lines.next(), None);
}

#[test]
fn nothing_is_written_if_ci_is_set() {
    let folder = Folder::new();
    let printed = failing(&folder, &[("CI", "true")]);
    let stored = printed.lines().find(|line| line.starts_with("stored")).unwrap();
    assert_eq!(stored, "stored     no, because `CI` is set; run the test locally to store it");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn a_token_is_replayed_in_another_process() {
    let found = explorer("suite::replay::fails").run(loses_an_update).found.unwrap();
    assert_eq!(found.token, TOKEN);
    let line = format!("{} {:016x} {TOKEN}\n", found.fingerprint, found.trace_hash);
    // Found by another process, and replayed by a third.
    assert_eq!(child("replay::prints_what_it_finds", &[]).stderr, line);
    assert_eq!(child("replay::prints_what_it_finds", &[("TIMELOOP_REPLAY", TOKEN)]).stderr, line);

    // A replay prints the panic itself, and stores nothing.
    let folder = Folder::new();
    let printed = failing(&folder, &[("TIMELOOP_REPLAY", TOKEN)]);
    assert_eq!(
        without_thread_ids(&printed),
        "
thread 'replay::fails' panicked at <assert>:5:
assertion `left == right` failed: an update was lost
  left: 2
 right: 3
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
timeloop: `suite::replay::fails`: the replayed run has ended; more runs search for the critical order
"
        .to_owned()
            + &report("failed under the replayed schedule", CRITICAL, "")
    );
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    // In lower case, as copied from a mail.
    assert_eq!(
        without_thread_ids(&failing(&folder, &[("TIMELOOP_REPLAY", &TOKEN.to_lowercase())])),
        without_thread_ids(&printed)
    );

    // Fixed or rewritten, it passes and reports that.
    assert_eq!(
        passing(&folder, &[("TIMELOOP_REPLAY", TOKEN), ("FIXED", "1")]),
        "\
timeloop: `suite::replay::fails` passed under the replayed schedule
"
    );
    assert_eq!(passing(&folder, &[("TIMELOOP_REPLAY", TOKEN), ("REWRITTEN", "1")]), "\
timeloop: `suite::replay::fails` passed under the replayed schedule; it no longer applies: one of its decisions is not reached any more
");
}

#[test]
fn steps_of_a_replayed_run_that_passes_are_listed_on_request() {
    let folder = Folder::new();
    let printed = passing(&folder, &[("TIMELOOP_REPLAY", TOKEN), ("TIMELOOP_LOG", "steps"), ("FIXED", "1")]);
    assert_eq!(
        printed,
        "\
timeloop: `suite::replay::fails` passed under the replayed schedule

Steps of the replayed run (▸ out of FIFO order)
    step  time  task              ran from → to
       1   0 s  root              start → <await small>
  ▸    2   0 s  deposit (root.2)  start → <yield>
       3   0 s  deposit (root.1)  start → end
       4   0 s  deposit (root.2)  <yield> → end
       5   0 s  root              <await small> → end

"
    );
}

/// Run by the test below: prints whether each run is a replay.
#[timeloop::test(strategy = "random", runs = 5)]
async fn prints_in_a_replay() {
    if is_child() {
        if timeloop::is_replay() {
            println!("a replay");
        } else {
            println!("an exploring run");
        }
        loses_an_update().await;
    }
}

#[test]
fn code_under_test_knows_a_replay() {
    let folder = Folder::new();
    let run = |vars: &[(&str, &str)]| {
        let folder = [("CARGO_MANIFEST_DIR", folder.path())];
        let ended = child("replay::prints_in_a_replay", &[&folder, vars].concat());
        let printed = ended.printed().to_owned();
        let count = |what: &str| printed.lines().filter(|line| *line == what).count();
        (count("a replay"), count("an exploring run"), printed.clone())
    };
    let (replays, others, printed) = run(&[]);
    assert!((1..=3).contains(&replays) && others >= 5, "{printed}");
    let token = printed.split("TIMELOOP_REPLAY=").nth(1).and_then(|rest| rest.split(' ').next());
    let (replays, _, printed) = run(&[("TIMELOOP_REPLAY", token.expect("a token"))]);
    assert_eq!(replays, 1, "{printed}");
    let (replayed, _) = printed.split_once("the replayed run has ended").expect("the other runs come later");
    assert!(replayed.contains("a replay\n") && !replayed.contains("an exploring run"), "{printed}");
    assert!(!timeloop::is_replay());
}

/// The standard library prints the operating system's number of a thread.
fn without_thread_ids(text: &str) -> String {
    let mut parts = text.split(" (");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once(") panicked at ") {
        Some((id, rest)) if id.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{text} panicked at {rest}")
        }
        _ => format!("{text} ({part}"),
    })
}

#[test]
fn a_regression_file_is_replayed_by_its_path() {
    let folder = Folder::new();
    let first = failing(&folder, &[]);
    // From the failing schedule to the end of the steps.
    let schedule = |printed: &str| {
        let schedule = printed.split_once("\nFailing schedule").unwrap().1;
        let end = schedule.rfind("\n\n").unwrap();
        schedule[..end].to_owned()
    };
    let absolute = folder.0.join(FILE);
    for path in [FILE, absolute.to_str().unwrap()] {
        let printed = failing(&folder, &[("TIMELOOP_REPLAY", path)]);
        let (shown, report) = printed.split_once("\n\ntimeloop: ").unwrap();
        assert!(shown.contains("an update was lost\n  left: 2\n right: 3\n"), "{printed}");
        assert!(
            report.starts_with(
                "`suite::replay::fails` failed under the replayed schedule: panic at <assert>:5\n"
            )
        );
        assert_eq!(schedule(report), schedule(&first));
    }
}

/// Each error in a token is reported in one sentence, and no test is run in its place.
#[test]
fn bad_tokens() {
    let error = |token: &str| {
        let folder = Folder::new();
        refusing(&folder, &[("TIMELOOP_REPLAY", token)])
    };
    let of_another = timeloop::StoredSchedule::baseline().to_token("suite::replay::passes");
    assert_eq!(error(&of_another), "
timeloop: `suite::replay::fails`: TIMELOOP_REPLAY: the token is not one of `suite::replay::fails`, or that test had another name when the token was printed; run the test whose report printed it, or explore again
");
    assert_eq!(error(&TOKEN[..TOKEN.len() - 3]), "
timeloop: `suite::replay::fails`: TIMELOOP_REPLAY: the token is incomplete; copy the whole word, from `TL1` to its last character
");
    // The change is in a number, so the schedule would be valid.
    let mut mistyped = TOKEN.to_owned().into_bytes();
    mistyped[20] = if mistyped[20] == b'2' { b'4' } else { b'2' };
    assert_eq!(error(std::str::from_utf8(&mistyped).unwrap()), "
timeloop: `suite::replay::fails`: TIMELOOP_REPLAY: the token has a typo (its checksum is wrong); copy it again from the report
");
    assert_eq!(error(&TOKEN.replacen("TL1", "TL2", 1)), "
timeloop: `suite::replay::fails`: TIMELOOP_REPLAY: the token starts with `TL2`, so a later version of timeloop made it; this version reads `TL1`: update timeloop
");
    assert_eq!(error(&format!("{TOKEN}U")), "
timeloop: `suite::replay::fails`: TIMELOOP_REPLAY: a token can't contain `U`: it is `TL1` followed by digits and letters; copy it again from the report
");
    assert_eq!(error("timeloop-regressions/no-such-file.txt"), "
timeloop: `suite::replay::fails`: TIMELOOP_REPLAY=`timeloop-regressions/no-such-file.txt` is neither a token (which starts with `TL1`) nor the path of a regression file that exists and contains a schedule
");
    assert_eq!(error("TL"), "
timeloop: `suite::replay::fails`: TIMELOOP_REPLAY=`TL` is neither a token (which starts with `TL1`) nor the path of a regression file that exists and contains a schedule
");
}

/// A file damaged by a user only loses the damaged schedule. The result of the test is still printed.
#[test]
fn a_bad_line_in_a_regression_file() {
    let folder = Folder::new();
    failing(&folder, &[]);
    let path = folder.0.join(FILE);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("other step", "others")).unwrap();
    let printed = failing(&folder, &[]);
    let (report, error) = printed.split_at(printed.rfind("\ntimeloop: ").unwrap());
    assert!(
        report.contains("found by   seed ") && report.contains("\nreplay     TIMELOOP_REPLAY=TL1"),
        "{printed}"
    );
    assert_eq!(error, "
timeloop: `suite::replay::fails`: FOLDER/timeloop-regressions/suite.replay.fails.txt:9: found `run root.2 resume 0 after 0 otherss`, expected a line such as `run root.2 resume 3 after 4 other steps`; correct the line, or delete its whole block
");
    // A passing test fails because of it; otherwise the schedule would be lost silently.
    fs::write(&path, text.replace("checksum", "checksum 0")).unwrap();
    assert_eq!(refusing(&folder, &[("FIXED", "1")]), "
timeloop: `suite::replay::fails`: FOLDER/timeloop-regressions/suite.replay.fails.txt:10: found `checksum 0 200533a0`, expected a line such as `checksum 0123abcd`; correct the line, or delete its whole block
");
}

/// A dangling link stops even users who may write everywhere.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("no/such/folder", folder.0.join("timeloop-regressions")).unwrap();
    let printed = failing(&folder, &[]);
    assert!(printed.contains("\n  assertion `left == right` failed: an update was lost\n"), "{printed}");
    let stored = printed.lines().find(|line| line.starts_with("stored ")).unwrap();
    assert_eq!(
        stored,
        "stored     no: FOLDER/timeloop-regressions/suite.replay.fails.txt: the failing schedule can't be stored there (File exists (os error 17)); make the folder writable, or choose another with `regressions`"
    );
}

/// A file in place of the folder cannot be read. That is reported although the test passes.
#[cfg(unix)]
#[test]
fn a_file_in_place_of_the_folder() {
    let folder = Folder::new();
    fs::write(folder.0.join("timeloop-regressions"), "").unwrap();
    assert_eq!(refusing(&folder, &[("FIXED", "1")]), "
timeloop: `suite::replay::fails`: FOLDER/timeloop-regressions/suite.replay.fails.txt: the regression file can't be read (Not a directory (os error 20)); make it readable, or delete it
");
}
