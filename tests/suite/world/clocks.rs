//! The clocks of nodes: drift, offset and jumps.

use timeloop::spawn;
use timeloop::task::yield_now;
use timeloop::time::{Duration, Instant, SystemTime, UNIX_EPOCH, interval, sleep, sleep_until, timeout};
use timeloop::world::World;

use super::{bare, under_seeds};
use crate::support::panic_text;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

#[test]
fn clocks_show_the_time_of_the_run_by_default() {
    under_seeds(|| async {
        let node = bare("db-1");
        sleep(SECOND).await;
        let theirs = node.spawn(async { (Instant::now(), SystemTime::now()) }).await.unwrap();
        assert_eq!(theirs, (Instant::now(), SystemTime::now()));
        assert_eq!((node.clock().instant(), node.clock().now()), theirs);
        assert_eq!(node.clock().drift_ppm(), 0);
    });
}

#[test]
fn timers_follow_the_clock_of_the_node() {
    under_seeds(|| async {
        let world = World::current();
        let fast = world.node("fast").clock_drift_ppm(250_000).build();
        let slow = world.node("slow").clock_drift_ppm(-500_000).build();
        let start = Instant::now();
        for (node, takes) in [(&fast, SECOND * 4), (&slow, SECOND * 10)] {
            let begun = start.elapsed();
            let waits = node.spawn(async {
                let start = Instant::now();
                sleep(SECOND * 5).await;
                start.elapsed()
            });
            assert_eq!(waits.await.unwrap(), SECOND * 5);
            assert_eq!(start.elapsed() - begun, takes);
        }
    });
}

#[test]
fn all_kinds_of_timers_follow_the_clock() {
    under_seeds(|| async {
        let node = World::current().node("slow").clock_drift_ppm(-500_000).build();
        let start = Instant::now();
        let task = node.spawn(async {
            let mut ticks = interval(SECOND);
            for _ in 0..3 {
                ticks.tick().await;
            }
            let mine = Instant::now();
            assert!(timeout(SECOND, sleep(SECOND * 2)).await.is_err());
            sleep_until(mine + SECOND * 2).await;
            let delay = sleep(SECOND * 100);
            timeloop::pin!(delay);
            assert!(timeout(Duration::ZERO, delay.as_mut()).await.is_err());
            delay.as_mut().reset(Instant::now() + SECOND);
            delay.await;
            mine.elapsed()
        });
        assert_eq!(task.await.unwrap(), SECOND * 3);
        assert_eq!(start.elapsed(), SECOND * 10);
    });
}

#[test]
fn pending_timers_follow_a_change_of_the_drift() {
    under_seeds(|| async {
        let node = bare("db-1");
        let start = Instant::now();
        let ends = |duration| {
            node.spawn(async move {
                let mine = Instant::now();
                sleep(duration).await;
                assert_eq!(mine.elapsed(), duration);
                // Instants of tasks on another node are those of another clock.
                Instant::now()
            })
        };
        // In the ascending part of the queue, and out of order.
        let [long, short, middle] = [SECOND * 10, SECOND * 2, SECOND * 6].map(ends);
        let others = spawn(async move {
            sleep(SECOND * 7).await;
            start.elapsed()
        });
        sleep(SECOND).await;
        node.clock().set_drift_ppm(-500_000);
        assert_eq!(node.clock().drift_ppm(), -500_000);
        short.await.unwrap();
        assert_eq!(start.elapsed(), SECOND * 3);
        // Half of the remaining second.
        node.clock().set_drift_ppm(500_000);
        middle.await.unwrap();
        assert_eq!(start.elapsed(), SECOND * 3 + (SECOND * 4).mul_f64(1.0 / 1.5));
        assert_eq!(others.await.unwrap(), SECOND * 7);
        node.clock().set_drift_ppm(0);
        long.await.unwrap();
        assert_eq!(start.elapsed(), SECOND * 9);
    });
}

/// A future that polls others itself sets timers with its own wakers.
#[test]
fn a_change_of_the_drift_affects_timers_behind_other_wakers() {
    use futures_util::stream::{FuturesUnordered, StreamExt as _};
    under_seeds(|| async {
        let node = bare("db-1");
        let start = Instant::now();
        let task = node.spawn(async {
            let mut sleeps: FuturesUnordered<_> = [3, 2].map(|n| sleep(SECOND * n)).into_iter().collect();
            while sleeps.next().await.is_some() {}
        });
        sleep(SECOND).await;
        node.clock().set_drift_ppm(-500_000);
        task.await.unwrap();
        assert_eq!(start.elapsed(), SECOND * 5);
    });
}

