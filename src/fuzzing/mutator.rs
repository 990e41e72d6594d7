//! Mutates fuzz inputs decision by decision: inserts, removes, changes, moves, copies and swaps, and crosses over two
//! inputs.
//!
//! An inserted decision is one that the last run reached. libFuzzer mutates the input that it has just run, so most of
//! these decisions exist.
//!
//! # Invariants
//! - The input's bytes are mutated only by libFuzzer, and decisions only by this module. The boundary between them is
//!   always preserved.
//! - The result depends only on the arguments and on the runs before, through one random number.

use arbitrary::Arbitrary;
use timeloop_sim::{Domain, Seed, Stream};

use super::coverage::{self, Point, RunSummary};
use super::record::{self, FOOTER, Field, RECORD, Record, ShortPath};

/// The maximum number of decisions in an input. More would be noise, and slow.
const RECORDS_MAX: usize = 64;

/// From this number of decisions on, mutations remove more than they insert.
const MANY: usize = 24;

/// The maximum delay of a task, beyond the number of ready tasks.
const FAR: u32 = 64;

/// libFuzzer's own mutation of `data[..size]` to at most the given number of bytes. Returns the new size.
pub type Delegate = fn(&mut [u8], usize, usize) -> usize;

/// The size limits of a target's own input.
#[derive(Clone, Copy, Debug)]
pub struct InputSize {
    /// The minimum number of bytes.
    pub min: usize,
    /// The maximum number of bytes, or `None` if unlimited.
    pub max: Option<usize>,
}

impl InputSize {
    /// Returns the limits of the type `T`.
    #[must_use]
    pub fn of<'a, T: Arbitrary<'a>>() -> Self {
        let (min, max) = T::size_hint(0);
        Self { min, max }
    }
}

struct Mutation<'a> {
    random: Stream,
    seen: &'a RunSummary,
    records: Vec<Record>,
}

/// Mutates `data[..size]` to at most `max_size` bytes, and returns the new size.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    input_size: InputSize,
    delegate: Delegate,
) -> usize {
    let mut random = Stream::new(Seed(seed.into()), Domain::User, 0);
    let (input, records) = record::split(&data[..size]);
    let mut input = input.to_vec();
    let has_input = input_size.max != Some(0);
    // Usually only one of them, so that the effect can be attributed.
    let (of_input, of_schedule) = match random.below(8) {
        _ if !has_input => (false, true),
        0..3 => (true, false),
        3 => (true, true),
        _ => (false, true),
    };
    if of_input {
        let max_input = max_size.saturating_sub(records.len() * RECORD + FOOTER);
        let max_input = input_size.max.unwrap_or(max_input).min(max_input);
        // Most types read missing bytes as zeros. Without adding them, no mutation could change them.
        input.resize(input.len().max(input_size.min.min(max_input)), 0);
        mutate_input(&mut input, max_input, delegate);
        input.resize(input.len().max(input_size.min.min(max_input)), 0);
    }
    let mut mutation = coverage::last_run(|seen| {
        let mut mutation = Mutation { random, seen, records };
        if of_schedule {
            // Usually one change, sometimes several.
            while mutation.step() && mutation.random.below(4) == 0 {}
        }
        (mutation.records, mutation.random)
    });
    let (records, random) = (&mut mutation.0, &mut mutation.1);
    trim_to_size(&mut input, records, max_size, random);
    let made = record::join(&input, records);
    if made.len() > max_size {
        return 0;
    }
    data[..made.len()].copy_from_slice(&made);
    made.len()
}

fn mutate_input(input: &mut Vec<u8>, max_input: usize, delegate: Delegate) {
    if max_input == 0 {
        return;
    }
    input.truncate(max_input);
    let size = input.len();
    input.resize(max_input, 0);
    let size = delegate(input, size, max_input);
    input.truncate(size);
}

/// Removes parts until the input fits: decisions first, which are larger.
fn trim_to_size(input: &mut Vec<u8>, records: &mut Vec<Record>, max_size: usize, random: &mut Stream) {
    while !records.is_empty() && input.len() + records.len() * RECORD + FOOTER > max_size {
        records.remove(random.below(records.len() as u32) as usize);
    }
    input.truncate(max_size.saturating_sub(if records.is_empty() { 0 } else { FOOTER }));
}

/// Combines two inputs in `out`, and returns the size, or 0 if the result does not fit.
pub fn cross_over(one: &[u8], other: &[u8], out: &mut [u8], seed: u32) -> usize {
    let mut random = Stream::new(Seed(seed.into()), Domain::User, 1);
    let ((input, records), (other_input, other_records)) = (record::split(one), record::split(other));
    let input = if random.below(2) == 0 { input } else { other_input };
    let mut crossed: Vec<Record> = match random.below(3) {
        // The decisions of one, possibly with the input of the other.
        0 => records,
        // All decisions of both.
        1 => records.into_iter().chain(other_records).collect(),
        // Some decisions of each.
        _ => records.into_iter().chain(other_records).filter(|_| random.below(2) == 0).collect(),
    };
    crossed.dedup();
    crossed.truncate(RECORDS_MAX);
    let mut input = input.to_vec();
    trim_to_size(&mut input, &mut crossed, out.len(), &mut random);
    let made = record::join(&input, &crossed);
    if made.len() > out.len() {
        return 0;
    }
    out[..made.len()].copy_from_slice(&made);
    made.len()
}

