//! The byte format of a fuzzer's input: the test's own input, followed by a record for each deviation from the baseline
//! run.
//!
//! ```text
//! input … | record | record | … | count of records (2 bytes, little end first) | D5 "TL"
//! ```
//!
//! # Invariants
//! - Bytes without the final three are all input, under the baseline schedule. The corpus of a target without schedules
//!   is therefore usable unchanged.
//! - Any bytes are a valid run.
//! - A record names its decision by content and has a fixed size, so inserting or removing one moves no other.

use std::collections::BTreeMap;

use timeloop_sim::{DecisionKey, Deviation, Domain, Schedule, Seed, TaskPath};

/// The number of bytes of a record.
pub(crate) const RECORD: usize = 12;

/// The final bytes of an input with records.
const MARK: [u8; 3] = [0xD5, b'T', b'L'];

/// The number of bytes after the records.
pub(crate) const FOOTER: usize = 2 + MARK.len();

/// The maximum depth of a task below the root that a record can represent.
pub(crate) const DEPTH: usize = 5;

/// One deviation from the baseline run, in a fixed number of bytes.
///
/// Byte 0 is the domain. For random numbers, a seed of eight bytes follows. For all other domains, the task's path
/// follows (one child number per byte, 0 after the last), then the resumption, the index and the value, each in two
/// bytes, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record(pub(crate) [u8; RECORD]);

/// A task's path from the root: one child number per byte, 0 after the last.
pub(crate) type ShortPath = [u8; DEPTH];

impl Record {
    pub(crate) fn new(domain: Domain, place: ShortPath, resume: u16, index: u16, value: u16) -> Self {
        let mut bytes = [0; RECORD];
        bytes[0] = domain.code();
        bytes[1..6].copy_from_slice(&place);
        bytes[6..8].copy_from_slice(&resume.to_le_bytes());
        bytes[8..10].copy_from_slice(&index.to_le_bytes());
        bytes[10..12].copy_from_slice(&value.to_le_bytes());
        Self(bytes)
    }

    /// Creates the record of a seed for the code's random numbers.
    pub(crate) fn randomness(seed: Seed) -> Self {
        let mut bytes = [0; RECORD];
        bytes[0] = Domain::User.code();
        bytes[1..9].copy_from_slice(&seed.0.to_le_bytes());
        Self(bytes)
    }

    /// Creates the record of a deviation, or `None` if its numbers are too large.
    pub(crate) fn of(deviation: &Deviation) -> Option<Self> {
        let mut place = ShortPath::default();
        let path = deviation.task.indices();
        if path.len() > DEPTH {
            return None;
        }
        for (byte, index) in place.iter_mut().zip(path) {
            *byte = u8::try_from(index).ok()?;
        }
        let [resume, index, value] =
            [deviation.resume, deviation.index, deviation.value].map(|number| u16::try_from(number).ok());
        Some(Self::new(deviation.domain, place, resume?, index?, value?))
    }

    pub(crate) fn domain(self) -> Domain {
        Domain::from_code(self.0[0] % 5).expect("there are five domains")
    }

    fn place(self) -> ShortPath {
        self.0[1..6].try_into().expect("five bytes")
    }

    pub(crate) fn number(self, field: Field) -> u16 {
        let at = field as usize;
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    pub(crate) fn set(&mut self, field: Field, number: u16) {
        let at = field as usize;
        self.0[at..at + 2].copy_from_slice(&number.to_le_bytes());
    }

    /// Returns whether both records name the same decision.
    pub(crate) fn is_same_decision(self, other: Self) -> bool {
        self.0[..Field::Value as usize] == other.0[..Field::Value as usize]
            || (self.domain() == Domain::User && other.domain() == Domain::User)
    }

    /// Returns the seed of the code's random numbers, if this is such a record.
    fn seed(self) -> Option<Seed> {
        let bytes = self.0[1..9].try_into().expect("eight bytes");
        (self.domain() == Domain::User).then(|| Seed(u64::from_le_bytes(bytes)))
    }

    /// Returns the deviation. `None` for the baseline choice and for random numbers.
    fn deviation(self) -> Option<Deviation> {
        let domain = self.domain();
        let value = self.number(Field::Value);
        if value == 0 || domain == Domain::User {
            return None;
        }
        let path = self.place();
        let path = path.iter().take_while(|index| **index != 0).map(|index| u32::from(*index));
        Some(Deviation {
            task: TaskPath::from_iter(path),
            resume: self.number(Field::Resume).into(),
            domain,
            index: if domain == Domain::Schedule { 0 } else { self.number(Field::Index).into() },
            value: value.into(),
        })
    }
}

/// The numbers of a record, by their offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Resume = 6,
    Index = 8,
    Value = 10,
}

/// Returns the schedule of the records. Of two records of the same decision, the later one counts.
pub(crate) fn schedule(records: impl IntoIterator<Item = Record>) -> Schedule {
    let mut randomness = Seed(0);
    let mut deviations: BTreeMap<DecisionKey, Deviation> = BTreeMap::new();
    for record in records {
        if let Some(seed) = record.seed() {
            randomness = seed;
        } else if let Some(deviation) = record.deviation() {
            deviations.insert(deviation.key(), deviation);
        }
    }
    Schedule::Deviations { randomness, deviations: deviations.into_values().collect() }
}

/// Returns the records of a schedule. `None` if a strategy decides, or if a number is too large for a record.
pub(crate) fn records(schedule: &Schedule) -> Option<Vec<Record>> {
    let Schedule::Deviations { randomness, deviations } = schedule else { return None };
    let seed = (*randomness != Seed(0)).then(|| Some(Record::randomness(*randomness)));
    seed.into_iter().chain(deviations.iter().map(Record::of)).collect()
}

/// Splits data into the input's bytes and the records.
pub(crate) fn split(data: &[u8]) -> (&[u8], Vec<Record>) {
    let Some((rest, footer)) = data.split_last_chunk::<FOOTER>().filter(|(_, footer)| footer[2..] == MARK)
    else {
        return (data, Vec::new());
    };
    // A count that is too large comes from a truncated file: use the records that are left.
    let count = usize::from(u16::from_le_bytes([footer[0], footer[1]])).min(rest.len() / RECORD);
    let (input, records) = rest.split_at(rest.len() - count * RECORD);
    (input, chunks(records).collect())
}

fn chunks(bytes: &[u8]) -> impl Iterator<Item = Record> + '_ {
    bytes.chunks_exact(RECORD).map(|chunk| Record(chunk.try_into().expect("of this size")))
}

/// Joins an input and records to bytes that [`split`] takes apart. The result is never empty.
pub(crate) fn join(input: &[u8], records: &[Record]) -> Vec<u8> {
    let mut data = input.to_vec();
    // Without a footer, the last bytes of the input must not look like one.
    if !records.is_empty() || input.is_empty() || input.ends_with(&MARK) {
        let count = records.len().min(usize::from(u16::MAX));
        records[..count].iter().for_each(|record| data.extend(record.0));
        data.extend((count as u16).to_le_bytes());
        data.extend(MARK);
    }
    data
}
