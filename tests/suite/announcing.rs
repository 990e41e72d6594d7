//! Announced operations: when tasks are preempted, and that preemption alone changes no result.

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

/// An event that the source received.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    /// A task was preempted before its n-th operation of a resumption.
    Preempted(u32, u32),
    Performed(Access),
    Ready(bool),
    Passed,
}

/// A source in FIFO order that preempts always or never, and can hold back one task.
#[derive(Debug)]
struct Scripted {
    preempts: bool,
    /// Whether a preempted task continues at once.
    continues: bool,
    /// Hold back the n-th task that becomes ready until time passes.
    held_back: Option<usize>,
    held: Vec<u32>,
    ready: Vec<u32>,
    arrivals: usize,
    selects: Vec<u32>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Scripted {
    fn new(preempts: bool) -> (Box<Self>, Arc<Mutex<Vec<Event>>>) {
        let events = Arc::default();
        let source = Self {
            preempts,
            continues: false,
            held_back: None,
            held: Vec::new(),
            ready: Vec::new(),
            arrivals: 0,
            selects: Vec::new(),
            events: Arc::clone(&events),
        };
        (Box::new(source), events)
    }

    fn record(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

impl Source for Scripted {
    fn ready(&mut self, task: Ready) {
        self.record(Event::Ready(task.announced.is_some()));
        self.arrivals += 1;
        if self.held_back == Some(self.arrivals - 1) {
            self.held.push(task.slot);
        } else if self.continues && task.announced.is_some() {
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
            self.record(Event::Preempted(resume, index));
        }
        self.preempts
    }

    fn performed(&mut self, _task: TaskKey, operation: Operation) {
        self.record(Event::Performed(operation.access));
    }

    fn time_passed(&mut self) {
        self.record(Event::Passed);
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

fn run_under<F: Future>(source: impl Into<AnySource>, make: impl Fn() -> F) -> Outcome<F::Output> {
    run_from(source, &Limits::default(), make)
}

/// Returns the output of a run without preemptions, which must equal that of a run with all preemptions.
fn with_and_without_preemption<F: Future>(make: impl Fn() -> F) -> F::Output
where
    F::Output: PartialEq + std::fmt::Debug,
{
    let [plain, preempted] =
        [false, true].map(|preempts| run_under(Scripted::new(preempts).0, &make).result.unwrap());
    assert_eq!(plain, preempted);
    preempted
}

/// Reads the resource and returns `value`.
async fn read(resource: &Resource, value: u32) -> u32 {
    resource.read().await;
    value
}

#[test]
fn a_task_is_preempted_once_for_each_operation_and_then_does_it() {
    let (source, events) = Scripted::new(true);
    let outcome = run_under(source, || async {
        let row = Resource::new("row");
        row.read().await;
        row.write().await;
        yield_now().await;
        row.access(Access::Send).await;
    });
    outcome.result.unwrap();
    use Event::{Performed, Preempted, Ready};
    assert_eq!(
        *events.lock().unwrap(),
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
        run_under(Scripted::new(preempts).0, || async {
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
        source.continues = true;
        run_under(source, scenario).trace_hash
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
    assert_eq!(trace(false), run_under(&StoredSchedule::baseline(), scenario).trace_hash);
    assert_ne!(run_under(Scripted::new(true).0, scenario).trace_hash, trace(false));
}

#[test]
fn a_wake_before_a_preemption_is_not_lost() {
    let run = |preempts| {
        let (mut source, _) = Scripted::new(preempts);
        source.continues = true;
        run_under(source, || async {
            let row = Resource::new("row");
            // It wakes its task and is dropped.
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
    let (plain, preempted) = (run(false), run(true));
    assert_eq!((plain.result.unwrap(), preempted.result.unwrap()), (3, 3));
    assert_eq!(preempted.trace_hash, plain.trace_hash);
}

#[test]
fn a_biased_select_takes_what_is_ready_although_it_is_preempted() {
    let chosen = with_and_without_preemption(|| async {
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
        let (source, events) = Scripted::new(preempts);
        let chosen = run_under(source, || async {
            let row = Resource::new("row");
            timeloop::select! {
                () = async {} => 0,
                value = async { read(&row, 1).await; read(&row, 1).await } => value,
            }
        });
        let preempted =
            events.lock().unwrap().iter().filter(|event| matches!(event, Event::Preempted(..))).count();
        (chosen.result.unwrap(), preempted)
    };
    // The scripted source chooses the last branch.
    assert_eq!(run(false), (1, 0));
    assert_eq!(run(true), (1, 2));
}

#[test]
fn a_branch_that_did_not_match_is_not_polled_again_when_a_later_one_is_preempted() {
    let chosen = with_and_without_preemption(|| async {
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
fn a_deadline_is_checked_after_the_operation() {
    assert!(with_and_without_preemption(|| async {
        let row = Resource::new("row");
        timeout(Duration::ZERO, async { read(&row, 1).await + read(&row, 1).await }).await.is_ok()
    }));
}

#[test]
fn preemption_does_not_change_the_order_of_joined_futures() {
    let log = with_and_without_preemption(|| async {
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
fn each_of_several_futures_in_a_combinator_is_preempted() {
    let (source, events) = Scripted::new(true);
    let sum = run_under(source, || async {
        let row = Resource::new("row");
        let mut some: FuturesUnordered<_> = (1..=3).map(|value| read(&row, value)).collect();
        let mut sum = 0;
        while let Some(value) = some.next().await {
            sum += value;
        }
        sum + join_all((4..=6).map(|value| read(&row, value))).await.iter().sum::<u32>()
    });
    assert_eq!(sum.result.unwrap(), 21);
    let events = events.lock().unwrap();
    let preempted = |event: &&Event| matches!(event, Event::Preempted(..));
    let performed = |event: &&Event| matches!(event, Event::Performed(_));
    assert_eq!(events.iter().filter(preempted).count(), 6, "{events:?}");
    assert_eq!(events.iter().filter(performed).count(), 6, "{events:?}");
    assert!(!events.windows(2).any(|events| events.iter().all(|events| performed(&events))), "{events:?}");
}

#[test]
fn a_select_among_futures_that_others_poll_is_polled_again() {
    with_and_without_preemption(|| async {
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
fn a_future_polled_only_once_is_not_preempted() {
    assert_eq!(
        with_and_without_preemption(|| async { read(&Resource::new("row"), 7).now_or_never() }),
        Some(7),
        "`now_or_never` would take `Pending` for a no",
    );
}

#[test]
fn a_cancelled_operation_is_not_performed() {
    let (source, events) = Scripted::new(true);
    let outcome = run_under(source, || async {
        let row = Resource::new("row");
        // The `select` of futures does not know preemption: the other future is ready.
        let either = futures_util::future::select(row.write(), std::future::ready(())).await;
        assert!(matches!(either, futures_util::future::Either::Right(_)));
        sleep(Duration::from_secs(1)).await;
        row.read().await;
    });
    outcome.result.unwrap();
    let events = events.lock().unwrap();
    assert!(events.contains(&Event::Performed(Access::Read)), "{events:?}");
    assert!(!events.contains(&Event::Performed(Access::Write)), "{events:?}");
}

#[test]
fn a_preempted_task_can_be_aborted() {
    let done = run_under(Scripted::new(true).0, || async {
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
    let (mut source, events) = Scripted::new(false);
    source.held_back = Some(1);
    let outcome = run_under(source, || async {
        let start = Instant::now();
        let task = spawn(async move { start.elapsed() });
        sleep(Duration::from_secs(1)).await;
        task.await.unwrap()
    });
    assert_eq!(outcome.result.unwrap(), Duration::from_secs(1), "the task was ready from the start");
    assert!(events.lock().unwrap().contains(&Event::Passed));
}

#[test]
fn a_held_back_task_runs_when_nothing_else_can() {
    let (mut source, _) = Scripted::new(false);
    source.held_back = Some(1);
    assert_eq!(run_under(source, || async { spawn(async { 5 }).await.unwrap() }).result.unwrap(), 5);
}

#[test]
fn outside_of_a_run_nothing_is_announced() {
    let row = Resource::new("row");
    assert_eq!(row.name(), "row");
    assert_eq!(futures_util::FutureExt::now_or_never(row.write()), Some(()));
}

/// Two tasks that each read the counter, then write the value plus one.
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
    run_under(&StoredSchedule::baseline(), lost_update).result.expect("the baseline run passes");
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
    let outcome = run_under(&replayed, lost_update);
    assert_eq!(outcome.trace_hash, found.trace_hash);
    assert!(outcome.result.is_err());
}

/// The code's reaction to a preempted poll is part of the schedule, too.
#[test]
fn a_preemption_within_a_single_poll_is_shrunk_and_reported() {
    let strategy = "stall".parse::<StrategySpec>().unwrap();
    let exploration = explorer("announcing::single_poll").strategy(strategy).runs(2_000).run(|| async {
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
    let line = "`root` starts, but its 1st operation is preempted, and the code then does not perform it\n";
    assert!(found.report.contains(line), "{}", found.report);
    assert!(!found.report.contains("Failing schedule: FIFO order\n"), "{}", found.report);
}

/// The budget of 128 operations breaks up such a loop, as in tokio.
#[test]
fn a_task_that_always_finds_something_to_do_lets_others_run() {
    let turns = run_under(&StoredSchedule::baseline(), || async {
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
    // Plus the operation at which the budget was used up.
    assert_eq!(turns.result.unwrap(), 128 + 1);

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
