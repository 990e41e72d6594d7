//! Histories recorded in runs: virtual time, calls that never return, and readable failures.

use std::cell::Cell;
use std::rc::Rc;

use timeloop::history::models::{Register, RegisterOperation, RegisterReturned};
use timeloop::history::{CheckError, Client, Recorder};
use timeloop::task::{JoinSet, spawn};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::{Bytes, FailureKind, Limits, Resource, run_from};

use RegisterOperation::{Read, Write};
use RegisterReturned::{Value, Written};

use crate::support::explorer;

type Registers = Recorder<RegisterOperation<u64>, RegisterReturned<u64>>;

const MS: Duration = Duration::from_millis(1);

#[test]
fn calls_and_returns_have_virtual_time() {
    let history = timeloop::run(0, || async {
        let history = Registers::new();
        sleep(3 * MS).await;
        let value = history.record("alice", Read, async {
            sleep(4 * MS).await;
            Value(0)
        });
        assert_eq!(value.await, Value(0));
        history.history()
    })
    .unwrap();
    let (_, entry) = history.entries().next().expect("an entry");
    assert_eq!((&entry.client, &entry.operation), (&Client::from("alice"), &Read));
    assert_eq!(entry.called_ns, 3_000_000);
    assert_eq!(
        entry.returned.as_ref().map(|returned| (&returned.value, returned.at_ns)),
        Some((&Value(0), 7_000_000))
    );
}

#[test]
fn clones_record_the_same_history() {
    timeloop::run(0, || async {
        let history = Registers::new();
        assert!(history.is_empty());
        let mut clients = JoinSet::new();
        for client in 1..=3_u64 {
            let history = history.clone();
            clients.spawn(async move { history.record(client, Write(client), async { Written }).await });
        }
        clients.join_all().await;
        assert_eq!(history.len(), 3);
        history.check(&Register::new(0)).unwrap();
    })
    .unwrap();
}

#[test]
fn a_recorder_may_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Registers>();
}

#[test]
fn a_dropped_future_leaves_a_call_that_never_returned() {
    timeloop::run(0, || async {
        let history = Registers::new();
        let write = history.record(1, Write(1), async {
            sleep(10 * MS).await;
            Written
        });
        timeout(MS, write).await.unwrap_err();
        assert_eq!(history.history().pending(), 1);

        // It may or may not have taken effect.
        history.call(2, Read).returned(Value(0));
        history.check(&Register::new(0)).unwrap();
        history.call(2, Read).returned(Value(1));
        history.check(&Register::new(0)).unwrap();
        history.call(2, Read).returned(Value(0));
        assert!(history.check(&Register::new(0)).is_err());
    })
    .unwrap();
}

#[test]
fn an_unpolled_future_records_no_call() {
    timeloop::run(0, || async {
        let history = Registers::new();
        drop(history.record(1, Write(1), async { Written }));
        assert!(history.is_empty());
    })
    .unwrap();
}

#[test]
fn an_error_leaves_a_call_that_never_returned() {
    timeloop::run(0, || async {
        let history = Registers::new();
        let failed = history.try_record(1, Write(1), async { Err::<RegisterReturned<u64>, _>("timed out") });
        assert_eq!(failed.await, Err("timed out"));
        let done = history.try_record(1, Write(2), async { Ok::<_, &str>(Written) });
        assert_eq!(done.await, Ok(Written));
        assert_eq!((history.len(), history.history().pending()), (2, 1));
    })
    .unwrap();
}

#[test]
fn a_forgotten_call_took_no_effect() {
    timeloop::run(0, || async {
        let history = Registers::new();
        history.call(1, Write(1)).forget();
        history.call(2, Read).returned(Value(1));
        assert!(history.check(&Register::new(0)).is_err());
    })
    .unwrap();
}

#[test]
fn outside_of_a_run_there_is_no_time() {
    let history = Registers::new();
    history.call(1, Read).returned(Value(3));
    assert_eq!(history.history().entries().next().expect("an entry").1.called_ns, 0);
    let error = history.check_within(&Register::new(3), 0).unwrap_err();
    assert!(matches!(error, CheckError::Undecided(_)), "{error}");
}

/// Two copies of a number, of which the second is written a little later. Readers ask either of them.
struct Copies {
    first: (Resource, Cell<u64>),
    second: (Resource, Cell<u64>),
}

impl Copies {
    async fn write(&self, value: u64) {
        self.first.0.write().await;
        self.first.1.set(value);
        sleep(MS).await;
        self.second.0.write().await;
        self.second.1.set(value);
    }

    async fn read(&self, from_second: bool) -> u64 {
        let (resource, value) = if from_second { &self.second } else { &self.first };
        resource.read().await;
        value.get()
    }
}

async fn stale_copies() -> Result<(), CheckError> {
    let copies = Rc::new(Copies {
        first: (Resource::new("first"), Cell::new(0)),
        second: (Resource::new("second"), Cell::new(0)),
    });
    let history = Recorder::new();
    let writer = spawn({
        let (copies, history) = (copies.clone(), history.clone());
        async move {
            let write = async {
                copies.write(1).await;
                Written
            };
            history.record("writer", Write(1), write).await;
        }
    });
    for from_second in [false, true] {
        history.record("reader", Read, async { Value(copies.read(from_second).await) }).await;
    }
    writer.await.unwrap();
    history.check(&Register::new(0))
}

#[test]
fn a_stale_read_is_found_and_reported() {
    let exploration = explorer("history::stale_copies").run(stale_copies);
    let found = exploration.found.as_ref().expect("a read of the new value, and then one of the old");
    assert_eq!(found.failure.kind, FailureKind::Error);
    assert_eq!(
        found.failure.message(),
        "\
the test returned an error: the history of 3 operations is not linearizable: a valid order has at most 2 of them

  the longest such order has 2 operations:
    client `writer`: Write(1) returned Written (0 s to 1 ms)
    client `reader`: Read returned Value(1) (0 s to 0 s)
  after them, the state is 1. The model rejects the only operation that can come next:
    client `reader`: Read returned Value(0) (0 s to 0 s)"
    );
}

#[test]
fn recording_changes_no_run() {
    fn trace(recorded: bool) -> Vec<u64> {
        let work = move || async move {
            let history = Registers::new();
            let mut tasks = JoinSet::new();
            for client in 1..=3_u64 {
                let history = history.clone();
                tasks.spawn(async move {
                    let work = async {
                        timeloop::task::yield_now().await;
                        sleep(client as u32 * MS).await;
                        Written
                    };
                    if recorded { history.record(client, Write(client), work).await } else { work.await }
                });
            }
            tasks.join_all().await;
        };
        let bytes =
            |seed: u8| Bytes::new((0..64).map(|byte| seed.wrapping_mul(37) ^ byte).collect::<Vec<u8>>());
        let run = |seed| run_from(bytes(seed), &Limits::default(), work).trace_hash;
        (0..20).map(run).collect()
    }
    assert_eq!(trace(true), trace(false));
}
