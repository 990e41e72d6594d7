//! A client that keeps its connection, as a tower service: asks, and gives the answer when all of it has come.

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

/// What is asked for. It can be asked again.
#[derive(Clone, Debug)]
pub struct Ask {
    /// How.
    pub method: Method,
    /// For what.
    pub path: String,
    /// With what.
    pub body: Bytes,
}

impl Ask {
    /// For what is at a path.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: Bytes::new() }
    }

    /// To put something there.
    pub fn put(path: impl Into<String>, body: Bytes) -> Self {
        Self { method: Method::PUT, path: path.into(), body }
    }
}

/// An answer, with all of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it worked.
    pub status: StatusCode,
    /// What there is.
    pub body: Bytes,
}

/// A body is not what its checksum says: nothing that may happen in this world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body is not what its checksum says")
    }
}

impl std::error::Error for Corrupt {}

/// Speaks to one server.
#[derive(Clone, Debug)]
pub struct Client(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    protocol: Protocol,
    server: String,
    /// HTTP/1: connections that nobody uses at the moment.
    idle: RefCell<Vec<http1::SendRequest<Content>>>,
    /// HTTP/2: the one connection. The lock is held while it is being made.
    many: Mutex<Option<http2::SendRequest<Content>>>,
    connections: Cell<u32>,
}

impl Client {
    /// Of the server at an address, such as `depot:80`. There is no connection before one is needed.
    pub fn new(protocol: Protocol, server: impl Into<String>) -> Self {
        Self(Rc::new(Shared {
            protocol,
            server: server.into(),
            idle: RefCell::default(),
            many: Mutex::new(None),
            connections: Cell::new(0),
        }))
    }

    /// How many connections it has made, or tried to make.
    pub fn connections(&self) -> u32 {
        self.0.connections.get()
    }

    /// This client with a limit to how long an attempt may take, which asks again until it is answered.
    pub fn patient(
        self,
        limit: Duration,
        attempts: u32,
    ) -> impl Service<Ask, Response = Answer, Error = BoxError, Future: 'static> + Clone {
        let backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1), attempts };
        ServiceBuilder::new().retry(backoff).layer(TimeLimit(limit)).service(self)
    }

    /// Sends a request, and gives the response's head as soon as it is here.
    ///
    /// # Errors
    /// If there is no connection, or it ends before.
    pub async fn send(&self, request: Request<Content>) -> Result<Response<Incoming>, BoxError> {
        match self.0.protocol {
            Protocol::Http1 => Ok(self.one().await?.send_request(request).await?),
            Protocol::Http2 => Ok(self.many().await?.send_request(request).await?),
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// If the connection fails before all of the answer is here.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, BoxError> {
        let uri = match self.0.protocol {
            Protocol::Http1 => ask.path,
            Protocol::Http2 => format!("http://{}{}", self.0.server, ask.path),
        };
        let request = Request::builder()
            .method(ask.method)
            .uri(uri)
            .header(header::HOST, &self.0.server)
            .header(SUM, Checksum::of(&ask.body).0)
            .body(whole(ask.body))?;
        match self.0.protocol {
            Protocol::Http1 => {
                let mut connection = self.one().await?;
                let answer = received(connection.send_request(request).await?).await?;
                self.0.idle.borrow_mut().push(connection);
                Ok(answer)
            }
            Protocol::Http2 => received(self.many().await?.send_request(request).await?).await,
        }
    }

    /// A connection of HTTP/1 on which nothing is under way.
    async fn one(&self) -> Result<http1::SendRequest<Content>, BoxError> {
        loop {
            let kept = self.0.idle.borrow_mut().pop();
            let Some(mut kept) = kept else { break };
            // The server may have closed it meanwhile.
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(stream).await?;
        // What goes wrong on it is told to whoever sent a request.
        timeloop::spawn(async { connection.with_upgrades().await.ok() });
        sender.ready().await?;
        Ok(sender)
    }

    /// The connection of HTTP/2.
    async fn many(&self) -> Result<http2::SendRequest<Content>, BoxError> {
        let mut kept = self.0.many.lock().await;
        if let Some(sender) = kept.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = self.connect().await?;
        let (sender, connection) = http2::Builder::new(Executor::new())
            .timer(Timer::new())
            // Whether a stream that was reset is still remembered would be for the real clock to say.
            .reset_stream_duration(Duration::MAX)
            // A server that is silent for 3 s is given up.
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

impl Service<Ask> for Client {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { client.ask(ask).await })
    }
}

/// The answer that a response is, once all of it is here.
async fn received(response: Response<Incoming>) -> Result<Answer, BoxError> {
    let status = response.status();
    let sum = response.headers().get(SUM).and_then(|sum| sum.to_str().ok()?.parse().ok());
    let body = response.into_body().collect().await?.to_bytes();
    match sum {
        Some(sum) if Checksum::of(&body) != Checksum(sum) => Err(Corrupt.into()),
        _ => Ok(Answer { status, body }),
    }
}
