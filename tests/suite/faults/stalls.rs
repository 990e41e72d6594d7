//! C1 and A16: how long stalls are, and when there are none.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use timeloop::task::spawn;
use timeloop::time::{Duration, Instant, advance, pause, resume, sleep, timeout};
use timeloop::{Limits, Profile, Seed, Stalls, StrategySpec, run_from};

use super::explorer;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A transfer that a timeout cancels between its two updates. Its work takes 10 ms.
async fn transfer(limit: Duration, neighbours: bool) {
    let balances = Rc::new(RefCell::new([100, 0]));
    if neighbours {
        spawn(async {
            for _ in 0..40 {
                sleep(250 * MS).await;
            }
        });
    }
    let theirs = Rc::clone(&balances);
    let transfer = async move {
        theirs.borrow_mut()[0] -= 30;
        sleep(5 * MS).await;
        sleep(5 * MS).await;
        theirs.borrow_mut()[1] += 30;
    };
    spawn(async move { drop(timeout(limit, transfer).await) }).await.unwrap();
    assert_eq!(balances.borrow().iter().sum::<i32>(), 100);
}

/// A lease that a busy worker overruns.
async fn lease(lease: Duration, heartbeat: Duration, work: Duration) {
    let expires: Rc<Cell<Option<Instant>>> = Rc::default();
    let working = Rc::new(Cell::new(0));
    let workers = [(); 2].map(|()| {
        let (expires, working) = (Rc::clone(&expires), Rc::clone(&working));
        spawn(async move {
            while expires.get().is_some_and(|at| at > Instant::now()) {
                sleep(heartbeat).await;
            }
            expires.set(Some(Instant::now() + lease));
            working.set(working.get() + 1);
            assert_eq!(working.get(), 1, "two workers hold the lease");
            let until = Instant::now() + work;
            while Instant::now() < until {
                sleep(heartbeat).await;
                expires.set(Some(Instant::now() + lease));
            }
            working.set(working.get() - 1);
            expires.set(None);
        })
    });
    for worker in workers {
        worker.await.unwrap();
    }
}

/// A request that is sent again after a timeout, although the first one was served.
async fn retry(limit: Duration) {
    use std::future::{Future as _, poll_fn};
    let served = Rc::new(Cell::new(0));
    let requests: Rc<RefCell<Vec<Rc<Cell<bool>>>>> = Rc::default();
    let (queue, count) = (Rc::clone(&requests), Rc::clone(&served));
    spawn(async move {
        for _ in 0..20 {
            sleep(2 * MS).await;
            for answer in queue.take() {
                count.set(count.get() + 1);
                answer.set(true);
            }
        }
    });
    for _ in 0..3 {
        let answer = Rc::new(Cell::new(false));
        requests.borrow_mut().push(Rc::clone(&answer));
        let answered = async {
            while !answer.get() {
                let mut pause = std::pin::pin!(sleep(MS));
                poll_fn(|cx| pause.as_mut().poll(cx)).await;
            }
        };
        if timeout(limit, answered).await.is_ok() {
            break;
        }
    }
    assert_eq!(served.get(), 1, "served twice");
}

/// Returns the number of schedules up to the failure, under the default strategy, from each of some base seeds.
fn schedules<F: Future<Output = ()>>(test: impl Fn() -> F) -> Vec<u64> {
    let limits = Limits::default();
    let (source, watched) = Profile::watching();
    assert!(run_from(source, &limits, &test).result.is_ok(), "it passes in the baseline run");
    let profile = watched.into_profile();
    let fails =
        |seed| run_from(profile.source(StrategySpec::Portfolio, Seed(seed)), &limits, &test).result.is_err();
    let first = |base: u64| (0..500).position(|index| fails(base * 1_000_003 + index)).unwrap_or(500);
    (0..40).map(|base| first(base) as u64 + 1).collect()
}

#[track_caller]
fn assert_soon(name: &str, schedules: &[u64]) {
    let mean = schedules.iter().sum::<u64>() as f64 / schedules.len() as f64;
    assert!(mean <= 30.0, "{name}: {mean} of {schedules:?}");
}