impl Mutation<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.random.below(u32::try_from(bound).unwrap_or(u32::MAX)) as usize
    }

    fn any(&mut self) -> usize {
        self.below(self.records.len())
    }

    /// Makes one change. Returns whether it changed anything.
    fn step(&mut self) -> bool {
        if self.records.is_empty() {
            return self.insert();
        }
        // With many decisions, removals replace insertions.
        let many = self.records.len() >= MANY;
        match self.below(16) {
            0..7 if !many => self.insert(),
            0..9 => {
                let out = self.any();
                self.records.remove(out);
                true
            }
            9..11 => {
                let at = self.any();
                self.change_value(at);
                true
            }
            11..13 => {
                let at = self.any();
                self.shift(at);
                true
            }
            13 => self.copy(),
            14 => self.swap(),
            _ => {
                let out = self.any();
                self.records.remove(out);
                self.insert()
            }
        }
    }

    /// Inserts a decision that the last run reached, or an invented one if it reached none.
    fn insert(&mut self) -> bool {
        if self.records.len() >= RECORDS_MAX {
            return false;
        }
        let record = if self.seen.random && self.random.below(16) == 0 {
            let [high, low] = [0; 2].map(|_: u32| u64::from(self.random.below(u32::MAX)));
            Record::randomness(Seed(high << 32 | low))
        } else {
            let point = self.point();
            let point = match point.domain {
                Domain::Schedule | Domain::Operation if self.seen.time && self.random.below(8) == 0 => {
                    let index =
                        if point.domain == Domain::Schedule { 0 } else { point.index.saturating_add(1) };
                    Point { domain: Domain::Stall, index, ..point }
                }
                _ => point,
            };
            let value = self.value(point.domain, u32::from(point.others));
            Record::new(point.domain, point.place, point.resume, point.index, value)
        };
        // Of two records of the same decision, one would have no effect.
        self.records.retain(|other| !other.is_same_decision(record));
        let at = self.below(self.records.len() + 1);
        self.records.insert(at, record);
        true
    }

    fn point(&mut self) -> Point {
        if !self.seen.points.is_empty() {
            let at = self.below(self.seen.points.len());
            return self.seen.points[at];
        }
        let mut place = ShortPath::default();
        place[0] = self.random.below(8) as u8;
        let resume = self.random.below(4) as u16;
        Point { domain: Domain::Schedule, place, resume, index: 0, others: 4 }
    }

    fn value(&mut self, domain: Domain, others: u32) -> u16 {
        // The lowest value that no decision has yet. A bug is often one contiguous stretch of decisions, and this may
        // be its next step.
        if domain == Domain::Schedule && self.random.below(3) == 0 {
            let taken = |value| {
                let is_at = |record: &Record| record.number(Field::Value) == value;
                self.records.iter().any(|record| record.domain() == Domain::Schedule && is_at(record))
            };
            return (1..=u16::MAX).find(|value| !taken(*value)).unwrap_or(1);
        }
        let value = match domain {
            Domain::Select => 1 + self.random.below(others.max(1)),
            // Stalls are rare.
            Domain::Stall => 1 + self.random.below(3),
            // Runs next.
            Domain::Schedule if self.random.below(4) == 0 => 1,
            // Behind all ready tasks, behind some of them, or far behind.
            _ => match self.random.below(8) {
                0 => others + 1,
                1 => 2 + self.random.below(FAR),
                _ => 2 + self.random.below(others.max(1)),
            },
        };
        u16::try_from(value).unwrap_or(u16::MAX)
    }

    fn change_value(&mut self, at: usize) {
        let record = self.records[at];
        let value = record.number(Field::Value);
        let value = match self.random.below(4) {
            0 => value.saturating_add(1),
            1 => value.saturating_sub(1).max(1),
            _ => self.value(record.domain(), 8),
        };
        self.records[at].set(Field::Value, value);
    }

    /// Moves a decision to a neighbouring resumption or operation.
    fn shift(&mut self, at: usize) {
        let field = if self.random.below(2) == 0 { Field::Resume } else { Field::Index };
        let number = self.records[at].number(field);
        let by = 1 + self.random.below(2) as u16;
        let number =
            if self.random.below(2) == 0 { number.saturating_add(by) } else { number.saturating_sub(by) };
        self.records[at].set(field, number);
    }

    /// Copies a decision to a neighbouring one.
    fn copy(&mut self) -> bool {
        if self.records.len() >= RECORDS_MAX {
            return false;
        }
        let at = self.any();
        self.records.insert(at + 1, self.records[at]);
        self.shift(at + 1);
        true
    }

    /// Swaps the values of two decisions.
    fn swap(&mut self) -> bool {
        let (one, other) = (self.any(), self.any());
        let [a, b] = [one, other].map(|at| self.records[at].number(Field::Value));
        self.records[one].set(Field::Value, b);
        self.records[other].set(Field::Value, a);
        a != b
    }
}
