//! The verbs for operations: `acquires`, `to acquire`, `has acquired`.

use super::task_names::TaskNames;
use crate::text::counted;
use crate::{Access, AccessMode, OperationOutcome, Performed, Record, ResourceKind};

/// The forms of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `acquires`.
    Present,
    /// `has acquired`.
    Perfect,
}

/// Renders how an operation came out, as the end of a clause about it; empty if it came out as usual.
pub(super) fn outcome(record: &Record, performed: &Performed, names: &TaskNames) -> String {
    let task = |index: u32| names.mention(&record.tasks[index as usize].label);
    match (performed.outcome, performed.operation.access) {
        (None, _) => String::new(),
        (Some(OperationOutcome::Failed { held_by: Some(holder) }), _) => {
            format!(", which {} holds", task(holder))
        }
        (Some(OperationOutcome::Failed { .. }), Access::Send) => ", which is full".to_owned(),
        (Some(OperationOutcome::Failed { .. }), Access::Receive) => ", which is empty".to_owned(),
        (Some(OperationOutcome::Failed { .. }), _) => ", without success".to_owned(),
        (Some(OperationOutcome::Lagged(lost)), _) => format!(" and loses {}", counted(lost, "message")),
        (Some(OperationOutcome::Closed { by: Some((by, step)) }), _) => {
            format!(", which {} closed at step {}", task(by), step + 1)
        }
        (Some(OperationOutcome::Closed { by: None }), _) => ", which is closed".to_owned(),
    }
}

/// Returns the verb for an operation on a resource of this kind.
pub(super) fn verb(kind: ResourceKind, access: Access, form: Form, mode: AccessMode) -> &'static str {
    use Access::{Acquire, Read, Receive, Release, Send, Write};
    use ResourceKind::{Broadcast, Channel, Watch};
    let may_wait = mode == AccessMode::MayWait;
    let is_drop = mode == AccessMode::Unannounced;
    let special = match (kind, access) {
        (ResourceKind::Signal, Read) => Some(["registers with", "has registered with"]),
        (ResourceKind::Signal, Receive) if may_wait => Some(["waits for", "has waited for"]),
        (ResourceKind::Signal, Receive) => Some(["is woken by", "has been woken by"]),
        (ResourceKind::Signal, Release) => Some(["stops waiting for", "has stopped waiting for"]),
        (ResourceKind::Signal, Send) => Some(["signals", "has signalled"]),
        (ResourceKind::Listener, Receive) if may_wait => {
            Some(["tries to accept on", "has tried to accept on"])
        }
        (ResourceKind::Listener, Receive) => Some(["accepts on", "has accepted on"]),
        (ResourceKind::Address, Acquire) if may_wait => Some(["tries to bind", "has tried to bind"]),
        (ResourceKind::Address, Acquire) => Some(["binds", "has bound"]),
        (ResourceKind::Address, Send) => Some(["connects to", "has connected to"]),
        (ResourceKind::HostName, Read) => Some(["looks up", "has looked up"]),
        (ResourceKind::Socket, Send) if may_wait => Some(["tries to send on", "has tried to send on"]),
        (ResourceKind::Socket, Send) => Some(["sends on", "has sent on"]),
        (ResourceKind::Socket, Receive) if may_wait => {
            Some(["tries to receive on", "has tried to receive on"])
        }
        (ResourceKind::Socket, Receive) => Some(["receives on", "has received on"]),
        // It is bound, listens or is closed. Bytes are sent.
        (ResourceKind::Socket | ResourceKind::Listener, Write) => Some(["changes", "has changed"]),
        (ResourceKind::Stream, Write) => Some(["closes", "has closed"]),
        (Channel, Write) if is_drop => Some(["drops a half of", "has dropped a half of"]),
        (Broadcast | Watch, Write) if is_drop => Some(["drops a receiver of", "has dropped a receiver of"]),
        (Channel, Write) => Some(["closes", "has closed"]),
        (Broadcast | Watch, Write) => Some(["subscribes to", "has subscribed to"]),
        (Channel | Broadcast, Read) => Some(["checks", "has checked"]),
        _ => None,
    };
    if let Some([present, perfect]) = special {
        return if form == Form::Present { present } else { perfect };
    }
    match (access, form, may_wait) {
        (Acquire, Form::Present, true) => "tries to acquire",
        (Acquire, Form::Perfect, true) => "has tried to acquire",
        (Send, Form::Present, true) => "tries to send to",
        (Send, Form::Perfect, true) => "has tried to send to",
        (Receive, Form::Present, true) => "tries to receive from",
        (Receive, Form::Perfect, true) => "has tried to receive from",
        (_, Form::Present, _) => access.verb(),
        (Read, Form::Perfect, _) => "has read",
        (Write, Form::Perfect, _) => "has written",
        (Acquire, Form::Perfect, _) => "has acquired",
        (Release, Form::Perfect, _) => "has released",
        (Send, Form::Perfect, _) => "has sent to",
        (Receive, Form::Perfect, _) => "has received from",
    }
}
