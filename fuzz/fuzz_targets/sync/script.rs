//! Decodes bytes into a script: a list of operations.
//!
//! # Invariants
//! An operation names objects by number, modulo their count, so any operation is valid anywhere.

use timeloop_fuzz::Reader;

const OPS_MAX: usize = 120;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// The kind of an operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind),* }

        const KINDS: &[Kind] = &[$(Kind::$kind),*];
    };
}

kinds! {
    // Operations on futures.
    Poll, PollLast, GiveUp,
    // Operations that create a future, which is usually polled at once.
    Lock, Read, Write, Acquire, AcquireOne, Notified, Send, Reserve, Closed, Recv, RecvMany, RecvUnbounded, RecvBroadcast,
    Changed, WaitFor, WatchClosed, RecvOnce, OnceClosed, GetOrInit,
    // Synchronous operations.
    DropGuard, ChangeGuard, TryLock, TryRead, TryWrite, TryAcquire, AddPermits, ForgetPermits, CloseSemaphore,
    NotifyOne, NotifyLast, NotifyWaiters,
    TrySend, TryReserve, UsePermit, TryRecv, CloneSender, DropSender, CloseReceiver, DropReceiver,
    SendUnbounded, TryRecvUnbounded, SendBroadcast, Subscribe, TryRecvBroadcast, DropBroadcast,
    SendWatch, SendWatchIf, SubscribeWatch, BorrowWatch, DropWatch,
    SendOnce, TryRecvOnce, CloseOnce, DropOnce, RenewOnce, SetOnce,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) kind: Kind,
    /// The number of the object.
    pub(crate) index: usize,
    pub(crate) number: u32,
    /// Whether a new future is polled at once, or a preempted one is dropped.
    pub(crate) rash: bool,
}

/// Reads operations until the bytes end.
pub(crate) fn read(reader: &mut Reader<'_>) -> Vec<Op> {
    let mut ops = Vec::new();
    while !reader.is_empty() && ops.len() < OPS_MAX {
        let kind = reader.pick(KINDS);
        let operand = reader.byte();
        let (index, number) = (usize::from(operand & 7), u32::from(operand >> 3 & 3));
        ops.push(Op { kind, index, number, rash: operand >> 5 == 1 });
    }
    ops
}
