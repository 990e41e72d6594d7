//! Prints the exhibits as tables, and the header of one exhibit.
//!
//! # Invariants
//! A column is as wide as its widest cell. Numbers are right-aligned.

use std::time::Duration;

use museum::Exhibit;
use museum::exhibit_set::Finding;

/// The result of an exhibit. Fields are `None` for steps that were not reached.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) exhibit: &'static Exhibit,
    pub(crate) finding: Option<Finding>,
    /// Whether a fresh process has replayed the schedule with the same fingerprint and the same trace hash.
    pub(crate) replayed: bool,
    /// Whether the fixed version passes. Also `None` if there is no such version.
    pub(crate) clean: Option<bool>,
}

/// Formats the table of results.
pub(crate) fn found(rows: &[Row]) -> String {
    const HEAD: [&str; 11] = [
        "exhibit",
        "buggy → fixed",
        "issue",
        "what goes wrong",
        "ending",
        "runs",
        "time",
        "shrunk",
        "critical",
        "replay",
        "fixed",
    ];
    let cells = rows.iter().map(|row| {
        let Row { exhibit, finding, replayed, clean } = row;
        let cell = |text: &dyn Fn(&Finding) -> String| finding.as_ref().map_or_else(|| "—".to_owned(), text);
        [
            exhibit.name.to_owned(),
            versions(exhibit),
            exhibit.reference.to_owned(),
            exhibit.wrong.to_owned(),
            cell(&|finding| finding.ending.clone()),
            cell(&|finding| grouped(finding.runs)),
            cell(&|finding| time(finding.took)),
            cell(&|finding| format!("{} → {}", finding.deviations_before, finding.deviations_after)),
            cell(&|finding| finding.critical.clone().unwrap_or_else(|| "none".to_owned())),
            cell(&|_| if *replayed { "same" } else { "differs" }.to_owned()),
            match (clean, exhibit.fixed) {
                (Some(true), _) => "clean",
                (Some(false), _) => "fails",
                (None, None) => "none",
                (None, Some(_)) => "—",
            }
            .to_owned(),
        ]
    });
    aligned(&HEAD.map(str::to_owned), cells.collect(), &[5, 6, 7])
}

/// Formats the list of exhibits.
pub(crate) fn list(exhibits: &[Exhibit]) -> String {
    let head = ["exhibit", "buggy → fixed", "what goes wrong", "reported"].map(str::to_owned);
    let cells = exhibits.iter().map(|exhibit| {
        [exhibit.name.to_owned(), versions(exhibit), exhibit.wrong.to_owned(), reported(exhibit)]
    });
    aligned(&head, cells.collect(), &[])
}

/// Formats the header of an exhibit.
pub(crate) fn sign(exhibit: &Exhibit) -> String {
    let Exhibit { subject, buggy, wrong, .. } = exhibit;
    let fixed = match exhibit.fixed {
        Some(fixed) => format!("fixed in {fixed}"),
        None => "no fix yet".to_owned(),
    };
    format!("{subject} {buggy}: {wrong}\n({}; {fixed})\n", reported(exhibit))
}

fn versions(exhibit: &Exhibit) -> String {
    match exhibit.fixed {
        Some(fixed) => format!("{} → {fixed}", exhibit.buggy),
        None => format!("{}, no fix yet", exhibit.buggy),
    }
}

fn reported(exhibit: &Exhibit) -> String {
    let Exhibit { repository, reference, .. } = exhibit;
    match *reference {
        "none" => format!("{repository}: no report found"),
        issue if issue.starts_with('#') => format!("{repository}{issue}"),
        "changes" => format!("{repository}, in its list of changes"),
        commit => format!("{repository}, commit {commit}"),
    }
}

fn aligned<const N: usize>(head: &[String; N], rows: Vec<[String; N]>, right: &[usize]) -> String {
    let width = |column: usize| {
        rows.iter().chain([head]).map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let rule = widths.map(|width| "─".repeat(width));
    [head, &rule].into_iter().chain(&rows).map(line).collect()
}

/// Formats a time for people: `340 µs`, `12 ms`, `1.2 s`, `75 s`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        0.0..0.001 => format!("{:.0} µs", seconds * 1e6),
        0.001..1.0 => format!("{:.0} ms", seconds * 1e3),
        1.0..10.0 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// Formats a number with separated thousands: `1,000`.
pub(crate) fn grouped(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use museum::EXHIBITS;
    use museum::exhibit_set::{Finding, Replayed};

    use super::{Row, found, grouped, list, time};

    #[test]
    fn tables_fit_a_page() {
        let row = |exhibit| Row {
            exhibit,
            finding: Some(Finding {
                ending: "deadlock".to_owned(),
                runs: 999,
                deviations_before: 99,
                deviations_after: 2,
                critical: Some("order".to_owned()),
                token: String::new(),
                replay: Replayed { fingerprint: 1, trace_hash: 2 },
                took: Duration::from_millis(123),
                report: String::new(),
            }),
            replayed: true,
            clean: Some(true),
        };
        let rows: Vec<_> = EXHIBITS.iter().map(row).collect();
        for table in [found(&rows), list(EXHIBITS)] {
            let widest = table.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(130), "{widest:?} columns\n{table}");
        }
    }

    #[test]
    fn numbers_and_times_are_for_people() {
        assert_eq!([7, 1_000, 1_234_567].map(grouped), ["7", "1,000", "1,234,567"]);
        let times = [340, 12_400, 1_234_000, 75_300_000].map(|us| time(Duration::from_micros(us)));
        assert_eq!(times, ["340 µs", "12 ms", "1.2 s", "75 s"]);
    }
}
