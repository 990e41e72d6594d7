//! The verbs for operations: `acquires`, `to acquire`, `has acquired`.

use crate::Access;

/// The forms of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `acquires`.
    Present,
    /// `has acquired`.
    Perfect,
}

/// Returns the verb for an operation. `may_wait` says that the operation may not have succeeded.
pub(super) fn verb(access: Access, form: Form, may_wait: bool) -> &'static str {
    use Access::{Acquire, Read, Receive, Release, Send, Write};
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
