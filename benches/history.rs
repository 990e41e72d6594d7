//! Measures how long it takes to check a history for linearizability.
//!
//! ```text
//! cargo bench --bench history
//! ```
//!
//! # Invariants
//! - Histories come from a fixed seed.
//! - A number is the median of the rounds.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measures")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use timeloop::history::models::{
    KeyValue, KeyValueOperation, KeyValueReturned, Queue, QueueOperation, QueueReturned, Register,
    RegisterOperation, RegisterReturned,
};
use timeloop::history::{History, Model};

const ROUNDS: usize = 21;

/// A small generator with the same output on every platform.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The state of a client's call.
enum Client<O, R> {
    Idle,
    Called(timeloop::history::CallId, O),
    Done(timeloop::history::CallId, R),
}

/// Generates a history of a correct object with this many operations and concurrent clients. If `lost_in` is not 0, one
/// in `lost_in` calls crashes its client.
fn history<O: Clone, R>(
    operations: usize,
    clients: usize,
    lost_in: u64,
    mut ask: impl FnMut(&mut Draws, u64) -> O,
    mut act: impl FnMut(&O) -> R,
) -> History<O, R> {
    let mut draws = Draws(operations as u64 * 31 + clients as u64);
    let mut history = History::new();
    let mut states: Vec<_> = (0..clients).map(|_| Client::Idle).collect();
    let mut asked = 0;
    let mut at_ns = 0;
    while asked < operations || states.iter().any(|state| !matches!(state, Client::Idle)) {
        at_ns += 1_000;
        let client = draws.below(clients as u64) as usize;
        let state = std::mem::replace(&mut states[client], Client::Idle);
        states[client] = match state {
            Client::Idle if asked < operations => {
                asked += 1;
                let operation = ask(&mut draws, asked as u64);
                Client::Called(history.call(client, at_ns, operation.clone()), operation)
            }
            Client::Idle => Client::Idle,
            Client::Called(..) if lost_in > 0 && draws.below(lost_in) == 0 => Client::Idle,
            Client::Called(call, operation) => Client::Done(call, act(&operation)),
            Client::Done(call, returned) => {
                history.returned(call, at_ns, returned);
                Client::Idle
            }
        };
    }
    history
}

fn register(
    operations: usize,
    clients: usize,
    lost_in: u64,
) -> History<RegisterOperation<u64>, RegisterReturned<u64>> {
    let mut value = 0;
    history(
        operations,
        clients,
        lost_in,
        |draws, number| {
            if draws.below(2) == 0 { RegisterOperation::Read } else { RegisterOperation::Write(number) }
        },
        |operation| match operation {
            RegisterOperation::Write(new) => {
                value = *new;
                RegisterReturned::Written
            }
            _ => RegisterReturned::Value(value),
        },
    )
}

fn store(
    operations: usize,
    clients: usize,
    lost_in: u64,
) -> History<KeyValueOperation<u64, u64>, KeyValueReturned<u64>> {
    let mut values = [None; 10];
    history(
        operations,
        clients,
        lost_in,
        |draws, number| {
            let key = draws.below(10);
            if draws.below(2) == 0 {
                KeyValueOperation::Get(key)
            } else {
                KeyValueOperation::Put(key, number)
            }
        },
        |operation| match operation {
            KeyValueOperation::Put(key, new) => {
                values[*key as usize] = Some(*new);
                KeyValueReturned::Done
            }
            KeyValueOperation::Get(key) => KeyValueReturned::Value(values[*key as usize]),
            _ => unreachable!("not asked for"),
        },
    )
}

fn queue(operations: usize, clients: usize) -> History<QueueOperation<u64>, QueueReturned<u64>> {
    let mut items = std::collections::VecDeque::new();
    history(
        operations,
        clients,
        0,
        |draws, number| {
            if draws.below(2) == 0 { QueueOperation::Dequeue } else { QueueOperation::Enqueue(number) }
        },
        |operation| match operation {
            QueueOperation::Enqueue(item) => {
                items.push_back(*item);
                QueueReturned::Enqueued
            }
            QueueOperation::Dequeue => QueueReturned::Dequeued(items.pop_front()),
        },
    )
}

fn measure<M: Model>(
    name: &str,
    model: &M,
    history: &History<M::Operation, M::Returned>,
    linearizable: bool,
) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            #[expect(clippy::disallowed_methods, reason = "this measures real time")]
            let start = Instant::now();
            let verdict = black_box(history.check(model));
            let took = start.elapsed();
            assert_eq!(verdict.is_ok(), linearizable, "{name}: {verdict:?}");
            assert!(
                linearizable || verdict.is_err_and(|error| error.violation().is_some()),
                "{name}: undecided"
            );
            took
        })
        .collect();
    times.sort_unstable();
    println!("{name:<58} {:>10.3} ms", times[ROUNDS / 2].as_secs_f64() * 1e3);
}

fn main() {
    for clients in [5, 10] {
        for operations in [1_000, 10_000] {
            let name = |what: &str| format!("{what}, {operations} operations, {clients} clients");
            let mut good = register(operations, clients, 0);
            measure(&name("register"), &Register::new(0), &good, true);
            let read = good.call(99, u64::MAX, RegisterOperation::Read);
            good.returned(read, u64::MAX, RegisterReturned::Value(1));
            measure(&name("register, violated at the end"), &Register::new(0), &good, false);
            let good = register(operations, clients, 100);
            measure(&name("register, 1 in 100 lost"), &Register::new(0), &good, true);
            let good = store(operations, clients, 100);
            measure(&name("store of 10 keys, 1 in 100 lost"), &KeyValue::new(), &good, true);
            let good = queue(operations, clients);
            measure(&name("queue"), &Queue::new(), &good, true);
        }
    }
}
