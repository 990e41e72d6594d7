//! The number of steps that a check takes: long histories, many lost calls, reads.

use timeloop_sim::history::History;
use timeloop_sim::history::models::CounterOperation::{Add, FetchAdd};
use timeloop_sim::history::models::QueueOperation::{Dequeue, Enqueue};
use timeloop_sim::history::models::QueueReturned::{Dequeued, Enqueued};
use timeloop_sim::history::models::RegisterOperation::{self, Read, Write};
use timeloop_sim::history::models::RegisterReturned::{self, Value, Written};
use timeloop_sim::history::models::{Counter, CounterReturned, Queue, Register};

type Registers = History<RegisterOperation<u64>, RegisterReturned<u64>>;

/// Rounds of eight clients at once: one writes, the others read the value before or after.
fn rounds(rounds: u64) -> Registers {
    let mut history = History::new();
    for round in 1..=rounds {
        let at = round * 10;
        let write = history.call(0, at, Write(round));
        let reads: Vec<_> = (1..8_u64).map(|client| (client, history.call(client, at, Read))).collect();
        for (client, read) in reads.into_iter().rev() {
            history.returned(read, at + 1, Value(if client > 4 { round - 1 } else { round }));
        }
        history.returned(write, at + 1, Written);
    }
    history
}

#[test]
fn reads_that_fit_take_one_step_each_or_few() {
    let history = rounds(1_000);
    assert_eq!(history.len(), 8_000);
    history.check_within(&Register::new(0), 60_000).unwrap();
}

#[test]
fn a_lie_at_the_end_of_a_long_history_is_found() {
    let mut history = rounds(1_000);
    let read = history.call(9, 20_000, Read);
    history.returned(read, 20_001, Value(999));
    let error = history.check_within(&Register::new(0), 200_000).unwrap_err();
    assert_eq!(error.violation().expect("decided").order.len(), 8_000);
}

/// Each lost write may take effect at any time, so there are 2^64 sets of them. A read takes at most the square of their number of
/// steps.
#[test]
fn lost_writes_matter_only_where_they_are_seen() {
    let mut history = Registers::new();
    for value in 1..=64 {
        let _lost = history.call(value, 0, Write(value));
    }
    for (at, seen) in (1..).zip([3, 40, 17, 64]) {
        let read = history.call(100, at * 10, Read);
        history.returned(read, at * 10 + 1, Value(seen));
    }
    history.check_within(&Register::new(0), 20_000).unwrap();

    let read = history.call(100, 100, Read);
    history.returned(read, 101, Value(40));
    let error = history.check_within(&Register::new(0), 50_000).unwrap_err();
    assert_eq!(
        error.violation().expect("decided").order.len(),
        8,
        "four reads, and the writes that they saw"
    );
}

#[test]
fn equal_lost_calls_are_interchangeable() {
    let mut history = History::new();
    for client in 0..40 {
        let _lost = history.call(client, 0, Add(1));
    }
    let mut total = |value| {
        let read = history.call(100, 1, FetchAdd(0));
        history.returned(read, 2, CounterReturned::Value(value));
        history.check_within(&Counter, 20_000)
    };
    total(7).unwrap();
    total(40).unwrap();
    total(39).unwrap_err().violation().expect("decided");
}

#[test]
fn a_queue_under_load() {
    let mut history = History::new();
    for round in 0..200_u64 {
        let at = round * 10;
        let puts: Vec<_> =
            (0..3).map(|client| history.call(client, at, Enqueue(round * 3 + client))).collect();
        let takes: Vec<_> = (3..6).map(|client| history.call(client, at, Dequeue)).collect();
        puts.into_iter().rev().for_each(|put| history.returned(put, at + 1, Enqueued));
        for (number, take) in (0..).zip(takes) {
            history.returned(take, at + 1, Dequeued(Some(round * 3 + 2 - number)));
        }
    }
    history.check_within(&Queue::new(), 30_000).unwrap();
}

#[test]
fn a_verdict_is_the_same_each_time() {
    let mut history = rounds(50);
    let read = history.call(9, 20_000, Read);
    history.returned(read, 20_001, Value(49));
    let message = || history.check(&Register::new(0)).unwrap_err().to_string();
    assert_eq!(message(), message());
}
