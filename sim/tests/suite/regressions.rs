//! Regression files: failing schedules are stored, tried first, and never lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proptest::prelude::*;
use timeloop_sim::{
    Config, Exploration, ExploreError, FoundBy, Regressions, RegressionsIn, Schedule, Seed, Settings, Stalls,
    StrategySpec, explore,
};

use crate::exploring::Counted;
use crate::tokens::any_schedule;
use crate::toy::{self, Op, Toy};

/// A temporary folder, removed on drop.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("timeloop-sim-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn config(folder: &Path) -> Config {
    Config {
        strategy: StrategySpec::Random,
        environment: Some(Settings::default()),
        regressions: RegressionsIn::Folder(folder.into()),
        silent: true,
        jobs: Some(1),
        ..Config::new("toys::lost_update")
    }
}

const FILE: &str = "toys.lost_update.txt";

const LOST_UPDATE: &str = "\
timeloop regressions, version 1
test toys::lost_update

# Schedules under which this test has failed. timeloop tries them first, so commit this file.
# To remove a schedule, delete the lines from `schedule` to `checksum`.

schedule
  # panic at root.toy:5:5: cell 0 is 1, not 2
  run root.1 resume 1 after 3 other steps
  checksum 46b4f9e8
";

fn found(exploration: &Exploration) -> &timeloop_sim::Found {
    exploration.found.as_deref().expect("it fails")
}

#[test]
fn a_failure_is_stored_and_tried_first_next_time() {
    let folder = Folder::new();
    let first = explore(&config(&folder.0), &toy::lost_update());
    assert_eq!(folder.read(FILE), LOST_UPDATE);
    let path = folder.file(FILE);
    let stored = format!("{}, replayed first from now on; commit it", path.display());
    assert_eq!(found(&first).stored.as_deref(), Some(&*stored));

    let toy = Counted(toy::lost_update(), AtomicU64::new(0));
    let second = explore(&Config { runs: Some(1_000_000_000), ..config(&folder.0) }, &toy);
    assert_eq!(second.runs, 0, "nothing is explored if a stored schedule fails");
    assert_eq!(found(&second).by, FoundBy::Regression { path, line: 7 });
    assert_eq!(found(&second).shrunk, found(&first).shrunk);
    assert_eq!(found(&second).trace_hash, found(&first).trace_hash);
    assert_eq!(folder.read(FILE), LOST_UPDATE, "the file is unchanged");
}

#[test]
fn a_stored_schedule_that_passes_is_kept_without_a_note() {
    let folder = Folder::new();
    fs::write(folder.file(FILE), LOST_UPDATE).unwrap();
    // The toy that lost updates, corrected: each task has its own cell.
    let transfer = toy::program("transfer", [Op::Load(0), Op::Yield, Op::Store(0, 1), Op::Raise(1)]);
    let audit =
        toy::program("audit", [Op::Yield, Op::Yield, Op::Load(1), Op::Yield, Op::Store(1, 1), Op::Raise(2)]);
    let mended =
        Toy::new([Op::Spawn(transfer), Op::Spawn(audit), Op::Wait(1), Op::Wait(2), Op::Expect(0, 1)]);
    let exploration = explore(&config(&folder.0), &mended);
    assert!(exploration.passed());
    assert_eq!(exploration.notes, [""; 0]);
    assert_eq!(exploration.runs, 1_000);
    assert_eq!(folder.read(FILE), LOST_UPDATE);
}

#[test]
fn a_stored_schedule_that_no_longer_applies_adds_a_note() {
    let folder = Folder::new();
    fs::write(folder.file(FILE), LOST_UPDATE).unwrap();
    let exploration = explore(&Config { runs: Some(1), ..config(&folder.0) }, &Toy::new([Op::Yield]));
    assert!(exploration.passed());
    let note = format!(
        "{}:7: the schedule no longer applies: 1 of its decisions is not reached any more, and the test passes under it; \
         delete it if the code has changed for good",
        folder.file(FILE).display()
    );
    assert_eq!(exploration.notes, [note]);
    assert_eq!(folder.read(FILE), LOST_UPDATE);
}

/// A watchdog that runs after the work is done, unless time passes while the work is ready.
fn watchdog() -> Toy {
    let work = toy::program("work", [Op::Yield, Op::Store(0, 1), Op::Raise(0)]);
    let watchdog = toy::program("watchdog", [Op::Sleep(500_000_000), Op::Expect(0, 1), Op::Raise(1)]);
    Toy::new([Op::Spawn(work), Op::Spawn(watchdog), Op::Wait(0), Op::Wait(1)])
}