#[test]
fn c1_timeouts_of_seconds_expire_before_the_work_is_done() {
    for seconds in [5, 30, 60] {
        for neighbours in [false, true] {
            let found = schedules(move || transfer(seconds * SECOND, neighbours));
            assert_soon(&format!("transfer, {seconds} s, {neighbours}"), &found);
        }
    }
}

#[test]
fn c1_a_lease_of_seconds_is_overrun() {
    let found = schedules(|| lease(5 * SECOND, SECOND, 4 * SECOND));
    assert_soon("lease of 5 s", &found);
    let found = schedules(|| lease(30 * SECOND, 5 * SECOND, 20 * SECOND));
    assert_soon("lease of 30 s", &found);
}

#[test]
fn c1_a_request_is_sent_again_after_a_minute() {
    let found = schedules(|| retry(60 * SECOND));
    assert_soon("retry after 60 s", &found);
}

#[test]
fn c1_stalls_are_as_long_as_the_test_says() {
    let found = |stalls: Stalls| {
        let exploration = explorer("c1::set").stalls(stalls).run(|| transfer(30 * SECOND, false));
        exploration.found.is_some()
    };
    assert!(found(true.into()) && found((40 * SECOND).into()));
    assert!(!found(false.into()) && !found((20 * SECOND).into()) && !found(Duration::ZERO.into()));
}

#[timeloop::test(stalls = "2s", runs = 200)]
async fn c1_an_attribute_sets_the_longest_stall() {
    let start = Instant::now();
    for _ in 0..4 {
        sleep(10 * MS).await;
    }
    // Three stalls at most.
    assert!(start.elapsed() < 7 * SECOND, "{:?}", start.elapsed());
}

#[test]
fn c1_the_report_names_the_stall() {
    let exploration = explorer("c1::report").run(|| transfer(30 * SECOND, false));
    let found = exploration.found.expect("the timeout expires");
    let report = found.report.split_whitespace().collect::<Vec<_>>().join(" ");
    let says = "only at virtual time 30 s, after a stall of 29.995 s";
    assert!(report.contains(says), "{report}");
}

/// Two tasks of exact times beside a busy one.
async fn exact() {
    let start = Instant::now();
    let other = spawn(async {
        for _ in 0..20 {
            sleep(MS).await;
        }
    });
    for _ in 0..10 {
        sleep(3 * MS).await;
    }
    assert_eq!(start.elapsed(), 30 * MS);
    other.await.unwrap();
}

#[test]
fn a16_a_paused_clock_does_not_stall() {
    for strategy in ["portfolio", "stall", "starve"] {
        let explorer = explorer("a16").strategy(strategy).runs(400);
        assert!(explorer.run(exact).found.is_some(), "{strategy}: without a pause, stalls make it late");
        let paused = explorer.run(|| async {
            pause();
            exact().await;
        });
        assert!(paused.passed(), "{strategy}: {}", paused.report());
        let advanced = explorer.run(|| async {
            advance(MS).await;
            exact().await;
        });
        assert!(advanced.passed(), "{strategy}: {}", advanced.report());
        assert!(explorer.clone().start_paused(true).run(exact).passed());
        let resumed = explorer.run(|| async {
            pause();
            resume();
            exact().await;
        });
        assert!(resumed.found.is_some(), "{strategy}: a clock that is resumed stalls again");
    }
}

#[timeloop::test(start_paused = true)]
async fn a16_the_attribute_pauses_the_clock() {
    exact().await;
}

#[test]
fn a16_a_runtime_starts_paused() {
    use timeloop::runtime::Builder;
    for seed in 0..200_u64 {
        for strategy in [StrategySpec::Stall, StrategySpec::Starve] {
            let mut builder = Builder::new_current_thread();
            builder.enable_all();
            let runtime = builder.seed(seed).strategy(strategy).start_paused(true).build().unwrap();
            runtime.block_on(exact());
        }
    }
}
