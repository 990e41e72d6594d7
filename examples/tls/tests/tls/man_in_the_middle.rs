//! A proxy truncates or changes the stream, and the client always notices.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use timeloop::Failure;
use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{TcpListener, TcpStream};
use timeloop::time::{Duration, timeout};
use timeloop::world::World;
use tls_store::client::Client;
use tls_store::store::Request;
use tls_store::tls::{self, ONLY_12, ONLY_13, Versions};
use tls_store::wire::Wire;
use tls_store::world::{ADDRESS, client};

use crate::support::{let_packets_arrive, run_of, store_of};

/// A manipulation of the n-th byte that the store sends.
#[derive(Clone, Copy, Debug)]
enum Manipulation {
    /// The stream ends before this byte.
    Truncate(usize),
    /// A bit of the byte is flipped.
    FlipBit(usize, u8),
}

/// Forwards bytes with the manipulation, and counts those that the store sends.
async fn proxy(manipulation: Manipulation, count: Rc<Cell<usize>>) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:443").await?;
    let (client, _) = listener.accept().await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_store, mut to_store) = TcpStream::connect(ADDRESS).await?.into_split();
    let requests = timeloop::spawn(async move { timeloop::io::copy(&mut from_client, &mut to_store).await });
    let mut buffer = vec![0; 4_096];
    loop {
        let length = from_store.read(&mut buffer).await?;
        if length == 0 {
            break;
        }
        let (seen, bytes) = (count.get(), &mut buffer[..length]);
        count.set(seen + length);
        match manipulation {
            Manipulation::Truncate(at) if at < seen + length => {
                to_client.write_all(&bytes[..at - seen]).await?;
                to_client.shutdown().await?;
                // The rest of the client's bytes is read, so that the client is not reset.
                let _ = requests.await;
                return Ok(());
            }
            Manipulation::FlipBit(at, bit) if (seen..seen + length).contains(&at) => {
                bytes[at - seen] ^= 1 << bit
            }
            _ => {}
        }
        to_client.write_all(bytes).await?;
    }
    to_client.shutdown().await
}

/// The bytes that a client receives, the result of its connection, and the number of bytes that the store sends.
type Received = (Vec<u8>, Result<(), ErrorKind>, usize);

fn receive(versions: Versions, manipulation: Manipulation) -> Received {
    attempt(versions, manipulation, false).unwrap()
}

/// Like `receive`. With `ends_first`, the client shuts down writing before it reads.
fn attempt(versions: Versions, manipulation: Manipulation, ends_first: bool) -> Result<Received, Failure> {
    let outcome = run_of(1, || async move {
        store_of(versions).await;
        let count = Rc::new(Cell::new(0));
        let counts = count.clone();
        World::current().node("middle").start(move || {
            let count = counts.clone();
            async move {
                // The result of the proxy does not matter.
                let _ = proxy(manipulation, count).await;
            }
        });
        let_packets_arrive().await;
        let settings = tls::Client { identity: None, versions };
        let mut client = client(settings, "middle:443", &Wire::default());
        let (mut bytes, mut ending) = (Vec::new(), Ok(()));
        let result = timeout(Duration::from_secs(5), request(&mut client, &mut bytes, ends_first)).await;
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => ending = Err(error.kind()),
            Err(_) => ending = Err(ErrorKind::TimedOut),
        }
        (bytes, ending, count.get())
    });
    outcome.result
}

async fn request(client: &mut Client, bytes: &mut Vec<u8>, ends_first: bool) -> io::Result<()> {
    let mut connection = client.connect().await?;
    Request::Put(1, 0, VALUE.to_vec()).write(&mut connection).await?;
    if ends_first {
        connection.shutdown().await?;
    }
    while bytes.len() < RESPONSE_BYTES {
        bytes.push(connection.read_u8().await?);
    }
    if !ends_first {
        connection.shutdown().await?;
    }
    connection.read_to_end(bytes).await?;
    Ok(())
}

const VALUE: &[u8] = &[0xa5; 300];
/// The size of the response.
const RESPONSE_BYTES: usize = 4 + VALUE.len();

/// Returns the complete response, and the number of bytes that the store sends.
fn complete(versions: Versions) -> (Vec<u8>, usize) {
    let (bytes, ending, count) = receive(versions, Manipulation::Truncate(usize::MAX));
    assert_eq!((bytes.len(), ending), (RESPONSE_BYTES, Ok(())));
    (bytes, count)
}

#[test]
fn a_truncated_stream_is_always_detected() {
    for versions in [ONLY_13, ONLY_12] {
        let (whole, count) = complete(versions);
        let mut partial = 0;
        for at in 0..count {
            let (bytes, ending, _) = receive(versions, Manipulation::Truncate(at));
            assert_eq!(ending, Err(ErrorKind::UnexpectedEof), "truncated at byte {at} of {count}");
            assert!(whole.starts_with(&bytes));
            partial += usize::from(!bytes.is_empty());
        }
        assert!(partial > 20, "too few partial responses: {partial}");
    }
}

#[test]
fn a_flipped_bit_never_causes_a_wrong_byte() {
    for versions in [ONLY_13, ONLY_12] {
        let (whole, count) = complete(versions);
        let (mut detected, mut waited, mut ignored) = (0, 0, 0);
        for at in 0..count {
            let (bytes, ending, _) = match attempt(versions, Manipulation::FlipBit(at, (at % 8) as u8), false)
            {
                Ok(received) => received,
                // The store's `close_notify`, which comes after the client's: see the test below.
                Err(failure) => {
                    assert!(cfg!(debug_assertions) && failure.message() == PANIC_OF_RUSTLS, "{failure}");
                    detected += 1;
                    continue;
                }
            };
            assert!(whole.starts_with(&bytes), "a bit of byte {at} of {count} is flipped");
            match ending {
                // The version in a record's header is ignored.
                Ok(()) => ignored += usize::from(bytes == whole),
                // A record whose declared size exceeds the bytes that follow.
                Err(ErrorKind::TimedOut | ErrorKind::UnexpectedEof) => waited += 1,
                Err(ErrorKind::InvalidData) => detected += 1,
                Err(other) => panic!("a bit of byte {at} of {count} is flipped: {other:?}"),
            }
        }
        println!("{count} bytes: {detected} flips detected, {waited} caused waiting, {ignored} ignored");
        assert!(detected > count * 9 / 10 && ignored < 20, "{detected}, {waited}, {ignored} of {count}");
        assert_eq!(detected + waited + ignored, count, "a proper end with an incomplete response");
    }
}

const PANIC_OF_RUSTLS: &str = "assertion failed: !self.sent_fatal_alert";

/// A bug in rustls 0.23.46, found by the test above: with debug assertions, a peer that has sent a `close_notify` and then
/// receives an invalid record panics.
#[test]
fn rustls_panics_at_an_invalid_record_after_close_notify() {
    let (_, count) = complete(ONLY_13);
    // A byte in the response.
    let ended = attempt(ONLY_13, Manipulation::FlipBit(count - 100, 0), true);
    if cfg!(debug_assertions) {
        assert_eq!(ended.unwrap_err().message(), PANIC_OF_RUSTLS);
    } else {
        assert_eq!(ended.unwrap().1, Err(ErrorKind::InvalidData));
    }
}
