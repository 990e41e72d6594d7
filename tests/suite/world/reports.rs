//! Nodes in reports.

use std::cell::Cell;
use std::rc::Rc;

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
    let (summary, steps) = report.split_once("The last steps").expect("a report has both");
    assert_eq!(
        summary,
        "\
timeloop: `store::tests::what_is_acknowledged_is_kept` fails in 26 of 204 schedules: panic at <assert>:9

  an acknowledged write is lost
  (in task `root`; after 0 s of virtual time and 6 steps)

How it happens, where all else runs in its turn, first in, first out:
  step 3   `serve` on db-1 (root.1) resumes at <request> before `root` resumes at
           <first>.
  (`serve` on db-1 (root.1) was spawned at <start>:39)
Critical: `serve` on db-1 (root.1) resumes at <request> before `root` resumes at
<first>; the other way round the test passes (checked).
Deviations from that order: 2 as found, 1 after 5 runs of shrinking.

"
    );
    for (line, how) in [
        ("    0 s  1  root                    from its start to <first>", "node db-1 starts"),
        ("    0 s  4  root                    from", "node db-1 crashes"),
        ("    0 s  5  serve on db-1 (root.1)  from <write>, ends", "its node is down"),
        ("    0 s  6  root                    from <second>, panics", "node db-1 restarts"),
    ] {
        let matches = |step: &str| step.starts_with(line) && step.ends_with(&format!("; {how}"));
        assert!(steps.lines().any(matches), "{line} {how}: {report}");
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
    let step = |ends: &str| {
        let line =
            report.lines().find(|line| line.contains(" serve on a (root.1)  ") && line.ends_with(ends));
        line.unwrap_or_else(|| panic!("{ends}: {report}")).to_owned()
    };
    step("  from its start to <wait>");
    // Two full locations do not fit into a line.
    let paused = step("; its node is paused");
    assert_eq!(paused.matches("/reports.rs:").count(), 2, "{paused}");
    step("  from <wait>, panics");
}
