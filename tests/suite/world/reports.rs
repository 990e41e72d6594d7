//! Nodes in reports.

use std::cell::Cell;
use std::rc::Rc;

use timeloop::net::Network;
use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep};
use timeloop::world::World;

use crate::support::{by_name, explorer};

#[test]
fn a_write_lost_in_a_crash() {
    let exploration = explorer("store::tests::what_is_acknowledged_is_kept").run(|| async {
        let (disk, reported) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (kept, acknowledged) = (Rc::clone(&disk), Rc::clone(&reported));
        async fn serve(disk: Rc<Cell<u32>>, acknowledged: Rc<Cell<u32>>) {
            yield_now().await; // @request
            acknowledged.set(1);
            yield_now().await; // @write
            disk.set(1);
        }
        let world = World::current();
        let node = world.node("db-1").start(move || serve(Rc::clone(&kept), Rc::clone(&acknowledged))); // @start
        yield_now().await; // @first
        node.crash();
        yield_now().await; // @second
        node.restart();
        assert!(disk.get() >= reported.get(), "an acknowledged write is lost"); // @assert
    });
    let report = by_name!(exploration.report());
    let (schedule, steps) = report.split_once("\nSteps").expect("a report has both");
    assert_eq!(
        schedule,
        "\
timeloop: `store::tests::what_is_acknowledged_is_kept` failed in # of # schedules: panic at <assert>:9

  an acknowledged write is lost
  (in task `root`, after 6 steps, at virtual time 0 s)

Critical order (checked): if these two swap, the test passes
  step 3  `serve` on db-1 (root.1) resumes at <request>
  step 4  `root` resumes at <first>

Failing schedule: FIFO order, except
  step 3  `serve` on db-1 (root.1) resumes at <request> before `root` resumes at
          <first>
  (`serve` on db-1 (root.1) is spawned at <start>:39)
"
    );
    for (line, event) in [
        ("       1   0 s  root                    start → <first>", "node db-1 starts"),
        ("       4   0 s  root                    ", "node db-1 crashes"),
        ("       5   0 s  serve on db-1 (root.1)  ends", "its node went down"),
        ("       6   0 s  root                    <second> → panic", "node db-1 restarts"),
    ] {
        let is_it = |row: &str| row.starts_with(line) && row.ends_with(&format!("  {event}"));
        assert!(steps.lines().any(is_it), "{line} {event}: {report}");
    }
}

/// A scheduled task of a paused node is not polled, and continues from the same place later.
#[test]
fn a_pause() {
    let exploration = explorer("pause").runs(1).run(|| async {
        async fn serve() {
            sleep(Duration::from_secs(1)).await; // @wait
            panic!("late");
        }
        let node = World::current().node("a").start(serve);
        yield_now().await;
        node.pause();
        sleep(Duration::from_secs(2)).await;
        node.resume();
        node.until_down().await;
    });
    let report = by_name!(exploration.report());
    let has = |row: &str| {
        let found = report.lines().any(|line| line.ends_with(&format!("  serve on a (root.1)  {row}")));
        assert!(found, "{row}: {report}");
    };
    has("start → <wait>");
    has("not polled at <wait>  its node is paused");
    has("<wait> → panic");
}

/// The steps that cut and heal links say so.
#[test]
fn links_that_are_cut_and_healed() {
    let exploration = explorer("links").runs(1).run(|| async {
        let world = World::current();
        for name in ["a", "b", "c"] {
            world.node(name).build();
        }
        let network = Network::current();
        let cut = network.cut("a", "b");
        yield_now().await;
        cut.heal();
        yield_now().await;
        network.partition(&[&["a"], &["b"]]).heal();
        yield_now().await;
        let _isolated = network.isolate("c");
        yield_now().await;
        network.heal();
        panic!("at the end");
    });
    let report = exploration.report();
    for row in [
        " cuts link a → b",
        " heals link a → b",
        " cuts link a ↔ b, heals link a ↔ b",
        " cuts links of c with 3 nodes",
        " heals all links",
    ] {
        assert!(report.lines().any(|line| line.ends_with(row)), "{row}: {report}");
    }
}
