//! The end of connections: half-close, abort and crash.

use std::io::ErrorKind;

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::time::{Duration, timeout};
use tls_store::store::{Request, read_value};
use tls_store::tls::{ONLY_12, ONLY_13};

use crate::support::{anonymous_client, check, let_packets_arrive, store_of};

#[test]
fn requests_before_a_half_close_are_answered() {
    for versions in [ONLY_13, ONLY_12] {
        check("tls::endings::half", || async {
            let (_, endings, wire) = store_of(versions).await;
            let mut connection = anonymous_client(versions, &wire).connect().await.unwrap();
            let value = vec![3; 100_000];
            Request::Put(1, 0, value.clone()).write(&mut connection).await.unwrap();
            Request::Get(1).write(&mut connection).await.unwrap();
            connection.shutdown().await.unwrap();
            assert!(connection.write_all(b"x").await.is_err(), "writing after the shutdown fails");
            assert!(read_value(&mut connection).await.unwrap() == value);
            assert!(read_value(&mut connection).await.unwrap() == value);
            assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
            let_packets_arrive().await;
            assert_eq!(*endings.borrow(), [Ok(2)]);
        });
    }
}

#[test]
fn an_aborted_task_closes_without_close_notify() {
    check("tls::endings::aborted", || async {
        let (_, endings, wire) = store_of(ONLY_13).await;
        let mut client = anonymous_client(ONLY_13, &wire);
        let task = timeloop::spawn(async move {
            client.request_once(&Request::Put(1, 0, vec![7; 10])).await.unwrap();
            std::future::pending::<()>().await;
        });
        let_packets_arrive().await;
        // TCP ends without a `close_notify` of TLS.
        task.abort();
        let_packets_arrive().await;
        assert_eq!(*endings.borrow(), [Err(ErrorKind::UnexpectedEof)]);
    });
}

#[test]
fn a_crashed_store_is_silent_and_resets_after_its_restart() {
    check("tls::endings::crash", || async {
        let (node, _, wire) = store_of(ONLY_13).await;
        let mut connection = anonymous_client(ONLY_13, &wire).connect().await.unwrap();
        Request::Get(1).write(&mut connection).await.unwrap();
        assert!(read_value(&mut connection).await.unwrap().is_empty());
        node.crash();
        let mut byte = [0];
        assert!(timeout(Duration::from_secs(60), connection.read(&mut byte)).await.is_err(), "silence");
        node.restart();
        let_packets_arrive().await;
        assert!(timeout(Duration::from_secs(60), connection.read(&mut byte)).await.is_err(), "silence still");
        Request::Get(1).write(&mut connection).await.unwrap();
        let error = timeout(Duration::from_secs(60), connection.read(&mut byte)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}
