//! The watchdog: sees a poll that never returns, says which one, and stops the process.
//!
//! A poll can't be interrupted from outside, so this is the one ending that costs the process. One thread watches every
//! run of the process; a run tells it of each poll by a few relaxed stores.
//!
//! Always true: nothing here reaches a decision; a poll is called stuck only after the watchdog itself has woken several
//! times without seeing it move, so a process that was suspended or held in a debugger is left alone.

use std::cell::{Cell, OnceCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::profile::SeedContext;
use crate::{Nanos, Schedule, Seed, Site, TaskKey, TaskPath, TestName};

/// How long the watchdog sleeps at most, and so how late it may notice a run that begins.
const TICK_MAX: Duration = Duration::from_millis(250);
/// How often it looks, at least, before it calls a poll stuck.
const LOOKS_MIN: u32 = 8;

/// A run as the watchdog sees it: a simulation holds one for as long as a run lasts and tells it of every poll.
///
/// Dropping it ends the watch, so a panic that leaves the run does so too.
#[derive(Debug)]
pub struct Pulse<'a>(&'a Beat);

impl Pulse<'_> {
    /// Makes a run on this thread, and watches it; `stuck_after` is [`Limits::stuck_after`](crate::Limits::stuck_after).
    pub fn watch_run<R>(stuck_after: Duration, run: impl FnOnce(&Pulse<'_>) -> R) -> R {
        BEAT.with(|beat| {
            let beat = beat.get_or_init(Arc::default);
            beat.run.store(beat.run.load(Relaxed).wrapping_add(1), Relaxed);
            beat.step.store(0, Relaxed);
            if !stuck_after.is_zero() {
                beat.stuck_after_ns.store(u64::try_from(stuck_after.as_nanos()).unwrap_or(u64::MAX), Relaxed);
                if !beat.watched.get_or_set() {
                    watch(beat);
                }
            }
            run(&Pulse(beat))
        })
    }

    /// Says what the next runs of this thread are, for a run that [`explore`](crate::explore) does not make.
    pub fn announce(test: &TestName, schedule: &Schedule) {
        set_subject(Subject { test: test.clone(), origin: Origin::Stored(schedule.clone()), note: None });
    }

    /// This thread's run in words, a line each for the test, the run, the task that is being polled and the line that
    /// repeats it: for who must tell of it before the process ends.
    #[must_use]
    pub fn current_run() -> String {
        BEAT.with(|beat| beat.get().map_or_else(String::new, |beat| describe_run(beat)))
    }

    /// A poll of `task` begins.
    #[inline]
    pub fn begin_poll(&self, task: TaskKey, spawned: SpawnSite) {
        let beat = self.0;
        beat.task.store(task.0, Relaxed);
        beat.spawned.store(spawned.0, Relaxed);
        beat.step.store(beat.step.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

impl Drop for Pulse<'_> {
    fn drop(&mut self) {
        self.0.stuck_after_ns.store(0, Relaxed);
    }
}

/// A place where tasks are spawned, as a number that fits the watchdog's stores. The default is an unknown place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpawnSite(u32);

impl SpawnSite {
    /// The number of `location`: a nanosecond or two for a place seen before.
    #[must_use]
    #[inline]
    pub fn of(location: &'static Location<'static>) -> Self {
        let address = std::ptr::from_ref(location).addr();
        SITE_CACHE.with(|cache| {
            let entry = &cache[(address >> 3) % cache.len()];
            match entry.get() {
                (known, site) if known == address => site,
                _ => {
                    let site = Self::intern(location);
                    entry.set((address, site));
                    site
                }
            }
        })
    }

    #[cold]
    fn intern(location: &'static Location<'static>) -> Self {
        let mut sites = lock(&SITES);
        let index = sites.iter().position(|known| *known == location).unwrap_or_else(|| {
            sites.push(location);
            sites.len() - 1
        });
        Self(u32::try_from(index + 1).expect("a program has fewer than 2^32 places"))
    }

    fn location(self) -> Option<&'static Location<'static>> {
        lock(&SITES).get((self.0 as usize).checked_sub(1)?).copied()
    }
}

static SITES: Mutex<Vec<&'static Location<'static>>> = Mutex::new(Vec::new());

thread_local! {
    static BEAT: OnceCell<Arc<Beat>> = const { OnceCell::new() };
    static SITE_CACHE: [Cell<(usize, SpawnSite)>; 64] = const { [const { Cell::new((0, SpawnSite(0))) }; 64] };
}

/// What a thread's runs leave for the watchdog to read. In cache lines of its own: it is written at every poll.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Beat {
    /// How many runs this thread has begun.
    run: AtomicU64,
    /// Polls begun in this run.
    step: AtomicU64,
    task: AtomicU64,
    spawned: AtomicU32,
    /// Zero while nothing is to be watched.
    stuck_after_ns: AtomicU64,
    watched: Once,
    seed: AtomicU64,
    subject: Mutex<Subject>,
}

/// A flag that is set once.
#[derive(Debug, Default)]
struct Once(AtomicBool);

impl Once {
    fn get_or_set(&self) -> bool {
        self.0.load(Relaxed) || self.0.swap(true, Relaxed)
    }
}

/// What the runs of a thread are, for the message of a stuck one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    /// The test; its name is empty where there is none.
    pub(crate) test: TestName,
    /// How the run's decisions are made.
    pub(crate) origin: Origin,
    /// What else a person should know: that a failure had been found already, and how to see it again.
    pub(crate) note: Option<Arc<str>>,
}

