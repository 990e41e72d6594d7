//! embassy-sync 0.6.2, fixed in 0.7.0 (embassy#3807): `Channel::clear` wakes nobody.
//!
//! A sender that waits for capacity in a full channel is woken when a message is received, but not when all of
//! them are removed by `clear`. The consumer then waits for a message, and the producer for capacity in an
//! empty channel. It shows when the producer fills the channel between two resumptions of the consumer.

use std::rc::Rc;

use embassy_channel::blocking_mutex::raw::NoopRawMutex;
use embassy_channel::channel::Channel;
use timeloop::task::yield_now;

/// A producer of six messages with a capacity of two, and a consumer that clears once.
pub(crate) async fn scenario() {
    let channel = Rc::new(Channel::<NoopRawMutex, u32, 2>::new());

    let producer = timeloop::spawn({
        let channel = channel.clone();
        async move {
            for message in 1..=6 {
                channel.send(message).await;
                yield_now().await;
            }
        }
    });
    let consumer = timeloop::spawn(async move {
        channel.receive().await;
        yield_now().await;
        // At most the messages 2, 3 and 4 can be lost here: the sixth always arrives.
        channel.clear();
        while channel.receive().await != 6 {}
    });

    producer.await.unwrap();
    consumer.await.unwrap();
}
