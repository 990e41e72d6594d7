//! Announced operations: who gives way when, and what that leaves as it was.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{FutureExt as _, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use timeloop::task::yield_now;
use timeloop::time::{Instant, sleep, timeout};
use timeloop::{Access, AnySource, Limits, Outcome, Resource, StoredSchedule, StrategySpec, run_from, spawn};
use timeloop_sim::{DecisionKey, Operation, Ready, Seed, Source, Stream, TaskKey};

use crate::support::explorer;

/// What a source has been told.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    /// A task gives way before its n-th operation of a resumption.
    Preempted(u32, u32),
    Performed(Access),
    Ready(bool),
    Passed,
}

/// First in first out, or last in first out; gives way always or never; keeps a task back or not.
#[derive(Debug)]
struct Scripted {
    preempts: bool,
    /// A task that gave way goes right on.
    right_on: bool,
    /// Hold back who was the n-th to become ready until time has moved.
    held_back: Option<usize>,
    held: Vec<u32>,
    ready: Vec<u32>,
    arrivals: usize,
    selects: Vec<u32>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Scripted {
    fn new(preempts: bool) -> (Box<Self>, Arc<Mutex<Vec<Told>>>) {
        let told = Arc::default();
        let source = Self {
            preempts,
            right_on: false,
            held_back: None,
            held: Vec::new(),
            ready: Vec::new(),
            arrivals: 0,
            selects: Vec::new(),
            told: Arc::clone(&told),
        };
        (Box::new(source), told)
    }

    fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}

impl Source for Scripted {
    fn ready(&mut self, task: Ready) {
        self.tell(Told::Ready(task.announced.is_some()));
        self.arrivals += 1;
        if self.held_back == Some(self.arrivals - 1) {
            self.held.push(task.slot);
        } else if self.right_on && task.announced.is_some() {
            self.ready.insert(0, task.slot);
        } else {
            self.ready.push(task.slot);
        }
    }

    fn next(&mut self) -> Option<u32> {
        if self.ready.is_empty() { None } else { Some(self.ready.remove(0)) }
    }

    fn wants_operations(&self) -> bool {
        true
    }

    fn should_preempt(&mut self, key: DecisionKey, _operation: Operation) -> bool {
        if self.preempts {
            let (_, _, resume, index) = key.parts();
            self.tell(Told::Preempted(resume, index));
        }
        self.preempts
    }

    fn performed(&mut self, _task: TaskKey, operation: Operation) {
        self.tell(Told::Performed(operation.access));
    }

    fn time_passed(&mut self) {
        self.tell(Told::Passed);
        self.release_held();
    }

    fn release_held(&mut self) -> bool {
        self.ready.append(&mut self.held);
        !self.ready.is_empty()
    }

