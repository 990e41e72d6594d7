//! The cells that are set once.

use std::cell::Cell;
use std::rc::Rc;

use timeloop::sync::{OnceCell, SetError, SetOnce};
use timeloop::task::yield_now;

use super::{any_order, baseline, spawn_and_wait};

#[test]
fn under_every_schedule_one_task_initializes_the_value() {
    any_order(|| async {
        let (cell, made) = (Rc::new(OnceCell::new()), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let (cell, made) = (Rc::clone(&cell), Rc::clone(&made));
                timeloop::spawn(async move {
                    *cell
                        .get_or_init(|| async {
                            made.set(made.get() + 1);
                            yield_now().await;
                            number
                        })
                        .await
                })
            })
            .collect();
        let mut values = Vec::new();
        for task in tasks {
            values.push(task.await.unwrap());
        }
        assert_eq!(made.get(), 1);
        assert!(values.iter().all(|value| value == &values[0]), "{values:?}");
    });
}

#[test]
fn if_initialization_fails_or_is_dropped_the_next_task_runs_its_own() {
    baseline(async {
        let cell = Rc::new(OnceCell::new());
        let given_up = spawn_and_wait({
            let cell = Rc::clone(&cell);
            async move { *cell.get_or_init(std::future::pending::<u8>).await }
        })
        .await;
        let failed = spawn_and_wait({
            let cell = Rc::clone(&cell);
            async move { cell.get_or_try_init(|| async { Err::<u8, _>("no") }).await.copied() }
        })
        .await;
        let made = spawn_and_wait({
            let cell = Rc::clone(&cell);
            async move { *cell.get_or_init(|| async { 7 }).await }
        })
        .await;
        assert_eq!(cell.set(9), Err(SetError::InitializingError(9)));
        given_up.abort();
        assert_eq!(failed.await.unwrap(), Err("no"));
        assert_eq!(made.await.unwrap(), 7);
        assert_eq!(cell.set(9), Err(SetError::AlreadyInitializedError(9)));
        assert_eq!(cell.get(), Some(&7));
    });
}

#[test]
fn waiters_get_the_value_that_was_set_first() {
    any_order(|| async {
        let cell = Rc::new(SetOnce::new());
        let waiter = timeloop::spawn({
            let cell = Rc::clone(&cell);
            async move { *cell.wait().await }
        });
        let setters: Vec<_> = (0..2)
            .map(|number| {
                let cell = Rc::clone(&cell);
                timeloop::spawn(async move { cell.set(number).is_ok() })
            })
            .collect();
        let mut set = Vec::new();
        for setter in setters {
            set.push(setter.await.unwrap());
        }
        let winner = set.iter().position(|&won| won).unwrap();
        assert_eq!(set.iter().filter(|&&won| won).count(), 1);
        assert_eq!(waiter.await.unwrap(), winner);
    });
}
