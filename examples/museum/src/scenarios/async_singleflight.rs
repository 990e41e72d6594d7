//! async_singleflight 0.6.1, fixed in 0.6.2 (async_singleflight#12): the work runs twice at once.
//!
//! When the leader is dropped, every follower removes the key from the map and starts over. The follower
//! that comes second removes the entry of the one that came first, who is already at work as the new leader,
//! and becomes a leader as well. Both followers must wait for the leader when it is cancelled.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_singleflight::DefaultGroup;
use timeloop::task::yield_now;

/// A leader that is cancelled, and two followers.
pub(crate) async fn scenario() {
    let group = Rc::new(DefaultGroup::<u32>::new());
    let running = Arc::new(AtomicU32::new(0));

    let call = |delay: u32| {
        let (group, running) = (group.clone(), running.clone());
        timeloop::spawn(async move {
            for _ in 0..delay {
                yield_now().await;
            }
            let work = async move {
                let others = running.fetch_add(1, Ordering::Relaxed);
                assert_eq!(others, 0, "the work is already running");
                yield_now().await;
                running.fetch_sub(1, Ordering::Relaxed);
                Ok::<u32, ()>(7)
            };
            group.work("key", work).await
        })
    };
    let leader = timeloop::spawn({
        let group = group.clone();
        async move { group.work("key", std::future::pending::<Result<u32, ()>>()).await }
    });
    let followers = [call(0), call(3)];
    yield_now().await;
    leader.abort();
    for follower in followers {
        assert_eq!(follower.await.unwrap(), Ok(7));
    }
}
