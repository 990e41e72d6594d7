//! The service: it stores documents, and has some paths that demonstrate HTTP.
//!
//! | request | response |
//! |---|---|
//! | `PUT /documents/N` | stores a document if it matches its checksum |
//! | `GET /documents/N` | returns the document in chunks |
//! | `GET /blob/SEED/LENGTH` | returns that many bytes |
//! | `GET /wait/MILLIS` | answers after that time |
//! | `POST /echo` | streams the request body back |
//! | `GET /tunnel` | with `upgrade: lines`, upgrades the connection to the [`lines`](crate::lines) protocol |

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use timeloop::adapters::hyper::Io;
use timeloop::time::{Duration, sleep};
use tokio_util::codec::{Framed, LinesCodec};

use crate::BoxError;
use crate::body::{Checksum, Content, bytes_of, in_chunks, whole};
use crate::lines;

/// The header with the checksum of a body.
pub const SUM: &str = "x-sum";

/// The stored documents and the counters. Clones share them. They survive a crash of the node, like a disk.
#[derive(Clone, Debug, Default)]
pub struct Depot(Rc<State>);

#[derive(Debug, Default)]
struct State {
    documents: RefCell<BTreeMap<u32, Bytes>>,
    received: Cell<u32>,
    active: Cell<u32>,
}

/// Counts an active request until it is dropped.
#[derive(Debug)]
struct ActiveRequest(Depot);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let count = &self.0.0.active;
        count.set(count.get() - 1);
    }
}

impl Depot {
    /// Creates an empty depot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of requests received.
    pub fn received(&self) -> u32 {
        self.0.received.get()
    }

    /// Returns the number of requests whose response has no head yet.
    pub fn active(&self) -> u32 {
        self.0.active.get()
    }

    /// Returns a stored document.
    pub fn document(&self, number: u32) -> Option<Bytes> {
        self.0.documents.borrow().get(&number).cloned()
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Returns an error if the request is incomplete.
    pub async fn answer(self, mut request: Request<Incoming>) -> Result<Response<Content>, BoxError> {
        self.0.received.set(self.0.received.get() + 1);
        self.0.active.set(self.0.active.get() + 1);
        let _active = ActiveRequest(self.clone());
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let numbers: Vec<u32> = parts.iter().skip(1).filter_map(|part| part.parse().ok()).collect();
        match (request.method(), parts[0], &numbers[..]) {
            (&Method::PUT, "documents", &[number]) => self.store(number, request).await,
            (&Method::GET, "documents", &[number]) => match self.document(number) {
                Some(bytes) => with_sum(bytes, 1_000, Duration::from_millis(1)),
                None => status(StatusCode::NOT_FOUND),
            },
            (&Method::GET, "blob", &[seed, length]) => {
                with_sum(bytes_of(seed.into(), length as usize), 4_096, Duration::ZERO)
            }
            (&Method::GET, "wait", &[millis]) => {
                sleep(Duration::from_millis(millis.into())).await;
                status(StatusCode::OK)
            }
            (&Method::POST, "echo", &[]) => {
                Ok(Response::new(request.into_body().map_err(Into::into).boxed()))
            }
            (&Method::GET, "tunnel", &[]) if request.headers().contains_key(header::UPGRADE) => {
                let upgraded = hyper::upgrade::on(&mut request);
                timeloop::spawn(async {
                    if let Ok(upgraded) = upgraded.await {
                        lines::answer(Framed::new(Io::new(upgraded), LinesCodec::new())).await.ok();
                    }
                });
                let head = Response::builder()
                    .status(StatusCode::SWITCHING_PROTOCOLS)
                    .header(header::CONNECTION, "upgrade")
                    .header(header::UPGRADE, "lines");
                Ok(head.body(whole(""))?)
            }
            _ => status(StatusCode::NOT_FOUND),
        }
    }

    /// Stores a document once its body is complete.
    async fn store(&self, number: u32, request: Request<Incoming>) -> Result<Response<Content>, BoxError> {
        let expected =
            request.headers().get(SUM).and_then(|sum| sum.to_str().ok()?.parse().ok()).map(Checksum);
        let (mut body, mut bytes, mut sum) = (request.into_body(), Vec::new(), Checksum::EMPTY);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                sum = sum.and(&data);
                bytes.extend_from_slice(&data);
            }
        }
        if expected != Some(sum) {
            return status(StatusCode::UNPROCESSABLE_ENTITY);
        }
        self.0.documents.borrow_mut().insert(number, bytes.into());
        status(StatusCode::CREATED)
    }
}

fn status(status: StatusCode) -> Result<Response<Content>, BoxError> {
    Ok(Response::builder().status(status).body(whole(""))?)
}

fn with_sum(bytes: Bytes, chunk: usize, pause: Duration) -> Result<Response<Content>, BoxError> {
    let head = Response::builder().header(SUM, Checksum::of(&bytes).0);
    Ok(head.body(in_chunks(bytes, chunk, pause))?)
}
