//! How connections end: as both sides want it, cut off, or in the middle of a crash.

use std::io::ErrorKind;

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::time::{Duration, timeout};
use tls_store::store::{Request, read_value};
use tls_store::tls::{ONLY_12, ONLY_13};

use crate::support::{anyone, check, moment, store_of};

#[test]
fn who_has_said_that_there_is_no_more_is_still_answered() {
    for versions in [ONLY_13, ONLY_12] {
        check("tls::endings::half", || async {
            let (_, endings, wire) = store_of(versions).await;
            let mut connection = anyone(versions, &wire).connect().await.unwrap();
            let value = vec![3; 100_000];
            Request::Put(1, 0, value.clone()).write(&mut connection).await.unwrap();
            Request::Get(1).write(&mut connection).await.unwrap();
            connection.shutdown().await.unwrap();
            assert!(connection.write_all(b"x").await.is_err(), "it has said so");
            assert!(read_value(&mut connection).await.unwrap() == value);
            assert!(read_value(&mut connection).await.unwrap() == value);
            assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
            moment().await;
            assert_eq!(*endings.borrow(), [Ok(2)]);
        });
    }
}

#[test]
fn a_task_that_is_aborted_cuts_off() {
    check("tls::endings::aborted", || async {
        let (_, endings, wire) = store_of(ONLY_13).await;
        let mut client = anyone(ONLY_13, &wire);
        let task = timeloop::spawn(async move {
            client.ask_once(&Request::Put(1, 0, vec![7; 10])).await.unwrap();
            std::future::pending::<()>().await;
        });
        moment().await;
        // TCP ends, and TLS has not said so.
        task.abort();
        moment().await;
        assert_eq!(*endings.borrow(), [Err(ErrorKind::UnexpectedEof)]);
    });
}

#[test]
fn a_crash_is_silence_and_then_a_reset() {
    check("tls::endings::crash", || async {
        let (node, _, wire) = store_of(ONLY_13).await;
        let mut connection = anyone(ONLY_13, &wire).connect().await.unwrap();
        Request::Get(1).write(&mut connection).await.unwrap();
        assert!(read_value(&mut connection).await.unwrap().is_empty());
        node.crash();
        let mut byte = [0];
        assert!(timeout(Duration::from_secs(60), connection.read(&mut byte)).await.is_err(), "silence");
        node.restart();
        moment().await;
        assert!(timeout(Duration::from_secs(60), connection.read(&mut byte)).await.is_err(), "silence still");
        Request::Get(1).write(&mut connection).await.unwrap();
        let error = timeout(Duration::from_secs(60), connection.read(&mut byte)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}
