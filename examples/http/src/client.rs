//! A client that keeps its connection and returns complete responses. It is a tower service.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request, Response, StatusCode, header};
use timeloop::adapters::hyper::{Executor, Io, Timer};
use timeloop::net::TcpStream;
use timeloop::sync::Mutex;
use timeloop::time::Duration;
use tower::{Service, ServiceBuilder};

use crate::body::{Checksum, Content, whole};
use crate::depot::SUM;
use crate::layers::{Backoff, TimeLimit};
use crate::{BoxError, Protocol};

/// A request that can be sent again.
#[derive(Clone, Debug)]
pub struct Query {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The body.
    pub body: Bytes,
}

impl Query {
    /// Creates a GET request.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: Bytes::new() }
    }

    /// Creates a PUT request.
    pub fn put(path: impl Into<String>, body: Bytes) -> Self {
        Self { method: Method::PUT, path: path.into(), body }
    }
}

/// A response with its complete body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// A body does not match its checksum, which must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body does not match its checksum")
    }
}

impl std::error::Error for Corrupt {}

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    protocol: Protocol,
    server: String,
    /// HTTP/1: the idle connections.
    idle: RefCell<Vec<http1::SendRequest<Content>>>,
    /// HTTP/2: the shared connection. The lock is held while connecting.
    shared: Mutex<Option<http2::SendRequest<Content>>>,
    connections: Cell<u32>,
}

impl Client {
    /// Creates a client of the server at an address, such as `depot:80`. It connects on first use.
    pub fn new(protocol: Protocol, server: impl Into<String>) -> Self {
        Self(Rc::new(Shared {
            protocol,
            server: server.into(),
            idle: RefCell::default(),
            shared: Mutex::new(None),
            connections: Cell::new(0),
        }))
    }

    /// Returns how many connections the client has tried to open.
    pub fn connections(&self) -> u32 {
        self.0.connections.get()
    }

    /// Wraps the client in a time limit for each attempt, and in retries.
    pub fn with_retries(
        self,
        limit: Duration,
        attempts: u32,
    ) -> impl Service<Query, Response = Answer, Error = BoxError, Future: 'static> + Clone {
        let backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1), attempts };
        ServiceBuilder::new().retry(backoff).layer(TimeLimit(limit)).service(self)
    }

    /// Sends a request, and returns the response once its head has arrived.
    ///
    /// # Errors
    /// Returns an error if connecting fails, or the connection ends early.
    pub async fn send(&self, request: Request<Content>) -> Result<Response<Incoming>, BoxError> {
        match self.0.protocol {
            Protocol::Http1 => Ok(self.http1_connection().await?.send_request(request).await?),
            Protocol::Http2 => Ok(self.http2_connection().await?.send_request(request).await?),
        }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// Returns an error if the connection ends before the response is complete.
    pub async fn query(&self, query: Query) -> Result<Answer, BoxError> {
        let uri = match self.0.protocol {
            Protocol::Http1 => query.path,
            Protocol::Http2 => format!("http://{}{}", self.0.server, query.path),
        };
        let request = Request::builder()
            .method(query.method)
            .uri(uri)
            .header(header::HOST, &self.0.server)
            .header(SUM, Checksum::of(&query.body).0)
            .body(whole(query.body))?;
        match self.0.protocol {
            Protocol::Http1 => {
                let mut connection = self.http1_connection().await?;
                let answer = received(connection.send_request(request).await?).await?;
                self.0.idle.borrow_mut().push(connection);
                Ok(answer)
            }
            Protocol::Http2 => received(self.http2_connection().await?.send_request(request).await?).await,
        }
    }

    /// Returns an idle HTTP/1 connection.
    async fn http1_connection(&self) -> Result<http1::SendRequest<Content>, BoxError> {
        loop {
            let kept = self.0.idle.borrow_mut().pop();
            let Some(mut kept) = kept else { break };
            // The server may have closed it in the meantime.
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(stream).await?;
        // An error of the connection is returned to the request on it.
        timeloop::spawn(async { connection.with_upgrades().await.ok() });
        sender.ready().await?;
        Ok(sender)
    }

    /// Returns the HTTP/2 connection.
    async fn http2_connection(&self) -> Result<http2::SendRequest<Content>, BoxError> {
        let mut kept = self.0.shared.lock().await;
        if let Some(sender) = kept.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = self.connect().await?;
        let (sender, connection) = http2::Builder::new(Executor::new())
            .timer(Timer::new())
            // Otherwise the real clock decides how long a reset stream is remembered.
            .reset_stream_duration(Duration::MAX)
            // Gives up on a server that is silent for 3 s.
            .keep_alive_interval(Duration::from_secs(1))
            .keep_alive_timeout(Duration::from_secs(2))
            .initial_stream_window_size(16 * 1024)
            .initial_connection_window_size(64 * 1024)
            .handshake(stream)
            .await?;
        timeloop::spawn(async { connection.await.ok() });
        Ok(kept.insert(sender).clone())
    }

    async fn connect(&self) -> Result<Io<TcpStream>, BoxError> {
        self.0.connections.set(self.0.connections.get() + 1);
        let stream = TcpStream::connect(&self.0.server).await?;
        stream.set_nodelay(true)?;
        Ok(Io::new(stream))
    }
}

impl Service<Query> for Client {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, query: Query) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { client.query(query).await })
    }
}

/// Waits for the complete response.
async fn received(response: Response<Incoming>) -> Result<Answer, BoxError> {
    let status = response.status();
    let sum = response.headers().get(SUM).and_then(|sum| sum.to_str().ok()?.parse().ok());
    let body = response.into_body().collect().await?.to_bytes();
    match sum {
        Some(sum) if Checksum::of(&body) != Checksum(sum) => Err(Corrupt.into()),
        _ => Ok(Answer { status, body }),
    }
}
