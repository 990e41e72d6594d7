//! The watchdog: detects a poll or a destructor that does not return, prints which one, and aborts the process.
//!
//! A poll can't be interrupted from outside, so aborting is the only option. One thread watches all runs of the process. A
//! run reports each poll through a [`Heartbeat`], with a few relaxed stores, and each destructor that it calls at its end.
//!
//! # Invariants
//! - Nothing here affects a decision.
//! - A poll counts as stuck only once its thread has run, or has been blocked, for long enough; see [`ThreadClock`]. A poll that
//!   waits for a core on a busy machine is not stuck.
//! - It counts as stuck only after the watchdog has woken several times without seeing progress. So a process that was
//!   suspended or stopped in a debugger is not aborted.

mod process_end;
mod thread_clock;

use std::cell::{Cell, OnceCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thread_clock::ThreadClock;

use crate::profile::SeedContext;
use crate::{Nanos, Schedule, Seed, Site, TaskKey, TaskPath, TestName};

/// After how long a poll counts as stuck by default: see [`Limits::stuck_after`](crate::Limits::stuck_after).
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(10);
/// The longest sleep of the watchdog, and so the longest delay before it notices that a run has begun.
const TICK_MAX: Duration = Duration::from_millis(250);
/// The least number of checks before a poll counts as stuck.
const CHECKS_MIN: u32 = 8;

/// Reports the polls and the destructors of a run to the watchdog. A simulation holds one for the duration of the run.
///
/// Dropping it ends the watch, also when a panic unwinds out of the run.
#[derive(Debug)]
pub struct Heartbeat<'a> {
    status: &'a ThreadStatus,
    /// What the thread did before, in a run around this one.
    outer: (u64, Activity),
}

impl Heartbeat<'_> {
    /// Calls `run` on this thread and watches it; `stuck_after` is [`Limits::stuck_after`](crate::Limits::stuck_after).
    pub fn watch_run<R>(stuck_after: Duration, run: impl FnOnce(&Heartbeat<'_>) -> R) -> R {
        STATUS.with(|status| {
            let status = status.get_or_init(Arc::default);
            status.step.store(0, Relaxed);
            run(&Self::begin(status, stuck_after, Activity::Poll))
        })
    }

    /// Calls `end`, the end of the run that this thread has made last, and watches it.
    pub fn watch_end<R>(stuck_after: Duration, end: impl FnOnce(&Heartbeat<'_>) -> R) -> R {
        STATUS.with(|status| {
            let status = status.get_or_init(Arc::default);
            end(&Self::begin(status, stuck_after, Activity::Drop))
        })
    }

    fn begin(status: &Arc<ThreadStatus>, stuck_after: Duration, activity: Activity) -> Heartbeat<'_> {
        let outer = (status.stuck_after_ns.load(Relaxed), status.activity());
        status.begin(activity);
        let stuck_after_ns = u64::try_from(stuck_after.as_nanos()).unwrap_or(u64::MAX);
        status.stuck_after_ns.store(stuck_after_ns, Relaxed);
        if !status.watched.get_or_set() {
            watch(status);
        }
        Heartbeat { status, outer }
    }

    /// Sets the test and the schedule of this thread's next runs, for runs that [`explore`](crate::explore) does not make.
    pub fn announce(test: &TestName, schedule: &Schedule) {
        set_subject(Subject { test: test.clone(), origin: Origin::Stored(schedule.clone()), note: None });
    }

    /// Describes this thread's run for a message that is printed before the process aborts. It has a line each for the test,
    /// the run, the polled task, the step and the replay command, as far as they are known.
    #[must_use]
    pub fn current_run() -> String {
        process_end::set_described();
        STATUS.with(|status| status.get().map_or_else(String::new, |status| describe_run(status)))
    }

    /// Reports that a poll of `task` begins.
    #[inline]
    pub fn begin_poll(&self, task: TaskKey, spawned: SpawnSite) {
        let status = self.status;
        status.task.store(task.0, Relaxed);
        status.spawned.store(spawned.0, Relaxed);
        status.step.store(status.step.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Reports that `task` is dropped next, at the end of the run.
    pub fn begin_drop(&self, task: TaskKey, spawned: SpawnSite) {
        let status = self.status;
        status.task.store(task.0, Relaxed);
        status.spawned.store(spawned.0, Relaxed);
        status.begin(Activity::Drop);
    }

    /// Reports that the output of the test is examined and dropped next.
    pub fn begin_output(&self) {
        self.begin_drop(TaskKey::ROOT, SpawnSite::default());
        self.status.begin(Activity::Output);
    }
}

impl Drop for Heartbeat<'_> {
    fn drop(&mut self) {
        let (stuck_after_ns, activity) = self.outer;
        self.status.stuck_after_ns.store(stuck_after_ns, Relaxed);
        self.status.begin(activity);
    }
}

/// A location where tasks are spawned, as a number that fits into an atomic. The default is an unknown location.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpawnSite(u32);

impl SpawnSite {
    /// Returns the number of `location`. It takes a nanosecond or two for a location seen before.
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
        Self(u32::try_from(index + 1).expect("a program has fewer than 2^32 locations"))
    }

    fn location(self) -> Option<&'static Location<'static>> {
        lock(&SITES).get((self.0 as usize).checked_sub(1)?).copied()
    }
}

