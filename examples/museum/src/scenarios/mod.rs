//! The scenarios, one file each. The package that includes this module determines the version of each crate: the names
//! of the dependencies are the same in all packages.
//!
//! The scenario of `event-listener-2` is in `apart/`: its version cannot share a lockfile with that of
//! `async_broadcast`.

use crate::exhibit_set::Scenario;

pub(crate) mod async_broadcast;
pub(crate) mod async_channel;
pub(crate) mod async_singleflight;
pub(crate) mod async_unsync;
pub(crate) mod deadpool;
pub(crate) mod embassy_channel;
pub(crate) mod embassy_signal;
pub(crate) mod event_listener_1;
pub(crate) mod flume;
pub(crate) mod futures_intrusive;
pub(crate) mod futures_locks_0_4;
pub(crate) mod futures_locks_0_7;
pub(crate) mod h2;
pub(crate) mod loole;
pub(crate) mod mea_acquire;
pub(crate) mod mea_try_acquire;
pub(crate) mod moka;
pub(crate) mod postage;
pub(crate) mod tokio_mutex;
pub(crate) mod tower;
pub(crate) mod yamux;

/// All scenarios of this module by the names of their exhibits.
pub(crate) const ALL: &[(&str, Scenario)] = &[
    ("async-broadcast", || Box::pin(async_broadcast::scenario())),
    ("async-channel", || Box::pin(async_channel::scenario())),
    ("async-singleflight", || Box::pin(async_singleflight::scenario())),
    ("async-unsync", || Box::pin(async_unsync::scenario())),
    ("deadpool", || Box::pin(deadpool::scenario())),
    ("embassy-channel", || Box::pin(embassy_channel::scenario())),
    ("embassy-signal", || Box::pin(embassy_signal::scenario())),
    ("event-listener-1", || Box::pin(event_listener_1::scenario())),
    ("flume", || Box::pin(flume::scenario())),
    ("futures-intrusive", || Box::pin(futures_intrusive::scenario())),
    ("futures-locks-0.4", || Box::pin(futures_locks_0_4::scenario())),
    ("futures-locks-0.7", || Box::pin(futures_locks_0_7::scenario())),
    ("h2", || Box::pin(h2::scenario())),
    ("loole", || Box::pin(loole::scenario())),
    ("mea-acquire", || Box::pin(mea_acquire::scenario())),
    ("mea-try-acquire", || Box::pin(mea_try_acquire::scenario())),
    ("moka", || Box::pin(moka::scenario())),
    ("postage", || Box::pin(postage::scenario())),
    ("tokio-mutex", || Box::pin(tokio_mutex::scenario())),
    ("tower", || Box::pin(tower::scenario())),
    ("yamux", || Box::pin(yamux::scenario())),
];
