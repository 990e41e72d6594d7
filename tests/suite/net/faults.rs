//! Random packet fates and fault plans: decided by the seed, reported and shrunk.

use timeloop::Domain;
use timeloop::net::{FaultPlan, LinkModel, Network, UdpSocket};
use timeloop::time::{Duration, sleep};
use timeloop::world::World;

use crate::support::{echoed, explorer};

/// Sends ten datagrams to an echo node, and returns how many come back within a second.
async fn round_trips_of_ten(model: LinkModel) -> usize {
    Network::current().set_all(&model);
    echoed(10, Duration::from_secs(1)).await
}

#[test]
fn the_decisive_packet_is_reported() {
    let lossy = || LinkModel::new().loss(0.05).duplicates(0.05).reorders(0.2);
    let found = explorer("net::faults::lost").runs(200).run(move || async move {
        assert!(round_trips_of_ten(lossy()).await >= 10, "a datagram is lost");
    });
    let found = found.found.expect("one is lost sooner or later");
    let deviations = found.shrunk.deviations().expect("it is shrunk");
    assert_eq!(deviations.len(), 1, "{}", found.report);
    assert_eq!((deviations[0].domain, deviations[0].value), (Domain::Network, 1));
    let report = found.report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        report.contains("to `db-1`, sent at 1 ms, is lost ") || report.contains("to `test`, sent at 1"),
        "{report}"
    );
    let otherwise = if report.contains("is lost ") { "without this event" } else { "with the least latency" };
    assert!(report.contains(&format!("Critical event (checked): {otherwise}, the test passes ")), "{report}");
}

#[test]
fn the_decisive_latency_is_minimal() {
    let far = || LinkModel::new().latency_between(Duration::from_millis(1), Duration::from_millis(256));
    let found = explorer("net::faults::late").varied_io(false).runs(50).run(move || async move {
        Network::current().set_link("test", "test2", &far());
    });
    assert!(found.found.is_some(), "the name is unknown");
    let found = explorer("net::faults::late").varied_io(false).runs(50).run(move || async move {
        World::current().node("db-1").start(|| async {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
            let mut bytes = [0; 8];
            timeloop::time::timeout(Duration::from_millis(100), socket.recv(&mut bytes))
                .await
                .expect("the datagram arrives in time")
                .unwrap();
        });
        Network::current().set_link("test", "db-1", &far());
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        sleep(Duration::from_millis(1)).await;
        socket.send_to(b"x", "db-1:9").await.unwrap();
        sleep(Duration::from_secs(1)).await;
    });
    let found = found.found.expect("one is late");
    let report = found.report.split_whitespace().collect::<Vec<_>>().join(" ");
    let deviations = found.shrunk.deviations().expect("it is shrunk");
    assert_eq!(deviations.len(), 1, "{report}");
    // The limit is 100 ms after the node's start, and 1 ms has passed.
    assert!((97..=99).contains(&deviations[0].value), "{report}");
    assert!(report.contains(" packet 1 from `test` to `db-1`, sent at 1 ms, takes "), "{report}");
}

#[test]
fn links_without_randomness_make_no_decisions() {
    let found = explorer("net::faults::calm").runs(5).run(|| async {
        assert_eq!(round_trips_of_ten(LinkModel::new()).await, 0);
    });
    let found = found.found.expect("all come");
    assert_eq!(found.shrunk.deviations(), Some(&[][..]));
}

/// Three nodes send heartbeats to each other. A node stops if no heartbeats arrive from two others for a second.
#[test]
fn a_plan_shrinks_to_the_decisive_faults() {
    let found = explorer("net::faults::plan").runs(300).run(|| async {
        for name in ["db-1", "db-2", "db-3"] {
            World::current().node(name).start(std::future::pending::<()>);
        }
        let plan = FaultPlan::over(Duration::from_secs(10)).partitions(2).crashes(3).pauses(2).clogs(2);
        let faults = timeloop::spawn(plan.run());
        for _ in 0..100 {
            sleep(Duration::from_millis(100)).await;
            assert!(World::current().get("db-2").unwrap().is_up(), "db-2 is down");
        }
        faults.await.unwrap();
    });
    let found = found.found.expect("it crashes sooner or later");
    let deviations = found.shrunk.deviations().expect("it is shrunk");
    assert!(deviations.len() <= 3, "{}", found.report);
    assert!(deviations.iter().all(|deviation| deviation.domain == Domain::Fault), "{}", found.report);
    let report = found.report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(report.contains("ode `db-2` crashes"), "{report}");
}

/// Regression: the decisions of two plans had equal keys, so such a run could not be stored or shrunk.
#[test]
fn two_plans_make_separate_decisions() {
    let found = explorer("net::faults::two_plans").runs(200).run(|| async {
        for name in ["a", "b"] {
            World::current().node(name).start(std::future::pending::<()>);
        }
        let plan = |name| FaultPlan::over(Duration::from_secs(10)).crashes(1).nodes([name]);
        let plans = [timeloop::spawn(plan("a").run()), timeloop::spawn(plan("b").run())];
        for plan in plans {
            plan.await.unwrap();
        }
        let [a, b] = ["a", "b"].map(|name| World::current().get(name).unwrap().incarnation());
        assert!(a > 1 || b == 1, "only b has crashed");
    });
    let found = found.found.expect("it crashes sooner or later");
    let deviations = found.shrunk.deviations().expect("it is shrunk");
    assert_eq!(deviations.len(), 1, "{}", found.report);
    assert!(found.report.contains("  node `b` crashes"), "{}", found.report);
}

#[test]
fn a_plan_respects_its_budget_and_undoes_its_faults() {
    let down = std::sync::Mutex::new(0);
    explorer("net::faults::budget").runs(50).check(|| async {
        let names = ["a", "b", "c", "d", "e"];
        for name in names {
            World::current().node(name).start(std::future::pending::<()>);
        }
        let plan = FaultPlan::over(Duration::from_secs(10)).crashes(10).pauses(10).partitions(10).keep_up(3);
        let faults = timeloop::spawn(plan.run());
        while !faults.is_finished() {
            sleep(Duration::from_millis(20)).await;
            let up = World::current().nodes().iter().filter(|node| node.is_up() && !node.is_paused()).count();
            // The test's own node may be among them.
            assert!(up >= 3, "only {up} nodes are up");
            *down.lock().unwrap() += usize::from(up < 5);
        }
        for name in names {
            let node = World::current().get(name).unwrap();
            assert!(node.is_up() && !node.is_paused());
        }
    });
    assert!(down.into_inner().unwrap() > 100, "nodes are down at times");
}
