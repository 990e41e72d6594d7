//! Links and faults as inputs: they shrink to a world without faults.

use std::time::Duration;

use timeloop::net::Network;
use timeloop::proptest::prelude::*;
use timeloop::proptest::{Property, fault_plans, links};
use timeloop::world::World;

use crate::support::echoed;

#[test]
fn a_link_shrinks_to_what_matters() {
    // Otherwise the server may be started too late, which does not depend on the link.
    let schedules = schedules().stalls(false);
    let property =
        Property::new("faults::links").schedules(schedules).without_regressions().without_environment();
    let checked = property.run((1..10_u8, links()), |(count, link)| async move {
        Network::current().set_all(&link.model());
        // Long enough for every link.
        let answered = echoed(count, Duration::from_secs(1_000)).await;
        prop_assert!(answered >= count.into(), "{answered} of {count} are answered");
        Ok(())
    });
    let failed = checked.failed.expect("one is lost sooner or later");
    let (count, link) = failed.input;
    let lossy = format!("{link:?}");
    assert_eq!(
        (count, lossy.as_str()),
        (
            1,
            "Link { latency_ms: 0, tail: 1, loss_thousandths: 1, duplicates_thousandths: 0, reorders_thousandths: 0 }"
        )
    );
    assert_eq!(failed.found.deviations_after(), Some(1), "{}", failed.found.report);
}

#[test]
fn a_fault_plan_shrinks_to_what_matters() {
    let property = Property::new("faults::plans").without_regressions().without_environment();
    let plans = fault_plans(Duration::from_secs(30));
    let checked = property.run(plans, |plan| async move {
        let node = World::current().node("server").start(std::future::pending::<()>);
        let first = node.incarnation();
        plan.run().await;
        prop_assert_eq!(node.incarnation(), first);
        Ok(())
    });
    let failed = checked.failed.expect("it crashes sooner or later");
    let plan = format!("{:?}", failed.input);
    assert!(plan.contains("most: [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]"), "{plan}");
    assert_eq!(failed.found.deviations_after(), Some(1), "{}", failed.found.report);
}
