//! async-channel 1.4.1, fixed in 1.4.2 (async-channel#13): senders wake each other for ever.
//!
//! A woken sender first passes the notification on to the next sender, then tries to send. When a newcomer
//! has taken the free place in the meantime, it fails and goes back in line, where the sender that it woke
//! will find it: two senders spin, and neither lets the consumer's timer fire. It takes a sender that comes
//! anew between the wake of a waiting sender and its resumption.

use std::time::Duration;

use timeloop::task::yield_now;
use timeloop::time::sleep;

/// Four senders of two messages each, a capacity of two, and a consumer that sleeps half way.
pub(crate) async fn scenario() {
    let (sender, receiver) = async_channel::bounded(2);

    let mut senders = Vec::new();
    for _ in 0..4 {
        let sender = sender.clone();
        senders.push(timeloop::spawn(async move {
            for message in 0..2 {
                sender.send(message).await.expect("the consumer is still there");
                yield_now().await;
            }
        }));
    }
    let consumer = timeloop::spawn(async move {
        for round in 1..=8 {
            receiver.recv().await.expect("the senders are still there");
            if round == 4 {
                sleep(Duration::from_millis(1)).await;
            }
        }
    });

    for sender in senders {
        sender.await.unwrap();
    }
    consumer.await.unwrap();
}
