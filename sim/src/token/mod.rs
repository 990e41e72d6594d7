//! Tokens: a schedule as one word that can be copied, mailed and pasted.
//!
//! # Invariants
//! Reading a token returns the schedule that was written, or an error. Every later version can read it, or reports that it
//! has another version. The checksum always detects a change of one character and a swap of two neighbors.
//!
//! # Format
//! Version 1 is `TL1`, followed in base 32 by these fields. Numbers have variable length unless a size is given.
//!
//! 1. the number of bytes up to the checksum
//! 2. the test's tag (4 bytes)
//! 3. one of
//!    - 0, the strategy with its parameters, the seed, and the estimates if there are any (`strategy_bytes.rs`); the seed
//!      has version 1
//!    - 2, the same for a seed of version 2
//!    - 1, the seed of the code's own randomness, the count of deviations, and for each the path (its length and indices),
//!      resume, domain, index and value
//! 4. the CRC-32 of `TL1` and all bytes before (4 bytes)

mod base32;
mod strategy_bytes;
mod wire;

use std::fmt;

pub(crate) use wire::crc32;
use wire::{Reader, checksum, put};

use crate::{Deviation, Domain, Schedule, Seed, SeedVersion, StrategySpec, TaskPath};

const PREFIX: &str = "TL1";
const SEEDED: u8 = 0;
const DEVIATIONS: u8 = 1;
const SEEDED_V2: u8 = 2;

impl Schedule {
    /// Returns the token of the schedule, for the test with this name.
    ///
    /// ```
    /// use timeloop_sim::{Schedule, Seed, StrategySpec};
    /// let schedule = Schedule::seeded(Seed(17), StrategySpec::Random);
    /// let token = schedule.to_token("bank::transfers");
    /// assert_eq!(token, "TL10YJ2C9MD08012KKYEHJ0");
    /// assert_eq!(Schedule::from_token(&token, "bank::transfers")?, schedule);
    /// # Ok::<(), timeloop_sim::TokenError>(())
    /// ```
    #[must_use]
    pub fn to_token(&self, test: &str) -> String {
        let mut body = tag(test).to_vec();
        match self {
            Self::Seeded { seed, strategy, estimates, version } => {
                body.push(match version {
                    SeedVersion::V1 => SEEDED,
                    SeedVersion::V2 => SEEDED_V2,
                });
                strategy_bytes::put_strategy(&mut body, *strategy);
                put(&mut body, seed.0);
                strategy_bytes::put_estimates(&mut body, estimates);
            }
            Self::Deviations { randomness, deviations } => {
                body.push(DEVIATIONS);
                put(&mut body, randomness.0);
                put(&mut body, deviations.len() as u64);
                for deviation in deviations {
                    put_path(&mut body, &deviation.task);
                    put(&mut body, deviation.resume.into());
                    body.push(deviation.domain.code());
                    put(&mut body, deviation.index.into());
                    put(&mut body, deviation.value.into());
                }
            }
        }
        let mut bytes = Vec::with_capacity(body.len() + 8);
        put(&mut bytes, body.len() as u64);
        bytes.append(&mut body);
        bytes.extend(checksum(&bytes));
        format!("{PREFIX}{}", base32::encode(&bytes))
    }

    /// Reads a token that was made for the test with this name.
    ///
    /// # Errors
    /// When the text is not a token, is damaged, has a later version, or was made for another test.
    pub fn from_token(text: &str, test: &str) -> Result<Self, TokenError> {
        let (found, schedule) = read(text)?;
        if found != tag(test) {
            return Err(TokenError::OtherTest { test: test.to_owned() });
        }
        Ok(schedule)
    }

    /// Reads a token of any test.
    ///
    /// # Errors
    /// When the text is not a token, is damaged, or has a later version.
    pub fn from_token_of_any_test(text: &str) -> Result<Self, TokenError> {
        read(text).map(|(_, schedule)| schedule)
    }
}

/// Returns the FNV-1a hash of a test's name.
pub(crate) fn tag(test: &str) -> [u8; 4] {
    test.bytes()
        .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
        .to_be_bytes()
}

fn read(text: &str) -> Result<([u8; 4], Schedule), TokenError> {
    let text = text.trim();
    let not_a_token = || TokenError::NotAToken { found: excerpt(text) };
    let (prefix, rest) = text.split_at_checked(PREFIX.len()).ok_or_else(not_a_token)?;
    let (letters, version) = prefix.split_at_checked(2).ok_or_else(not_a_token)?;
    if !letters.eq_ignore_ascii_case("TL") {
        return Err(not_a_token());
    }
    match version {
        "1" => {}
        "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" => {
            return Err(TokenError::LaterVersion { found: prefix.to_ascii_uppercase() });
        }
        _ => return Err(not_a_token()),
    }
    let (bytes, spare_is_zero) =
        base32::decode(rest).map_err(|character| TokenError::BadCharacter { character })?;
    let mut reader = Reader(&bytes);
    let length = reader.u64().and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or(if bytes.is_empty() { TokenError::Truncated } else { TokenError::Mistyped })?;
    if reader.0.len() < length.saturating_add(4) {
        return Err(TokenError::Truncated);
    }
    let body_end = bytes.len() - reader.0.len() + length;
    // Bytes after the checksum also count as a typing error.
    if bytes[body_end..] != checksum(&bytes[..body_end]) || !spare_is_zero {
        return Err(TokenError::Mistyped);
    }
    let (tag, body) = reader.0[..length].split_first_chunk::<4>().ok_or(TokenError::Mistyped)?;
    let mut reader = Reader(body);
    let schedule = read_schedule(&mut reader)?;
    if !reader.0.is_empty() {
        return Err(TokenError::Mistyped);
    }
    Ok((*tag, schedule))
}

