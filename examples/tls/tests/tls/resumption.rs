//! Session tickets and their lifetime.

use timeloop::time::{Duration, sleep};
use timeloop::world::World;
use tls_store::tls::{ONLY_12, ONLY_13};

use crate::support::{anonymous_client, check, let_packets_arrive, request_and_close, store_of};

#[test]
fn a_ticket_resumes_a_session_until_the_store_has_crashed() {
    for versions in [ONLY_13, ONLY_12] {
        check("tls::resumption::crash", || async {
            let (node, _, wire) = store_of(versions).await;
            let mut client = anonymous_client(versions, &wire);
            for _ in 0..3 {
                request_and_close(&mut client).await.unwrap();
            }
            assert_eq!((client.counters().full, client.counters().resumed), (1, 2));
            // A crash loses the key of the tickets.
            node.restart();
            let_packets_arrive().await;
            for _ in 0..3 {
                request_and_close(&mut client).await.unwrap();
            }
            assert_eq!((client.counters().full, client.counters().resumed), (2, 4));
        });
    }
}

#[test]
fn a_ticket_is_valid_for_hours() {
    // The hour of the ticket, its age in hours, and by how many hours the client's clock is set back then.
    for (from, hours, behind, resumed) in [
        (0, 5, 0, 1),
        (0, 11, 0, 1),
        // The client knows that the ticket has expired.
        (0, 13, 0, 0),
        // The store knows it too.
        (0, 13, 13, 0),
        // A key is replaced every six hours, and opens tickets for six more.
        (5, 6, 0, 1),
        (5, 8, 0, 0),
    ] {
        check("tls::resumption::hours", || async {
            let hour = Duration::from_secs(3_600);
            let (_, _, wire) = store_of(ONLY_13).await;
            let node = World::current().node("client").build();
            let clock = node.clock();
            let counters = node.spawn(async move {
                sleep(hour * from).await;
                let mut client = anonymous_client(ONLY_13, &wire);
                request_and_close(&mut client).await.unwrap();
                sleep(hour * hours).await;
                clock.jump_back(hour * behind);
                request_and_close(&mut client).await.unwrap();
                client.counters()
            });
            let counters = counters.await.unwrap();
            assert_eq!(counters.resumed, resumed, "a ticket of hour {from}, {hours} hours later");
        });
    }
}