/// How the decisions of a thread's runs are made.
#[derive(Clone, Debug, Default)]
pub(crate) enum Origin {
    /// By a source that has no written form.
    #[default]
    Unknown,
    /// By what the seed last given to [`set_seed`] means.
    Seeded(SeedContext),
    /// By this schedule.
    Stored(Schedule),
}

/// Says what the runs of this thread are from now on.
pub(crate) fn set_subject(subject: Subject) {
    BEAT.with(|beat| *lock(&beat.get_or_init(Arc::default).subject) = subject);
}

/// Says which seed the next run of this thread has.
#[inline]
pub(crate) fn set_seed(seed: Seed) {
    BEAT.with(|beat| beat.get_or_init(Arc::default).seed.store(seed.0, Relaxed));
}

/// A thread's beat, and when it last moved.
#[derive(Debug)]
struct Watched {
    beat: Arc<Beat>,
    seen: (u64, u64),
    still_for: Duration,
}

impl Watched {
    /// Looks at the beat after `slept`; whether its poll is stuck.
    fn look(&mut self, slept: Duration) -> bool {
        let now = (self.beat.run.load(Relaxed), self.beat.step.load(Relaxed));
        let stuck_after = Duration::from_nanos(self.beat.stuck_after_ns.load(Relaxed));
        if now != self.seen || stuck_after.is_zero() {
            self.seen = now;
            self.still_for = Duration::ZERO;
            return false;
        }
        self.still_for += slept;
        self.still_for >= stuck_after
    }
}

static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

/// Enters the thread's beat with the watchdog, whose thread the first one starts.
#[cold]
fn watch(beat: &Arc<Beat>) {
    static STARTED: AtomicBool = AtomicBool::new(false);

    lock(&WATCHED).push(Watched { beat: Arc::clone(beat), seen: (0, 0), still_for: Duration::ZERO });
    // Miri takes a thread that outlives `main` for a leak.
    if cfg!(miri) || STARTED.swap(true, Relaxed) {
        return;
    }
    // Without a thread to spare, stuck polls go unseen and all else works.
    let _ = std::thread::Builder::new().name("timeloop watchdog".to_owned()).spawn(|| {
        loop {
            let tick = tick();
            std::thread::sleep(tick);
            let stuck = look_at_all(tick);
            if let Some(message) = stuck {
                // Past the capture of test output, which a process that aborts would take along.
                let _ = std::io::stderr().lock().write_all(message.as_bytes());
                std::process::abort();
            }
        }
    });
}

/// How long to sleep: often enough for the most impatient run.
fn tick() -> Duration {
    lock(&WATCHED)
        .iter()
        .map(|watched| watched.beat.stuck_after_ns.load(Relaxed))
        .filter(|stuck_after_ns| *stuck_after_ns > 0)
        .map(|stuck_after_ns| Duration::from_nanos(stuck_after_ns) / LOOKS_MIN)
        .fold(TICK_MAX, Duration::min)
        .max(Duration::from_millis(1))
}

/// Looks at every run; what to say of a stuck one.
fn look_at_all(slept: Duration) -> Option<String> {
    let mut all = lock(&WATCHED);
    // A thread that has ended holds its beat no longer.
    all.retain(|watched| Arc::strong_count(&watched.beat) > 1);
    all.iter_mut().find_map(|watched| watched.look(slept).then(|| describe(&watched.beat)))
}

fn describe(beat: &Beat) -> String {
    let stuck_after = Nanos(beat.stuck_after_ns.load(Relaxed));
    format!(
        "\ntimeloop: stuck: a poll has not returned for {stuck_after}\n{}\
         While a poll lasts no other task can run, and it can't be interrupted: the process stops now.\n\
         Look for a loop without `.await`, or for a call that blocks the thread: a std lock or channel, a sleep, or tokio's\n\
         own `blocking_*` calls where they have to wait.\n\
         If the work is merely slow, raise `stuck_after`, or set it to zero to wait for ever.\n",
        describe_run(beat),
    )
}

