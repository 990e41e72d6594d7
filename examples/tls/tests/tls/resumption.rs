//! Tickets: what they are good for, and how long.

use timeloop::time::{Duration, sleep};
use timeloop::world::World;
use tls_store::tls::{ONLY_12, ONLY_13};

use crate::support::{anyone, ask_and_end, check, moment, store_of};

#[test]
fn a_ticket_resumes_a_session_until_the_store_has_crashed() {
    for versions in [ONLY_13, ONLY_12] {
        check("tls::resumption::crash", || async {
            let (node, _, wire) = store_of(versions).await;
            let mut client = anyone(versions, &wire);
            for _ in 0..3 {
                ask_and_end(&mut client).await.unwrap();
            }
            assert_eq!((client.told().full, client.told().resumed), (1, 2));
            // The key of its tickets goes with it.
            node.restart();
            moment().await;
            for _ in 0..3 {
                ask_and_end(&mut client).await.unwrap();
            }
            assert_eq!((client.told().full, client.told().resumed), (2, 4));
        });
    }
}

#[test]
fn a_ticket_is_good_for_hours() {
    // From when on, for how many hours, and by how many the client's clock is then set back.
    for (from, hours, behind, resumed) in [
        (0, 5, 0, 1),
        (0, 11, 0, 1),
        // The client knows it to be old.
        (0, 13, 0, 0),
        // The store does too.
        (0, 13, 13, 0),
        // A key is changed for another every six hours, and opens tickets for six more.
        (5, 6, 0, 1),
        (5, 8, 0, 0),
    ] {
        check("tls::resumption::hours", || async {
            let hour = Duration::from_secs(3_600);
            let (_, _, wire) = store_of(ONLY_13).await;
            let node = World::current().node("client").build();
            let clock = node.clock();
            let told = node.spawn(async move {
                sleep(hour * from).await;
                let mut client = anyone(ONLY_13, &wire);
                ask_and_end(&mut client).await.unwrap();
                sleep(hour * hours).await;
                clock.jump_back(hour * behind);
                ask_and_end(&mut client).await.unwrap();
                client.told()
            });
            let told = told.await.unwrap();
            assert_eq!(told.resumed, resumed, "a ticket of hour {from}, {hours} hours later");
        });
    }
}
