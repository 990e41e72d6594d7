//! The tower layers that need a clock, with timeloop's.
//!
//! Tower's own `timeout`, `rate_limit` and `ExponentialBackoff` call tokio's `sleep`, which needs tokio's runtime.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use rand::RngExt as _;
use timeloop::time::{Duration, Sleep, sleep, timeout};
use tower::retry::Policy;
use tower::{Layer, Service};

use crate::BoxError;
use crate::client::{Answer, Query};

/// Limits the time until a response.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimit(pub Duration);

impl<S> Layer<S> for TimeLimit {
    type Service = TimeLimited<S>;

    fn layer(&self, inner: S) -> TimeLimited<S> {
        TimeLimited { inner, limit: self.0 }
    }
}

/// A service with a [`TimeLimit`].
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
        Box::pin(async { answer.await.map_err(|_| TimedOut)?.map_err(Into::into) })
    }
}

/// The response took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no response within the time limit")
    }
}

impl std::error::Error for TimedOut {}

/// Retries a request with exponential backoff after a connection or server error. Requests must be idempotent.
#[derive(Clone, Debug)]
pub struct Backoff {
    /// The delay before the second attempt. It doubles for each further attempt.
    pub first: Duration,
    /// The maximum delay.
    pub longest: Duration,
    /// The number of attempts left.
    pub attempts: u32,
}

impl Policy<Query, Answer, BoxError> for Backoff {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Query, answer: &mut Result<Answer, BoxError>) -> Option<Sleep> {
        if matches!(answer, Ok(answer) if !answer.status.is_server_error()) || self.attempts <= 1 {
            return None;
        }
        self.attempts -= 1;
        let wait = self.first.mul_f64(timeloop::rng().random_range(0.5..1.0));
        self.first = self.longest.min(self.first * 2);
        Some(sleep(wait))
    }

    fn clone_request(&mut self, query: &Query) -> Option<Query> {
        Some(query.clone())
    }
}