#[test]
fn a_stored_stall_is_not_tried_without_stalls() {
    let folder = Folder::new();
    let config = Config { strategy: StrategySpec::Portfolio, ..config(&folder.0) };
    let first = explore(&config, &watchdog());
    assert!(found(&first).stored.is_some());
    let stored = folder.read(FILE);
    assert!(stored.contains("stall root.1 resume 0 index 0 instants 1"), "{stored}");

    let second = explore(&Config { stalls: Stalls::Never, ..config.clone() }, &watchdog());
    assert!(second.passed(), "{}", second.report());
    let note = format!(
        "{}:7: the schedule was skipped, because it lets virtual time advance while a task is ready, and \
         `stalls = false` forbids that; delete the schedule if you keep that setting",
        folder.file(FILE).display()
    );
    assert_eq!(second.notes, [note]);
    assert_eq!(second.runs, 1_000);
    assert_eq!(folder.read(FILE), stored);
    assert!(explore(&config, &watchdog()).found.is_some(), "it is tried with stalls");
}

#[test]
fn nothing_is_written_if_ci_is_set() {
    let folder = Folder::new();
    let settings = Settings { ci: true, ..Settings::default() };
    let exploration =
        explore(&Config { environment: Some(settings), ..config(&folder.0) }, &toy::lost_update());
    assert!(!folder.file(FILE).exists());
    let found = found(&exploration);
    assert_eq!(found.stored.as_deref(), Some("no, because `CI` is set; run the test locally to store it"));
    assert!(found.report.contains(&found.token));
}

#[test]
fn an_unwritable_folder_only_prevents_storing() {
    let folder = Folder::new();
    // A file in place of the folder.
    let blocked = folder.file("blocked");
    fs::write(&blocked, "in the way").unwrap();
    let exploration = explore(&config(&blocked), &toy::lost_update());
    let found = found(&exploration);
    let stored = found.stored.as_deref().unwrap();
    let path = blocked.join(FILE);
    assert!(stored.starts_with("no: "), "{stored}");
    let report = exploration.report().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(report.contains("cell 0 is 1, not 2"), "the failure is printed in full: {report}");
    assert!(report.contains(&found.token), "{report}");
    let _ = path;
}

#[test]
fn the_default_folder_is_in_the_package() {
    let folder = Folder::new();
    let settings = Settings { package_folder: Some(folder.0.clone()), ..Settings::default() };
    let config = Config {
        strategy: StrategySpec::Random,
        environment: Some(settings),
        silent: true,
        jobs: Some(1),
        ..Config::new("toys::lost_update")
    };
    let _ = explore(&config, &toy::lost_update());
    assert_eq!(folder.read(&format!("timeloop-regressions/{FILE}")), LOST_UPDATE);
}

#[test]
fn a_bad_line_is_reported_and_invalidates_no_other_schedule() {
    let folder = Folder::new();
    let file = folder.file(FILE);
    let bad = LOST_UPDATE
        .replace("schedule\n", "schedule\n  run root.2 at once\n  checksum 00000000\n\nschedule\n");
    fs::write(&file, &bad).unwrap();
    // The schedule after the bad line is still tried, and fails.
    let exploration = explore(&config(&folder.0), &toy::lost_update());
    assert_eq!(found(&exploration).by, FoundBy::Regression { path: file.clone(), line: 11 });
    let message = format!(
        "{}:8: found `run root.2 at once`, expected a line such as `run root.2 resume 3 after 4 other steps`; correct \
         the line, or delete its whole block",
        file.display()
    );
    assert_eq!(exploration.error.as_ref().unwrap().to_string(), message);
    assert!(exploration.report().ends_with(&format!("timeloop: `toys::lost_update`: {message}\n")));
    assert_eq!(folder.read(FILE), bad);

    // A bad line fails the test on its own, since nobody sees the notes of a passing test.
    let exploration = explore(&config(&folder.0), &Toy::new([Op::Yield]));
    assert!(exploration.found.is_none());
    assert!(matches!(exploration.error, Some(ExploreError::Regressions(_))));
    assert_eq!(exploration.runs, 1_000, "the test is still explored");
}

#[test]
fn a_new_failure_is_added_to_a_file_with_a_bad_line() {
    let folder = Folder::new();
    let file = folder.file(FILE);
    // The last line is not terminated either.
    let bad = "timeloop regressions, version 1\ntest toys::lost_update\nschedule\n  run root.2 at once";
    fs::write(&file, bad).unwrap();
    let _ = explore(&config(&folder.0), &toy::lost_update());
    let text = folder.read(FILE);
    let added = LOST_UPDATE.split_once("\n\nschedule").unwrap().1;
    assert_eq!(text, format!("{bad}\nschedule{added}"));
    let loaded = Regressions::new(&folder.0, "toys::lost_update").load().unwrap();
    assert_eq!(loaded.schedules.len(), 1);
    assert_eq!(loaded.problems.len(), 1);
}

