//! Decodes bytes into operations of the root task on timers, and runs them one after the other.
//!
//! # Invariants
//! A timer that a poll sets is added to the list right before the poll, and time does not pass in between.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use timeloop::task::{self, AbortHandle};
use timeloop::time::{
    self, Duration, Instant, Interval, MissedTickBehavior, Sleep, Timeout, sleep, sleep_until, timeout,
};
use timeloop_fuzz::{Reader, cover};

use crate::list::{List, Place, Who};

type Shared = Arc<Mutex<List>>;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Equal durations are likely, so that timers tie, and some sums equal others.
const DURATIONS: [Duration; 14] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_nanos(2),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_nanos(5_000_000),
    Duration::from_nanos(5_000_001),
    Duration::from_millis(12),
    Duration::from_secs(1),
    DAY,
    DAY.saturating_mul(365),
    DAY.saturating_mul(365 * 200),
    Duration::from_nanos(u64::MAX),
    Duration::MAX,
];
/// The last instant, in nanoseconds after a run's start. Later deadlines are clamped to it.
const LAST_NS: u64 = u64::MAX - (1 << 61);
/// How long a sleep takes whose deadline would be later than the last instant: 30 years, as in tokio.
const LONGEST: Duration = DAY.saturating_mul(365 * 30);
/// The number of durations that the root itself may sleep for.
const SHORT: usize = 11;
/// The largest number of operations, so that the root does not run for a hundred years.
const OPS_MAX: usize = 64;

/// A waker that reports its wake to the list.
struct ReportingWaker {
    number: u32,
    list: Shared,
    start: Instant,
}

impl Wake for ReportingWaker {
    fn wake(self: Arc<Self>) {
        let now_ns = since(self.start, Instant::now());
        self.list.lock().expect("nothing panics under it").wakes(Who::Waker(self.number), now_ns);
    }
}

/// Returns an instant as in the list: nanoseconds after the start.
fn since(start: Instant, instant: Instant) -> u64 {
    nanos(instant - start)
}

/// Returns a duration in nanoseconds.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).map_or(LAST_NS, |ns| ns.min(LAST_NS))
}

/// Adds a duration, up to the last instant.
fn later(ns: u64, by: Duration) -> u64 {
    ns.saturating_add(nanos(by)).min(LAST_NS)
}

/// Returns the deadline of a sleep that begins at `ns`.
fn deadline(ns: u64, duration: Duration) -> u64 {
    let fits = u128::from(ns) + duration.as_nanos() <= u128::from(LAST_NS);
    later(ns, if fits { duration } else { LONGEST })
}

/// The model of a sleep, which may be part of another timer.
struct Slot {
    deadline_ns: u64,
    set: Option<Place>,
}

enum Kind {
    Sleep(Pin<Box<Sleep>>),
    Interval(Interval),
    Timeout(Pin<Box<Timeout<Sleep>>>),
}

struct Timer {
    kind: Kind,
    /// The sleeps of the timer, in the order in which they are polled.
    slots: Vec<Slot>,
    wakers: [Waker; 2],
    numbers: [u32; 2],
}

struct Root<'a> {
    reader: Reader<'a>,
    list: Shared,
    start: Instant,
    timers: Vec<Timer>,
    sleepers: Vec<(u32, AbortHandle)>,
    numbers: u32,
}

/// Runs the root task. If `endless`, it finally waits for ever.
pub(crate) async fn root(reader: Reader<'_>, list: Shared, endless: bool) {
    let (start, timers, sleepers) = (Instant::now(), Vec::new(), Vec::new());
    assert_eq!(since(start, sleep(Duration::MAX).deadline()), nanos(LONGEST));
    let mut root = Root { reader, list, start, timers, sleepers, numbers: 0 };
    for _ in 0..OPS_MAX {
        if root.reader.is_empty() {
            break;
        }
        root.op().await;
    }
    if endless {
        sleep_until(root.instant(LAST_NS)).await;
    }
    while let Some(timer) = root.timers.pop() {
        root.forget(&timer);
    }
}

