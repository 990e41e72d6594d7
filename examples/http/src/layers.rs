//! The layers of a tower that need a clock, written with timeloop's.
//!
//! Tower's own `timeout`, `rate_limit` and `ExponentialBackoff` sleep by tokio's clock, which needs tokio's runtime. All that
//! they do is to call `sleep`: here is the same with another one.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use rand::RngExt as _;
use timeloop::time::{Duration, Sleep, sleep, timeout};
use tower::retry::Policy;
use tower::{Layer, Service};

use crate::BoxError;
use crate::client::{Answer, Ask};

/// Gives up on an answer that takes longer than this.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimit(pub Duration);

impl<S> Layer<S> for TimeLimit {
    type Service = TimeLimited<S>;

    fn layer(&self, inner: S) -> TimeLimited<S> {
        TimeLimited { inner, limit: self.0 }
    }
}

/// A service that [`TimeLimit`] is laid around.
#[derive(Clone, Debug)]
pub struct TimeLimited<S> {
    inner: S,
    limit: Duration,
}

impl<S, R> Service<R> for TimeLimited<S>
where
    S: Service<R, Error: Into<BoxError>, Future: 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let answer = timeout(self.limit, self.inner.call(request));
        Box::pin(async { answer.await.map_err(|_| TooLate)?.map_err(Into::into) })
    }
}

/// There was no answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLate;

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there was no answer in time")
    }
}

impl std::error::Error for TooLate {}

/// Asks again, later each time, for as long as asking again can help: what is asked is to have the same effect when it
/// is asked twice.
#[derive(Clone, Debug)]
pub struct Backoff {
    /// Waited before the second attempt; twice as much before each after it.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// How many attempts there are left.
    pub attempts: u32,
}

impl Policy<Ask, Answer, BoxError> for Backoff {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Ask, answer: &mut Result<Answer, BoxError>) -> Option<Sleep> {
        if matches!(answer, Ok(answer) if !answer.status.is_server_error()) || self.attempts <= 1 {
            return None;
        }
        self.attempts -= 1;
        let wait = self.first.mul_f64(timeloop::rng().random_range(0.5..1.0));
        self.first = self.longest.min(self.first * 2);
        Some(sleep(wait))
    }

    fn clone_request(&mut self, ask: &Ask) -> Option<Ask> {
        Some(ask.clone())
    }
}
