//! Decodes bytes into a program.
//!
//! # Invariants
//! Any bytes are a program. Programs have no loops, so each ends or deadlocks.

use std::time::Duration;

/// The largest number of tasks of a run.
pub(crate) const MAX_TASKS: usize = 48;

/// The codes of several tasks; the first is the root's.
#[derive(Debug)]
pub(crate) struct Program {
    codes: Vec<Vec<Op>>,
}

/// An operation of a task. Numbers name tasks in the order of spawning.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Yield,
    Sleep(Duration),
    Timeout(Duration, Duration),
    Spawn { code: u8, how: u8 },
    Abort(u8),
    Join(u8),
    JoinOrLeave(u8),
    Detach(u8),
    Park,
    Wake { task: u8, how: u8 },
    KeepWaker,
    WakeKept(u8),
    Panic,
    Guard(Guard),
    DropGuard,
    Select(u8),
    Notified,
    NotifyOne,
    NotifyWaiters,
    LockAcrossYield,
    Draw,
    Set(SetOp),
    Local(LocalOp),
}

/// An operation of a task on its own join set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SetOp {
    Spawn(u8),
    Next,
    TryNext,
    AbortAll,
    DetachAll,
    Drop,
}

/// An operation of a task on its own local set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LocalOp {
    Spawn(u8),
    /// Runs the set for a duration.
    RunFor(Duration),
    /// Runs the set until all of its tasks have ended.
    RunOut,
    Drop,
}

/// The effect of dropping a guard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guard {
    Wake(u8),
    Spawn(u8),
    Abort(u8),
    Detach(u8),
    Notify,
    Panic,
}

/// Splits the input into the bytes of the program and of the schedule.
pub(crate) fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((&length, rest)) = data.split_first() else { return (&[], &[]) };
    rest.split_at(usize::from(length).min(rest.len()))
}

impl Program {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut codes = vec![Vec::new()];
        let mut bytes = bytes.iter().copied();
        while let Some(byte) = bytes.next() {
            let mut operand = || bytes.next().unwrap_or(0);
            if let 230.. = byte {
                let op = match byte % 13 {
                    0 | 1 => Op::Set(SetOp::Spawn(operand())),
                    2 | 3 => Op::Set(SetOp::Next),
                    4 => Op::Set(SetOp::TryNext),
                    5 => Op::Set(SetOp::AbortAll),
                    6 => Op::Set(SetOp::DetachAll),
                    7 => Op::Set(SetOp::Drop),
                    8 | 9 => Op::Local(LocalOp::Spawn(operand())),
                    10 => Op::Local(LocalOp::RunFor(duration(operand()))),
                    11 => Op::Local(LocalOp::RunOut),
                    _ => Op::Local(LocalOp::Drop),
                };
                codes.last_mut().expect("never empty").push(op);
                continue;
            }
            let op = match byte % 23 {
                0 => {
                    codes.push(Vec::new());
                    continue;
                }
                1 => Op::Yield,
                2 => Op::Sleep(duration(operand())),
                3 => {
                    let byte = operand();
                    Op::Timeout(duration(byte & 15), duration(byte >> 4))
                }
                4 | 5 => {
                    let byte = operand();
                    Op::Spawn { code: byte & 15, how: byte >> 4 }
                }
                6 => Op::Abort(operand()),
                7 => Op::Join(operand()),
                8 => Op::JoinOrLeave(operand()),
                9 => Op::Detach(operand()),
                10 => Op::Park,
                11 => {
                    let byte = operand();
                    Op::Wake { task: byte & 31, how: byte >> 5 }
                }
                12 => Op::KeepWaker,
                13 => Op::WakeKept(operand()),
                14 => Op::Panic,
                15 => {
                    let byte = operand();
                    Op::Guard(match byte % 6 {
                        0 => Guard::Wake(byte / 6),
                        1 => Guard::Spawn(byte / 6),
                        2 => Guard::Abort(byte / 6),
                        3 => Guard::Detach(byte / 6),
                        4 => Guard::Notify,
                        _ => Guard::Panic,
                    })
                }
                16 => Op::DropGuard,
                17 => Op::Select(operand()),
                18 => Op::Notified,
                19 => Op::NotifyOne,
                20 => Op::NotifyWaiters,
                21 => Op::LockAcrossYield,
                _ => Op::Draw,
            };
            codes.last_mut().expect("never empty").push(op);
        }
        Self { codes }
    }

    /// Returns the code with this number, modulo the number of codes.
    pub(crate) fn code(&self, number: u8) -> &[Op] {
        &self.codes[usize::from(number) % self.codes.len()]
    }
}

/// Returns a duration from zero to an hour. Equal ones are likely, so that timers tie.
fn duration(byte: u8) -> Duration {
    match byte % 8 {
        0 => Duration::ZERO,
        1 => Duration::from_nanos(1),
        2 => Duration::from_nanos(1_001),
        3 => Duration::from_millis(1),
        4 => Duration::from_millis(999),
        5 => Duration::from_secs(1),
        6 => Duration::from_secs(60),
        _ => Duration::from_secs(3_600),
    }
}
