//! The exact text of violations and undecided histories.

use timeloop_sim::history::models::RegisterOperation::{self, Read, Write};
use timeloop_sim::history::models::RegisterReturned::{self, Value, Written};
use timeloop_sim::history::models::{KeyValue, KeyValueOperation, KeyValueReturned, Register};
use timeloop_sim::history::{CheckError, History};

const MS: u64 = 1_000_000;

#[test]
fn describes_a_stale_read() {
    use KeyValueOperation::{Get, Put};
    use KeyValueReturned::{Done, Value};
    let mut history = History::new();
    for (client, key) in [("alice", "pears"), ("bob", "apples")] {
        let put = history.call(client, 0, Put(key, 1));
        history.returned(put, 2 * MS, Done);
    }
    let lost = history.call("alice", 3 * MS, Put("apples", 2));
    let get = history.call("carol", 4 * MS, Get("apples"));
    history.returned(get, 5 * MS, Value(Some(2)));
    let get = history.call("bob", 1_500 * MS, Get("apples"));
    let slow = history.call("dave", 1_501 * MS, Put("apples", 3));
    history.returned(get, 1_502 * MS, Value(Some(1)));
    history.returned(slow, 1_503 * MS, Done);
    let _ = lost;

    let error = history.check(&KeyValue::new()).unwrap_err();
    let expected = "\
the history of 5 operations on \"apples\" is not linearizable: a valid order has at most 3 of the 4 operations that returned

  the longest such order has 4 operations:
    client `bob`: Put(\"apples\", 1) returned Done (0 s to 2 ms)
    client `alice`: Put(\"apples\", 2) never returned (called at 3 ms)
    client `carol`: Get(\"apples\") returned Value(Some(2)) (4 ms to 5 ms)
    client `dave`: Put(\"apples\", 3) returned Done (1.501 s to 1.503 s)
  after them, the state is Some(3). The model rejects the only operation that can come next:
    client `bob`: Get(\"apples\") returned Value(Some(1)) (1.5 s to 1.502 s)";
    assert_eq!(error.to_string(), expected);
    assert_eq!(format!("{error:?}"), expected, "`Debug` prints the same");
}

#[test]
fn describes_a_wrong_first_answer() {
    let mut history = History::new();
    let read = history.call(1, 0, Read);
    history.returned(read, 1, Value(5));
    assert_eq!(
        history.check(&Register::new(0)).unwrap_err().to_string(),
        "\
the history of 1 operation is not linearizable: no operation can come first in a valid order

  the initial state is 0. The model rejects the only operation that can come next:
    client 1: Read returned Value(5) (0 s to 1 ns)"
    );
}

#[test]
fn describes_several_candidates_and_a_long_order() {
    let mut history = History::new();
    for number in 1..=1_000 {
        let write = history.call(1, number * MS, Write(number));
        history.returned(write, number * MS, Written);
    }
    let reads = [2, 3].map(|client| history.call(client, 2_000 * MS, Read));
    for (read, value) in reads.into_iter().zip([1, 2]) {
        history.returned(read, 2_001 * MS, Value(value));
    }
    assert_eq!(
        history.check(&Register::new(0)).unwrap_err().to_string(),
        "\
the history of 1,002 operations is not linearizable: a valid order has at most 1,000 of them

  the longest such order has 1,000 operations; the last 12 are:
    client 1: Write(989) returned Written (989 ms to 989 ms)
    client 1: Write(990) returned Written (990 ms to 990 ms)
    client 1: Write(991) returned Written (991 ms to 991 ms)
    client 1: Write(992) returned Written (992 ms to 992 ms)
    client 1: Write(993) returned Written (993 ms to 993 ms)
    client 1: Write(994) returned Written (994 ms to 994 ms)
    client 1: Write(995) returned Written (995 ms to 995 ms)
    client 1: Write(996) returned Written (996 ms to 996 ms)
    client 1: Write(997) returned Written (997 ms to 997 ms)
    client 1: Write(998) returned Written (998 ms to 998 ms)
    client 1: Write(999) returned Written (999 ms to 999 ms)
    client 1: Write(1000) returned Written (1 s to 1 s)
  after them, the state is 1000. The model rejects each operation that can come next:
    client 2: Read returned Value(1) (2 s to 2.001 s)
    client 3: Read returned Value(2) (2 s to 2.001 s)"
    );
}

/// A history that takes many steps to check: concurrent writes, and a read of a value that was never written.
fn hard() -> History<RegisterOperation<u64>, RegisterReturned<u64>> {
    let mut history = History::new();
    let writes: Vec<_> = (1..=20).map(|value| history.call(value, 0, Write(value))).collect();
    let read = history.call(21, 0, Read);
    for write in writes {
        history.returned(write, 1, Written);
    }
    history.returned(read, 1, Value(99));
    history
}

#[test]
fn describes_an_undecided_history() {
    let error = hard().check_within(&Register::new(0), 10_000).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the history of 21 operations could not be checked within 10,000 steps of the search; allow more \
         (`check_within`), divide the model into more objects (`Model::key`), or run fewer operations concurrently"
    );
    let CheckError::Undecided(undecided) = error else { panic!("decided") };
    assert_eq!((undecided.operations, undecided.steps, undecided.key), (21, 10_000, None));
}

#[test]
fn reports_a_violation_rather_than_an_undecided_key() {
    use timeloop_sim::history::models::RegisterMap;
    let mut history = History::new();
    let writes: Vec<_> = (1..=20).map(|value| history.call(value, 0, ("hard", Write(value)))).collect();
    let read = history.call(21, 0, ("hard", Read));
    for write in writes {
        history.returned(write, 1, Written);
    }
    history.returned(read, 1, Value(99));
    let easy = history.call(22, 0, ("plain", Read));
    history.returned(easy, 1, Value(98));
    let error = history.check_within(&RegisterMap::new(Register::new(0)), 10_000).unwrap_err();
    assert_eq!(error.violation().and_then(|violation| violation.key.as_deref()), Some("\"plain\""));
}
