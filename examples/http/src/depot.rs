//! The service: documents that are put and got, and a few paths that show what HTTP can do.
//!
//! | | |
//! |---|---|
//! | `PUT /documents/N` | keeps a document, if it is what its checksum says |
//! | `GET /documents/N` | gives it, piece by piece |
//! | `GET /blob/SEED/LENGTH` | gives so many bytes |
//! | `GET /wait/MILLIS` | takes so long |
//! | `POST /echo` | sends back what comes, while it comes |
//! | `GET /tunnel` | with `upgrade: lines`, the connection becomes one of [`lines`](crate::lines) |

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
use crate::body::{Checksum, Content, bytes_of, in_pieces, whole};
use crate::lines;

/// The header with a body's checksum.
pub const SUM: &str = "x-sum";

/// What is kept, and what is counted. Clones share it, and it outlives a crash of the node: it is the node's disk.
#[derive(Clone, Debug, Default)]
pub struct Depot(Rc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    documents: RefCell<BTreeMap<u32, Bytes>>,
    begun: Cell<u32>,
    under_way: Cell<u32>,
}

/// Counts a request that is being answered, until it is dropped.
#[derive(Debug)]
struct UnderWay(Depot);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let count = &self.0.0.under_way;
        count.set(count.get() - 1);
    }
}

impl Depot {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many requests have come.
    pub fn begun(&self) -> u32 {
        self.0.begun.get()
    }

    /// How many of them are being answered: those whose response has no head yet.
    pub fn under_way(&self) -> u32 {
        self.0.under_way.get()
    }

    /// What is kept.
    pub fn document(&self, number: u32) -> Option<Bytes> {
        self.0.documents.borrow().get(&number).cloned()
    }

    /// Answers a request.
    ///
    /// # Errors
    /// When the request breaks off.
    pub async fn answer(self, mut request: Request<Incoming>) -> Result<Response<Content>, BoxError> {
        self.0.begun.set(self.0.begun.get() + 1);
        self.0.under_way.set(self.0.under_way.get() + 1);
        let _under_way = UnderWay(self.clone());
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let numbers: Vec<u32> = parts.iter().skip(1).filter_map(|part| part.parse().ok()).collect();
        match (request.method(), parts[0], &numbers[..]) {
            (&Method::PUT, "documents", &[number]) => self.keep(number, request).await,
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

    /// Keeps a document once all of it has come.
    async fn keep(&self, number: u32, request: Request<Incoming>) -> Result<Response<Content>, BoxError> {
        let told = request.headers().get(SUM).and_then(|sum| sum.to_str().ok()?.parse().ok()).map(Checksum);
        let (mut body, mut bytes, mut sum) = (request.into_body(), Vec::new(), Checksum::EMPTY);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                sum = sum.and(&data);
                bytes.extend_from_slice(&data);
            }
        }
        if told != Some(sum) {
            return status(StatusCode::UNPROCESSABLE_ENTITY);
        }
        self.0.documents.borrow_mut().insert(number, bytes.into());
        status(StatusCode::CREATED)
    }
}

fn status(status: StatusCode) -> Result<Response<Content>, BoxError> {
    Ok(Response::builder().status(status).body(whole(""))?)
}

fn with_sum(bytes: Bytes, piece: usize, pause: Duration) -> Result<Response<Content>, BoxError> {
    let head = Response::builder().header(SUM, Checksum::of(&bytes).0);
    Ok(head.body(in_pieces(bytes, piece, pause))?)
}
