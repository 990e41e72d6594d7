//! Recording calls and returns, and misuse of it.

use timeloop_sim::history::models::RegisterOperation::{self, Read, Write};
use timeloop_sim::history::models::RegisterReturned::{self, Value, Written};
use timeloop_sim::history::models::{Register, RegisterMap};
use timeloop_sim::history::{Client, History};

type Registers = History<RegisterOperation<u8>, RegisterReturned<u8>>;

#[test]
fn an_empty_history_is_linearizable() {
    let history = Registers::new();
    assert!(history.is_empty());
    assert_eq!(history.check(&Register::new(0)), Ok(()));
}

#[test]
fn entries_hold_what_was_recorded() {
    let mut history = Registers::default();
    let write = history.call("alice", 5, Write(1));
    let read = history.call(2, 5, Read);
    history.returned(write, 9, Written);

    assert_eq!((history.len(), history.pending()), (2, 1));
    assert_eq!((write.index(), read.index()), (0, 1));
    let entries: Vec<_> = history.entries().map(|(_, entry)| entry).collect();
    assert_eq!((&entries[0].client, entries[0].called, entries[0].called_ns), (&Client::from("alice"), 0, 5));
    assert_eq!(
        (&entries[1].client, entries[1].called, &entries[1].returned),
        (&Client::from(2_u64), 1, &None)
    );
    let returned = entries[0].returned.as_ref().expect("it returned");
    assert_eq!((&returned.value, returned.position, returned.at_ns), (&Written, 2, 9));
}

#[test]
fn events_at_one_time_are_ordered_by_recording() {
    let mut history = Registers::new();
    let write = history.call(1, 0, Write(1));
    history.returned(write, 0, Written);
    let read = history.call(2, 0, Read);
    history.returned(read, 0, Value(0));
    assert!(history.check(&Register::new(0)).is_err());
}

#[test]
fn a_client_may_have_several_calls_in_progress() {
    let mut history = Registers::new();
    let write = history.call(1, 0, Write(1));
    let read = history.call(1, 1, Read);
    history.returned(read, 2, Value(0));
    history.returned(write, 3, Written);
    history.check(&Register::new(0)).unwrap();
}

#[test]
fn a_forgotten_call_takes_no_effect() {
    let mut history = Registers::new();
    let write = history.call(1, 0, Write(1));
    let read = history.call(2, 1, Read);
    history.returned(read, 2, Value(1));
    history.check(&Register::new(0)).unwrap();
    history.forget(write);
    assert!(history.check(&Register::new(0)).is_err());
    assert_eq!(history.len(), 1);
}

#[test]
#[should_panic(expected = "call 0 returns for the second time")]
fn a_call_returns_once() {
    let mut history = Registers::new();
    let write = history.call(1, 0, Write(1));
    history.returned(write, 1, Written);
    history.returned(write, 2, Written);
}

#[test]
#[should_panic(expected = "call 0 returns, but was forgotten")]
fn a_forgotten_call_does_not_return() {
    let mut history = Registers::new();
    let write = history.call(1, 0, Write(1));
    history.forget(write);
    history.returned(write, 2, Written);
}

#[test]
#[should_panic(expected = "call 1 is not in this history of 1 calls")]
fn a_call_of_another_history_does_not_return() {
    let mut other = Registers::new();
    other.call(1, 0, Read);
    let call = other.call(1, 0, Read);
    let mut history = Registers::new();
    history.call(1, 0, Read);
    history.returned(call, 1, Value(0));
}

#[test]
fn keys_are_checked_separately() {
    let model = RegisterMap::new(Register::new(0));
    let mut history = History::new();
    let write = history.call(1, 0, ("a", Write(1)));
    history.returned(write, 1, Written);
    let read = history.call(2, 2, ("b", Read));
    history.returned(read, 3, Value(0));
    history.check(&model).unwrap();
    let read = history.call(2, 4, ("a", Read));
    history.returned(read, 5, Value(0));
    let error = history.check(&model).unwrap_err();
    assert_eq!(error.violation().and_then(|violation| violation.key.as_deref()), Some("\"a\""));
}
