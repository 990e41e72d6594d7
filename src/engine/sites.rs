//! Finds the line of user code where a task waits, without help from the future that it awaits.
//!
//! A future that is about to wait clones its waker. In an explained run the clone captures a backtrace. The innermost frame
//! that belongs neither to the standard library, nor to timeloop, nor to a crate from a registry is the line to show.
//!
//! # Invariants
//! Nothing here makes a decision. Without debug information places are unknown, and nothing else changes.

use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use timeloop_sim::Site;

use super::Engine;

/// The number of steps at the start of a run, and at its end, whose places are kept.
const KEPT_STEPS: usize = 300;

/// The places that were noted in a run.
#[derive(Debug, Default)]
pub(super) struct Sites {
    /// The place of the current step.
    current: Option<Rc<Backtrace>>,
    /// How many places have been noted.
    noted: u64,
    /// The newest places where futures in timeouts wait, and the number of the first one.
    kept: VecDeque<Rc<Backtrace>>,
    first_kept: u64,
    /// Whether the places of steps are kept after the steps.
    keeps_steps: bool,
    first: Vec<(usize, Rc<Backtrace>)>,
    last: VecDeque<(usize, Rc<Backtrace>)>,
    /// Whether places of steps between these were dropped.
    has_dropped: bool,
}

/// Notes that the current task is about to wait here.
pub(super) fn note(engine: &Engine) {
    if !engine.core.borrow().observer.is_noting() {
        return;
    }
    let backtrace = Rc::new(Backtrace::force_capture());
    engine.core.borrow_mut().observer.record(|recorder| {
        if let Some(sites) = &mut recorder.sites {
            sites.current = Some(backtrace);
            sites.noted += 1;
        }
    });
}

impl Sites {
    pub(super) fn new(keeps_steps: bool) -> Self {
        Self { keeps_steps, ..Self::default() }
    }

    /// Returns how many places have been noted.
    pub(super) fn noted(&self) -> u64 {
        self.noted
    }

    /// Keeps the place that was noted last. Returns its number, from 1.
    pub(super) fn keep(&mut self) -> Option<u64> {
        let current = Rc::clone(self.current.as_ref()?);
        if self.kept.len() == KEPT_STEPS {
            self.kept.pop_front();
            self.first_kept += 1;
        }
        self.kept.push_back(current);
        Some(self.first_kept + self.kept.len() as u64)
    }

    /// Returns a place that was kept, unless there are too many newer ones.
    pub(super) fn kept(&self, number: u64) -> Option<&Backtrace> {
        let index = number.checked_sub(self.first_kept + 1)?;
        self.kept.get(usize::try_from(index).ok()?).map(|place| &**place)
    }

    /// Ends the step with this number, whose task waits. Returns the place.
    pub(super) fn end_step(&mut self, step: usize) -> Option<Rc<Backtrace>> {
        let backtrace = self.current.take()?;
        if !self.keeps_steps {
            return Some(backtrace);
        }
        if self.first.len() < KEPT_STEPS {
            self.first.push((step, Rc::clone(&backtrace)));
        } else {
            if self.last.len() == KEPT_STEPS {
                self.last.pop_front();
                self.has_dropped = true;
            }
            self.last.push_back((step, Rc::clone(&backtrace)));
        }
        Some(backtrace)
    }

    /// Returns the steps between the first and the last ones, if their places were dropped.
    pub(super) fn dropped_steps(&self) -> Range<usize> {
        match (self.first.last(), self.last.front()) {
            (Some((first, _)), Some((last, _))) if self.has_dropped => first + 1..*last,
            _ => 0..0,
        }
    }

    /// Resolves the places, by step.
    pub(super) fn look_up(self) -> impl Iterator<Item = (usize, Option<Site>)> {
        self.first.into_iter().chain(self.last).map(|(step, backtrace)| (step, site(&backtrace)))
    }
}

