//! Reads tokens, regression files, frontiers of searches and settings from bytes, prints what was read, and reads that again.
//!
//! Always true: nothing that a person may paste or edit makes the reader panic; what is printed reads back as the same;
//! and a token with one character changed, or two neighbours swapped, is refused or means the same.
#![no_main]

mod bytes;
mod frontier;

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use timeloop_fuzz::{Reader, saw};
use timeloop_sim::{Regressions, Schedule, Settings};

use bytes::Schedules;

const TEST: &str = "fuzz::token";

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else { return };
    match kind {
        // Behind those that were there first, so that their seeds mean what they did.
        192..208 => return frontier::any_text(&String::from_utf8_lossy(rest), false),
        208.. => return frontier::any_text(&String::from_utf8_lossy(rest), true),
        128..192 => return frontier::of_a_search(rest),
        _ => {}
    }
    match kind % 5 {
        0 => any_text(&String::from_utf8_lossy(rest)),
        1 => any_text(&bytes::sealed(rest)),
        2 => printed(rest),
        3 => any_file(rest),
        _ => any_settings(&String::from_utf8_lossy(rest)),
    }
});

/// A text that may be a token.
fn any_text(text: &str) {
    match Schedule::from_token_of_any_test(text) {
        Ok(schedule) => {
            let token = schedule.to_token(TEST);
            assert_eq!(Schedule::from_token(&token, TEST).as_ref(), Ok(&schedule), "{text:?}");
            assert!(Schedule::from_token(&token, "another::test").is_err(), "{token}");
            shown(&schedule);
        }
        Err(error) => heard(&error.to_string()),
    }
}

/// A schedule made of the bytes, as a token and in a file.
fn printed(data: &[u8]) {
    let mut reader = Reader::new(data);
    let schedule = Schedules(&mut reader).schedule();
    shown(&schedule);
    let token = schedule.to_token(TEST);
    assert_eq!(Schedule::from_token(&token, TEST).as_ref(), Ok(&schedule), "{token}");
    assert_eq!(Schedule::from_token(&token.to_lowercase(), TEST).as_ref(), Ok(&schedule), "{token}");

    let mut typo: Vec<char> = token.chars().collect();
    let place = usize::from(reader.byte()) % typo.len();
    if reader.byte().is_multiple_of(2) || place + 1 == typo.len() {
        typo[place] = char::from(b' ' + reader.byte() % 95);
    } else {
        typo.swap(place, place + 1);
    }
    let typo: String = typo.into_iter().collect();
    if let Ok(read) = Schedule::from_token(&typo, TEST) {
        assert_eq!(read, schedule, "{typo} is taken for something else than {token}");
    }

    // Regression files spell the schedule in words.
    let folder = folder();
    let regressions = Regressions::new(folder, TEST);
    let _ = fs::remove_file(regressions.path());
    let comment = String::from_utf8_lossy(reader.rest());
    assert_eq!(regressions.append(&schedule, &comment), Ok(true));
    assert_eq!(regressions.append(&schedule, ""), Ok(false), "it is there already");
    let loaded = regressions.load().expect("the file was just written");
    assert_eq!(loaded.problems, [], "{comment:?}");
    assert_eq!(loaded.schedules.len(), 1);
    assert_eq!(loaded.schedules[0].schedule, schedule);
}

/// A file that may be a regression file.
fn any_file(data: &[u8]) {
    let regressions = Regressions::new(folder(), TEST);
    fs::write(regressions.path(), data).expect("the temporary folder is there");
    let loaded = regressions.load().expect("the file was just written");
    for problem in &loaded.problems {
        let text = problem.to_string();
        heard(text.strip_prefix(&regressions.path().display().to_string()).unwrap_or(&text));
    }
    loaded.schedules.iter().for_each(|stored| shown(&stored.schedule));
    // What could be read of it is still there after another schedule is added.
    if regressions.append(&Schedule::baseline(), "").is_ok() {
        let again = regressions.load().expect("the file was just written");
        for stored in &loaded.schedules {
            assert!(again.schedules.iter().any(|other| other.schedule == stored.schedule));
        }
    }
}

/// Values that variables may have.
fn any_settings(text: &str) {
    const NAMES: [&str; 8] = ["SEED", "RUNS", "JOBS", "STRATEGY", "REPLAY", "CHECK", "LOG", "SEDE"];
    let vars = text.lines().zip(NAMES.iter().cycle());
    let vars = vars.map(|(value, name)| (format!("TIMELOOP_{name}"), value.to_owned()));
    if let Err(error) = Settings::from_vars(vars) {
        error.to_string().lines().for_each(heard);
    }
}

/// Shows the fuzzer what was said; numbers are of no account.
fn heard(text: &str) {
    let letters = text.bytes().filter(|byte| !byte.is_ascii_digit());
    saw(&letters.take(40).map(u64::from).collect::<Vec<_>>());
}

/// Shows the fuzzer what kind of schedule it has made.
fn shown(schedule: &Schedule) {
    let deviations = schedule.deviations().map_or(u64::MAX, |deviations| deviations.len() as u64);
    saw(&[deviations]);
    for deviation in schedule.deviations().unwrap_or_default() {
        let depth = deviation.task.indices().len() as u64;
        saw(&[depth, deviation.domain as u64, deviation.value.ilog2().into()]);
    }
}

/// A folder of this process's own.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("timeloop-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        folder
    })
}
