//! One thing at a time, in a calm world.

use quic_mirror::world::{address_of, client_endpoint, start_server, transport};
use quic_mirror::{Client, exchange};
use timeloop::Explorer;

pub(crate) fn check<F: Future<Output = ()>>(runs: u64, f: impl Fn() -> F + Sync) {
    let explorer = Explorer::new("quic").runs(runs).without_environment().without_regressions();
    explorer.check(f);
}

#[test]
fn many_streams_share_a_connection() {
    check(20, || async {
        let server = start_server(|socket| socket);
        let endpoint = client_endpoint(transport(), |socket| socket).await;
        let mut client = Client::new(endpoint.clone(), address_of(&server));
        let connection = client.connection().await.unwrap();
        let mut tasks = timeloop::task::JoinSet::new();
        for number in 0..50 {
            let connection = connection.clone();
            tasks.spawn(async move { exchange(&connection, number, 1 << (number % 17)).await.unwrap() });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        assert_eq!((client.connections, client.retries), (1, 0));
        connection.close(0_u32.into(), b"done");
        endpoint.wait_idle().await;
    });
}
