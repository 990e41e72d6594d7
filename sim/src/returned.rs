//! [`Wire`] for everything that a run returns.

use crate::outcome::{
    Awaited, BlockedCall, BlockedTask, Cause, ChannelUser, Difference, DifferentStep, Failure, FailureKind,
    Holder, Note, RealCall, ResourceState, Resumed,
};
use crate::record::{
    Advance, Arrival, BranchKind, Cancellation, Canceller, Choice, CompletedBranch, LogLine,
    OperationOutcome, Performed, Record, ResourceKind, ResourceRecord, Step, TaskRecord, WorldDeviation,
    WorldEvent,
};
use crate::wire::{Wire, wire_structs};
use crate::world::{
    Anomaly, BytesPlace, Caused, Causer, Endpoint, FaultAspect, FaultKind, LinkChange, LinkState,
    LinkTrouble, NodeEvent, NodeState, NodeWait, Obstacle, PacketFate, PlannedFault, SocketAction,
    SocketLabel, SocketWait, WorldChange, WorldEffect,
};
use crate::{
    Access, DecisionKey, Deviation, Domain, Ended, FaultCounts, Operation, ResourceKey, Seed, Site, TaskKey,
    TaskLabel, TaskPath,
};

/// Implements [`Wire`] for enums, whose variants have numbers.
macro_rules! wire_enums {
    ($($type:ident {
        $($number:literal $variant:ident $(($($item:ident),*))? $({ $($field:ident),* })?),* $(,)?
    })*) => { $(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($($item),*))? $({ $($field),* })? => {
                        out.push($number);
                        $($($item.put(out);)*)?
                        $($($field.put(out);)*)?
                    })*
                }
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                Some(match u8::take(bytes)? {
                    $($number => {
                        $($(let $item = Wire::take(bytes)?;)*)?
                        $($(let $field = Wire::take(bytes)?;)*)?
                        Self::$variant $(($($item),*))? $({ $($field),* })?
                    })*
                    _ => return None,
                })
            }
        }
    )* };
}

macro_rules! wire_newtypes {
    ($($type:ident),*) => { $(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Wire::take(from).map(Self)
            }
        }
    )* };
}

wire_newtypes! { TaskKey, ResourceKey, Seed }

impl Wire for TaskPath {
    fn put(&self, out: &mut Vec<u8>) {
        self.indices().put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Vec::<u32>::take(from).map(|indices| indices.into_iter().collect())
    }
}

wire_structs! {
    Ended {
        failure, trace_hash, decisions_hash, steps, operations, elapsed_ns, record, unapplied, faults, held_ns, draws,
    }
    FaultCounts { planned, begun, idle }
    Site { file, line, column }
    TaskLabel { path, name, spawned, node }
    Operation { resource, access }
    Deviation { task, resume, domain, index, value }
    Failure { kind, cause, notes, site, task, blocked, network, at_ns, at_step }
    BlockedTask { task, waits_at, since_ns, for_ns, waits_for }
    BlockedCall { task, access, name, made, held_by }
    Holder { task, at, ended }
    DifferentStep { step, runs }
    Resumed { task, resume, at_ns }
    Record {
        tasks, arrivals, steps, choices, world_deviations, operations, resources, advances, events, cancellations, log,
        log_dropped, branches, without_places,
    }
    TaskRecord { key, label, spawned_at_ns }
    Arrival { task, resume, operation, after_steps }
    Step { arrival, at_ns, waits_at, finished, panicked, trace_hash }
    Choice { key, task, arity, value, step }
    WorldDeviation { deviation, after_steps, effect }
    Performed { step, index, operation, site, outcome }
    WorldEvent { step, change }
    Cancellation { step, by, site, dropped_at }
    CompletedBranch { kind, site, branch, branches }
    LogLine { step, at_ns, task, text }
    ResourceRecord { key, kind, name, made }
    Advance { after_arrivals, after_steps, to_ns }
    PlannedFault { kind, nodes, groups, jump_ns, begins_ns, lasts_ns }
    Endpoint { address, node }
    SocketWait { action, socket, node, made, obstacles }
    LinkTrouble { from, to, both_ways, state }
    Caused { at_ns, by }
}

