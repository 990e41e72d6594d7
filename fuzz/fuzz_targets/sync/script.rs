//! What the bytes mean: a list of operations.
//!
//! Always true: an operation names things by number, modulo how many there are, so any operation makes sense anywhere.

use timeloop_fuzz::Reader;

const OPS_MAX: usize = 120;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// What is done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind),* }

        const KINDS: &[Kind] = &[$(Kind::$kind),*];
    };
}

kinds! {
    // Of futures.
    Poll, PollLast, GiveUp,
    // What makes a future, which is polled at once more often than not.
    Lock, Read, Write, Acquire, AcquireOne, Notified, Send, Reserve, Closed, Recv, RecvMany, RecvUnbounded, RecvBroadcast,
    Changed, WaitFor, WatchClosed, RecvOnce, OnceClosed, GetOrInit,
    // What does not wait.
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
    /// Which of several things.
    pub(crate) index: usize,
    pub(crate) number: u32,
    /// Whether a future is polled at once; or, what gave way, given up.
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