/// Returns the innermost line of user code in a backtrace.
pub(super) fn site(backtrace: &Backtrace) -> Option<Site> {
    innermost(&format!("{backtrace:?}"))
}

/// Parses the frames of a task from the debug form of a backtrace, `Backtrace [{ fn: "f", file: "/a/b.rs", line: 3 }, …]`.
/// Returns function, file and line of each, the innermost first.
fn frames(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut waits_in_outer = false;
    text.split("{ fn: \"")
        .filter_map(|frame| {
            let (function, rest) = frame.split_once("\", file: \"")?;
            let (file, rest) = rest.split_once("\", line: ")?;
            Some((function, file, rest.split(|character: char| !character.is_ascii_digit()).next()?))
        })
        // The outer frames are those of the loop and of its caller. A loop that itself waits in another one is part of a task
        // there, up to the call that runs it.
        .take_while(move |(_, file, _)| {
            waits_in_outer = match file {
                file if is_engine(file, "outer_loop.rs") => true,
                file if file.ends_with("/runtime/handle.rs") => false,
                _ => waits_in_outer,
            };
            waits_in_outer || !is_loop(file)
        })
}

fn innermost(text: &str) -> Option<Site> {
    let mut users = frames(text).filter(|(function, file, _)| is_user_code(function, file));
    let first = users.next()?;
    // A line of the package under test is more useful than one of a crate that it uses.
    let mut own = std::iter::once(first).chain(users).filter(|(_, file, _)| is_of_package(file));
    let (_, file, line) = own.next().unwrap_or(first);
    Some(Site::new(Cow::Owned(shortened(file)), line.parse().ok()?, 0))
}

/// What kind of future a task waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// A primitive of timeloop's `sync`, which has announced what it waits for.
    Sync,
    /// A socket, whose waiting tasks are noted.
    Socket,
    /// The end of a task.
    Task,
    /// A future of another crate.
    Foreign,
    /// Unknown, for example without debug information.
    Unknown,
}

/// Returns the kind of the innermost future in a backtrace.
pub(super) fn leaf(backtrace: &Backtrace) -> Leaf {
    leaf_of(&format!("{backtrace:?}"))
}

fn leaf_of(text: &str) -> Leaf {
    for (function, file, _) in frames(text) {
        let file = file.replace('\\', "/");
        if is_user_code(function, &file) {
            // User code has cloned the waker, or the frames of the future are missing.
            return Leaf::Unknown;
        }
        if is_timeloop(&file) {
            match file.rsplit_once("/src/").and_then(|(_, file)| file.split('/').next()) {
                Some("engine") => {}
                Some("sync") => return Leaf::Sync,
                Some("net") => return Leaf::Socket,
                Some("task") => return Leaf::Task,
                _ => return Leaf::Foreign,
            }
        } else if ["/registry/src/", "/git/checkouts/"].iter().any(|part| file.contains(part))
            && !file.contains("/tokio-")
        {
            return Leaf::Foreign;
        }
    }
    Leaf::Unknown
}

/// Returns whether a frame belongs to the loop that polls the tasks.
fn is_loop(file: &str) -> bool {
    is_engine(file, "run.rs")
}

/// Returns whether this is the file of the engine with this name.
fn is_engine(file: &str, name: &str) -> bool {
    let file = file.replace('\\', "/");
    file.rsplit_once('/').is_some_and(|(folder, last)| last == name && folder.ends_with("/engine"))
        && is_timeloop(&file)
}

fn is_user_code(function: &str, file: &str) -> bool {
    let crate_name = function.trim_start_matches(['<', '&', '*', '(']).split("::").next().unwrap_or(function);
    let file = file.replace('\\', "/");
    let foreign = ["/rustc/", "/registry/src/", "/git/checkouts/", "/rustlib/src/"];
    !matches!(crate_name, "timeloop" | "timeloop_sim" | "timeloop_hermetic" | "core" | "std" | "alloc")
        // With line tables only, functions are named without their crate.
        && !is_timeloop(&file)
        && !foreign.iter().any(|part| file.contains(part))
        // Excludes the C library's start of a thread.
        && file.ends_with(".rs")
}

