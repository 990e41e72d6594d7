//! Hides what depends on the strategies in a report, so that tuning one breaks the golden tests alone.
//!
//! The museum and the tests of `timeloop` include this file, too.

/// Replaces seeds, counts of schedules and runs, and names of strategies by `#`, and tokens by `TL1#`.
pub(crate) fn redacted(report: &str) -> String {
    report.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn line(text: &str) -> String {
    if text.starts_with("shrunk ") || text.starts_with("also seen ") {
        return hide_numbers(text);
    }
    let mut text = hide_after(text, "=TL1", |token| token.find(' ').unwrap_or(token.len()));
    for prefix in [
        "failed in ",
        "failed in # of ",
        "stored schedule, and in ",
        "stored schedule, and in # of ",
        "stored schedule, and in none of ",
        "test fails in ",
        "test fails in # of ",
        "passed in ",
        "passed in all ",
        "seed ",
        "TIMELOOP_SEED=",
        "(run ",
        "(case ",
        "(schedule ",
        "Every schedule that was tried fails: all ",
        "fails: all #, and ",
        "None of the ",
        "No critical order found: none of the ",
    ] {
        text = hide_after(&text, prefix, number_length);
    }
    if text.starts_with("found by ") { hide_strategy(&text) } else { text }
}

/// Hides each number, with the commas between its digits.
fn hide_numbers(text: &str) -> String {
    let mut hidden = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        hidden.push_str(&rest[..start]);
        hidden.push('#');
        rest = &rest[start + number_length(&rest[start..])..];
    }
    hidden + rest
}

/// Hides the text after each `prefix`, as long as `length` says.
fn hide_after(text: &str, prefix: &str, length: impl Fn(&str) -> usize) -> String {
    let mut parts = text.split(prefix);
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let length = length(part);
        hidden.push_str(prefix);
        hidden.push_str(if length > 0 { "#" } else { "" });
        hidden.push_str(&part[length..]);
    }
    hidden
}

/// The length of the number at the start: digits, and commas between them.
fn number_length(text: &str) -> usize {
    let end = text.find(|character: char| character != ',' && !character.is_ascii_digit());
    let number = &text[..end.unwrap_or(text.len())];
    if text.starts_with(',') { 0 } else { number.trim_end_matches(',').len() }
}

fn hide_strategy(text: &str) -> String {
    let Some((before, rest)) = text.split_once("strategy `") else { return text.to_owned() };
    let after = rest.split_once('`').map_or("", |(_, after)| after);
    format!("{before}strategy `#`{after}")
}

#[test]
fn hides_seeds_counts_strategies_and_tokens() {
    let report = "\
timeloop: `a` failed in 1,047 of 2,211 schedules: panic at a.rs:5:5
timeloop: `a` failed under a stored schedule, and in 3 of 201 others: panic at a.rs:5:5
timeloop: `a` failed under a stored schedule, and in none of 201 others: panic at a.rs:5:5
Every schedule that was tried fails: all 201, and 8 variants of this one
The test fails in 195 of 201 schedules. It passes without this delay (checked)
The test fails in 195 of 201 schedules. None of the 8 single changes to this one that were tried makes it pass
No critical order found: none of the 8 single changes that were tried makes the test pass
  step 12  `a` (root.1) starts
found by   seed 9 (run 10, strategy `pct(depth = 3)`); TIMELOOP_SEED=9 tries it first
shrunk     from 3 deviations to 1 in 1,009 runs
also seen  panic: 59 times, first with seed 9
replay     TIMELOOP_REPLAY=TL11NB5TCD2040020810400010C36Z4P cargo test a -- --exact
";
    let hidden = "\
timeloop: `a` failed in # of # schedules: panic at a.rs:5:5
timeloop: `a` failed under a stored schedule, and in # of # others: panic at a.rs:5:5
timeloop: `a` failed under a stored schedule, and in none of # others: panic at a.rs:5:5
Every schedule that was tried fails: all #, and # variants of this one
The test fails in # of # schedules. It passes without this delay (checked)
The test fails in # of # schedules. None of the # single changes to this one that were tried makes it pass
No critical order found: none of the # single changes that were tried makes the test pass
  step 12  `a` (root.1) starts
found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
shrunk     from # deviations to # in # runs
also seen  panic: # times, first with seed #
replay     TIMELOOP_REPLAY=TL1# cargo test a -- --exact
";
    assert_eq!(redacted(report), hidden);
}
