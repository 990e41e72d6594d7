//! Compares the timers with a sorted list: sleeps, intervals and timeouts are created, polled, reset and dropped while time
//! passes.
//!
//! It checks that timers fire in order of deadline and then of registration, exactly at their deadlines. Dropped and reset
//! timers must not fire, and no due timer may be missed.
#![no_main]

mod list;
mod program;

use std::sync::{Arc, Mutex};

use libfuzzer_sys::fuzz_target;
use timeloop::{FailureKind, Limits, Schedule};
use timeloop_fuzz::Reader;

use list::List;

fuzz_target!(|data: &[u8]| {
    let endless = data.first().is_some_and(|byte| byte % 8 == 7);
    let list = Arc::new(Mutex::new(List::default()));
    let limits = Limits::default();
    let outcome = timeloop::run_from(&Schedule::baseline(), &limits, || {
        program::root(Reader::new(data.get(1..).unwrap_or_default()), Arc::clone(&list), endless)
    });
    let list = list.lock().expect("nothing panics under it");
    assert_eq!(list.problems(), [""; 0], "{outcome:#?}");
    match &outcome.result {
        Ok(()) => assert!(!endless, "the root never ends"),
        Err(failure) => {
            assert!(endless && failure.kind == FailureKind::TimeLimit, "{outcome:#?}");
            let limit_ns = u64::try_from(limits.max_virtual_time.as_nanos()).expect("a hundred years");
            assert_eq!(list.due(limit_ns), None, "left at the end of time");
        }
    }
});
