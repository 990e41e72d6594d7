//! Runs that do not end, or take long.

use timeloop::task::{self, yield_now};
use timeloop::time::{Duration, sleep};
use timeloop::{FailureKind, FoundBy};

use crate::support::{by_name, child, explorer, is_child, on_drop};

/// Busy threads, several for each core. They end when this is dropped.
struct Load(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Load {
    #[expect(clippy::disallowed_methods, reason = "real threads keep the cores busy")]
    fn start() -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..16 * cores {
            let stop = std::sync::Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Returns the CPU time that this thread has used, and for how long it has waited for a core; zero where they are not known.
fn scheduled() -> [Duration; 2] {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let mut times = stat.split(' ').map(|ns| Duration::from_nanos(ns.parse().unwrap_or(0)));
    [(); 2].map(|()| times.next().unwrap_or_default())
}

/// Run by the test below. Its poll takes 100 ms of CPU time, and several times as much real time.
#[cfg(target_os = "linux")]
#[timeloop::test(stuck_after = "300ms", runs = 1, strategy = "random")]
async fn polls_slowly_under_load() {
    if !is_child() {
        return;
    }
    let _load = Load::start();
    let [ran_before, waited_before] = scheduled();
    loop {
        let [ran, waited] = scheduled();
        if ran > ran_before + Duration::from_millis(100) {
            let waited = waited - waited_before;
            assert!(
                waited > Duration::from_millis(500),
                "long enough for a watchdog with a wall clock: {waited:?}"
            );
            return;
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn b1_a_poll_that_waits_for_a_core_is_not_stuck() {
    let ended = child("faults::limits::polls_slowly_under_load", &[]);
    assert!(ended.passed(), "{ended:?}");
}

/// A task that sleeps for ever reaches the limit on steps soon, and the report blames the test alone.
#[test]
fn a4_sleeping_for_ever_is_a_step_limit() {
    let exploration = explorer("limits::sleeps_for_ever").run(|| async {
        loop {
            sleep(Duration::from_secs(1)).await; // @sleep
        }
    });
    let found = exploration.found.as_ref().unwrap();
    assert_eq!((found.failure.kind, &found.by), (FailureKind::StepLimit, &FoundBy::Baseline));
    assert_eq!(found.failure.at_step, 200_000);
    assert!(found.shrink_runs < 100, "{} runs", found.shrink_runs);
    assert!(found.frequency.tried < 20, "{:?}", found.frequency);
    assert_eq!(found.deviations_after(), Some(0), "it was shrunk");
    let report = exploration.report();
    assert!(report.contains("If the test needs more, raise `max_steps`."), "{report}");
    assert!(!report.contains("timeloop or"), "{report}");
}

/// A run that is much longer than the default limit is recorded, shrunk and reported all the same.
#[test]
fn a4_a_long_run_is_shrunk() {
    let explorer = explorer("limits::long_run").max_steps(1_000_000).max_polls_per_instant(1_000_000).runs(1);
    let exploration = explorer.run(|| async {
        let tasks: Vec<_> = (0..3).map(|_| task::spawn(yields(100_000))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        panic!("at the end");
    });
    let found = exploration.found.unwrap();
    assert_eq!(found.not_shrunk, None);
    assert!(found.failure.at_step > 300_000);
    assert_eq!(found.deviations_after(), Some(0));
}

async fn yields(times: u32) {
    for _ in 0..times {
        yield_now().await;
    }
}

#[cfg(feature = "sync")]
#[test]
fn b4_a_free_lock_taken_for_ever_is_a_livelock() {
    use timeloop::sync::Mutex;

    let exploration = explorer("limits::lock_for_ever").run(|| async {
        sleep(Duration::from_secs(1)).await;
        let lock = Mutex::new(());
        loop {
            drop(lock.lock().await);
        }
    });
    let found = exploration.found.unwrap();
    let failure = &found.failure;
    assert_eq!(
        by_name!(failure),
        "\
livelock in `root` after 1 s: more than 400,000 operations on locks, channels and the like while virtual time did not advance: \
a task keeps repeating operations for which it does not have to wait. The limit is 4 operations for each poll of \
`max_polls_per_instant`: if the test needs more, raise that."
    );
    assert!(failure.at_step < 10_000, "{}", failure.at_step);
    assert!(found.shrink_runs < 50, "{} runs", found.shrink_runs);

    let limited = explorer_with_operations(1_000).runs(1);
    assert!(limited.run(|| operations(4_000)).passed());
    let limited = explorer_with_operations(1_000).runs(1);
    assert!(!limited.run(|| operations(4_100)).passed());
}

#[cfg(feature = "sync")]
fn explorer_with_operations(polls: u64) -> timeloop::Explorer {
    explorer("limits::operations").max_polls_per_instant(polls)
}

/// Takes a free lock this many times at each of two instants.
#[cfg(feature = "sync")]
async fn operations(times: u32) {
    let lock = timeloop::sync::Mutex::new(());
    for _ in 0..2 {
        for _ in 0..times {
            drop(lock.lock().await);
        }
        // The limit is checked between two polls.
        yield_now().await;
        sleep(Duration::from_secs(1)).await;
    }
}

/// Operations of many tasks at one instant are not a livelock.
#[cfg(feature = "sync")]
#[test]
fn b4_many_tasks_may_have_many_operations() {
    let explorer = explorer_with_operations(1_000).runs(1);
    let exploration = explorer.run(|| async {
        let tasks: Vec<_> = (0..1_000).map(|_| task::spawn(operations(50))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert!(exploration.passed(), "{}", exploration.report());
}

/// A run that spawns for ever ends at a limit. The report lists the first tasks and counts the others.
#[test]
fn b3_very_many_tasks_are_described() {
    let explorer = explorer("limits::spawns").max_steps(100_000).stuck_after(Duration::from_secs(1)).runs(1);
    let exploration = explorer.run(|| async {
        loop {
            for _ in 0..10 {
                task::spawn(std::future::pending::<()>());
            }
            yield_now().await;
        }
    });
    let failure = exploration.found.unwrap().failure;
    assert_eq!(failure.kind, FailureKind::StepLimit);
    assert_eq!(failure.blocked.len(), 20);
}

#[cfg(feature = "sync")]
#[test]
fn b14_a_deadlock_of_30_000_tasks_takes_seconds() {
    use timeloop::sync::Semaphore;

    let [start, _] = scheduled();
    let exploration = explorer("limits::deadlock").runs(1).run(|| async {
        let permits = std::rc::Rc::new(Semaphore::new(10_000)); // @permits
        let tasks: Vec<_> = (0..30_000)
            .map(|_| {
                let permits = std::rc::Rc::clone(&permits);
                task::spawn(async move {
                    let _permit = permits.acquire().await; // @acquire
                    std::future::pending::<()>().await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap(); // @await
        }
    });
    let failure = exploration.found.as_ref().unwrap().failure.clone();
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert_eq!(failure.cause, timeloop::Cause::Deadlock(30_001));
    assert_eq!(failure.blocked.len(), 20);
    let took = scheduled()[0] - start;
    assert!(took < Duration::from_secs(60), "{took:?}");
}

/// Programs that get stuck after the run. A child process runs each.
#[test]
fn gets_stuck_at_the_end() {
    if !is_child() {
        return;
    }
    let explorer = || timeloop::Explorer::new(concat!(module_path!(), "::gets_stuck_at_the_end"));
    let explorer = || explorer().without_regressions().runs(3).stuck_after(Duration::from_millis(300));
    match &*std::env::var("CASE").unwrap() {
        "task" => explorer().check(|| async {
            let total = std::sync::Arc::new(std::sync::Mutex::new(0));
            let adds = on_drop({
                let total = std::sync::Arc::clone(&total);
                move || *total.lock().unwrap() += 1
            });
            let waits = async move {
                let _adds = adds;
                std::future::pending::<()>().await;
            };
            task::spawn(waits); // @spawn
            yield_now().await;
            std::mem::forget(total.lock().unwrap());
        }),
        "root" => explorer().check(|| async {
            let _endless = on_drop(|| {
                loop {
                    std::hint::spin_loop();
                }
            });
            std::future::pending::<()>().await;
        }),
        "debug" => explorer().check(|| async { Err::<(), _>(EndlessDebug) }),
        "drop" => explorer().check(|| async { Err::<(), _>(EndlessDrop) }),
        case => panic!("{case}"),
    }
}

struct EndlessDebug;

impl std::fmt::Debug for EndlessDebug {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        loop {
            std::hint::spin_loop();
        }
    }
}

#[derive(Debug)]
struct EndlessDrop;

impl Drop for EndlessDrop {
    fn drop(&mut self) {
        loop {
            std::hint::spin_loop();
        }
    }
}

#[test]
fn b2_a_destructor_that_blocks_at_the_end_is_stuck() {
    let stuck = |case| {
        let ended = child("faults::limits::gets_stuck_at_the_end", &[("CASE", case)]);
        assert_eq!(ended.code, None, "the process is aborted: {ended:?}");
        by_name!(ended.stderr)
    };
    assert_eq!(stuck("task"), "
timeloop: stuck: the destructor of a task, called at the end of the run, has not returned for 300 ms
  test     suite::faults::limits::gets_stuck_at_the_end
  run      the baseline run: every task in FIFO order
  dropped  `root.1`, spawned at <spawn>:13
  step     3
  replay   TIMELOOP_REPLAY=TL1# cargo test faults::limits::gets_stuck_at_the_end -- --exact
A destructor can't be interrupted, so the process is aborted.
Look for an endless loop in a destructor, or for a call that blocks the thread: a std lock or channel, a sleep, or
a `blocking_*` method of tokio that has to wait.
If the code is only slow, raise `stuck_after`, or set it to zero to wait for ever.
");
    let root = stuck("root");
    assert!(root.contains("called at the end of the run,") && root.contains("  dropped  `root`\n"), "{root}");
    for case in ["debug", "drop"] {
        let text = stuck(case);
        let first = "stuck: the `Debug` or the destructor of the test's output has not returned for 300 ms\n";
        assert!(text.contains(first) && text.contains("  replay   TIMELOOP_REPLAY=TL1#"), "{text}");
    }
}

/// A value whose destructor panics, as the payload of a panic or as an error.
#[derive(Debug)]
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("a destructor"); // @drop
    }
}

struct PanicsInDebug;

impl std::fmt::Debug for PanicsInDebug {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("a Debug"); // @debug
    }
}

#[test]
fn b9_a_panic_of_the_error_is_reported() {
    let reported = |exploration: timeloop::Exploration| {
        let found = exploration.found.expect("a failure");
        assert!(found.replayed && found.report.contains("TIMELOOP_REPLAY=TL1"), "{}", found.report);
        by_name!(found.headline())
    };
    let explorer = || explorer("limits::error").runs(3);
    let payload = explorer().run(|| async { std::panic::panic_any(PanicsInDrop) });
    let payload = reported(payload);
    assert!(
        payload.starts_with("panic at ") && payload.ends_with(": a panic without a message"),
        "{payload}"
    );
    let payload = explorer().run(|| async {
        task::spawn(async { std::panic::panic_any(PanicsInDrop) });
        yield_now().await;
        yield_now().await;
    });
    let payload = reported(payload);
    assert!(payload.starts_with("unobserved panic at "), "{payload}");
    let debug = reported(explorer().run(|| async { Err::<(), _>(PanicsInDebug) }));
    assert_eq!(debug, "panic at <debug>:9: a Debug");
    let dropped = reported(explorer().run(|| async { Err::<(), _>(PanicsInDrop) }));
    assert_eq!(dropped, "panic at <drop>:9: a destructor");
}

/// A value that reads the virtual clock when it is formatted and dropped.
struct ReadsClock(std::rc::Rc<std::cell::Cell<u32>>);

impl std::fmt::Debug for ReadsClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", timeloop::time::Instant::now().elapsed())
    }
}

impl Drop for ReadsClock {
    fn drop(&mut self) {
        assert!(timeloop::time::Instant::now().elapsed().is_zero());
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn b16_the_output_is_dropped_within_the_run() {
    let dropped = || std::rc::Rc::new(std::cell::Cell::new(0));
    let found = explorer("limits::output").runs(3).run(|| async { Err::<(), _>(ReadsClock(dropped())) });
    let message = found.found.unwrap().failure.message();
    assert_eq!(message, "the test returned an error: 0ns");

    // An output that the caller does not get, because the run fails after the end of its root.
    let count = dropped();
    let failure = timeloop::run(0, || async {
        task::spawn(async {
            let _panics = on_drop(|| panic!("a destructor"));
            std::future::pending::<()>().await;
        });
        yield_now().await;
        ReadsClock(std::rc::Rc::clone(&count))
    });
    assert_eq!(failure.unwrap_err().kind, FailureKind::UnobservedPanic);
    assert_eq!(count.get(), 2, "both runs have dropped it");

    // The runs of an investigation.
    let failed = timeloop::Schedule::baseline().output(|| async {
        task::spawn(async { panic!("a task") });
        yield_now().await;
        ReadsClock(dropped())
    });
    assert!(failed.is_err());
}

#[cfg(feature = "sync")]
#[test]
fn b15_an_exhaustive_search_says_that_a_task_spins() {
    use std::cell::Cell;
    use std::rc::Rc;

    use timeloop::sync::Mutex;

    let search = || explorer("limits::spins").strategy("exhaustive").runs(20_000);
    let exploration = search().run(|| async {
        let flag = Rc::new(Cell::new(false));
        let theirs = Rc::clone(&flag);
        task::spawn(async move { theirs.set(true) });
        while !flag.get() {
            yield_now().await;
        }
    });
    assert!(exploration.passed());
    let searched = exploration.searched.as_ref().unwrap();
    assert!(!searched.complete);
    let why = "`root` was polled 1,000 times in a row without an announced operation, so it probably polls a flag or a \
               counter that the search does not see, and runs in which it does so are cut short";
    assert!(
        exploration.report().ends_with(&format!("the search is not complete: {why}\n")),
        "{}",
        exploration.report()
    );
    assert_eq!(
        exploration.notes,
        [format!(
            "the search of `limits::spins` can't be complete: {why}; announce what it polls with `Resource`, or await it \
             instead"
        )]
    );

    // The search tries the other schedules.
    let beside_a_race = |bug: bool| {
        search().run(move || async move {
            let done = Rc::new(Cell::new(0));
            let total = Rc::new(Mutex::new(0));
            for number in 1..=3 {
                let (done, total) = (Rc::clone(&done), Rc::clone(&total));
                task::spawn(async move {
                    let read = *total.lock().await;
                    if bug {
                        *total.lock().await = read + number;
                    } else {
                        *total.lock().await += number;
                    }
                    done.set(done.get() + 1);
                });
            }
            while done.get() < 3 {
                yield_now().await;
            }
            assert_eq!(*total.lock().await, 6);
        })
    };
    let found = beside_a_race(true).found.expect("the race is found beside the spinning task");
    assert_eq!(found.failure.kind, FailureKind::Panic);
    let searched = beside_a_race(false).searched.unwrap();
    assert!(searched.schedules > 10 && searched.spinning.is_some(), "{searched:?}");
}

/// Run by the test below.
#[timeloop::test(strategy = "exhaustive")]
async fn spins() {
    if !is_child() {
        return;
    }
    let flag = std::rc::Rc::new(std::cell::Cell::new(false));
    let theirs = std::rc::Rc::clone(&flag);
    task::spawn(async move { theirs.set(true) });
    while !flag.get() {
        yield_now().await;
    }
}

#[test]
fn b15_the_attribute_prints_that_a_task_spins() {
    let ended = child("faults::limits::spins", &[]);
    assert!(ended.passed(), "{ended:?}");
    let note = "timeloop: the search of `suite::faults::limits::spins` can't be complete: `root` was polled 1,000 times";
    assert!(ended.stderr.contains(note), "{ended:?}");
}

/// Programs that end the process during a run. A child process runs each.
#[timeloop::test(strategy = "random")]
async fn ends_the_process() {
    if !is_child() {
        return;
    }
    let case = std::env::var("CASE").unwrap();
    let ends = async move {
        match &*case {
            "exit" => std::process::exit(0),
            "abort" => std::process::abort(),
            _ => assert_ne!(recurses(0), 1),
        }
    };
    let task = task::spawn(ends); // @end
    task.await.unwrap();
}

#[expect(unconditional_recursion, reason = "this is what overflows the stack")]
#[inline(never)]
fn recurses(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    recurses(depth + 1) + frame[7]
}

const RUN: &str = "
  test     suite::faults::limits::ends_the_process
  run      the baseline run: every task in FIFO order
  task     `root.1`, spawned at <end>:16
  step     2
  replay   TIMELOOP_REPLAY=TL1# cargo test faults::limits::ends_the_process -- --exact
";

#[test]
fn b17_an_exit_within_a_test_is_reported() {
    let ended = child("faults::limits::ends_the_process", &[("CASE", "exit")]);
    assert_eq!(ended.code, Some(0));
    let what = "
timeloop: the code under test has ended the process, by `std::process::exit` or the like, so the tests after it are not run";
    assert_eq!(by_name!(ended.stderr), format!("{what}{RUN}"));
}

#[cfg(unix)]
#[test]
fn b18_a_stack_overflow_names_the_run() {
    for (case, cause) in [("overflow", "has overflowed its stack"), ("abort", "")] {
        let ended = child("faults::limits::ends_the_process", &[("CASE", case)]);
        assert_eq!(ended.code, None, "the process is aborted: {ended:?}");
        let text = by_name!(ended.stderr);
        assert!(text.contains(cause), "{text}");
        assert!(text.ends_with(&format!("\ntimeloop: the process is aborted during a run{RUN}")), "{text}");
    }
}
