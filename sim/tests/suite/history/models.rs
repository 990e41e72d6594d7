//! The steps of the provided models.

use std::collections::VecDeque;

use timeloop_sim::history::Model;
use timeloop_sim::history::models::{
    Counter, CounterOperation, CounterReturned, KeyValue, KeyValueOperation, KeyValueReturned, PerKey, Queue,
    QueueOperation, QueueReturned, Register, RegisterOperation, RegisterReturned, Set, SetOperation,
};

use super::objects::{Bag, Object};

#[test]
fn a_register_holds_what_was_written_last() {
    use RegisterOperation::{CompareAndSwap, Read, Write};
    use RegisterReturned::{Swapped, Value, Written};
    let model = Register::new(7);
    assert_eq!(model.init(), 7);
    assert_eq!(model.step(&7, &Read, Some(&Value(7))), Some(7));
    assert_eq!(model.step(&7, &Read, Some(&Value(8))), None);
    assert_eq!(model.step(&7, &Read, None), Some(7));
    assert_eq!(model.step(&7, &Write(8), Some(&Written)), Some(8));
    assert_eq!(model.step(&7, &Write(8), None), Some(8));
    let swap = CompareAndSwap { expected: 7, new: 9 };
    assert_eq!(model.step(&7, &swap, Some(&Swapped(true))), Some(9));
    assert_eq!(model.step(&7, &swap, Some(&Swapped(false))), None);
    assert_eq!(model.step(&8, &swap, Some(&Swapped(true))), None);
    assert_eq!(model.step(&8, &swap, Some(&Swapped(false))), Some(8));
    assert_eq!((model.step(&7, &swap, None), model.step(&8, &swap, None)), (Some(9), Some(8)));
    // Answers to other operations.
    assert_eq!(model.step(&7, &Read, Some(&Written)), None);
    assert_eq!(model.step(&7, &Write(7), Some(&Value(7))), None);
    assert_eq!(model.step(&7, &swap, Some(&Written)), None);
}

#[test]
fn a_store_returns_the_value_or_the_previous_value() {
    use KeyValueOperation::{CompareAndSwap, Delete, Get, Put};
    use KeyValueReturned::{Done, Swapped, Value};
    let model = KeyValue::<&str, u8>::new();
    assert_eq!(model.init(), None);
    assert_eq!(model.key(&Put("a", 1)), "a");
    assert_eq!(model.step(&None, &Get("a"), Some(&Value(None))), Some(None));
    assert_eq!(model.step(&Some(1), &Get("a"), Some(&Value(None))), None);
    assert_eq!(model.step(&None, &Put("a", 1), Some(&Done)), Some(Some(1)));
    assert_eq!(model.step(&None, &Put("a", 1), Some(&Value(None))), Some(Some(1)));
    assert_eq!(model.step(&None, &Put("a", 1), Some(&Value(Some(1)))), None);
    assert_eq!(model.step(&Some(1), &Delete("a"), Some(&Value(Some(1)))), Some(None));
    assert_eq!(model.step(&Some(1), &Delete("a"), Some(&Done)), Some(None));
    let swap = CompareAndSwap { key: "a", expected: None, new: Some(2) };
    assert_eq!(model.step(&None, &swap, Some(&Swapped(true))), Some(Some(2)));
    assert_eq!(model.step(&Some(1), &swap, Some(&Swapped(true))), None);
    assert_eq!(model.step(&Some(1), &swap, Some(&Swapped(false))), Some(Some(1)));
    assert_eq!(model.step(&None, &Get("a"), Some(&Done)), None);
    assert_eq!(model.step(&None, &swap, Some(&Done)), None);
    assert_eq!(format!("{:?}", model.clone()), "KeyValue");
}

#[test]
fn a_counter_sums_up() {
    use CounterOperation::{Add, FetchAdd, Read};
    use CounterReturned::{Added, Value};
    assert_eq!(Counter.step(&5, &Read, Some(&Value(5))), Some(5));
    assert_eq!(Counter.step(&5, &Read, Some(&Value(6))), None);
    assert_eq!(Counter.step(&5, &Add(-7), Some(&Added)), Some(-2));
    assert_eq!(Counter.step(&5, &FetchAdd(2), Some(&Value(5))), Some(7));
    assert_eq!(Counter.step(&5, &FetchAdd(2), Some(&Value(7))), None);
    assert_eq!(Counter.step(&i64::MAX, &Add(1), None), Some(i64::MIN));
    assert_eq!(Counter.step(&5, &Add(1), Some(&Value(5))), None);
}

