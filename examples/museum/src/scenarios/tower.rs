//! tower 0.4.13, fixed in 0.5.0 (tower#709): a permit is held while the stream of requests is idle.
//!
//! `call_all` makes the service ready, which takes a permit of its concurrency limit, before it asks the
//! stream for a request. While the stream has none the permit is kept; if the stream waits for somebody who
//! needs that permit, both wait for ever. It shows when `call_all` comes first.

use std::convert::Infallible;

use futures_channel::mpsc;
use futures_util::StreamExt;
use timeloop::task::yield_now;
use tower::limit::ConcurrencyLimit;
use tower::{ServiceExt, service_fn};

/// `call_all` and a direct caller, one permit.
pub(crate) async fn scenario() {
    let (sender, requests) = mpsc::unbounded::<u32>();
    let double = service_fn(|request: u32| async move {
        yield_now().await;
        Ok::<_, Infallible>(2 * request)
    });
    let service = ConcurrencyLimit::new(double, 1);

    let direct = timeloop::spawn({
        let service = service.clone();
        async move {
            // The answer to the direct call is the request that the stream waits for.
            let answer = service.oneshot(1).await.unwrap();
            sender.unbounded_send(answer).expect("the stream is still there");
        }
    });
    let all = timeloop::spawn(service.call_all(requests).collect::<Vec<_>>());

    direct.await.unwrap();
    let answers = all.await.unwrap();
    assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [4]);
}