impl Root<'_> {
    async fn op(&mut self) {
        let op = self.reader.below(16);
        cover(&[op as u64, self.timers.len().min(5) as u64]);
        match op {
            0 => {
                let duration = self.reader.pick(&DURATIONS);
                let sleep = sleep(duration);
                let deadline_ns = self.after(duration);
                self.check(since(self.start, sleep.deadline()) == deadline_ns, "a sleep's deadline");
                self.add(Kind::Sleep(Box::pin(sleep)), &[deadline_ns]);
            }
            1 => {
                let deadline_ns = self.instant_ns();
                self.add(Kind::Sleep(Box::pin(sleep_until(self.instant(deadline_ns)))), &[deadline_ns]);
            }
            2 => {
                let period = self.reader.pick(&DURATIONS[1..]);
                let (interval, first_ns) = if self.reader.flag() {
                    let first_ns = self.instant_ns();
                    (time::interval_at(self.instant(first_ns), period), first_ns)
                } else {
                    (time::interval(period), self.now_ns())
                };
                self.check(interval.period() == period, "an interval's period");
                self.add(Kind::Interval(interval), &[first_ns]);
            }
            3 => {
                let [inner, limit] = [(); 2].map(|()| self.reader.pick(&DURATIONS));
                let slots = [self.after(inner), self.after(limit)];
                self.add(Kind::Timeout(Box::pin(timeout(limit, sleep(inner)))), &slots);
            }
            4..=7 => {
                let Some(index) = self.index() else { return };
                let waker = usize::from(op == 7);
                self.poll(index, waker);
            }
            8 | 9 => {
                let Some(index) = self.index() else { return };
                self.reset(index);
            }
            10 => {
                let Some(index) = self.index() else { return };
                let timer = self.timers.swap_remove(index);
                self.forget(&timer);
            }
            11 | 12 => {
                let duration = self.reader.pick(&DURATIONS[..SHORT]);
                let due_ns = self.after(duration);
                if self.reader.flag() {
                    let never = timeout(duration, std::future::pending::<()>()).await;
                    self.check(never.is_err(), "nothing comes of `pending`");
                } else {
                    sleep(duration).await;
                }
                let now_ns = self.now_ns();
                self.check(now_ns == due_ns, "the root is on time");
                let mut list = self.list.lock().expect("nothing panics under it");
                let late =
                    if duration.is_zero() { None } else { list.due(now_ns).or(list.overslept(now_ns)) };
                if let Some(late) = late {
                    list.problem(format!("at {now_ns} {late:?} has not been woken"));
                }
            }
            13 => task::yield_now().await,
            14 => self.spawn(),
            _ => {
                if self.sleepers.is_empty() {
                    return;
                }
                let index = self.reader.below(self.sleepers.len());
                let (number, abort) = self.sleepers.swap_remove(index);
                abort.abort();
                let mut list = self.list.lock().expect("nothing panics under it");
                list.forget_task(number);
            }
        }
    }

    fn now_ns(&self) -> u64 {
        since(self.start, Instant::now())
    }

    /// Returns the deadline of a sleep that begins now.
    fn after(&self, duration: Duration) -> u64 {
        deadline(self.now_ns(), duration)
    }

    /// Reads an instant, which may be in the past.
    fn instant_ns(&mut self) -> u64 {
        let duration = self.reader.pick(&DURATIONS);
        if self.reader.flag() { later(self.now_ns(), duration) } else { nanos(duration) }
    }

    fn instant(&self, ns: u64) -> Instant {
        self.start.checked_add(Duration::from_nanos(ns)).expect("the clock holds the last instant")
    }

    fn index(&mut self) -> Option<usize> {
        let byte = usize::from(self.reader.byte());
        byte.checked_rem(self.timers.len())
    }

    fn add(&mut self, kind: Kind, deadlines_ns: &[u64]) {
        let numbers = [self.numbers, self.numbers + 1];
        self.numbers += 2;
        let wakers = numbers.map(|number| {
            Waker::from(Arc::new(ReportingWaker { number, list: Arc::clone(&self.list), start: self.start }))
        });
        let slots = deadlines_ns.iter().map(|&deadline_ns| Slot { deadline_ns, set: None }).collect();
        self.timers.push(Timer { kind, slots, wakers, numbers });
    }

    fn check(&self, good: bool, what: &str) {
        if !good {
            let now_ns = self.now_ns();
            let mut list = self.list.lock().expect("nothing panics under it");
            list.problem(format!("not so at {now_ns}: {what}"));
        }
    }

    /// Removes a dropped timer from the list.
    fn forget(&self, timer: &Timer) {
        let mut list = self.list.lock().expect("nothing panics under it");
        for place in timer.slots.iter().filter_map(|slot| slot.set) {
            list.take_back(place);
        }
    }

    /// Polls a sleep of a timer in the list. Returns whether it is ready.
    fn poll_slot(&mut self, index: usize, slot: usize, waker: usize) -> bool {
        let now_ns = self.now_ns();
        let timer = &mut self.timers[index];
        let who = Who::Waker(timer.numbers[waker]);
        let slot = &mut timer.slots[slot];
        let mut list = self.list.lock().expect("nothing panics under it");
        let set = slot.set.and_then(|place| list.at(place));
        if now_ns >= slot.deadline_ns || set != Some(who) {
            slot.set.take().map(|place| list.take_back(place));
        }
        if now_ns >= slot.deadline_ns {
            return true;
        }
        // A timer with another waker counts as registered anew.
        if slot.set.is_none() {
            slot.set = Some(list.set(slot.deadline_ns, who));
        }
        false
    }

    fn poll(&mut self, index: usize, waker: usize) {
        let expected = match &self.timers[index].kind {
            Kind::Sleep(_) | Kind::Interval(_) => self.poll_slot(index, 0, waker).then_some(true),
            Kind::Timeout(_) => {
                if self.poll_slot(index, 0, waker) {
                    Some(true)
                } else {
                    self.poll_slot(index, 1, waker).then_some(false)
                }
            }
        };
        let now_ns = self.now_ns();
        let timer = &mut self.timers[index];
        let context = &mut Context::from_waker(&timer.wakers[waker]);
        let mut next_ns = None;
        let polled = match &mut timer.kind {
            Kind::Sleep(sleep) => sleep.as_mut().poll(context).map(|()| true),
            Kind::Timeout(timeout) => timeout.as_mut().poll(context).map(|result| result.is_ok()),
            Kind::Interval(interval) => interval.poll_tick(context).map(|tick| {
                let tick_ns = since(self.start, tick);
                next_ns = Some(next_tick(interval, tick_ns, now_ns));
                tick_ns == timer.slots[0].deadline_ns
            }),
        };
        if let Some(next_ns) = next_ns {
            timer.slots[0].deadline_ns = next_ns;
        }
        if let Kind::Sleep(sleep) = &timer.kind {
            let (is_elapsed, due) = (sleep.is_elapsed(), now_ns >= timer.slots[0].deadline_ns);
            self.check(is_elapsed == due, "`is_elapsed`");
        }
        self.check(polled == expected.map_or(Poll::Pending, Poll::Ready), "what came of a poll");
        cover(&[100, u64::from(polled.is_ready()), self.timers[index].slots.len() as u64]);
        if polled.is_ready() && matches!(self.timers[index].kind, Kind::Timeout(_)) {
            let timer = self.timers.swap_remove(index);
            self.forget(&timer);
        }
    }

    /// Resets a timer to another deadline.
    fn reset(&mut self, index: usize) {
        let how = self.reader.below(6);
        let at_ns = self.instant_ns();
        let now_ns = self.now_ns();
        let (instant, duration) = (self.instant(at_ns), self.reader.pick(&DURATIONS));
        let after_ns = later(now_ns, duration);
        let timer = &mut self.timers[index];
        let deadline_ns = match (&mut timer.kind, how) {
            (Kind::Sleep(_), _) | (Kind::Interval(_), 3) => at_ns,
            (Kind::Interval(interval), 0) => later(now_ns, interval.period()),
            (Kind::Interval(_), 1) => now_ns,
            (Kind::Interval(_), 2) => after_ns,
            (Kind::Interval(interval), _) => {
                let behaviors =
                    [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip];
                interval.set_missed_tick_behavior(behaviors[at_ns as usize % 3]);
                return;
            }
            (Kind::Timeout(_), _) => return,
        };
        // The list changes first: a timer that is due is woken during the call.
        let slot = &mut timer.slots[0];
        slot.deadline_ns = deadline_ns;
        let mut list = self.list.lock().expect("nothing panics under it");
        if let Some(who) = slot.set.take().and_then(|place| list.take_back(place)) {
            slot.set = Some(list.set(deadline_ns.max(now_ns), who));
        }
        drop(list);
        match (&mut timer.kind, how) {
            (Kind::Sleep(sleep), _) => sleep.as_mut().reset(instant),
            (Kind::Interval(interval), 0) => interval.reset(),
            (Kind::Interval(interval), 1) => interval.reset_immediately(),
            (Kind::Interval(interval), 2) => interval.reset_after(duration),
            (Kind::Interval(interval), _) => interval.reset_at(instant),
            (Kind::Timeout(_), _) => unreachable!("it is left alone"),
        }
        let place = timer.slots[0].set;
        let list = self.list.lock().expect("nothing panics under it");
        let late = deadline_ns <= now_ns && place.is_some_and(|place| list.at(place).is_some());
        drop(list);
        self.check(!late, "a timer that is due wakes when it is reset");
    }

    /// Spawns a task that sleeps a few times.
    fn spawn(&mut self) {
        let durations = [(); 3].map(|()| self.reader.pick(&DURATIONS));
        let (number, list, start) = (self.numbers, Arc::clone(&self.list), self.start);
        self.numbers += 1;
        let task = task::spawn(async move {
            for duration in durations {
                let now_ns = since(start, Instant::now());
                let duration_ns = nanos(duration);
                if duration_ns > 0 {
                    let deadline_ns = deadline(now_ns, duration);
                    list.lock().expect("nothing panics under it").set(deadline_ns, Who::Task(number));
                }
                sleep(duration).await;
                if duration_ns > 0 {
                    let now_ns = since(start, Instant::now());
                    list.lock().expect("nothing panics under it").wakes(Who::Task(number), now_ns);
                }
            }
        });
        self.sleepers.push((number, task.abort_handle()));
    }
}

/// Returns the tick after the one that was due at `tick_ns` and is observed now, as tokio documents it: a tick that is
/// observed more than 5 ms late is missed.
fn next_tick(interval: &Interval, tick_ns: u64, now_ns: u64) -> u64 {
    let (missed, period) = (now_ns - tick_ns > 5_000_000, interval.period());
    match interval.missed_tick_behavior() {
        MissedTickBehavior::Delay if missed => later(now_ns, period),
        // The first of the original times that is not in the past.
        MissedTickBehavior::Skip if missed => {
            let periods = (now_ns - tick_ns) / nanos(period) + 1;
            tick_ns.saturating_add(periods.saturating_mul(nanos(period))).min(LAST_NS)
        }
        _ => later(tick_ns, period),
    }
}
