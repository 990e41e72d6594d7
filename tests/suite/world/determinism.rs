//! Determinism of runs with nodes.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep};
use timeloop::world::{Node, World, crash_here, shutdown_requested};
use timeloop::{Limits, Seed, StrategySpec, run_from, spawn};

use crate::support::on_drop;

/// Three nodes crash, restart, pause and shut down while they work.
async fn busy() -> u64 {
    let sum = Rc::new(Cell::new(0_u64));
    let world = World::current();
    let nodes: Vec<Node> = (0..3)
        .map(|number| {
            let sum = Rc::clone(&sum);
            world.node(format!("db-{number}")).clock_drift_ppm(number * 1_000).start(move || {
                let sum = Rc::clone(&sum);
                async move {
                    for round in 0..20 {
                        let sum = Rc::clone(&sum);
                        let step = rand::Rng::next_u32(&mut timeloop::rng()) % 5;
                        spawn(async move {
                            let other = Rc::clone(&sum);
                            let _guard = on_drop(move || other.set(other.get().rotate_left(3) ^ round));
                            sleep(Duration::from_millis(step.into())).await;
                            yield_now().await;
                            sum.set(sum.get().wrapping_mul(31) + u64::from(step));
                        });
                        timeloop::select! {
                            () = shutdown_requested() => break,
                            () = sleep(Duration::from_millis(2)) => {}
                        }
                        if step == 4 && round == 7 {
                            crash_here().await;
                        }
                    }
                }
            })
        })
        .collect();
    for round in 0..30_u64 {
        let choice = rand::Rng::next_u32(&mut timeloop::rng());
        let node = &nodes[choice as usize % 3];
        match choice / 3 % 5 {
            0 => node.crash(),
            1 => node.restart(),
            2 if node.is_up() => node.pause(),
            2 | 3 => node.resume(),
            _ => _ = node.shutdown_within(Duration::from_millis(5)).await,
        }
        sum.set(sum.get().wrapping_add(round));
        sleep(Duration::from_millis(1)).await;
    }
    nodes.iter().for_each(Node::crash);
    sum.get()
}

#[test]
fn one_seed_gives_one_run_with_every_strategy() {
    let limits = Limits::default();
    let mut hashes = std::collections::BTreeSet::new();
    for name in
        ["random", "fifo", "pct", "pos", "surw", "urw", "delay", "lockstep", "starve", "stall", "portfolio"]
    {
        let spec: StrategySpec = name.parse().unwrap();
        for seed in 0..10 {
            let made = || {
                let outcome = run_from(spec.source(Seed(seed)), &limits, busy);
                (outcome.result.unwrap(), outcome.trace_hash, outcome.steps, outcome.elapsed)
            };
            let run = made();
            assert_eq!(made(), run, "{name} {seed}");
            hashes.insert(run.1);
        }
    }
    assert!(hashes.len() > 60, "{}", hashes.len());
}

/// Changes of nodes are part of the trace, even if no step shows them.
#[test]
fn node_events_are_part_of_the_trace() {
    let hash = |what: &dyn Fn(&Node)| {
        let outcome = run_from(StrategySpec::Fifo.source(Seed(0)), &Limits::default(), || async {
            let nodes = ["one", "other"].map(|name| World::current().node(name).build());
            nodes.iter().for_each(what);
        });
        outcome.trace_hash
    };
    let hashes = [
        hash(&|_| ()),
        hash(&Node::crash),
        hash(&Node::restart),
        hash(&Node::pause),
        hash(&|node| {
            node.pause();
            node.resume();
        }),
        hash(&|node| node.clock().jump_ahead(Duration::from_secs(1))),
        hash(&|node| {
            if node.name() == "one" {
                node.crash();
            }
        }),
        hash(&|node| {
            if node.name() == "other" {
                node.crash();
            }
        }),
    ];
    let different: std::collections::BTreeSet<_> = hashes.into_iter().collect();
    assert_eq!(different.len(), hashes.len());
}

#[test]
fn unused_nodes_do_not_change_a_run() {
    let plain = || async {
        spawn(async { sleep(Duration::from_secs(1)).await });
        yield_now().await;
    };
    let asked = || async {
        spawn(async {
            // The nodes are only inspected.
            assert_eq!(Node::current().name(), "test");
            sleep(Duration::from_secs(1)).await;
        });
        assert!(World::current().nodes().is_empty());
        yield_now().await;
    };
    let hash = |seed| {
        let limits = Limits::default();
        let source = || StrategySpec::Random.source(Seed(seed));
        (run_from(source(), &limits, plain).trace_hash, run_from(source(), &limits, asked).trace_hash)
    };
    for seed in 0..20 {
        let (one, other) = hash(seed);
        assert_eq!(one, other);
    }
}

/// Every run can be written as deviations from the baseline run: a failure can be replayed and shrunk.
#[test]
fn a_failure_with_nodes_is_found_confirmed_and_shrunk() {
    let exploration = timeloop::Explorer::new("world::found").runs(300).without_regressions().run(|| async {
        let disk = Rc::new(Cell::new(0));
        let acknowledged = Rc::new(Cell::new(0));
        let (kept, reported) = (Rc::clone(&disk), Rc::clone(&acknowledged));
        let node = World::current().node("db-1").start(move || {
            let (disk, acknowledged) = (Rc::clone(&kept), Rc::clone(&reported));
            async move {
                for number in disk.get()..5 {
                    // Acknowledges the write before it is durable.
                    acknowledged.set(number + 1);
                    yield_now().await;
                    disk.set(number + 1);
                }
                pending::<()>().await;
            }
        });
        let other = node.clone();
        spawn(async move { other.crash() });
        node.until_down().await;
        assert!(disk.get() >= acknowledged.get(), "an acknowledged write is lost");
    });
    let found = exploration.found.expect("some order loses a write");
    assert!(found.report.contains("node db-1 crashes"), "{}", found.report);
    assert!(found.report.contains("`main` on db-1 (root.1)"), "{}", found.report);
}