fn describe_run(beat: &Beat) -> String {
    let subject = lock(&beat.subject).clone();
    let step = beat.step.load(Relaxed);
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "  {name:<8} {value}");
    };
    if !subject.test.as_str().is_empty() {
        line("test", &subject.test);
    }
    let schedule = match subject.origin {
        Origin::Unknown => None,
        Origin::Seeded(context) => Some(context.schedule(Seed(beat.seed.load(Relaxed)))),
        Origin::Stored(schedule) => Some(schedule),
    };
    match &schedule {
        None => {}
        Some(Schedule::Seeded { seed, strategy, .. }) => {
            line("run", &format_args!("seed {seed}, strategy `{strategy}`"));
        }
        Some(Schedule::Deviations { deviations, .. }) if deviations.is_empty() => {
            line("run", &"the quiet run: every task in its turn");
        }
        Some(Schedule::Deviations { .. }) => line("run", &"a stored schedule"),
    }
    if step == 0 {
        line("task", &"none yet: the run was being set up");
    } else {
        let key = TaskKey(beat.task.load(Relaxed));
        let task = find_path(key).map_or_else(|| format!("number {:016x}", key.0), |path| path.to_string());
        match SpawnSite(beat.spawned.load(Relaxed)).location() {
            Some(location) => line("task", &format_args!("`{task}`, spawned at {}", Site::from(location))),
            None => line("task", &format_args!("`{task}`")),
        }
        line("step", &step);
    }
    if let Some(schedule) = schedule {
        line("replay", &subject.test.replay_line(&schedule));
    }
    if let Some(note) = subject.note {
        line("note", &note);
    }
    text
}

/// The spawn path with this key, if it is among the likely ones: keys are hashes, so this is a search.
fn find_path(key: TaskKey) -> Option<TaskPath> {
    fn search(key: TaskKey, at: TaskKey, path: &mut Vec<u32>, depth: usize, width: u32) -> bool {
        if at == key {
            return true;
        }
        if depth == 0 {
            return false;
        }
        for index in 1..=width {
            path.push(index);
            if search(key, at.child(index), path, depth - 1, width) {
                return true;
            }
            path.pop();
        }
        false
    }
    // Few tasks are both deep and late children; each row looks at some hundred thousand paths.
    let shapes = [(1, 100_000), (2, 400), (3, 60), (4, 20), (6, 7)];
    let mut path = Vec::new();
    shapes
        .into_iter()
        .any(|(depth, width)| search(key, TaskKey::ROOT, &mut path, depth, width))
        .then(|| path.into_iter().collect())
}

/// What these locks guard stays whole across a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StrategySpec;

    #[test]
    fn a_poll_is_stuck_only_after_standing_still_for_long_enough() {
        let beat = Arc::<Beat>::default();
        let pulse = Pulse(&beat);
        beat.stuck_after_ns.store(1_000, Relaxed);
        let mut watched = Watched { beat: Arc::clone(&beat), seen: (0, 0), still_for: Duration::ZERO };
        let tick = Duration::from_nanos(400);
        pulse.begin_poll(TaskKey::ROOT, SpawnSite::default());
        assert!(!watched.look(tick), "the first look sees a new poll");
        assert!(!watched.look(tick));
        assert!(!watched.look(tick));
        pulse.begin_poll(TaskKey::ROOT, SpawnSite::default());
        assert!(!watched.look(tick), "the poll has moved on");
        assert!(!watched.look(tick));
        assert!(!watched.look(tick));
        assert!(watched.look(tick));
        drop(pulse);
        assert!(!watched.look(tick), "the run is over");
    }

    #[test]
    fn a_place_keeps_its_number() {
        let (here, there) = (Location::caller(), Location::caller());
        assert_eq!(SpawnSite::of(here), SpawnSite::of(here));
        assert_ne!(SpawnSite::of(here), SpawnSite::of(there));
        assert_eq!(SpawnSite::of(here).location(), Some(here));
        assert_eq!(SpawnSite::default().location(), None);
    }

    #[test]
    fn spawn_paths_are_found_again() {
        let root = TaskPath::root();
        for path in
            [root.clone(), root.child(70_000), root.child(3).child(350), root.child(1).child(1).child(59)]
        {
            assert_eq!(find_path(path.key()), Some(path));
        }
        assert_eq!(find_path(TaskKey(7)), None);
    }

    #[test]
    fn the_message_names_test_seed_task_and_replay_line() {
        let beat = Arc::<Beat>::default();
        let pulse = Pulse(&beat);
        beat.stuck_after_ns.store(10_000_000_000, Relaxed);
        beat.seed.store(17, Relaxed);
        *lock(&beat.subject) = Subject {
            test: TestName::new("bank::transfers"),
            origin: Origin::Seeded(SeedContext { strategy: StrategySpec::Random, ..SeedContext::default() }),
            note: None,
        };
        let location = Location::caller();
        pulse.begin_poll(TaskKey::ROOT.child(2), SpawnSite::of(location));
        let expected = format!(
            "
timeloop: stuck: a poll has not returned for 10 s
  test     bank::transfers
  run      seed 17, strategy `random`
  task     `root.2`, spawned at {location}
  step     1
  replay   TIMELOOP_REPLAY=TL10YJ2C9MD00012KFTM050 cargo test transfers -- --exact
While a poll lasts no other task can run, and it can't be interrupted: the process stops now.
Look for a loop without `.await`, or for a call that blocks the thread: a std lock or channel, a sleep, or tokio's
own `blocking_*` calls where they have to wait.
If the work is merely slow, raise `stuck_after`, or set it to zero to wait for ever.
"
        );
        assert_eq!(describe(&beat), expected);
    }
}
