//! Properties of the warehouse that hold under every schedule.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use proptest_state_machine::ReferenceStateMachine;
use timeloop::history::Model;
use timeloop::proptest::Workload;
use timeloop::proptest::prelude::*;
use timeloop::task::spawn;

use crate::{Item, Warehouse};

proptest! {
    // Failing cases are stored in `timeloop-regressions`, with the input as text and the schedule.
    #![proptest_config(timeloop::proptest::config())]

    /// Only items in stock are sold.
    #[test]
    fn nothing_is_sold_twice(
        schedule in schedules(),
        delivered in 0..20_u32,
        orders in prop::collection::vec(0..10_u32, 0..6),
    ) {
        schedule.run(|| async {
            let warehouse = Rc::new(Warehouse::new());
            warehouse.deliver(7, delivered).await;
            let orders: Vec<_> = orders
                .iter()
                .map(|&count| {
                    let warehouse = Rc::clone(&warehouse);
                    spawn(async move { if warehouse.order(7, count).await { count } else { 0 } })
                })
                .collect();
            let mut sold = 0;
            for order in orders {
                sold += order.await.unwrap();
            }
            prop_assert_eq!(sold + warehouse.count(7).await, delivered);
            Ok(())
        })?;
    }
}

/// The hasty method violates that property. This is the failure found, with the smallest input and schedule.
#[test]
fn in_a_hurry_something_is_sold_twice() {
    let property = timeloop::proptest::Property::new("tests::in_a_hurry").without_regressions();
    let checked = property.run((0..20_u32, 0..30_u32), |(delivered, customers)| async move {
        let warehouse = Rc::new(Warehouse::new());
        warehouse.deliver(7, delivered).await;
        let mut orders = Vec::new();
        for _ in 0..customers {
            let warehouse = Rc::clone(&warehouse);
            orders.push(spawn(async move { warehouse.order_hastily(7, 1).await }));
        }
        let mut sold = 0;
        for order in orders {
            sold += u32::from(order.await.unwrap());
        }
        prop_assert_eq!(sold + warehouse.count(7).await, delivered);
        Ok(())
    });
    let failed = checked.failed.expect("it does not hold");
    println!("{}", failed.found.report);
    assert_eq!(failed.input, (1, 2));
    assert_eq!(failed.found.deviations_after(), Some(1));
}

proptest! {
    // The cases run in a separate process, which is given up after 10 s. The report that it prints contains the
    // schedule.
    #![proptest_config(ProptestConfig { fork: true, timeout: 10_000, cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn schedules_can_be_tried_in_another_process(schedule in schedules(), count in 0..5_u32) {
        schedule.run(|| async {
            let warehouse = Warehouse::new();
            prop_assert_eq!(warehouse.deliver(1, count).await, count);
            prop_assert!(warehouse.order(1, count).await);
            Ok(())
        })?;
    }
}

/// An operation of a client on a warehouse.
#[derive(Clone, Debug, PartialEq)]
enum Request {
    Deliver(Item, u32),
    Order(Item, u32),
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    InStock(u32),
    Sold(bool),
}

/// The warehouse as a state machine for `proptest-state-machine`. Each transition belongs to a client, by number, so it
/// stays with that client when other transitions are removed.
struct Reference;

impl ReferenceStateMachine for Reference {
    type State = BTreeMap<Item, u32>;
    type Transition = (usize, Request);

    fn init_state() -> BoxedStrategy<Self::State> {
        Just(BTreeMap::new()).boxed()
    }

    fn transitions(_: &Self::State) -> BoxedStrategy<(usize, Request)> {
        let request = prop_oneof![
            (0..2_u8, 1..5_u32).prop_map(|(item, count)| Request::Deliver(item, count)),
            (0..2_u8, 1..5_u32).prop_map(|(item, count)| Request::Order(item, count)),
        ];
        (0..3_usize, request).boxed()
    }

    fn apply(mut state: Self::State, (_, request): &(usize, Request)) -> Self::State {
        match *request {
            Request::Deliver(item, count) => *state.entry(item).or_default() += count,
            Request::Order(item, count) => {
                if let Some(now) = state.get_mut(&item).filter(|now| **now >= count) {
                    *now -= count;
                }
            }
        }
        state
    }
}

/// The same state machine as the model of a history: it also returns results.
impl Model for Reference {
    type State = BTreeMap<Item, u32>;
    type Operation = Request;
    type Returned = Answer;
    type Key = ();

    fn key(&self, _: &Request) {}

    fn init(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, request: &Request, answer: Option<&Answer>) -> Option<Self::State> {
        let stock = |item| state.get(item).copied().unwrap_or(0);
        let expected = match request {
            Request::Deliver(item, count) => Answer::InStock(stock(item) + count),
            Request::Order(item, count) => Answer::Sold(stock(item) >= *count),
        };
        let fits = answer.is_none_or(|answer| *answer == expected);
        fits.then(|| <Self as ReferenceStateMachine>::apply(state.clone(), &(0, request.clone())))
    }
}

/// The transitions of the state machine, separated by client.
fn requests() -> impl Strategy<Value = Workload<Request>> {
    Reference::sequential_strategy(1..10).prop_map(|(_, transitions, seen)| {
        // All of them are applied at once. Otherwise the strategy would remove those after the failing one.
        if let Some(seen) = seen {
            seen.store(transitions.len(), Ordering::SeqCst);
        }
        let mut clients = vec![Vec::new(); 3];
        for (client, request) in transitions {
            clients[client].push(request);
        }
        Workload::new(clients)
    })
}

async fn answers(workload: Workload<Request>, hasty: bool) -> Result<(), TestCaseError> {
    let warehouse = Rc::new(Warehouse::new());
    let answers = workload.check(&Reference, move |_client, request| {
        let warehouse = Rc::clone(&warehouse);
        async move {
            match request {
                Request::Deliver(item, count) => Answer::InStock(warehouse.deliver(item, count).await),
                Request::Order(item, count) if hasty => {
                    Answer::Sold(warehouse.order_hastily(item, count).await)
                }
                Request::Order(item, count) => Answer::Sold(warehouse.order(item, count).await),
            }
        }
    });
    answers.await
}

proptest! {
    #![proptest_config(timeloop::proptest::config())]

    /// Each client sees the warehouse as if there were no others.
    #[test]
    fn answers_are_linearizable(schedule in schedules(), workload in requests()) {
        schedule.run(|| answers(workload.clone(), false))?;
    }
}

#[test]
fn in_a_hurry_answers_are_not_linearizable() {
    let property = timeloop::proptest::Property::new("tests::hasty_answers").without_regressions();
    let checked = property.run(requests(), |workload| answers(workload, true));
    let failed = checked.failed.expect("it does not hold");
    println!("{}", failed.found.report);
    // One item is delivered, and two clients buy it.
    let requests: Vec<_> = failed.input.iter().flatten().collect();
    assert_eq!(requests.len(), 3, "{:?}", failed.input);
    assert_eq!(failed.found.deviations_after(), Some(1));
}