/// Returns whether a file belongs to timeloop. Files below the current folder have relative paths.
fn is_timeloop(file: &str) -> bool {
    let ours = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let hermetic = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sim/hermetic/src"));
    let file = std::path::Path::new(file);
    if file.is_absolute() {
        return file.starts_with(ours) || file.starts_with(hermetic);
    }
    std::env::current_dir().is_ok_and(|here| {
        let file = here.join(file);
        file.starts_with(ours) || file.starts_with(hermetic)
    })
}

/// Returns the folder of the package under test, in which Cargo runs tests.
fn package() -> Option<PathBuf> {
    std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).or_else(|| std::env::current_dir().ok())
}

/// Returns whether a file belongs to the package under test. Files below the current folder have relative paths.
fn is_of_package(file: &str) -> bool {
    let Some(package) = package() else { return false };
    let file = std::env::current_dir().unwrap_or_default().join(file);
    // A package may lie in the folder of another one.
    let between = file.strip_prefix(&package).map(Path::to_owned);
    between.is_ok_and(|between| {
        let folders = between.ancestors().skip(1).take_while(|folder| !folder.as_os_str().is_empty());
        !folders.into_iter().any(|folder| package.join(folder).join("Cargo.toml").exists())
    })
}

/// Returns the path relative to the workspace, as the compiler prints it.
fn shortened(file: &str) -> String {
    let path = std::env::current_dir().unwrap_or_default().join(file);
    let folders = [package(), std::env::current_dir().ok()];
    let short = folders.iter().flatten().find_map(|folder| {
        // The nearest folder around a package with a lockfile is that of the workspace.
        let workspace = folder.ancestors().find(|folder| folder.join("Cargo.lock").exists());
        path.strip_prefix(workspace.unwrap_or(folder)).ok()
    });
    short.unwrap_or(&path).components().collect::<PathBuf>().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::{Leaf, innermost, leaf_of};

    #[test]
    fn the_innermost_user_frame_is_found() {
        let text = concat!(
            r#"Backtrace [{ fn: "std::backtrace", file: "/rustc/abc/library/std/src/backtrace.rs", line: 331 }, "#,
            r#"{ fn: "f::{{closure}}", file: "/home/u/.cargo/registry/src/x/flume-0.10/src/async.rs", line: 9 }, "#,
            r#"{ fn: "no_file" }, { fn: "bank::audit", file: "/elsewhere/src/bank.rs", line: 57 }, "#,
            r#"{ fn: "bank::main", file: "/elsewhere/src/main.rs", line: 1 }]"#,
        );
        let site = innermost(text).expect("there is a frame of the user's");
        assert_eq!((site.file.as_ref(), site.line), ("/elsewhere/src/bank.rs", 57));
        assert_eq!(innermost("Backtrace []"), None);
    }

    /// The lines of a crate that the package uses, and of a package within its folder, are shown only if there is no other.
    #[test]
    fn d10_a_line_of_the_package_under_test_is_preferred() {
        let root = env!("CARGO_MANIFEST_DIR");
        let frame = |file: &str, line: u32| format!("{{ fn: \"f\", file: \"{file}\", line: {line} }}");
        let helper = frame("/elsewhere/helper/src/lib.rs", 3);
        let example = frame(&format!("{root}/examples/http/src/main.rs"), 5);
        let user = frame(&format!("{root}/tests/suite/bank.rs"), 57);
        for (frames, file, line) in [
            (vec![&helper, &user], "tests/suite/bank.rs", 57),
            (vec![&example, &user], "tests/suite/bank.rs", 57),
            (vec![&user, &helper], "tests/suite/bank.rs", 57),
            (vec![&helper, &example], "/elsewhere/helper/src/lib.rs", 3),
            (vec![&example], "examples/http/src/main.rs", 5),
        ] {
            let frames: Vec<&str> = frames.into_iter().map(String::as_str).collect();
            let site =
                innermost(&format!("Backtrace [{}]", frames.join(", "))).expect("a line of the user's");
            assert_eq!((&*site.file, site.line), (file, line), "{frames:?}");
        }
    }

    #[test]
    fn the_kind_of_the_innermost_future_is_found() {
        let ours = |file: &str| {
            format!("{{ fn: \"f\", file: \"{}/src/{file}\", line: 7 }}", env!("CARGO_MANIFEST_DIR"))
        };
        let registry = |name: &str| {
            format!("{{ fn: \"f\", file: \"/home/u/.cargo/registry/src/x/{name}/a.rs\", line: 7 }}")
        };
        // As `cargo timeloop` has it.
        let renamed_tokio = "{ fn: \"f\", file: \"target/timeloop/crates/0/registry/src/real/tokio-1.50.0/src/sync/a.rs\", line: 7 }".to_owned();
        let users = "{ fn: \"bank::audit\", file: \"/elsewhere/src/bank.rs\", line: 57 }".to_owned();
        let waker = ours("engine/waker.rs");
        for (frames, leaf) in [
            (vec![waker.clone(), registry("tokio-1.50.0"), ours("sync/mutex.rs"), users.clone()], Leaf::Sync),
            (vec![waker.clone(), renamed_tokio, ours("sync/mutex.rs"), users.clone()], Leaf::Sync),
            (vec![waker.clone(), ours("task/join_handle.rs"), users.clone()], Leaf::Task),
            (
                vec![waker.clone(), registry("flume-0.1.0"), ours("time/timeout.rs"), users.clone()],
                Leaf::Foreign,
            ),
            (vec![waker.clone(), ours("time/sleep.rs"), users.clone()], Leaf::Foreign),
            (vec![waker.clone(), ours("net/stream.rs"), registry("h2-0.4.0"), users.clone()], Leaf::Socket),
            (vec![waker, users, ours("sync/mutex.rs")], Leaf::Unknown),
        ] {
            assert_eq!(leaf_of(&format!("Backtrace [{}]", frames.join(", "))), leaf, "{frames:?}");
        }
    }

    #[test]
    fn a_loop_that_waits_in_another_one_is_part_of_a_task_there() {
        let frame = |file: &str| {
            format!("{{ fn: \"poll\", file: \"{}/{file}\", line: 7 }}", env!("CARGO_MANIFEST_DIR"))
        };
        let frames =
            ["src/engine/waker.rs", "src/engine/outer_loop.rs", "src/engine/run.rs", "src/runtime/handle.rs"];
        let inner = frames.map(frame).join(", ");
        let [task, run, main] = ["tests/suite/main.rs", "src/engine/run.rs", "examples/main.rs"].map(frame);
        assert_eq!(innermost(&format!("Backtrace [{inner}, {run}, {main}]")), None);
        let site = innermost(&format!("Backtrace [{inner}, {task}, {run}, {main}]"));
        assert_eq!(site.map(|site| site.file.into_owned()), Some("tests/suite/main.rs".to_owned()));
    }

    #[test]
    fn a_task_without_code_of_the_users_waits_nowhere() {
        let frame =
            |file| format!("{{ fn: \"poll\", file: \"{}/{file}\", line: 7 }}", env!("CARGO_MANIFEST_DIR"));
        let [task, run, main] = ["tests/suite/main.rs", "src/engine/run.rs", "examples/main.rs"].map(frame);
        let text = format!("Backtrace [{}, {run}, {main}]", frame("src/engine/waker.rs"));
        assert_eq!(innermost(&text), None);
        let text = format!("Backtrace [{}, {task}, {run}, {main}]", frame("src/engine/waker.rs"));
        assert_eq!(innermost(&text).map(|site| site.line), Some(7));
    }
}