#[test]
fn each_error_says_what_is_accepted() {
    let folder = Folder::new();
    let regressions = Regressions::new(&folder.0, "toys::lost_update");
    let path = regressions.path().display().to_string();
    let problems = |text: &str| {
        fs::write(regressions.path(), text).unwrap();
        let loaded = regressions.load().unwrap();
        let problems: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
        (loaded.schedules.len(), problems.join("\n").replace(&path, "FILE"))
    };
    let problem = |text: &str| problems(text).1;
    assert_eq!(problems(LOST_UPDATE), (1, String::new()));
    assert_eq!(problems(&LOST_UPDATE.replace('\n', "\r\n")), (1, String::new()));
    assert_eq!(problems(&format!("\u{feff}{LOST_UPDATE}")), (1, String::new()));
    assert_eq!(problems(""), (0, String::new()));
    assert_eq!(
        problem(&LOST_UPDATE.replace("version 1", "version 2")),
        "FILE:1: found `timeloop regressions, version 2`, so a later version of timeloop made the file; this version reads and \
         writes version 1: update timeloop"
    );
    assert_eq!(
        problem("<<<<<<< HEAD\n"),
        "FILE:1: found `<<<<<<< HEAD`, expected `timeloop regressions, version 1`; correct the line, or delete its \
         whole block"
    );
    assert_eq!(
        problem(&LOST_UPDATE.replace("test toys", "test bank")),
        "FILE:2: found `test bank::lost_update`, expected `test toys::lost_update`; correct the line, or delete its \
         whole block"
    );
    assert_eq!(
        problem(&LOST_UPDATE.replace("after 3", "after 4")),
        "FILE:10: checksum 46b4f9e8 does not match the schedule above it; restore the schedule, or write `checksum 3bc7ffb0` if \
         the change was intended"
    );
    assert_eq!(
        problem(LOST_UPDATE.trim_end().strip_suffix("checksum 46b4f9e8").unwrap()),
        "FILE:7: the schedule has no checksum, so its end may be missing; restore the schedule, or add the line `checksum 46b4f9e8` if \
         nothing is missing"
    );
    assert_eq!(
        problem(&LOST_UPDATE.replace("  run", "  run root.1 resume 1 after 2 other steps\n  run")),
        "FILE:7: found `schedule`, expected below it: one line `seed …`, or decision lines, each for a different decision; \
         correct the line, or delete its whole block"
    );
    assert_eq!(
        problem(&LOST_UPDATE.replace("run root.1 resume 1 after 3 other steps", "fly")),
        "FILE:9: found `fly`, expected `schedule`, `run …`, `pause …`, `stall …`, `select …`, `draw …`, `network …`, \
         `fault …`, `io …`, `seed …`, `randomness …` or `checksum …`; correct the line, or delete its whole block"
    );
}

#[test]
fn a_file_of_a_later_version_is_not_changed() {
    let folder = Folder::new();
    let later = LOST_UPDATE.replace("version 1", "version 7");
    fs::write(folder.file(FILE), &later).unwrap();
    let exploration = explore(&config(&folder.0), &toy::lost_update());
    let stored = found(&exploration).stored.clone().unwrap();
    assert!(stored.starts_with("no: ") && stored.contains("update timeloop"), "{stored}");
    assert_eq!(folder.read(FILE), later);
}

#[test]
fn an_unreadable_file_is_reported() {
    let folder = Folder::new();
    // A folder in place of the file.
    fs::create_dir(folder.file(FILE)).unwrap();
    let exploration = explore(&Config { runs: Some(1), ..config(&folder.0) }, &Toy::new([Op::Yield]));
    let error = exploration.error.unwrap().to_string();
    let start = format!("{}: the regression file can't be read (", folder.file(FILE).display());
    assert!(error.starts_with(&start) && error.ends_with("); make it readable, or delete it"), "{error}");
}

