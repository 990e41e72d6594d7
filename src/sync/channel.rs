//! What channels with many senders have in common: how many handles there are, and the two kinds of senders.
//!
//! # Invariants
//! A channel's handles are a resource of their own: a sender that is cloned or dropped does not race with one that sends.

use std::panic::Location;

use timeloop_sim::Access;

use crate::engine::announce::{self, ResourceId};

/// The handles of one half of a channel. Only the last one to be dropped changes the channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handles {
    pub(super) id: ResourceId,
    /// What reports call the channel.
    pub(super) channel: &'static str,
    /// What reports call these handles.
    pub(super) name: &'static str,
    pub(super) half: Half,
}

/// Which half of a channel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Half {
    Sending = 1,
    Receiving,
}

impl Handles {
    /// Records that a handle is made, or that one is asked for.
    #[inline]
    pub(super) fn come(self) {
        self.touch(Access::Read, None);
    }

    /// Records that a handle is about to be dropped; `is_last` says whether it is the only one.
    #[inline]
    pub(super) fn go(self, is_last: impl FnOnce() -> bool) {
        if !announce::is_observed() {
            return;
        }
        if is_last() {
            self.touch(Access::Write, None);
            self.id.touch(self.channel, Access::Write, None);
        } else {
            self.touch(Access::Read, None);
        }
    }

    /// Records that the handles are counted, which races with handles that come or go.
    #[inline]
    #[track_caller]
    pub(super) fn count(self) {
        self.touch(Access::Write, Some(Location::caller()));
    }

    #[inline]
    fn touch(self, access: Access, at: Option<&'static Location<'static>>) {
        if announce::is_observed() {
            self.id.part(self.half as u64).touch(self.name, access, at);
        }
    }
}

/// Defines what senders do but send: they are counted, cloned, compared, dropped and downgraded; and the weak sender.
///
/// The sender has a field `id`, and the methods `wrap` (makes one of tokio's sender and an id), `inner` and `half`
/// (tokio's sender; `None` from `half` where the wrapper has been taken apart). `senders` gives the channel's handles.
macro_rules! sender_pair {
    ($Sender:ident, $WeakSender:ident) => {
        impl<T> $Sender<T> {
            /// Whether both belong to one channel.
            pub fn same_channel(&self, other: &Self) -> bool {
                self.inner().same_channel(other.inner())
            }

            /// Makes a sender that does not keep the channel open.
            #[must_use = "`downgrade` makes a weak sender and leaves the sender as it is"]
            pub fn downgrade(&self) -> $WeakSender<T> {
                senders(self.id).come();
                $WeakSender { inner: self.inner().downgrade(), id: self.id }
            }

            #[doc = concat!("Returns how many [`", stringify!($Sender), "`]s there are.")]
            #[track_caller]
            pub fn strong_count(&self) -> usize {
                senders(self.id).count();
                self.inner().strong_count()
            }

            #[doc = concat!("Returns how many [`", stringify!($WeakSender), "`]s there are.")]
            #[track_caller]
            pub fn weak_count(&self) -> usize {
                senders(self.id).count();
                self.inner().weak_count()
            }
        }

        impl<T> Clone for $Sender<T> {
            fn clone(&self) -> Self {
                senders(self.id).come();
                Self::wrap(self.inner().clone(), self.id)
            }
        }

        impl<T> Drop for $Sender<T> {
            fn drop(&mut self) {
                if let Some(inner) = self.half() {
                    senders(self.id).go(|| inner.strong_count() == 1);
                }
            }
        }

        impl<T> fmt::Debug for $Sender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner().fmt(f)
            }
        }

        /// A sender that does not keep the channel open: [`upgrade`](Self::upgrade) gives one that does.
        pub struct $WeakSender<T> {
            inner: tokios::$WeakSender<T>,
            id: ResourceId,
        }

        impl<T> $WeakSender<T> {
            #[doc = concat!("Makes a [`", stringify!($Sender), "`], if there still is one.")]
            #[must_use]
            pub fn upgrade(&self) -> Option<$Sender<T>> {
                senders(self.id).come();
                self.inner.upgrade().map(|inner| $Sender::wrap(inner, self.id))
            }

            #[doc = concat!("Returns how many [`", stringify!($Sender), "`]s there are.")]
            #[track_caller]
            pub fn strong_count(&self) -> usize {
                senders(self.id).count();
                self.inner.strong_count()
            }

            #[doc = concat!("Returns how many [`", stringify!($WeakSender), "`]s there are.")]
            #[track_caller]
            pub fn weak_count(&self) -> usize {
                senders(self.id).count();
                self.inner.weak_count()
            }
        }

        impl<T> Clone for $WeakSender<T> {
            fn clone(&self) -> Self {
                senders(self.id).come();
                Self { inner: self.inner.clone(), id: self.id }
            }
        }

        impl<T> Drop for $WeakSender<T> {
            fn drop(&mut self) {
                senders(self.id).come();
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
