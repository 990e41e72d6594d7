//! Somebody in the middle cuts the stream off, or changes it: that is always told from what the store has said.

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

use crate::support::{moment, run_of, store_of};

/// What is done to the so-many-th byte that the store sends.
#[derive(Clone, Copy, Debug)]
enum Mischief {
    /// It and all that come after it are kept back, and TCP ends.
    CutOff(usize),
    /// One of its bits is another.
    Changed(usize, u8),
}

/// Passes on what comes, but for the mischief; counts the bytes that the store sends.
async fn meddle(mischief: Mischief, count: Rc<Cell<usize>>) -> io::Result<()> {
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
        match mischief {
            Mischief::CutOff(at) if at < seen + length => {
                to_client.write_all(&bytes[..at - seen]).await?;
                to_client.shutdown().await?;
                // What the client still says is heard, so that it is not reset.
                let _ = requests.await;
                return Ok(());
            }
            Mischief::Changed(at, bit) if (seen..seen + length).contains(&at) => bytes[at - seen] ^= 1 << bit,
            _ => {}
        }
        to_client.write_all(bytes).await?;
    }
    to_client.shutdown().await
}

/// What a client hears that asks for a value, how that ends (an error, or a proper end), and how many bytes there were.
type Heard = (Vec<u8>, Result<(), ErrorKind>, usize);

fn heard(versions: Versions, mischief: Mischief) -> Heard {
    attempt(versions, mischief, false).unwrap()
}

/// The same; `ends_first` where the client says that there is no more before it has heard anything.
fn attempt(versions: Versions, mischief: Mischief, ends_first: bool) -> Result<Heard, Failure> {
    let outcome = run_of(1, || async move {
        store_of(versions).await;
        let count = Rc::new(Cell::new(0));
        let counts = count.clone();
        World::current().node("middle").start(move || {
            let count = counts.clone();
            async move {
                // What becomes of its connections is of no interest.
                let _ = meddle(mischief, count).await;
            }
        });
        moment().await;
        let how = tls::Client { identity: None, versions };
        let mut client = client(how, "middle:443", &Wire::default());
        let (mut bytes, mut ending) = (Vec::new(), Ok(()));
        let asked = timeout(Duration::from_secs(5), ask(&mut client, &mut bytes, ends_first)).await;
        match asked {
            Ok(Ok(())) => {}
            Ok(Err(error)) => ending = Err(error.kind()),
            Err(_) => ending = Err(ErrorKind::TimedOut),
        }
        (bytes, ending, count.get())
    });
    outcome.result
}

async fn ask(client: &mut Client, bytes: &mut Vec<u8>, ends_first: bool) -> io::Result<()> {
    let mut connection = client.connect().await?;
    Request::Put(1, 0, VALUE.to_vec()).write(&mut connection).await?;
    if ends_first {
        connection.shutdown().await?;
    }
    while bytes.len() < WHOLE {
        bytes.push(connection.read_u8().await?);
    }
    if !ends_first {
        connection.shutdown().await?;
    }
    connection.read_to_end(bytes).await?;
    Ok(())
}

const VALUE: &[u8] = &[0xa5; 300];
/// The answer's length.
const WHOLE: usize = 4 + VALUE.len();

/// The whole answer, and how many bytes the store sends.
fn all(versions: Versions) -> (Vec<u8>, usize) {
    let (bytes, ending, count) = heard(versions, Mischief::CutOff(usize::MAX));
    assert_eq!((bytes.len(), ending), (WHOLE, Ok(())));
    (bytes, count)
}

#[test]
fn wherever_it_is_cut_off_the_client_knows() {
    for versions in [ONLY_13, ONLY_12] {
        let (whole, count) = all(versions);
        let mut heard_some = 0;
        for at in 0..count {
            let (bytes, ending, _) = heard(versions, Mischief::CutOff(at));
            assert_eq!(ending, Err(ErrorKind::UnexpectedEof), "cut off at byte {at} of {count}");
            assert!(whole.starts_with(&bytes));
            heard_some += usize::from(!bytes.is_empty());
        }
        assert!(heard_some > 20, "some bytes came before: {heard_some} times");
    }
}

#[test]
fn whichever_bit_is_changed_no_wrong_byte_is_heard() {
    for versions in [ONLY_13, ONLY_12] {
        let (whole, count) = all(versions);
        let (mut known, mut waited, mut all_the_same) = (0, 0, 0);
        for at in 0..count {
            let (bytes, ending, _) = match attempt(versions, Mischief::Changed(at, (at % 8) as u8), false) {
                Ok(heard) => heard,
                // The store's goodbye, which comes after the client's: see below.
                Err(failure) => {
                    assert!(cfg!(debug_assertions) && failure.message() == PANIC_OF_RUSTLS, "{failure}");
                    known += 1;
                    continue;
                }
            };
            assert!(whole.starts_with(&bytes), "a bit of byte {at} of {count} is another");
            match ending {
                // The version in a record's head is not looked at.
                Ok(()) => all_the_same += usize::from(bytes == whole),
                // A record that is to be longer than what comes.
                Err(ErrorKind::TimedOut | ErrorKind::UnexpectedEof) => waited += 1,
                Err(ErrorKind::InvalidData) => known += 1,
                Err(other) => panic!("a bit of byte {at} of {count} is another: {other:?}"),
            }
        }
        println!(
            "{count} bytes: {known} are known to be wrong, {waited} waited for, {all_the_same} no matter"
        );
        assert!(known > count * 9 / 10 && all_the_same < 20, "{known}, {waited}, {all_the_same} of {count}");
        assert_eq!(known + waited + all_the_same, count, "a proper end is the end of the whole");
    }
}

const PANIC_OF_RUSTLS: &str = "assertion failed: !self.sent_fatal_alert";

/// A defect of rustls 0.23.46, found by the test above: who has sent a `close_notify` and then is sent a
/// record that is no good panics, where debug assertions are on.
#[test]
fn a_bad_record_after_the_end_is_a_panic_of_rustls() {
    let (_, count) = all(ONLY_13);
    // Somewhere in the answer.
    let ended = attempt(ONLY_13, Mischief::Changed(count - 100, 0), true);
    if cfg!(debug_assertions) {
        assert_eq!(ended.unwrap_err().message(), PANIC_OF_RUSTLS);
    } else {
        assert_eq!(ended.unwrap().1, Err(ErrorKind::InvalidData));
    }
}
