//! The server: accepts connections, serves each in a task, and shuts down gracefully.

use std::io;
use std::pin::pin;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::{Request, Response, StatusCode};
use hyper_util::service::TowerToHyperService;
use timeloop::adapters::hyper::{Executor, Io, Timer};
use timeloop::net::{TcpListener, TcpStream};
use timeloop::task::JoinSet;
use timeloop::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;
use tower::load_shed::error::Overloaded;
use tower::{Service, ServiceBuilder, service_fn};

use crate::body::{Content, whole};
use crate::depot::Depot;
use crate::layers::{TimeLimit, TimedOut};
use crate::{BoxError, Protocol};

/// The server's settings.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// The HTTP version.
    pub protocol: Protocol,
    /// The maximum number of concurrent requests; further requests get the status 503.
    pub concurrency: usize,
    /// The maximum time until a response begins.
    pub limit: Duration,
    /// The maximum time until a request head is complete, for HTTP/1.
    pub head_limit: Duration,
    /// How long the server waits for connections to end after the stop.
    pub grace: Duration,
}

impl Server {
    /// Creates a server with default settings.
    pub fn new(protocol: Protocol) -> Self {
        let [limit, head_limit, grace] = [5, 10, 30].map(Duration::from_secs);
        Self { protocol, concurrency: 100, limit, head_limit, grace }
    }

    /// Serves on port 80 until `stop` is cancelled.
    ///
    /// # Errors
    /// Returns an error if the port is in use.
    pub async fn run(self, depot: Depot, stop: CancellationToken) -> io::Result<()> {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let service = self.layered_service(depot);
        let mut connections = JoinSet::new();
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            let (stream, _) = accepted?;
            stream.set_nodelay(true)?;
            connections.spawn(self.serve_connection(stream, service.clone(), stop.clone()));
            // Removes the tasks that have ended.
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        timeout(self.grace, ended).await.ok();
        Ok(())
    }

    /// Wraps the depot in its layers.
    fn layered_service(
        self,
        depot: Depot,
    ) -> impl Service<Request<Incoming>, Response = Response<Content>, Error = BoxError, Future: 'static>
    + Clone
    + 'static {
        ServiceBuilder::new()
            .map_result(|answer: Result<_, BoxError>| {
                Ok(answer.unwrap_or_else(|error| error_response(&error)))
            })
            .load_shed()
            .concurrency_limit(self.concurrency)
            .layer(TimeLimit(self.limit))
            .service(service_fn(move |request| depot.clone().answer(request)))
    }

    /// Serves one connection until it ends. After the stop, it answers the pending requests and closes the connection.
    async fn serve_connection<S>(self, stream: TcpStream, service: S, stop: CancellationToken)
    where
        S: Service<Request<Incoming>, Response = Response<Content>, Error = BoxError, Future: 'static>
            + Clone
            + 'static,
    {
        let (stream, service) = (Io::new(stream), TowerToHyperService::new(service));
        // The connection types have the same methods, but no common trait.
        macro_rules! serve_gracefully {
            ($connection:expr) => {{
                let mut connection = pin!($connection);
                if stop.run_until_cancelled(connection.as_mut()).await.is_none() {
                    connection.as_mut().graceful_shutdown();
                    connection.await.ok();
                }
            }};
        }
        match self.protocol {
            Protocol::Http1 => serve_gracefully!(
                http1::Builder::new()
                    .timer(Timer::new())
                    .header_read_timeout(self.head_limit)
                    // The header would show the real time.
                    .auto_date_header(false)
                    .serve_connection(stream, service)
                    .with_upgrades()
            ),
            Protocol::Http2 => serve_gracefully!(
                http2::Builder::new(Executor::new())
                    .timer(Timer::new())
                    .keep_alive_interval(Duration::from_secs(2))
                    .keep_alive_timeout(Duration::from_secs(4))
                    .max_concurrent_streams(200)
                    .auto_date_header(false)
                    .serve_connection(stream, service)
            ),
        }
    }
}

/// Returns the response for an error.
fn error_response(error: &BoxError) -> Response<Content> {
    let status = if error.is::<Overloaded>() {
        StatusCode::SERVICE_UNAVAILABLE
    } else if error.is::<TimedOut>() {
        StatusCode::GATEWAY_TIMEOUT
    } else {
        StatusCode::BAD_REQUEST
    };
    let mut response = Response::new(whole(error.to_string()));
    *response.status_mut() = status;
    response
}
