//! Changes inputs decision by decision: puts one in, takes one out, changes, moves, copies or swaps; and crosses two inputs
//! over.
//!
//! Where a decision is put in it is one that the last run came to: libFuzzer mutates what it has just run, so most of
//! those exist.
//!
//! Always true: the input's own bytes are left to libFuzzer's mutations, and the decisions to these; where one ends and the
//! other begins is never blurred. What is made depends on what is given and on the runs before, by way of one number.

use arbitrary::Arbitrary;
use timeloop_sim::{Domain, Seed, Stream};

use super::coverage::{self, Point, Seen};
use super::record::{self, FOOTER, Field, Place, RECORD, Record};

/// Decisions of an input: more would be noise, and slow.
const RECORDS_MAX: usize = 64;

/// From so many on, more are taken out than put in.
const MANY: usize = 24;

/// How far a decision may put a task off, beyond the tasks that are ready.
const FAR: u32 = 64;

/// libFuzzer's own mutation of `data[..size]`, to at most so many bytes: the new size.
pub type Delegate = fn(&mut [u8], usize, usize) -> usize;

/// What a target's own input is like.
#[derive(Clone, Copy, Debug)]
pub struct InputSize {
    /// The fewest bytes that it takes.
    pub min: usize,
    /// The most bytes that it takes; `None` where there is no bound.
    pub max: Option<usize>,
}

impl InputSize {
    /// That of inputs of this type.
    #[must_use]
    pub fn of<'a, T: Arbitrary<'a>>() -> Self {
        let (min, max) = T::size_hint(0);
        Self { min, max }
    }
}

struct Mutation<'a> {
    random: Stream,
    seen: &'a Seen,
    records: Vec<Record>,
}

/// Mutates `data[..size]` to at most `max_size` bytes, and gives the new size.
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
    // Mostly one or the other, so that what comes of it is known to come of that.
    let (of_input, of_schedule) = match random.below(8) {
        _ if !has_input => (false, true),
        0..3 => (true, false),
        3 => (true, true),
        _ => (false, true),
    };
    if of_input {
        let room = max_size.saturating_sub(records.len() * RECORD + FOOTER);
        let room = input_size.max.unwrap_or(room).min(room);
        // Bytes that are missing are zeros to most types. Left out, no mutation could change them.
        input.resize(input.len().max(input_size.min.min(room)), 0);
        mutate_input(&mut input, room, delegate);
        input.resize(input.len().max(input_size.min.min(room)), 0);
    }
    let mut mutation = coverage::last_run(|seen| {
        let mut mutation = Mutation { random, seen, records };
        if of_schedule {
            // One change most often, now and then several at once.
            while mutation.step() && mutation.random.below(4) == 0 {}
        }
        (mutation.records, mutation.random)
    });
    let (records, random) = (&mut mutation.0, &mut mutation.1);
    fit(&mut input, records, max_size, random);
    let made = record::join(&input, records);
    if made.len() > max_size {
        return 0;
    }
    data[..made.len()].copy_from_slice(&made);
    made.len()
}

fn mutate_input(input: &mut Vec<u8>, room: usize, delegate: Delegate) {
    if room == 0 {
        return;
    }
    input.truncate(room);
    let size = input.len();
    input.resize(room, 0);
    let size = delegate(input, size, room);
    input.truncate(size);
}

/// Takes away until it fits: decisions first, which are larger.
fn fit(input: &mut Vec<u8>, records: &mut Vec<Record>, max_size: usize, random: &mut Stream) {
    while !records.is_empty() && input.len() + records.len() * RECORD + FOOTER > max_size {
        records.remove(random.below(records.len() as u32) as usize);
    }
    input.truncate(max_size.saturating_sub(if records.is_empty() { 0 } else { FOOTER }));
}

/// Makes one input of two, in `out`, and gives its size; 0 if it would not fit.
pub fn cross_over(one: &[u8], other: &[u8], out: &mut [u8], seed: u32) -> usize {
    let mut random = Stream::new(Seed(seed.into()), Domain::User, 1);
    let ((input, records), (other_input, other_records)) = (record::split(one), record::split(other));
    let input = if random.below(2) == 0 { input } else { other_input };
    let mut crossed: Vec<Record> = match random.below(3) {
        // The decisions of one with the input of the other, maybe.
        0 => records,
        // All of both.
        1 => records.into_iter().chain(other_records).collect(),
        // Some of each.
        _ => records.into_iter().chain(other_records).filter(|_| random.below(2) == 0).collect(),
    };
    crossed.dedup();
    crossed.truncate(RECORDS_MAX);
    let mut input = input.to_vec();
    fit(&mut input, &mut crossed, out.len(), &mut random);
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

    /// One change; whether there was one.
    fn step(&mut self) -> bool {
        if self.records.is_empty() {
            return self.insert();
        }
        // Beyond that, what is taken out makes room.
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

    /// Puts in a decision that the last run came to, or a made-up one where that came to none.
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
        // Of two about the same decision one would be in vain.
        self.records.retain(|other| !other.is_about_the_same_as(record));
        let at = self.below(self.records.len() + 1);
        self.records.insert(at, record);
        true
    }

    fn point(&mut self) -> Point {
        if !self.seen.points.is_empty() {
            let at = self.below(self.seen.points.len());
            return self.seen.points[at];
        }
        let mut place = Place::default();
        place[0] = self.random.below(8) as u8;
        let resume = self.random.below(4) as u16;
        Point { domain: Domain::Schedule, place, resume, index: 0, others: 4 }
    }

    fn value(&mut self, domain: Domain, others: u32) -> u16 {
        // The first place that none has been moved to: what goes wrong mostly does so in one stretch, whose next step this may
        // be.
        if domain == Domain::Schedule && self.random.below(3) == 0 {
            let taken = |value| {
                let is_at = |record: &Record| record.number(Field::Value) == value;
                self.records.iter().any(|record| record.domain() == Domain::Schedule && is_at(record))
            };
            return (1..=u16::MAX).find(|value| !taken(*value)).unwrap_or(1);
        }
        let value = match domain {
            Domain::Select => 1 + self.random.below(others.max(1)),
            // Time moves seldom.
            Domain::Stall => 1 + self.random.below(3),
            // Right away.
            Domain::Schedule if self.random.below(4) == 0 => 1,
            // Behind all that is ready, behind some of it, or far behind.
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

    /// What one decision says, for another one as well.
    fn copy(&mut self) -> bool {
        if self.records.len() >= RECORDS_MAX {
            return false;
        }
        let at = self.any();
        self.records.insert(at + 1, self.records[at]);
        self.shift(at + 1);
        true
    }

    /// Two decisions exchange what they say.
    fn swap(&mut self) -> bool {
        let (one, other) = (self.any(), self.any());
        let [a, b] = [one, other].map(|at| self.records[at].number(Field::Value));
        self.records[one].set(Field::Value, b);
        self.records[other].set(Field::Value, a);
        a != b
    }
}
