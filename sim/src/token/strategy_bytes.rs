//! Encodes a strategy, its parameters and its estimates.
//!
//! After the strategy's code comes its parameter: the depth of `pct`, the bound of `delay`, and for `exhaustive` 0, or 1 and
//! the delays, or 2 and the preemptions. Empty estimates are left out. Others begin with a byte of flags for the parts that
//! follow: 1 steps, 2 tasks, 4 instants, 32 stall, 8 resource (8 bytes), 16 counts. The flag 64
//! says that input and output vary. Each count is the length of the prefix that its
//! path shares with the path before, the length of the rest, the rest, and the number.
//!
//! # Invariants
//! Estimates have one encoding. Empty ones take no byte, so a strategy without estimates has the token that it had before
//! estimates existed.

use super::wire::{Reader, put};
use crate::{Bound, Estimates, ResourceKey, StrategySpec, TaskPath};

const STEPS: u8 = 1;
const TASKS: u8 = 2;
const INSTANTS: u8 = 4;
const RESOURCE: u8 = 8;
const COUNTS: u8 = 16;
const STALL: u8 = 32;
const VARIED_IO: u8 = 64;

pub(super) fn put_strategy(bytes: &mut Vec<u8>, strategy: StrategySpec) {
    bytes.push(strategy.code());
    match strategy {
        StrategySpec::Pct { depth: parameter } | StrategySpec::Delay { bound: parameter } => {
            put(bytes, parameter.into());
        }
        StrategySpec::Exhaustive { bound } => match bound {
            Bound::None => bytes.push(0),
            Bound::Delays(most) => {
                bytes.push(1);
                put(bytes, most.into());
            }
            Bound::Preemptions(most) => {
                bytes.push(2);
                put(bytes, most.into());
            }
        },
        _ => {}
    }
}

/// Reads the parameters that follow the code of `strategy`, and returns the strategy with them.
pub(super) fn read_parameters(reader: &mut Reader<'_>, strategy: StrategySpec) -> Option<StrategySpec> {
    Some(match strategy {
        StrategySpec::Pct { .. } => StrategySpec::Pct { depth: reader.u32().filter(|depth| *depth > 0)? },
        StrategySpec::Delay { .. } => StrategySpec::Delay { bound: reader.u32().filter(|bound| *bound > 0)? },
        StrategySpec::Exhaustive { .. } => StrategySpec::Exhaustive {
            bound: match reader.byte()? {
                0 => Bound::None,
                1 => Bound::Delays(reader.u32()?),
                2 => Bound::Preemptions(reader.u32()?),
                _ => return None,
            },
        },
        other => other,
    })
}

pub(super) fn put_estimates(bytes: &mut Vec<u8>, estimates: &Estimates) {
    let Estimates { steps, tasks, instants, stall_ns, varied_io, resource, counts } = estimates;
    let mut which = 0;
    let parts = [
        (STEPS, *steps > 0),
        (TASKS, *tasks > 0),
        (INSTANTS, *instants > 0),
        (STALL, *stall_ns > 0),
        (VARIED_IO, *varied_io),
        (RESOURCE, resource.is_some()),
        (COUNTS, !counts.is_empty()),
    ];
    for (part, there) in parts {
        which |= if there { part } else { 0 };
    }
    if which == 0 {
        return;
    }
    bytes.push(which);
    let numbers = [u64::from(*steps), u64::from(*tasks), u64::from(*instants), *stall_ns];
    numbers.into_iter().filter(|number| *number > 0).for_each(|number| put(bytes, number));
    if let Some(resource) = resource {
        bytes.extend(resource.0.to_be_bytes());
    }
    if counts.is_empty() {
        return;
    }
    put(bytes, counts.len() as u64);
    let mut before = Vec::new();
    for (path, count) in counts {
        let indices = path.indices();
        let common = indices.iter().zip(&before).take_while(|(index, other)| index == other).count();
        put(bytes, common as u64);
        put(bytes, (indices.len() - common) as u64);
        indices[common..].iter().for_each(|&index| put(bytes, index.into()));
        put(bytes, u64::from(*count));
        before = indices;
    }
}

/// Reads estimates; `None` if they are not encoded as [`put_estimates`] does.
pub(super) fn read_estimates(reader: &mut Reader<'_>) -> Option<Estimates> {
    let mut estimates = Estimates::default();
    if reader.0.is_empty() {
        return Some(estimates);
    }
    let which = reader.byte().filter(|which| *which > 0 && *which < VARIED_IO << 1)?;
    estimates.varied_io = which & VARIED_IO != 0;
    for (part, number) in
        [(STEPS, &mut estimates.steps), (TASKS, &mut estimates.tasks), (INSTANTS, &mut estimates.instants)]
    {
        if which & part != 0 {
            *number = reader.u32().filter(|number| *number > 0)?;
        }
    }
    if which & STALL != 0 {
        estimates.stall_ns = reader.u64().filter(|ns| *ns > 0)?;
    }
    if which & RESOURCE != 0 {
        let (key, rest) = reader.0.split_first_chunk::<8>()?;
        estimates.resource = Some(ResourceKey(u64::from_be_bytes(*key)));
        reader.0 = rest;
    }
    if which & COUNTS != 0 {
        let count = reader.count().filter(|count| *count > 0)?;
        let mut before: Vec<u32> = Vec::new();
        for number in 0..count {
            let common = reader.u64().and_then(|common| usize::try_from(common).ok())?;
            let length = reader.count()?;
            let next = before.get(common).copied();
            let mut indices = before.get(..common)?.to_vec();
            for _ in 0..length {
                indices.push(reader.u32().filter(|index| *index > 0)?);
            }
            // The paths must ascend and share no longer prefix than encoded, so that there is one encoding.
            let later = match (indices.get(common), next) {
                (Some(index), Some(next)) => *index > next,
                (Some(_), None) => true,
                (None, _) => number == 0,
            };
            let value = reader.u32().filter(|_| later)?;
            estimates.counts.push((indices.iter().copied().collect::<TaskPath>(), value));
            before = indices;
        }
    }
    Some(estimates)
}
