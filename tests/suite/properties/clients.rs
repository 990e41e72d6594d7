//! Workloads of several clients: generation, shrinking, and the check of the results.

use std::cell::Cell;
use std::rc::Rc;

use timeloop::history::models::{Counter, CounterOperation, CounterReturned};
use timeloop::proptest::prelude::*;
use timeloop::proptest::{Property, Workload};
use timeloop::{FailureKind, Resource};

fn operation() -> impl Strategy<Value = CounterOperation> {
    prop_oneof![Just(CounterOperation::Read), (1..10_i64).prop_map(CounterOperation::FetchAdd)]
}

/// A counter that is updated atomically, or with other tasks in between.
async fn answers(workload: &Workload<CounterOperation>, careful: bool) -> Result<(), TestCaseError> {
    let counter = Rc::new((Resource::new("counter"), Cell::new(0)));
    let answers = workload.check(&Counter, move |_client, operation| {
        let counter = Rc::clone(&counter);
        async move {
            let (resource, sum) = &*counter;
            resource.read().await;
            let before = sum.get();
            if let CounterOperation::FetchAdd(number) = operation {
                if !careful {
                    resource.write().await;
                }
                sum.set(before + number);
            }
            CounterReturned::Value(before)
        }
    });
    answers.await
}

#[test]
fn linearizable_results_pass() {
    let property = Property::new("clients::careful").cases(50).without_regressions().without_environment();
    let checked = property.run(clients(operation(), 1..4, 1..4), |workload| async move {
        assert!(workload.len() < 4 && workload.iter().all(|operations| (1..4).contains(&operations.len())));
        answers(&workload, true).await
    });
    assert!(checked.failed.is_none() && checked.error.is_none() && checked.cases == 50, "{checked:?}");
}

#[test]
fn clients_operations_and_schedule_shrink_together() {
    let property = Property::new("clients::hasty").without_regressions().without_environment();
    let checked = property
        .run(clients(operation(), 1..5, 1..5), |workload| async move { answers(&workload, false).await });
    let failed = checked.failed.expect("two read the same");
    // One of the two only reads, or both add.
    assert_eq!(failed.input.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1], "{:?}", failed.input);
    assert_eq!(failed.found.deviations_after(), Some(1));
    let failure = &failed.found.failure;
    assert_eq!(failure.kind, FailureKind::Error);
    assert!(failure.site.as_ref().is_some_and(|site| site.file.ends_with("clients.rs")), "{failure:?}");
    assert!(failure.message().contains("client 1: FetchAdd(1) returned Value(0)"), "{failure}");
    let report = &failed.found.report;
    assert!(report.contains("\nInput\n  [client 0: FetchAdd(1); client 1: FetchAdd(1)]\n"), "{report}");
    assert!(report.contains("`client 1` (root.2)"), "{report}");
}

#[test]
fn a_workload_prints_by_client() {
    let workload = Workload::new(vec![vec![1, 2], vec![], vec![3]]);
    assert_eq!(format!("{workload:?}"), "[client 0: 1, 2; client 2: 3]");
    assert_eq!(format!("{workload:#?}"), "[\n    client 0: 1, 2;\n    client 2: 3\n]");
    assert_eq!(format!("{:?}", Workload::<u8>::default()), "[]");
}