#[test]
fn a_queue_gives_back_in_order() {
    use QueueOperation::{Dequeue, Enqueue};
    use QueueReturned::{Dequeued, Enqueued};
    let model = Queue::<u8>::new();
    let queue = |items: &[u8]| VecDeque::from(items.to_vec());
    assert_eq!(model.step(&queue(&[1]), &Enqueue(2), Some(&Enqueued)), Some(queue(&[1, 2])));
    assert_eq!(model.step(&queue(&[1, 2]), &Dequeue, Some(&Dequeued(Some(1)))), Some(queue(&[2])));
    assert_eq!(model.step(&queue(&[1, 2]), &Dequeue, Some(&Dequeued(Some(2)))), None);
    assert_eq!(model.step(&queue(&[1]), &Dequeue, Some(&Dequeued(None))), None);
    assert_eq!(model.step(&queue(&[]), &Dequeue, Some(&Dequeued(None))), Some(queue(&[])));
    assert_eq!(model.step(&queue(&[1]), &Dequeue, None), Some(queue(&[])));
    assert_eq!(model.step(&queue(&[]), &Dequeue, Some(&Enqueued)), None);
}

#[test]
fn a_set_returns_whether_it_changed() {
    use SetOperation::{Contains, Insert, Remove};
    let model = Set::<u8>::new();
    assert_eq!(model.key(&Remove(3)), 3);
    assert_eq!(model.step(&false, &Insert(3), Some(&true)), Some(true));
    assert_eq!(model.step(&true, &Insert(3), Some(&true)), None);
    assert_eq!(model.step(&true, &Insert(3), Some(&false)), Some(true));
    assert_eq!(model.step(&true, &Remove(3), Some(&true)), Some(false));
    assert_eq!(model.step(&false, &Remove(3), Some(&true)), None);
    assert_eq!(model.step(&true, &Contains(3), Some(&true)), Some(true));
    assert_eq!(model.step(&false, &Contains(3), Some(&true)), None);
}

/// Verdicts hang on what a model says of its operations, so it is tried out from every state that a few operations lead
/// to.
fn is_as_it_says<O: Object>(some_overwrite: bool) {
    let model = O::default();
    let mut answers: Vec<Option<O::Returned>> = O::answers().into_iter().map(Some).collect();
    answers.push(None);
    let mut states = vec![model.init()];
    for number in 0..=u8::MAX {
        for state in states.clone() {
            states.extend(model.step(&state, &O::operation(number), None));
        }
        states.truncate(60);
    }
    let (mut reads, mut overwrites) = (0, 0);
    for number in 0..=u8::MAX {
        let operation = O::operation(number);
        for answer in answers.iter().map(Option::as_ref) {
            let mut reached = Vec::new();
            for state in &states {
                let mut after = Vec::from_iter(model.step(state, &operation, answer));
                model.other_steps(state, &operation, answer, &mut after);
                if model.only_reads(&operation, answer) {
                    assert!(
                        after.iter().all(|after| after == state),
                        "{operation:?} returned {answer:?} in {state:?}"
                    );
                    reads += after.len();
                }
                reached.push(after);
            }
            if model.overwrites(&operation, answer) {
                assert!(
                    reached.iter().all(|after| after.len() == 1 && *after == reached[0]),
                    "{operation:?}"
                );
                overwrites += 1;
            }
        }
    }
    assert!(reads > 0, "no operation only reads");
    assert_eq!(overwrites > 0, some_overwrite);
}

#[test]
fn models_are_as_they_say() {
    is_as_it_says::<Register<u8>>(true);
    is_as_it_says::<PerKey<u8, Register<u8>>>(true);
    is_as_it_says::<KeyValue<u8, u8>>(true);
    is_as_it_says::<Counter>(false);
    is_as_it_says::<Queue<u8>>(false);
    is_as_it_says::<Set<u8>>(true);
    is_as_it_says::<Bag>(false);
}
