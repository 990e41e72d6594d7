//! The tour of all exhibits: finds each bug, replays it in a fresh process, explores the fixed version, and prints a
//! table.
//!
//! # Invariants
//! An exhibit that does not behave as it should is reported, and the tour continues.

use std::process::ExitCode;

use museum::exhibit_set::{self, Finding, RUNS, Replayed, in_words};
use museum::{EXHIBIT_SET, EXHIBITS, Exhibit};

use crate::programs::{Program, Programs};
use crate::progress::Live;
use crate::table::{self, Row, grouped, time};

/// More deviations than this are hard to understand at a glance.
const DEVIATIONS_MAX: usize = 6;

/// Shows all exhibits.
pub(crate) fn all() -> ExitCode {
    let clock = exhibit_set::start_clock();
    let programs = match Programs::new() {
        Ok(programs) => programs,
        Err(problem) => {
            crate::print_error(&problem);
            return ExitCode::FAILURE;
        }
    };
    if std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("TIMELOOP_")) {
        crate::print_error(
            "the table ignores the TIMELOOP_ variables that are set; a single exhibit uses them",
        );
    }
    let mut tour = Tour { programs, live: Live::new(), problems: Vec::new() };
    let mut rows: Vec<Row> = EXHIBITS.iter().map(|exhibit| tour.find(exhibit)).collect();
    tour.explore_fixed(&mut rows);
    exhibit_set::say(&format!("\n{}\n{}", table::found(&rows), summary(&rows, &time(clock()))));
    for problem in &tour.problems {
        crate::print_error(problem);
    }
    if tour.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Tour {
    programs: Programs,
    live: Live,
    /// The expectations that do not hold.
    problems: Vec<String>,
}

impl Tour {
    fn find(&mut self, exhibit: &'static Exhibit) -> Row {
        let Exhibit { name, buggy, .. } = *exhibit;
        let mut row = Row { exhibit, finding: None, replayed: false, clean: None };
        let finding = match self.explore(exhibit) {
            Ok(finding) => finding,
            Err(problem) => {
                self.problem(name, &problem);
                return row;
            }
        };
        self.live.now(&format!("{name} {buggy}: replaying in a fresh process"));
        match self.replay(exhibit, &finding.token) {
            Ok(replayed) => row.replayed = replayed == finding.replay,
            Err(problem) => self.problem(name, &format!("the replay in a fresh process fails: {problem}")),
        }
        let Finding { ending, runs, deviations_before: before, deviations_after: after, took, .. } = &finding;
        let replayed = if row.replayed { "replayed" } else { "NOT replayed" };
        self.live.done(&format!(
            "{name} {buggy}: {ending} in run {}; {before} → {after} {}, {replayed} in a fresh process; {}",
            grouped(*runs),
            if *after == 1 { "deviation" } else { "deviations" },
            time(*took),
        ));
        if !row.replayed {
            self.problem(name, "the replay in a fresh process ends otherwise than the run that was found");
        }
        if *after > DEVIATIONS_MAX {
            self.problem(
                name,
                &format!("{after} deviations are left after shrinking, more than {DEVIATIONS_MAX}"),
            );
        }
        if finding.critical.is_none() {
            // It passes in FIFO order, so a decision must make the difference.
            self.problem(name, "the report names no order or choice that the failure hangs on");
        }
        row.finding = Some(finding);
        row
    }

    fn explore(&self, exhibit: &Exhibit) -> Result<Finding, String> {
        let Exhibit { name, buggy, .. } = *exhibit;
        let live = self.live;
        if EXHIBIT_SET.scenario(name).is_some() {
            live.now(&format!("{name} {buggy}: exploring"));
            return EXHIBIT_SET
                .find(name, move |progress| live.now(&format!("{name} {buggy}: {}", in_words(progress))));
        }
        let apart = &self.programs.apart;
        self.build(apart, &format!("building {name} {buggy}, which wants a lockfile of its own"))?;
        live.now(&format!("{name} {buggy}: exploring"));
        let on_line = |line: &str| {
            if let Some(words) = line.strip_prefix("progress\t") {
                live.now(&format!("{name} {buggy}: {words}"));
            }
        };
        apart.ask(&["find", name], on_line)?.parse()
    }

    fn replay(&self, exhibit: &Exhibit, token: &str) -> Result<Replayed, String> {
        let Programs { here, apart, .. } = &self.programs;
        let program = if EXHIBIT_SET.scenario(exhibit.name).is_some() { here } else { apart };
        program.ask(&["replay", exhibit.name, token], |_| {})?.parse()
    }

    fn explore_fixed(&mut self, rows: &mut [Row]) {
        let Programs { fixed, apart_fixed, .. } = &self.programs;
        let (fixed, apart_fixed) = (fixed.clone(), apart_fixed.clone());
        let text = "building the versions in which the bugs are fixed (the first time takes a minute or two)";
        for (program, text) in [(&fixed, text), (&apart_fixed, "building the last of them")] {
            if let Err(problem) = self.build(program, text) {
                self.problems.push(problem);
                return;
            }
        }
        let clock = exhibit_set::start_clock();
        for row in &mut *rows {
            let name = row.exhibit.name;
            let Some(version) = row.exhibit.fixed else { continue };
            self.live.now(&format!("{name} {version}: exploring {} schedules", grouped(RUNS)));
            let program = if EXHIBIT_SET.scenario(name).is_some() { &fixed } else { &apart_fixed };
            let answer = program.ask(&["clean", name, &RUNS.to_string()], |_| {});
            row.clean = Some(answer.is_ok());
            if let Err(report) = answer {
                self.problem(name, &format!("the fixed version {version} is not clean:\n{report}"));
            }
        }
        let clean = rows.iter().filter(|row| row.clean == Some(true)).count();
        self.live.done(&format!(
            "{clean} fixed versions: clean under {} schedules each, in {}",
            grouped(RUNS),
            time(clock())
        ));
    }

    fn build(&self, program: &Program, text: &str) -> Result<(), String> {
        self.live.wait(text);
        program.build()
    }

    fn problem(&mut self, exhibit: &str, problem: &str) {
        self.problems.push(format!("{exhibit}: {problem}"));
    }
}

/// A summary of the table.
fn summary(rows: &[Row], took: &str) -> String {
    let findings = || rows.iter().filter_map(|row| row.finding.as_ref());
    let mut after: Vec<usize> = findings().map(|finding| finding.deviations_after).collect();
    let runs: u64 = findings().map(|finding| finding.runs).sum();
    let critical = findings().filter(|finding| finding.critical.is_some()).count();
    after.sort_unstable();
    let clean = rows.iter().filter(|row| row.clean == Some(true)).count();
    let with_fix = rows.iter().filter(|row| row.exhibit.fixed.is_some()).count();
    let deviations = match (after.get(after.len() / 2), after.last()) {
        (Some(median), Some(max)) => format!("Deviations after shrinking: median {median}, at most {max}"),
        _ => "Nothing was shrunk".to_owned(),
    };
    format!(
        "{} of {} bugs found in {} runs, none of which shows in first-in-first-out order.\n\
         {deviations}. Reports with a critical order or choice that was checked: {critical} of {}.\n\
         {clean} of {with_fix} fixed versions clean under {} schedules each. {took} in all.\n\
         To see one with its report: cargo run --release --manifest-path examples/museum/Cargo.toml -- flume\n",
        after.len(),
        rows.len(),
        grouped(runs),
        rows.len(),
        grouped(RUNS),
    )
}