wire_enums! {
    Access { 0 Read, 1 Write, 2 Acquire, 3 Release, 4 Send, 5 Receive }
    Domain { 0 Schedule, 1 Select, 2 User, 3 Operation, 4 Stall, 5 Network, 6 Fault, 7 Io }
    DecisionKey {
        0 Schedule { task, resume },
        1 Select { task, resume, index },
        2 User { task, resume, index },
        3 Operation { task, resume, index },
        4 Stall { task, resume, index },
        5 Packet { link, number, question },
        6 Fault { fault, number, question },
        7 Io { task, resume, index },
    }
    FailureKind {
        0 Panic, 1 UnobservedPanic, 2 Deadlock, 3 Livelock, 4 StepLimit, 5 TimeLimit, 6 Nondeterminism, 7 Escape, 8 Error,
    }
    Cause {
        0 Panic(message),
        1 Error(message),
        2 Deadlock(blocked),
        3 BlockedThread(call),
        4 Livelock(limit),
        5 TooManyOperations(limit),
        6 EndlessEnd(times),
        7 StepLimit(limit),
        8 TimeLimit { max_ns, next_timer_ns },
        9 Escape,
        10 HandleUsedElsewhere,
        11 RealCall(call),
        12 Nondeterminism { differ, seen },
    }
    RealCall { 0 StartThread, 1 Connect, 2 Accept, 3 Send }
    Difference { 0 Unknown, 1 Step(step), 2 End, 3 First, 4 LeftBehind(seed), 5 Prefix(steps) }
    Note {
        0 EarlierPanic { task, site, message },
        1 Lagged { task, channel, lost, step },
        2 Closed { task, resource, by, step },
        3 PausedNode(node),
        4 WokenByThread,
        5 TokioRuntime,
    }
    Awaited {
        0 Resource { kind, name, made, access, held_by, more_holders, handed_to, state },
        1 NoWaker { step },
        2 End(task),
        3 Resumption,
        4 Node { node, state, tasks, wait },
        5 Socket(wait),
        6 Any(all),
    }
    ResourceState {
        0 Unknown,
        1 Permits { requested, exist },
        2 Full { capacity, receiver },
        3 Empty { senders, sender },
        4 Barrier { arrived, size },
    }
    ChannelUser { 0 Used(task), 1 Created(task) }
    OperationOutcome { 0 Failed { held_by }, 1 Lagged(lost), 2 Closed { by } }
    Canceller { 0 Timeout, 1 Select { branch }, 2 Abort }
    BranchKind { 0 Select, 1 Timeout }
    ResourceKind {
        0 Shared, 1 TaskEnd, 2 Socket, 3 Listener, 4 Address, 5 HostName, 6 Stream, 7 Signal, 8 Channel, 9 Broadcast,
        10 Watch,
    }
    NodeState { 0 Up, 1 Paused, 2 Down }
    NodeEvent {
        0 Starts, 1 Crashes, 2 Pauses, 3 Resumes, 4 IsAskedToShutDown, 5 ShutsDown, 6 ClockChanges, 7 IsSignaled(signal),
    }
    NodeWait { 0 Down, 1 ShutDown, 2 ShutdownRequest, 3 Signal(signal) }
    WorldChange { 0 Node { node, event, incarnation }, 1 NotPolled(state), 2 Links { change, links } }
    LinkChange { 0 Cut, 1 Healed, 2 Held, 3 Released, 4 Clogged, 5 MadeFlaky, 6 MadeStable }
    WorldEffect {
        0 Packet { from, to, number, fate, at_ns },
        1 Fault { fault, aspect },
        2 Transfer { task, stream, reads, bytes, of },
        3 Lookup { task, name, takes_ns },
    }
    PacketFate { 0 Takes(ns), 1 Lost, 2 Duplicated, 3 Reordered }
    FaultKind {
        0 Cut, 1 OneWayCut, 2 Isolate, 3 Clog, 4 Crash, 5 Pause, 6 Flaky, 7 Hold, 8 Split, 9 Swizzle, 10 LookupFailure,
        11 ClockJump,
    }
    FaultAspect { 0 Happens, 1 Target, 2 Begins, 3 Lasts, 4 Detail }
    SocketAction { 0 Connect, 1 Read, 2 Write, 3 Accept, 4 Receive, 5 Send }
    SocketLabel {
        0 TcpStream { from, to },
        1 TcpListener(address),
        2 Udp { local, peer },
        3 UnixStream(path),
        4 UnixListener(path),
        5 UnixDatagram(path),
        6 Pipe,
    }
    Obstacle {
        0 Node { node, state },
        1 Link(trouble),
        2 Bytes { count, place },
        3 NothingInFlight,
        4 EndInFlight,
        5 PeerGone,
        6 NotAccepted,
        7 PeerReads(task),
        8 PeerWrites(task),
        9 BuffersFull,
        10 QueueFull(length),
        11 BacklogFull(length),
        12 NoSuchAddress,
        13 NobodyListens,
        14 NoAnswer,
        15 Connecting(peer),
        16 NobodyConnects,
        17 NothingQueued,
        18 DatagramsHeld(count),
        19 DatagramsInFlight(count),
    }
    BytesPlace { 0 Incoming, 1 PeerUnsent, 2 Unread, 3 Outgoing, 4 Unsent, 5 Unacknowledged }
    LinkState { 0 Cut, 1 Held, 2 Clogged(ns), 3 LosesAll }
    Anomaly {
        0 Node { node, state, event, caused },
        1 Isolated { node, caused },
        2 Link { link, caused },
        3 LookupFails(name),
    }
    Causer { 0 Code(site), 1 FaultPlan }
}
