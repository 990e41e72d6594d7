//! Serves a depot: accepts, has each connection attended by a task, and comes to an end gently.

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
use crate::layers::{TimeLimit, TooLate};
use crate::{BoxError, Protocol};

/// The server's settings.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// What it speaks.
    pub protocol: Protocol,
    /// How many requests are answered at a time; who comes then is told to come again.
    pub at_a_time: usize,
    /// How long an answer may take to begin.
    pub limit: Duration,
    /// How long a request's head may take to come, on HTTP/1.
    pub head_limit: Duration,
    /// How long the server waits for connections to end once it is told to stop.
    pub grace: Duration,
}

impl Server {
    /// With usual settings.
    pub fn new(protocol: Protocol) -> Self {
        let [limit, head_limit, grace] = [5, 10, 30].map(Duration::from_secs);
        Self { protocol, at_a_time: 100, limit, head_limit, grace }
    }

    /// Serves on port 80 until it is told to stop.
    ///
    /// # Errors
    /// When the port can't be had.
    pub async fn run(self, depot: Depot, stop: CancellationToken) -> io::Result<()> {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let service = self.tower(depot);
        let mut connections = JoinSet::new();
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            let (stream, _) = accepted?;
            stream.set_nodelay(true)?;
            connections.spawn(self.attend(stream, service.clone(), stop.clone()));
            // Those that have ended are forgotten.
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        timeout(self.grace, ended).await.ok();
        Ok(())
    }

    /// The depot with everything around it.
    fn tower(
        self,
        depot: Depot,
    ) -> impl Service<Request<Incoming>, Response = Response<Content>, Error = BoxError, Future: 'static>
    + Clone
    + 'static {
        ServiceBuilder::new()
            .map_result(|answer: Result<_, BoxError>| Ok(answer.unwrap_or_else(|error| refusal(&error))))
            .load_shed()
            .concurrency_limit(self.at_a_time)
            .layer(TimeLimit(self.limit))
            .service(service_fn(move |request| depot.clone().answer(request)))
    }

    /// Attends to one connection until it ends; told to stop, it answers what has been asked and then ends it.
    async fn attend<S>(self, stream: TcpStream, service: S, stop: CancellationToken)
    where
        S: Service<Request<Incoming>, Response = Response<Content>, Error = BoxError, Future: 'static>
            + Clone
            + 'static,
    {
        let (stream, service) = (Io::new(stream), TowerToHyperService::new(service));
        // The two connections have the same methods, and no trait for them.
        macro_rules! gently {
            ($connection:expr) => {{
                let mut connection = pin!($connection);
                if stop.run_until_cancelled(connection.as_mut()).await.is_none() {
                    connection.as_mut().graceful_shutdown();
                    connection.await.ok();
                }
            }};
        }
        match self.protocol {
            Protocol::Http1 => gently!(
                http1::Builder::new()
                    .timer(Timer::new())
                    .header_read_timeout(self.head_limit)
                    // It would be that of the real clock.
                    .auto_date_header(false)
                    .serve_connection(stream, service)
                    .with_upgrades()
            ),
            Protocol::Http2 => gently!(
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

/// What is answered where there is no answer.
fn refusal(error: &BoxError) -> Response<Content> {
    let status = if error.is::<Overloaded>() {
        StatusCode::SERVICE_UNAVAILABLE
    } else if error.is::<TooLate>() {
        StatusCode::GATEWAY_TIMEOUT
    } else {
        StatusCode::BAD_REQUEST
    };
    let mut response = Response::new(whole(error.to_string()));
    *response.status_mut() = status;
    response
}
