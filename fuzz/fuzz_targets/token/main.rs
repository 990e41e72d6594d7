//! Reads tokens, regression files, frontiers of searches and settings from bytes, prints them, and reads them again.
//!
//! It checks that no text makes a reader panic, and that reading a printed value returns it. A token with one changed
//! character, or two swapped neighbors, must be rejected or have the same meaning.
#![no_main]

mod bytes;
mod frontier;

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use timeloop_fuzz::{Reader, cover};
use timeloop_sim::{Regressions, Schedule, Settings};

use bytes::Schedules;

const TEST: &str = "fuzz::token";

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else { return };
    match kind {
        // Later kinds come last, so that older corpus files keep their meaning.
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

/// Reads a text as a token.
fn any_text(text: &str) {
    match Schedule::from_token_of_any_test(text) {
        Ok(schedule) => {
            let token = schedule.to_token(TEST);
            assert_eq!(Schedule::from_token(&token, TEST).as_ref(), Ok(&schedule), "{text:?}");
            assert!(Schedule::from_token(&token, "another::test").is_err(), "{token}");
            shown(&schedule);
        }
        Err(error) => cover_text(&error.to_string()),
    }
}

/// Prints a schedule as a token and to a file, and reads both.
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

    // A regression file contains the schedule as text.
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

/// Reads bytes as a regression file.
fn any_file(data: &[u8]) {
    let regressions = Regressions::new(folder(), TEST);
    fs::write(regressions.path(), data).expect("the temporary folder is there");
    let loaded = regressions.load().expect("the file was just written");
    for problem in &loaded.problems {
        let text = problem.to_string();
        cover_text(text.strip_prefix(&regressions.path().display().to_string()).unwrap_or(&text));
    }
    loaded.schedules.iter().for_each(|stored| shown(&stored.schedule));
    // The readable schedules are still there after another one is appended.
    if regressions.append(&Schedule::baseline(), "").is_ok() {
        let again = regressions.load().expect("the file was just written");
        for stored in &loaded.schedules {
            assert!(again.schedules.iter().any(|other| other.schedule == stored.schedule));
        }
    }
}

/// Reads a text as the values of variables.
fn any_settings(text: &str) {
    const NAMES: [&str; 8] = ["SEED", "RUNS", "JOBS", "STRATEGY", "REPLAY", "CHECK", "LOG", "SEDE"];
    let vars = text.lines().zip(NAMES.iter().cycle());
    let vars = vars.map(|(value, name)| (format!("TIMELOOP_{name}"), value.to_owned()));
    if let Err(error) = Settings::from_vars(vars) {
        error.to_string().lines().for_each(cover_text);
    }
}

/// Shows a message, without its numbers, to the fuzzer.
fn cover_text(text: &str) {
    let letters = text.bytes().filter(|byte| !byte.is_ascii_digit());
    cover(&letters.take(40).map(u64::from).collect::<Vec<_>>());
}

/// Shows the kind of a schedule to the fuzzer.
fn shown(schedule: &Schedule) {
    let deviations = schedule.deviations().map_or(u64::MAX, |deviations| deviations.len() as u64);
    cover(&[deviations]);
    for deviation in schedule.deviations().unwrap_or_default() {
        let depth = deviation.task.depth() as u64;
        cover(&[depth, deviation.domain as u64, deviation.value.ilog2().into()]);
    }
}

/// Returns a temporary folder of this process.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("timeloop-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        folder
    })
}
