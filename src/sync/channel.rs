//! Shared parts of channels with many senders: recording of handle counts, and the strong and weak sender types.
//!
//! # Invariants
//! A channel's handles are a separate resource: cloning or dropping a sender does not race with a send.

use std::panic::Location;

use timeloop_sim::Access;

use crate::engine::Fact;
use crate::engine::announce::{self, ResourceId};

/// The handles (senders or receivers) of one half of a channel. Only dropping the last handle changes the channel
/// itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handles {
    pub(super) id: ResourceId,
    /// The channel's name in reports.
    pub(super) channel: &'static str,
    /// The name of these handles in reports.
    pub(super) name: &'static str,
    pub(super) half: Half,
}

/// One half of a channel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Half {
    Sending = 1,
    Receiving,
}

impl Handles {
    /// Records that a handle was created or upgraded.
    #[inline]
    pub(super) fn record_new(self) {
        self.touch(Access::Read, None);
    }

    /// Records that a handle is about to be dropped. `is_last` returns whether it is the only one.
    #[inline]
    pub(super) fn record_drop(self, is_last: impl FnOnce() -> bool) {
        if !announce::is_observed() {
            return;
        }
        if is_last() {
            self.touch(Access::Write, None);
            self.id.touch(self.channel, Access::Write, None);
            self.id.learn(|| Fact::Closed);
        } else {
            self.touch(Access::Read, None);
        }
    }

    /// Records that the handles are counted, which races with creating and dropping handles.
    #[inline]
    #[track_caller]
    pub(super) fn record_count(self) {
        self.touch(Access::Write, Some(Location::caller()));
    }

    #[inline]
    fn touch(self, access: Access, at: Option<&'static Location<'static>>) {
        if announce::is_observed() {
            self.id.part(self.half as u64).touch(self.name, access, at);
        }
    }
}

/// Defines everything on a sender except sending: counts, `Clone`, `Drop`, `same_channel` and `downgrade`, and the weak
/// sender.
///
/// The sender type must have a field `id` and three methods. `wrap` creates a sender from tokio's sender and an id, and
/// `inner` returns tokio's sender. `half` returns it too, or `None` once the wrapper was taken apart. The calling
/// module must define `senders`, which returns the channel's handles.
macro_rules! sender_pair {
    ($Sender:ident, $WeakSender:ident) => {
        impl<T> $Sender<T> {
            /// Returns whether both senders belong to the same channel.
            pub fn same_channel(&self, other: &Self) -> bool {
                self.inner().same_channel(other.inner())
            }

            /// Creates a weak sender, which does not keep the channel open.
            #[must_use = "`downgrade` makes a weak sender and leaves the sender as it is"]
            pub fn downgrade(&self) -> $WeakSender<T> {
                senders(self.id).record_new();
                $WeakSender { inner: self.inner().downgrade(), id: self.id }
            }

            #[doc = concat!("Returns how many [`", stringify!($Sender), "`]s there are.")]
            #[track_caller]
            pub fn strong_count(&self) -> usize {
                senders(self.id).record_count();
                self.inner().strong_count()
            }

            #[doc = concat!("Returns how many [`", stringify!($WeakSender), "`]s there are.")]
            #[track_caller]
            pub fn weak_count(&self) -> usize {
                senders(self.id).record_count();
                self.inner().weak_count()
            }
        }

        impl<T> Clone for $Sender<T> {
            fn clone(&self) -> Self {
                senders(self.id).record_new();
                let clone = Self::wrap(self.inner().clone(), self.id);
                self.id.learn(|| Fact::Senders(self.inner().strong_count()));
                clone
            }
        }

        impl<T> Drop for $Sender<T> {
            fn drop(&mut self) {
                if let Some(inner) = self.half() {
                    senders(self.id).record_drop(|| inner.strong_count() == 1);
                    self.id.learn(|| Fact::Senders(inner.strong_count() - 1));
                }
            }
        }

        impl<T> fmt::Debug for $Sender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner().fmt(f)
            }
        }

        /// A sender that does not keep the channel open. [`upgrade`](Self::upgrade) returns a sender that does.
        pub struct $WeakSender<T> {
            inner: upstream::$WeakSender<T>,
            id: ResourceId,
        }

        impl<T> $WeakSender<T> {
            #[doc = concat!("Makes a [`", stringify!($Sender), "`], if there still is one.")]
            #[must_use]
            pub fn upgrade(&self) -> Option<$Sender<T>> {
                senders(self.id).record_new();
                let upgraded = self.inner.upgrade().map(|inner| $Sender::wrap(inner, self.id));
                self.id.learn(|| Fact::Senders(self.inner.strong_count()));
                upgraded
            }

            #[doc = concat!("Returns how many [`", stringify!($Sender), "`]s there are.")]
            #[track_caller]
            pub fn strong_count(&self) -> usize {
                senders(self.id).record_count();
                self.inner.strong_count()
            }

            #[doc = concat!("Returns how many [`", stringify!($WeakSender), "`]s there are.")]
            #[track_caller]
            pub fn weak_count(&self) -> usize {
                senders(self.id).record_count();
                self.inner.weak_count()
            }
        }

        impl<T> Clone for $WeakSender<T> {
            fn clone(&self) -> Self {
                senders(self.id).record_new();
                Self { inner: self.inner.clone(), id: self.id }
            }
        }

        impl<T> Drop for $WeakSender<T> {
            fn drop(&mut self) {
                senders(self.id).record_new();
            }
        }

        impl<T> fmt::Debug for $WeakSender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner.fmt(f)
            }
        }
    };
}

pub(super) use sender_pair;