static SITES: Mutex<Vec<&'static Location<'static>>> = Mutex::new(Vec::new());

thread_local! {
    static STATUS: OnceCell<Arc<ThreadStatus>> = const { OnceCell::new() };
    static SITE_CACHE: [Cell<(usize, SpawnSite)>; 64] = const { [const { Cell::new((0, SpawnSite(0))) }; 64] };
}

/// The state of a thread's runs that the watchdog reads. It has cache lines of its own, since every poll writes to it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct ThreadStatus {
    /// Counts the changes of `activity`.
    begun: AtomicU64,
    /// The [`Activity`], as a number.
    activity: AtomicU8,
    /// The number of polls begun in this run.
    step: AtomicU64,
    task: AtomicU64,
    spawned: AtomicU32,
    /// The number of the thread, for [`process_end`].
    thread: AtomicU64,
    /// The system's number of the thread that makes the run in the place of this one, or 0.
    runs_on: AtomicU32,
    /// Zero while the thread is not watched.
    stuck_after_ns: AtomicU64,
    watched: Once,
    seed: AtomicU64,
    subject: Mutex<Subject>,
}

/// What a thread does that may not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Activity {
    /// It makes no run.
    None,
    /// It polls a task.
    Poll,
    /// It drops a task at the end of a run.
    Drop,
    /// It formats or drops the output of the test.
    Output,
}

impl ThreadStatus {
    fn begin(&self, activity: Activity) {
        self.activity.store(activity as u8, Relaxed);
        self.begun.store(self.begun.load(Relaxed).wrapping_add(1), Relaxed);
    }

    fn activity(&self) -> Activity {
        let activity = self.activity.load(Relaxed);
        let all = [Activity::None, Activity::Poll, Activity::Drop, Activity::Output];
        all.into_iter().find(|one| *one as u8 == activity).unwrap_or(Activity::None)
    }
}

/// A flag that is set once.
#[derive(Debug, Default)]
struct Once(AtomicBool);

impl Once {
    fn get_or_set(&self) -> bool {
        self.0.load(Relaxed) || self.0.swap(true, Relaxed)
    }
}

/// The test and the schedule of a thread's runs, for the message about a stuck poll.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    /// The test; its name is empty if there is none.
    pub(crate) test: TestName,
    /// Where the run's decisions come from.
    pub(crate) origin: Origin,
    /// A note for the message: a failure that was found before, and how to replay it.
    pub(crate) note: Option<Arc<str>>,
}

/// Where the decisions of a thread's runs come from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Origin {
    /// A source that has no stored form.
    #[default]
    Unknown,
    /// The seed last passed to [`set_seed`], in this context.
    Seeded(SeedContext),
    /// This schedule.
    Stored(Schedule),
}

/// Sets the subject of this thread's next runs.
pub(crate) fn set_subject(subject: Subject) {
    STATUS.with(|status| *lock(&status.get_or_init(Arc::default).subject) = subject);
}

/// Sets the seed of this thread's next run.
#[inline]
pub(crate) fn set_seed(seed: Seed) {
    STATUS.with(|status| status.get_or_init(Arc::default).seed.store(seed.0, Relaxed));
}

/// What the watchdog knows of a thread, for another one that makes a run in its place.
#[derive(Debug)]
pub(crate) struct Place(Arc<ThreadStatus>);

impl Place {
    /// Returns the place of this thread.
    pub(crate) fn of_this_thread() -> Self {
        Self(STATUS.with(|status| Arc::clone(status.get_or_init(Arc::default))))
    }

    /// Puts this thread, which has made no run, into the place.
    pub(crate) fn take(self) {
        process_end::set_number(self.0.thread.load(Relaxed));
        self.0.runs_on.store(thread_clock::number_of_this_thread(), Relaxed);
        STATUS.with(|status| status.set(self.0).expect("the thread has made no run"));
    }
}

