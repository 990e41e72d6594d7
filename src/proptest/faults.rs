//! Faults as inputs: what links are like, and how much of what may break.
//!
//! *What* breaks, when, and which packet is lost are decisions of the run, and shrink with its schedule. These are the bounds of
//! that, which shrink with the other inputs: to calm links, and to no faults.
//!
//! Always true: the simplest value of each strategy is a calm world.

use std::time::Duration;

use proptest::strategy::{Just, Strategy};

use crate::net::{FaultPlan, LinkModel};

/// What links are like, from calm to bad: latencies, loss, duplicates, disorder. Each is left out in three of four cases.
///
/// ```
/// use timeloop::net::Network;
/// use timeloop::proptest::{links, prelude::*};
///
/// proptest! {
///     # #![proptest_config(ProptestConfig::with_cases(20))]
///     # /*
///     #[test]
///     # */
///     fn arrives(schedule in schedules(), link in links()) {
///         schedule.run(|| async {
///             Network::current().set_all(&link.model());
///             // … a client, a server …
///         })?;
///     }
/// }
/// # arrives();
/// ```
pub fn links() -> impl Strategy<Value = Link> {
    let latency = (rarely(200), 1..=20_u32);
    (latency, rarely(200), rarely(100), rarely(200)).prop_map(
        |((latency_ms, tail), loss_thousandths, duplicates_thousandths, reorders_thousandths)| Link {
            latency_ms,
            tail,
            loss_thousandths,
            duplicates_thousandths,
            reorders_thousandths,
        },
    )
}

/// What a link is like: what [`links`] generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Link {
    /// The median latency in milliseconds; 0 is the 0.5 ms of a calm link.
    pub latency_ms: u32,
    /// One in a hundred packets takes so many times as long, or longer.
    pub tail: u32,
    /// Of a thousand packets so many are lost.
    pub loss_thousandths: u32,
    /// Of a thousand datagrams so many come twice.
    pub duplicates_thousandths: u32,
    /// Of a thousand datagrams so many fall behind.
    pub reorders_thousandths: u32,
}

impl Link {
    /// The link's model, for [`Network`](crate::net::Network).
    #[must_use]
    pub fn model(&self) -> LinkModel {
        let chance = |thousandths: u32| f64::from(thousandths) / 1_000.0;
        let median = Duration::from_millis(self.latency_ms.into());
        let model = match (self.latency_ms, self.tail) {
            (0, _) => LinkModel::new(),
            (_, 0 | 1) => LinkModel::new().latency(median),
            (_, tail) => LinkModel::new().latency_with_tail(median, median * tail),
        };
        model
            .loss(chance(self.loss_thousandths))
            .duplicates(chance(self.duplicates_thousandths))
            .reorders(chance(self.reorders_thousandths))
    }
}

/// How much breaks within this time from when the plan is run: up to three partitions, one-way cuts, clogs, crashes and pauses
/// each. A kind is left out in three of four cases.
///
/// ```
/// use std::time::Duration;
/// use timeloop::proptest::{fault_plans, prelude::*};
/// use timeloop::world::World;
///
/// proptest! {
///     # #![proptest_config(ProptestConfig::with_cases(20))]
///     # /*
///     #[test]
///     # */
///     fn recovers(schedule in schedules(), plan in fault_plans(Duration::from_secs(30))) {
///         schedule.run(|| async {
///             for name in ["db-1", "db-2", "db-3"] {
///                 World::current().node(name).start(std::future::pending::<()>);
///             }
///             plan.clone().keep_up(2).run().await;
///             // … and now all is well again?
///         })?;
///     }
/// }
/// # recovers();
/// ```
///
/// # Panics
/// If the time is zero.
#[track_caller]
pub fn fault_plans(over: Duration) -> impl Strategy<Value = FaultPlan> {
    let calm = FaultPlan::over(over);
    (rarely(3), rarely(3), rarely(3), rarely(3), rarely(3)).prop_map(
        move |(partitions, one_way_cuts, clogs, crashes, pauses)| {
            calm.clone()
                .partitions(partitions)
                .one_way_cuts(one_way_cuts)
                .clogs(clogs)
                .crashes(crashes)
                .pauses(pauses)
        },
    )
}

/// 0 in three of four cases, else up to `most`.
fn rarely(most: u32) -> impl Strategy<Value = u32> {
    proptest::prop_oneof![3 => Just(0_u32).boxed(), 1 => (1..=most).boxed()]
}