#[test]
fn no_two_tests_share_a_file() {
    let name = |test: &str| {
        let regressions = Regressions::new(Path::new(""), test);
        regressions.path().to_str().unwrap().to_owned()
    };
    assert_eq!(name("bank::tests::transfers"), "bank.tests.transfers.txt");
    assert_eq!(name("transfers"), "transfers.txt");
    let odd = [
        "bank.tests.transfers",
        "embassy-sync Signal",
        "embassy-sync_Signal",
        "a/b",
        "a\\b",
        "../x",
        "",
        "é",
        "日",
    ];
    let names: std::collections::BTreeSet<_> = odd.iter().map(|test| name(test)).collect();
    assert_eq!(names.len(), odd.len());
    assert!(names.iter().all(|name| !name.contains(['/', '\\', ' ']) && name.is_ascii()), "{names:?}");
    assert!(name(&"long".repeat(200)).len() < 200);
}

/// Files that earlier versions wrote. Each must load for ever.
#[test]
fn files_of_every_version_are_read() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let loaded = Regressions::new(&fixtures, "bank::tests::transfers").load().unwrap();
    assert_eq!(loaded.problems, []);
    let schedules: Vec<_> =
        loaded.schedules.into_iter().map(|stored| (stored.line, stored.schedule)).collect();
    let deviations =
        |randomness, lines: &[(&str, u32, timeloop_sim::Domain, u32, u32)]| Schedule::Deviations {
            randomness: Seed(randomness),
            deviations: lines
                .iter()
                .map(|&(task, resume, domain, index, value)| timeloop_sim::Deviation {
                    task: task.parse().unwrap(),
                    resume,
                    domain,
                    index,
                    value,
                })
                .collect(),
        };
    use timeloop_sim::Domain::{Schedule as Run, Select, User};
    assert_eq!(
        schedules,
        [
            (7, deviations(0, &[("root.2", 3, Run, 0, 5)])),
            (
                12,
                deviations(
                    17,
                    &[
                        ("root", 0, Run, 0, 1),
                        ("root.1", 2, Run, 0, 2),
                        ("root.1.4", 0, Select, 1, 2),
                        ("root", 7, User, 0, 3)
                    ]
                )
            ),
            (
                20,
                Schedule::Seeded {
                    seed: Seed(99),
                    strategy: StrategySpec::Random,
                    estimates: timeloop_sim::Estimates::default(),
                    version: timeloop_sim::SeedVersion::V1,
                }
            ),
            (24, Schedule::baseline()),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn reading_returns_what_was_written(
        schedules in prop::collection::vec(any_schedule(), 1..5),
        comment in ".*",
        test in prop_oneof!["[a-z:. ]{0,30}", ".*"],
    ) {
        let folder = Folder::new();
        let regressions = Regressions::new(&folder.0, &test);
        let mut written = Vec::new();
        for schedule in schedules {
            prop_assert_eq!(regressions.append(&schedule, &comment), Ok(!written.contains(&schedule)));
            if !written.contains(&schedule) {
                written.push(schedule);
            }
        }
        let loaded = regressions.load().unwrap();
        prop_assert_eq!(loaded.problems, vec![]);
        let read: Vec<_> = loaded.schedules.into_iter().map(|stored| stored.schedule).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn reading_and_appending_never_panics_or_loses_text(text in "(?s).*", lines in prop::collection::vec(
        prop_oneof![
            Just("schedule".to_owned()), Just("run root.1 resume 0 after 1 other step".to_owned()),
            Just("checksum 00000000".to_owned()), ".*",
        ], 0..10,
    )) {
        let folder = Folder::new();
        let regressions = Regressions::new(&folder.0, "toys::any");
        let text = format!("{text}\n{}", lines.join("\n"));
        fs::write(regressions.path(), &text).unwrap();
        let before = regressions.load().unwrap().schedules;
        if regressions.append(&Schedule::baseline(), "").is_ok() {
            let after = regressions.load().unwrap().schedules;
            prop_assert!(after.starts_with(&before));
        }
        prop_assert!(fs::read_to_string(regressions.path()).unwrap().starts_with(&text));
    }
}

/// Several processes may store their first failure of a test at once.
#[test]
fn b8_writers_at_once_lose_nothing() {
    const WRITERS: u64 = 4;
    for round in 0..200 {
        let folder = Folder::new();
        let start = std::sync::Barrier::new(WRITERS as usize);
        std::thread::scope(|scope| {
            for writer in 1..=WRITERS {
                let (start, folder) = (&start, &folder.0);
                scope.spawn(move || {
                    start.wait();
                    let schedule = Schedule::Deviations { randomness: Seed(writer), deviations: vec![] };
                    assert!(Regressions::new(folder, "a::b").append(&schedule, "it failed").unwrap());
                });
            }
        });
        let loaded = Regressions::new(&folder.0, "a::b").load().unwrap();
        assert_eq!(loaded.problems, [], "round {round}: {}", folder.read("a.b.txt"));
        assert_eq!(loaded.schedules.len(), WRITERS as usize, "round {round}: {}", folder.read("a.b.txt"));
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing else is left");
    }
}

/// Where a file can't be created with contents, two writers may both write a head.
#[test]
fn b8_a_repeated_head_is_accepted() {
    let folder = Folder::new();
    fs::write(folder.file(FILE), format!("{LOST_UPDATE}{}", LOST_UPDATE.replace("after 3", "after 2")))
        .unwrap();
    let loaded = Regressions::new(&folder.0, "toys::lost_update").load().unwrap();
    assert_eq!(loaded.schedules.len(), 1, "the checksum of the second does not match: {loaded:?}");
    assert_eq!(loaded.problems.len(), 1);
    fs::write(folder.file(FILE), format!("{LOST_UPDATE}{LOST_UPDATE}")).unwrap();
    let loaded = Regressions::new(&folder.0, "toys::lost_update").load().unwrap();
    assert_eq!((loaded.schedules.len(), loaded.problems.len()), (2, 0), "{loaded:?}");
    // A head of another test is still an error.
    let other = LOST_UPDATE.replace("test toys::lost_update", "test toys::other");
    fs::write(folder.file(FILE), format!("{LOST_UPDATE}{other}")).unwrap();
    let loaded = Regressions::new(&folder.0, "toys::lost_update").load().unwrap();
    assert_eq!(loaded.problems.len(), 1, "{loaded:?}");
}

/// What stands in place of a regression file is read only if it is a regular file.
#[cfg(unix)]
#[test]
fn b11_only_regular_files_are_read() {
    type Create<'a> = &'a dyn Fn(&Path);

    let folder = Folder::new();
    let path = folder.file(FILE);
    let pipe = |path: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let zero = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    let directory = |path: &Path| fs::create_dir(path).unwrap();
    let cases: [(Create<'_>, &str); 3] = [
        (&pipe, "a pipe, a socket or a device"),
        (&zero, "a pipe, a socket or a device"),
        (&directory, "a folder"),
    ];
    for (create, what) in cases {
        create(&path);
        let regressions = Regressions::new(&folder.0, "toys::lost_update");
        let error = regressions.load().unwrap_err().to_string();
        let expected = format!(
            "{}: the regression file can't be read (it is {what}, and a regular file is expected); make it readable, or delete \
             it",
            path.display()
        );
        assert_eq!(error, expected);
        let appended = regressions.append(&Schedule::baseline(), "it failed").unwrap_err();
        assert_eq!(appended.to_string(), expected);
        let exploration = explore(&config(&folder.0), &toy::lost_update());
        let found = found(&exploration);
        assert_eq!(
            found.stored.as_deref(),
            Some(&*format!("no: {expected}")),
            "the failure is reported all the same"
        );
        assert!(matches!(exploration.error, Some(ExploreError::Regressions(_))));
        if what == "a folder" { fs::remove_dir(&path) } else { fs::remove_file(&path) }.unwrap();
    }
}

/// A stored schedule fails that no other schedule comes near: the report does not say that 0 schedules fail.
#[test]
fn a5_a_stored_schedule_is_not_counted_among_those_that_pass() {
    let folder = Folder::new();
    let stalling = Config { strategy: StrategySpec::Stall, ..config(&folder.0) };
    assert!(found(&explore(&stalling, &watchdog())).stored.is_some());
    // The random strategy never stalls.
    let exploration = explore(&config(&folder.0), &watchdog());
    let headline =
        "timeloop: `toys::lost_update` failed under a stored schedule, and in none of 201 others: ";
    assert!(exploration.report().starts_with(headline), "{}", exploration.report());
}

/// A stored schedule that is as small as it gets is not searched for a smaller one again.
#[test]
fn d13_a_stored_minimal_schedule_is_not_shrunk_again() {
    let folder = Folder::new();
    let races = toy::races(4);
    let config = Config { runs: Some(100_000), ..config(&folder.0) };
    let first = explore(&config, &races);
    let first = found(&first);
    assert!(first.stored.is_some() && first.shrink_runs > 100, "{}", first.report);
    let again = explore(&config, &races);
    let again = found(&again);
    assert!(matches!(again.by, timeloop_sim::FoundBy::Regression { .. }), "{}", again.report);
    assert_eq!(again.shrunk, first.shrunk);
    assert!(again.shrink_runs < 50, "{}", again.report);
    assert_eq!(again.critical, first.critical);
}