/// A watched thread, with the last progress that was seen.
#[derive(Debug)]
struct Watched {
    status: Arc<ThreadStatus>,
    clock: ThreadClock,
    seen: (u64, u64),
    /// For how long the thread has run or was blocked since then.
    still_for: Duration,
}

impl Watched {
    /// Checks for progress after a sleep of `slept`. Returns whether the poll is stuck.
    fn check(&mut self, slept: Duration) -> bool {
        let now = (self.status.begun.load(Relaxed), self.status.step.load(Relaxed));
        let stuck_after = Duration::from_nanos(self.status.stuck_after_ns.load(Relaxed));
        if now != self.seen || stuck_after.is_zero() {
            self.seen = now;
            self.still_for = Duration::ZERO;
            self.clock.reset_to(self.status.runs_on.load(Relaxed));
            return false;
        }
        self.still_for += self.clock.advance(slept);
        self.still_for >= stuck_after
    }
}

static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

/// Registers a thread with the watchdog. The first call starts the watchdog's thread.
#[cold]
fn watch(status: &Arc<ThreadStatus>) {
    static STARTED: AtomicBool = AtomicBool::new(false);

    let clock = ThreadClock::of_this_thread();
    status.thread.store(process_end::number_thread(), Relaxed);
    lock(&WATCHED).push(Watched {
        status: Arc::clone(status),
        clock,
        seen: (0, 0),
        still_for: Duration::ZERO,
    });
    // Miri reports a thread that outlives `main` as a leak.
    if cfg!(miri) || STARTED.swap(true, Relaxed) {
        return;
    }
    process_end::install();
    // A thread that is being started can't begin while another one handles a stack overflow, so this waits until it has begun.
    let begun = Arc::new(Barrier::new(2));
    let begins = Arc::clone(&begun);
    let thread = std::thread::Builder::new().name("timeloop watchdog".to_owned()).spawn(move || {
        begins.wait();
        loop {
            let tick = tick();
            std::thread::sleep(tick);
            process_end::describe_aborting();
            let stuck = check_all(tick);
            if let Some(message) = stuck {
                // Written directly to stderr: captured test output is lost when the process aborts.
                let _ = std::io::stderr().lock().write_all(message.as_bytes());
                std::process::abort();
            }
        }
    });
    // If the thread can't be started, stuck polls are not detected and everything else works.
    if thread.is_ok() {
        begun.wait();
    }
}

/// Returns how long to sleep until the next check, which the shortest `stuck_after` determines.
fn tick() -> Duration {
    lock(&WATCHED)
        .iter()
        .map(|watched| watched.status.stuck_after_ns.load(Relaxed))
        .filter(|stuck_after_ns| *stuck_after_ns > 0)
        .map(|stuck_after_ns| Duration::from_nanos(stuck_after_ns) / CHECKS_MIN)
        .fold(TICK_MAX, Duration::min)
        .max(Duration::from_millis(1))
}

/// Checks every thread. Returns the message about a stuck poll, if there is one.
fn check_all(slept: Duration) -> Option<String> {
    let mut all = lock(&WATCHED);
    // A thread that has ended has dropped its status. Before that, it may end the process.
    all.retain(|watched| {
        Arc::strong_count(&watched.status) > 1 || watched.status.activity() != Activity::None
    });
    all.iter_mut().find_map(|watched| watched.check(slept).then(|| describe(&watched.status)))
}

fn describe(status: &ThreadStatus) -> String {
    let stuck_after = Nanos(status.stuck_after_ns.load(Relaxed));
    let (what, why, look_for) = match status.activity() {
        Activity::None | Activity::Poll => (
            "a poll",
            "No other task can run during a poll, and a poll can't be interrupted",
            "a loop without `.await`",
        ),
        Activity::Drop => (
            "the destructor of a task, called at the end of the run,",
            "A destructor can't be interrupted",
            "an endless loop in a destructor",
        ),
        Activity::Output => (
            "the `Debug` or the destructor of the test's output",
            "Neither can be interrupted",
            "an endless loop",
        ),
    };
    format!(
        "\ntimeloop: stuck: {what} has not returned for {stuck_after}\n{}\
         {why}, so the process is aborted.\n\
         Look for {look_for}, or for a call that blocks the thread: a std lock or channel, a sleep, or\n\
         a `blocking_*` method of tokio that has to wait.\n\
         If the code is only slow, raise `stuck_after`, or set it to zero to wait for ever.\n",
        describe_run(status),
    )
}

/// Describes the run of the thread with this number, if it makes one.
fn describe_run_of(thread: u64) -> Option<String> {
    let all = lock(&WATCHED);
    let watched = all.iter().find(|watched| watched.status.thread.load(Relaxed) == thread)?;
    (watched.status.activity() != Activity::None).then(|| describe_run(&watched.status))
}

