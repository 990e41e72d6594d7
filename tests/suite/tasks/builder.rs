//! Names of tasks.

use std::future::pending;

use timeloop::runtime::Handle;
use timeloop::task::{Builder, JoinSet, LocalSet};

/// Returns the names of the tasks in a deadlock, without the root's.
fn names<F, Fut>(make: F) -> Vec<String>
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let failure = timeloop::run(0, || async {
        make().await;
        pending::<()>().await;
    })
    .unwrap_err();
    failure.blocked.iter().skip(1).map(|blocked| blocked.task.name.to_string()).collect()
}

#[test]
fn appear_in_failures() {
    let names = names(|| async {
        let set = LocalSet::new();
        let handle = Handle::current();
        let named = String::from("spawned");
        drop(Builder::new().name(&named).spawn(pending::<()>()).unwrap());
        drop(Builder::new().name("on").spawn_on(pending::<()>(), &handle).unwrap());
        let local = async { drop(Builder::new().name("local").spawn_local(pending::<()>()).unwrap()) };
        set.run_until(local).await;
        drop(Builder::new().name("local on").spawn_local_on(pending::<()>(), &set).unwrap());
        drop(Builder::new().spawn(pending::<()>()).unwrap());
        set.run_until(pending::<()>()).await;
    });
    assert_eq!(names, ["spawned", "on", "local", "local on", ""]);
}

#[test]
fn of_the_tasks_of_a_join_set_too() {
    let names = names(|| async {
        let mut set = JoinSet::<()>::new();
        set.build_task().name("in a set").spawn(pending()).unwrap();
        set.join_next().await;
    });
    assert_eq!(names, ["in a set"]);
}

async fn audit() {
    pending::<()>().await;
}

#[test]
fn a_task_without_one_has_that_of_its_function() {
    let names = names(|| async {
        drop(timeloop::spawn(audit()));
        let set = LocalSet::new();
        drop(set.spawn_local(audit()));
        let mut tasks = JoinSet::new();
        tasks.spawn(audit());
        set.run_until(pending::<()>()).await;
    });
    assert_eq!(names, ["audit", "audit", "audit"]);
}

#[test]
fn blocking_closures_give_their_output() {
    timeloop::run(0, || async {
        let handle = Handle::current();
        let here = Builder::new().name("sum").spawn_blocking(|| 1 + 1).unwrap();
        let there = Builder::new().name("sum").spawn_blocking_on(|| 1 + 2, &handle).unwrap();
        assert_eq!((here.await.unwrap(), there.await.unwrap()), (2, 3));
    })
    .unwrap();
}