/// Reads the body, whose checksum is correct. What can't be read was written by other code.
fn read_schedule(reader: &mut Reader<'_>) -> Result<Schedule, TokenError> {
    let foreign = TokenError::Mistyped;
    match reader.byte() {
        Some(form @ (SEEDED | SEEDED_V2)) => {
            let version = if form == SEEDED { SeedVersion::V1 } else { SeedVersion::V2 };
            let code = reader.byte().ok_or(foreign.clone())?;
            let strategy = StrategySpec::from_code(code).ok_or(TokenError::UnknownStrategy { code })?;
            let strategy = strategy_bytes::read_parameters(reader, strategy).ok_or(foreign.clone())?;
            let seed = Seed(reader.u64().ok_or(foreign.clone())?);
            let estimates = strategy_bytes::read_estimates(reader).ok_or(foreign)?;
            Ok(Schedule::Seeded { seed, strategy, estimates, version })
        }
        Some(DEVIATIONS) => {
            let randomness = Seed(reader.u64().ok_or(foreign.clone())?);
            let count = reader.count().ok_or(foreign)?;
            let deviations = (0..count).map(|_| read_deviation(reader)).collect::<Result<_, _>>()?;
            Ok(Schedule::Deviations { randomness, deviations })
        }
        _ => Err(foreign),
    }
}

fn read_deviation(reader: &mut Reader<'_>) -> Result<Deviation, TokenError> {
    let mut read = || {
        let path = read_path(reader)?;
        let (resume, code) = (reader.u32()?, reader.byte()?);
        let (index, value) = (reader.u32()?, reader.u32().filter(|value| *value > 0)?);
        Some((path, resume, code, index, value))
    };
    let (task, resume, code, index, value) = read().ok_or(TokenError::Mistyped)?;
    let domain = Domain::from_code(code).ok_or(TokenError::UnknownDomain { code })?;
    Ok(Deviation { task, resume, domain, index, value })
}

fn put_path(bytes: &mut Vec<u8>, path: &TaskPath) {
    let indices = path.indices();
    put(bytes, indices.len() as u64);
    indices.iter().for_each(|&index| put(bytes, index.into()));
}

fn read_path(reader: &mut Reader<'_>) -> Option<TaskPath> {
    let depth = reader.count()?;
    (0..depth).map(|_| reader.u32().filter(|index| *index > 0)).collect()
}

/// Returns the start of a text, escaped.
fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 24;
    let start: String = text.chars().take(CHARACTERS_MAX).collect();
    if start.len() < text.len() {
        format!("{}…", start.escape_debug())
    } else {
        start.escape_debug().to_string()
    }
}

/// An error from reading a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// The text does not start like a token.
    NotAToken {
        /// The start of the text.
        found: String,
    },
    /// The text is shorter than the length in the token.
    Truncated,
    /// A character that can't be in a token.
    BadCharacter {
        /// The character.
        character: char,
    },
    /// The checksum is wrong.
    Mistyped,
    /// The token was made by a later version of timeloop.
    LaterVersion {
        /// The prefix of the token.
        found: String,
    },
    /// A strategy that this version does not have.
    UnknownStrategy {
        /// The code of the strategy.
        code: u8,
    },
    /// A kind of decision that this version does not have.
    UnknownDomain {
        /// The code of the domain.
        code: u8,
    },
    /// The token is valid, but belongs to another test.
    OtherTest {
        /// The test that the token was read for.
        test: String,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAToken { found } => {
                write!(
                    f,
                    "`{found}` is not a token; a token is one word that starts with `TL1`, as printed in a report"
                )
            }
            Self::Truncated => {
                f.write_str("the token is incomplete; copy the whole word, from `TL1` to its last character")
            }
            Self::BadCharacter { character } => write!(
                f,
                "a token can't contain `{}`: it is `TL1` followed by digits and letters; copy it again from the report",
                character.escape_debug()
            ),
            Self::Mistyped => {
                f.write_str("the token has a typo (its checksum is wrong); copy it again from the report")
            }
            Self::LaterVersion { found } => write!(
                f,
                "the token starts with `{found}`, so a later version of timeloop made it; this version reads `TL1`: update \
                 timeloop"
            ),
            Self::UnknownStrategy { code } => write!(
                f,
                "the token names strategy number {code}, which this version of timeloop does not have; update \
                 timeloop"
            ),
            Self::UnknownDomain { code } => write!(
                f,
                "the token has a decision of kind number {code}, which this version of timeloop does not have; update \
                 timeloop"
            ),
            Self::OtherTest { test } => write!(
                f,
                "the token is not one of `{test}`, or that test had another name when the token was printed; run the test whose \
                 report printed it, or explore again"
            ),
        }
    }
}

impl std::error::Error for TokenError {}
