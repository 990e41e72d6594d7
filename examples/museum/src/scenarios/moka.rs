//! moka 0.12.13, fixed in 0.12.14 (moka#574): a lost update.
//!
//! `and_compute_with` runs one computation for a key at a time, but lets the next begin when its own
//! closure is done, before its result is in the cache. Storing it can wait, here for an eviction listener
//! that is slow; a computation that begins in this window reads the value from before.

use std::hash::{BuildHasherDefault, DefaultHasher};

use moka::future::{Cache, FutureExt};
use moka::ops::compute::Op;
use timeloop::task::yield_now;

/// Three times `and_compute_with(+1)`, and an eviction listener that takes its time.
pub(crate) async fn scenario() {
    let cache = Cache::builder()
        .max_capacity(10)
        .async_eviction_listener(|_key, _value, _cause| yield_now().boxed())
        .build_with_hasher(BuildHasherDefault::<DefaultHasher>::default());
    cache.insert("count", 0).await;

    let mut tasks = Vec::new();
    for task in 0..3 {
        let cache = cache.clone();
        tasks.push(timeloop::spawn(async move {
            for _ in 0..2 * task {
                yield_now().await;
            }
            let add_one = |entry: Option<moka::Entry<&'static str, i32>>| async move {
                Op::Put(entry.map_or(0, |entry| entry.into_value()) + 1)
            };
            cache.entry("count").and_compute_with(add_one).await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(cache.get("count").await, Some(3), "an update was lost");
}