    fn choose(&mut self, _key: DecisionKey, arity: u32) -> u32 {
        self.selects.push(arity);
        arity - 1
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(Seed(0), timeloop::Domain::User, entity)
    }
}

fn made<F: Future>(source: impl Into<AnySource>, make: impl Fn() -> F) -> Outcome<F::Output> {
    run_from(source, &Limits::default(), make)
}

/// The output of a run in which nobody gives way, and in which everybody does, which must be the same.
fn either_way<F: Future>(make: impl Fn() -> F) -> F::Output
where
    F::Output: PartialEq + std::fmt::Debug,
{
    let [calm, wild] = [false, true].map(|preempts| made(Scripted::new(preempts).0, &make).result.unwrap());
    assert_eq!(calm, wild);
    wild
}

/// Reads and says so.
async fn read(resource: &Resource, value: u32) -> u32 {
    resource.read().await;
    value
}

#[test]
fn a_task_is_preempted_once_for_each_operation_and_then_does_it() {
    let (source, told) = Scripted::new(true);
    let outcome = made(source, || async {
        let row = Resource::new("row");
        row.read().await;
        row.write().await;
        yield_now().await;
        row.access(Access::Send).await;
    });
    outcome.result.unwrap();
    use Told::{Performed, Preempted, Ready};
    assert_eq!(
        *told.lock().unwrap(),
        [
            Ready(false),
            Preempted(0, 0),
            Ready(true),
            Performed(Access::Read),
            Preempted(0, 1),
            Ready(true),
            Performed(Access::Write),
            Ready(false),
            Preempted(1, 0),
            Ready(true),
            Performed(Access::Send),
        ]
    );
}

#[test]
fn others_run_between_an_announcement_and_its_operation() {
    let log = |preempts| {
        made(Scripted::new(preempts).0, || async {
            let log = Rc::new(RefCell::new(String::new()));
            let tasks = ["a", "b"].map(|name| {
                let log = Rc::clone(&log);
                spawn(async move {
                    let row = Resource::new("row");
                    log.borrow_mut().push_str(name);
                    row.write().await;
                    log.borrow_mut().push_str(name);
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            log.take()
        })
        .result
        .unwrap()
    };
    assert_eq!(log(false), "aabb");
    assert_eq!(log(true), "abab");
}

#[test]
fn a_preempted_task_that_continues_at_once_leaves_no_trace() {
    let trace = |preempts| {
        let (mut source, _) = Scripted::new(preempts);
        source.right_on = true;
        made(source, scenario).trace_hash
    };
    async fn scenario() {
        let row = Rc::new(Resource::new("row"));
        let task = spawn({
            let row = Rc::clone(&row);
            async move {
                row.write().await;
                sleep(Duration::from_secs(1)).await;
                row.read().await;
            }
        });
        row.write().await;
        task.await.unwrap();
        row.write().await;
    }
    assert_eq!(trace(true), trace(false));
    assert_eq!(trace(false), made(&StoredSchedule::baseline(), scenario).trace_hash);
    assert_ne!(made(Scripted::new(true).0, scenario).trace_hash, trace(false));
}

#[test]
fn a_wake_before_a_preemption_is_not_lost() {
    let run = |preempts| {
        let (mut source, _) = Scripted::new(preempts);
        source.right_on = true;
        made(source, || async {
            let row = Resource::new("row");
            // It wakes its task and is gone.
            timeloop::select! {
                biased;
                () = yield_now() => {}
                () = async {} => {}
            }
            read(&row, 0).await;
            read(&row, 0).await;
            let mut resumptions = 0;
            let mut asleep = pin!(sleep(Duration::from_secs(1)));
            poll_fn(|context| {
                resumptions += 1;
                asleep.as_mut().poll(context)
            })
            .await;
            resumptions
        })
    };
    let (calm, wild) = (run(false), run(true));
    assert_eq!((calm.result.unwrap(), wild.result.unwrap()), (3, 3));
    assert_eq!(wild.trace_hash, calm.trace_hash);
}

#[test]
fn a_biased_select_takes_what_is_ready_although_it_is_preempted() {
    let chosen = either_way(|| async {
        let row = Resource::new("row");
        timeloop::select! {
            biased;
            value = read(&row, 1) => value,
            () = async {} => 2,
        }
    });
    assert_eq!(chosen, 1);
}

#[test]
fn a_fair_select_decides_once_where_it_begins() {
    let run = |preempts| {
        let (source, told) = Scripted::new(preempts);
        let chosen = made(source, || async {
            let row = Resource::new("row");
            timeloop::select! {
                () = async {} => 0,
                value = async { read(&row, 1).await; read(&row, 1).await } => value,
            }
        });
        let preempted =
            told.lock().unwrap().iter().filter(|told| matches!(told, Told::Preempted(..))).count();
        (chosen.result.unwrap(), preempted)
    };
    // The scripted source begins with the last branch.
    assert_eq!(run(false), (1, 0));
    assert_eq!(run(true), (1, 2));
}

#[test]
fn a_branch_that_did_not_match_is_not_polled_again_when_a_later_one_is_preempted() {
    let chosen = either_way(|| async {
        let row = Resource::new("row");
        timeloop::select! {
            biased;
            Some(value) = async { None } => value,
            value = read(&row, 3) => value,
        }
    });
    assert_eq!(chosen, 3);
}

#[test]
fn a_deadline_is_looked_at_after_the_operation() {
    assert!(either_way(|| async {
        let row = Resource::new("row");
        timeout(Duration::ZERO, async { read(&row, 1).await + read(&row, 1).await }).await.is_ok()
    }));
}

#[test]
fn joined_futures_run_in_the_order_in_which_they_would() {
    let log = either_way(|| async {
        let log = RefCell::new(Vec::new());
        let row = Resource::new("row");
        let arm = |name: u32| {
            let (log, row) = (&log, &row);
            async move {
                for step in 0..2 {
                    read(row, 0).await;
                    log.borrow_mut().push((name, step));
                }
                sleep(Duration::from_secs(1)).await;
                read(row, 0).await;
                log.borrow_mut().push((name, 2));
                if name == 2 { Err(name) } else { Ok(name) }
            }
        };
        let joined = timeloop::join!(arm(0), arm(1));
        let tried = timeloop::try_join!(arm(0), arm(2));
        (joined, tried, log.take())
    });
    assert_eq!((log.0, log.1), ((Ok(0), Ok(1)), Err(2)));
}

#[test]
fn of_futures_that_others_poll_each_is_preempted_in_its_turn() {
    let (source, told) = Scripted::new(true);
    let sum = made(source, || async {
        let row = Resource::new("row");
        let mut some: FuturesUnordered<_> = (1..=3).map(|value| read(&row, value)).collect();
        let mut sum = 0;
        while let Some(value) = some.next().await {
            sum += value;
        }
        sum + join_all((4..=6).map(|value| read(&row, value))).await.iter().sum::<u32>()
    });
    assert_eq!(sum.result.unwrap(), 21);
    let told = told.lock().unwrap();
    let preempted = |told: &&Told| matches!(told, Told::Preempted(..));
    let performed = |told: &&Told| matches!(told, Told::Performed(_));
    assert_eq!(told.iter().filter(preempted).count(), 6, "{told:?}");
    assert_eq!(told.iter().filter(performed).count(), 6, "{told:?}");
    assert!(!told.windows(2).any(|told| told.iter().all(|told| performed(&told))), "{told:?}");
}

#[test]
fn a_select_among_futures_that_others_poll_is_polled_again() {
    either_way(|| async {
        let row = Rc::new(Resource::new("row"));
        let (tx, rx) = futures_util::future::abortable(std::future::pending::<()>());
        let branches = |value| {
            let row = Rc::clone(&row);
            let rx = rx.clone();
            async move {
                timeloop::select! {
                    biased;
                    () = std::future::pending() => 0,
                    value = async { read(&row, value).await; yield_now().await; read(&row, value).await } => {
                        rx.abort();
                        value
                    }
                }
            }
        };
        let mut some: FuturesUnordered<_> = (1..=3).map(branches).collect();
        let mut sum = 0;
        while let Some(value) = some.next().await {
            sum += value;
        }
        assert!(tx.await.is_err());
        sum
    });
}

#[test]
fn who_polls_once_only_gets_an_answer() {
    assert_eq!(
        either_way(|| async { read(&Resource::new("row"), 7).now_or_never() }),
        Some(7),
        "`now_or_never` would take `Pending` for a no",
    );
}

#[test]
fn an_operation_that_is_given_up_is_not_done() {
    let (source, told) = Scripted::new(true);
    let outcome = made(source, || async {
        let row = Resource::new("row");
        // futures' own `select` knows nothing of giving way: the other future is ready.
        let either = futures_util::future::select(row.write(), std::future::ready(())).await;
        assert!(matches!(either, futures_util::future::Either::Right(_)));
        sleep(Duration::from_secs(1)).await;
        row.read().await;
    });
    outcome.result.unwrap();
    let told = told.lock().unwrap();
    assert!(told.contains(&Told::Performed(Access::Read)), "{told:?}");
    assert!(!told.contains(&Told::Performed(Access::Write)), "{told:?}");
}

#[test]
fn a_preempted_task_can_be_aborted() {
    let done = made(Scripted::new(true).0, || async {
        let done = Rc::new(Cell::new(false));
        let task = spawn({
            let done = Rc::clone(&done);
            async move {
                Resource::new("row").write().await;
                done.set(true);
            }
        });
        yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        done.get()
    });
    assert!(!done.result.unwrap());
}

#[test]
fn time_passes_while_a_task_is_held_back() {
    let (mut source, told) = Scripted::new(false);
    source.held_back = Some(1);
    let outcome = made(source, || async {
        let start = Instant::now();
        let task = spawn(async move { start.elapsed() });
        sleep(Duration::from_secs(1)).await;
        task.await.unwrap()
    });
    assert_eq!(outcome.result.unwrap(), Duration::from_secs(1), "the task was ready from the start");
    assert!(told.lock().unwrap().contains(&Told::Passed));
}

#[test]
fn what_is_held_back_runs_when_nothing_else_can_happen() {
    let (mut source, _) = Scripted::new(false);
    source.held_back = Some(1);
    assert_eq!(made(source, || async { spawn(async { 5 }).await.unwrap() }).result.unwrap(), 5);
}

#[test]
fn outside_of_a_run_nothing_is_announced() {
    let row = Resource::new("row");
    assert_eq!(row.name(), "row");
    assert_eq!(futures_util::FutureExt::now_or_never(row.write()), Some(()));
}

/// Two tasks read, then write what they have read plus one.
async fn lost_update() {
    static COUNTER: Resource = Resource::const_new("counter");
    let counter = Rc::new(Cell::new(0));
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let counter = Rc::clone(&counter);
            spawn(async move {
                COUNTER.read().await;
                let seen = counter.get();
                COUNTER.write().await;
                counter.set(seen + 1);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(counter.get(), 2);
}

#[test]
fn a_race_on_a_resource_is_found_and_shrunk_to_one_preemption() {
    made(&StoredSchedule::baseline(), lost_update).result.expect("the baseline run passes");
    let exploration = explorer("announcing::lost_update").strategy(StrategySpec::Random).run(lost_update);
    let found = exploration.found.expect("one update is lost");
    let deviations = found.shrunk.deviations().expect("it was shrunk");
    assert_eq!(
        format!("{deviations:?}"),
        "[Deviation { task: TaskPath([1]), resume: 0, domain: Operation, index: 1, value: 2 }]",
        "{}",
        found.report
    );
    let replayed = StoredSchedule::from_token(&found.token, "announcing::lost_update").unwrap();
    let outcome = made(&replayed, lost_update);
    assert_eq!(outcome.trace_hash, found.trace_hash);
    assert!(outcome.result.is_err());
}

/// What the code makes of a poll that gives way is part of the schedule, too.
#[test]
fn a_preemption_within_a_single_poll_is_shrunk_and_reported() {
    let strategy = "stall".parse::<StrategySpec>().unwrap();
    let exploration = explorer("announcing::in_vain").strategy(strategy).runs(2_000).run(|| async {
        let row = Resource::new("row");
        let mut read = pin!(row.read());
        let ready = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_ready())).await;
        assert!(ready, "the read is put off");
    });
    let found = exploration.found.expect("the read is put off");
    assert_eq!(
        format!("{:?}", found.shrunk.deviations()),
        "Some([Deviation { task: TaskPath([]), resume: 0, domain: Operation, index: 0, value: 1 }])",
        "{}",
        found.report
    );
    let told = "When `root` starts, its 1st operation is put off, and the code goes on without it.";
    assert!(found.report.contains(told), "{}", found.report);
    assert!(!found.report.contains("in the quiet run"), "{}", found.report);
}

/// tokio's budget of 128 operations breaks up such a loop; here it would end the process.
#[test]
fn a_task_that_always_finds_something_to_do_lets_others_run() {
    let turns = made(&StoredSchedule::baseline(), || async {
        let row = Rc::new(Resource::new("row"));
        let done = Rc::new(Cell::new(false));
        let turns = Rc::new(Cell::new(0));
        let busy = spawn({
            let (row, done, turns) = (Rc::clone(&row), Rc::clone(&done), Rc::clone(&turns));
            async move {
                while !done.get() {
                    row.read().await;
                    turns.set(turns.get() + 1);
                }
            }
        });
        yield_now().await;
        done.set(true);
        busy.await.unwrap();
        turns.get()
    });
    // And the one that it stood before.
    assert_eq!(turns.result.unwrap(), 1_024 + 1);

    let limits = Limits { max_polls_per_instant: 1_000, ..Limits::default() };
    let endless = run_from(StrategySpec::Random.source(Seed(0)), &limits, || async {
        let row = Resource::new("row");
        loop {
            row.read().await;
            if row.name().is_empty() {
                break;
            }
        }
    });
    assert_eq!(endless.result.unwrap_err().kind, timeloop::FailureKind::Livelock);
}