#[test]
fn a_jump_of_the_wall_clock_affects_no_timer() {
    under_seeds(|| async {
        let node = World::current().node("db-1").clock_behind(SECOND * 3_600).build();
        let clock = node.clock();
        let epoch = SystemTime::now();
        assert_eq!(epoch.duration_since(clock.now()).unwrap(), SECOND * 3_600);
        let task = node.spawn(async {
            let (start, wall) = (Instant::now(), SystemTime::now());
            sleep(SECOND * 10).await;
            (start.elapsed(), wall.elapsed())
        });
        sleep(SECOND).await;
        clock.jump_back(SECOND * 60);
        let (waited, shown) = task.await.unwrap();
        assert_eq!(waited, SECOND * 10);
        assert_eq!(shown.unwrap_err().duration(), SECOND * 50, "time runs backwards");
        clock.jump_ahead(SECOND * 7_260);
        assert_eq!(clock.now().duration_since(SystemTime::now()).unwrap(), SECOND * 3_600);
        clock.set_right();
        assert_eq!(clock.now(), SystemTime::now());
        assert_eq!(SystemTime::now().duration_since(epoch).unwrap(), SECOND * 10);
    });
}

#[test]
fn a_synchronized_clock_keeps_its_drift() {
    under_seeds(|| async {
        let node = World::current().node("db-1").clock_drift_ppm(1_000).clock_ahead(MILLI).build();
        sleep(SECOND).await;
        assert_eq!(node.clock().now().duration_since(SystemTime::now()).unwrap(), MILLI * 2);
        node.clock().set_right();
        assert_eq!(node.clock().now(), SystemTime::now());
        sleep(SECOND).await;
        assert_eq!(node.clock().now().duration_since(SystemTime::now()).unwrap(), MILLI);
    });
}

#[test]
fn a_clock_continues_through_pauses_crashes_and_restarts() {
    under_seeds(|| async {
        let node = World::current().node("db-1").clock_ahead(SECOND).build();
        let now = || node.spawn(async { (Instant::now(), SystemTime::now()) });
        let (start, wall) = now().await.unwrap();
        sleep(SECOND).await;
        node.pause();
        sleep(SECOND).await;
        node.resume();
        node.crash();
        sleep(SECOND).await;
        node.restart();
        let (end, wall_end) = now().await.unwrap();
        assert_eq!((end - start, wall_end.duration_since(wall).unwrap()), (SECOND * 3, SECOND * 3));
    });
}

#[test]
fn a_wall_clock_may_be_before_the_epoch() {
    timeloop::run(0, || async {
        let node = World::current().node("db-1").clock_behind(SECOND * 86_400 * 365 * 100).build();
        let shown = node.clock().now();
        assert!(shown < UNIX_EPOCH);
        sleep(SECOND).await;
        assert_eq!(node.clock().now().duration_since(shown).unwrap(), SECOND);
    })
    .unwrap();
}

#[test]
fn drift_affects_one_node_only() {
    under_seeds(|| async {
        let start = Instant::now();
        let node = World::current().node("db-1").clock_drift_ppm(500_000).build();
        let task = spawn(async move {
            sleep(SECOND).await;
            start.elapsed()
        });
        yield_now().await;
        node.clock().set_drift_ppm(-500_000);
        assert_eq!(task.await.unwrap(), SECOND);
    });
}

/// The timer of the test reuses the slot of a timer of the node.
#[test]
fn a_timer_that_reuses_a_slot_is_kept() {
    under_seeds(|| async {
        let node = bare("db-1");
        node.spawn(sleep(SECOND)).await.unwrap();
        let start = Instant::now();
        let task = spawn(async move {
            sleep(SECOND * 10).await;
            start.elapsed()
        });
        yield_now().await;
        node.clock().set_drift_ppm(-500_000);
        assert_eq!(task.await.unwrap(), SECOND * 10);
    });
}

#[test]
fn invalid_clock_changes_panic() {
    timeloop::run(0, || async {
        let world = World::current();
        let text = panic_text(|| drop(world.node("x").clock_drift_ppm(600_000)));
        assert_eq!(text, "a clock can't drift by 600000 parts per million; the range is -500000 to 500000");
        let node = bare("db-1");
        let years = SECOND * 86_400 * 365;
        assert_eq!(
            panic_text(|| node.clock().set_drift_ppm(i32::MIN)),
            text.replace("600000", "-2147483648")
        );
        node.clock().jump_ahead(years * 900);
        assert_eq!(
            panic_text(|| node.clock().jump_ahead(years * 101)),
            "a wall clock can't be off by more than 1,000 years; jump by less than 3185136000s"
        );
        assert!(panic_text(|| node.clock().jump_back(Duration::MAX)).starts_with("a wall clock can't"));
        let own = timeloop::world::Node::current();
        assert_eq!(
            panic_text(|| own.clock().jump_ahead(SECOND)),
            "can't change the clocks of the test's own node, which show the run's time; \
             change the clocks of a node declared with `World::node`"
        );
        assert_eq!(own.clock().now(), SystemTime::now());
    })
    .unwrap();
}