fn describe_run(status: &ThreadStatus) -> String {
    let subject = lock(&status.subject).clone();
    let step = status.step.load(Relaxed);
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "  {name:<8} {value}");
    };
    if !subject.test.as_str().is_empty() {
        line("test", &subject.test);
    }
    let schedule = match subject.origin {
        Origin::Unknown => None,
        Origin::Seeded(context) => Some(context.schedule(Seed(status.seed.load(Relaxed)))),
        Origin::Stored(schedule) => Some(schedule),
    };
    match &schedule {
        None => {}
        Some(Schedule::Seeded { seed, strategy, .. }) => {
            line("run", &format_args!("seed {seed}, strategy `{strategy}`"));
        }
        Some(Schedule::Deviations { deviations, .. }) if deviations.is_empty() => {
            line("run", &"the baseline run: every task in FIFO order");
        }
        Some(Schedule::Deviations { .. }) => line("run", &"a stored schedule"),
    }
    let activity = status.activity();
    if step == 0 && activity == Activity::Poll {
        line("task", &"none yet: the run was being set up");
    } else {
        let name = if activity == Activity::Drop { "dropped" } else { "task" };
        let key = TaskKey(status.task.load(Relaxed));
        let task =
            TaskPath::find(key).map_or_else(|| format!("number {:016x}", key.0), |path| path.to_string());
        match SpawnSite(status.spawned.load(Relaxed)).location() {
            Some(location) => line(name, &format_args!("`{task}`, spawned at {}", Site::from(location))),
            None => line(name, &format_args!("`{task}`")),
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

/// Locks, ignoring poison: a panic can't leave the guarded data inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StrategySpec;

    #[test]
    fn a_poll_is_stuck_only_after_long_enough_without_progress() {
        let status = Arc::<ThreadStatus>::default();
        let heartbeat = Heartbeat { status: &status, outer: (0, Activity::None) };
        status.stuck_after_ns.store(1_000, Relaxed);
        status.begin(Activity::Poll);
        let clock = ThreadClock::wall();
        let mut watched =
            Watched { status: Arc::clone(&status), clock, seen: (0, 0), still_for: Duration::ZERO };
        let tick = Duration::from_nanos(400);
        heartbeat.begin_poll(TaskKey::ROOT, SpawnSite::default());
        assert!(!watched.check(tick), "the first check sees a new poll");
        assert!(!watched.check(tick));
        assert!(!watched.check(tick));
        heartbeat.begin_poll(TaskKey::ROOT, SpawnSite::default());
        assert!(!watched.check(tick), "another poll has begun");
        assert!(!watched.check(tick));
        assert!(!watched.check(tick));
        assert!(watched.check(tick));
        drop(heartbeat);
        assert!(!watched.check(tick), "the run is over");
    }

    #[test]
    fn a_location_keeps_its_number() {
        let (here, there) = (Location::caller(), Location::caller());
        assert_eq!(SpawnSite::of(here), SpawnSite::of(here));
        assert_ne!(SpawnSite::of(here), SpawnSite::of(there));
        assert_eq!(SpawnSite::of(here).location(), Some(here));
        assert_eq!(SpawnSite::default().location(), None);
    }

    #[test]
    fn the_message_names_test_seed_task_and_replay_line() {
        let status = Arc::<ThreadStatus>::default();
        let heartbeat = Heartbeat { status: &status, outer: (0, Activity::None) };
        status.stuck_after_ns.store(10_000_000_000, Relaxed);
        status.begin(Activity::Poll);
        status.seed.store(17, Relaxed);
        *lock(&status.subject) = Subject {
            test: TestName::new("bank::transfers"),
            origin: Origin::Seeded(SeedContext { strategy: StrategySpec::Random, ..SeedContext::default() }),
            note: None,
        };
        let location = Location::caller();
        heartbeat.begin_poll(TaskKey::ROOT.child(2), SpawnSite::of(location));
        let expected = format!(
            "
timeloop: stuck: a poll has not returned for 10 s
  test     bank::transfers
  run      seed 17, strategy `random`
  task     `root.2`, spawned at {location}
  step     1
  replay   TIMELOOP_REPLAY=TL10YJ2C9MD08012KKYEHJ0 cargo test transfers -- --exact
No other task can run during a poll, and a poll can't be interrupted, so the process is aborted.
Look for a loop without `.await`, or for a call that blocks the thread: a std lock or channel, a sleep, or
a `blocking_*` method of tokio that has to wait.
If the code is only slow, raise `stuck_after`, or set it to zero to wait for ever.
"
        );
        assert_eq!(describe(&status), expected);
    }
}
