//! flume 0.10.10, fixed in 0.10.11 (flume#98, flume#99): messages come out in reverse order.
//!
//! A message sent while a receiver waits is put at the front of the queue, before the receiver is woken.
//! When two receivers wait and two messages are sent before either receiver runs, the second message
//! overtakes the first. It shows as soon as both receivers are resumed before the producer.

use std::cell::RefCell;
use std::rc::Rc;

/// One producer, two waiting receivers, and a log of what was taken.
pub(crate) async fn scenario() {
    let (sender, receiver) = flume::unbounded();
    let log = Rc::new(RefCell::new(Vec::new()));

    let producer = timeloop::spawn(async move {
        for message in [1, 2] {
            sender.send(message).expect("the receivers are still there");
        }
    });
    let mut receivers = Vec::new();
    for _ in 0..2 {
        let (receiver, log) = (receiver.clone(), log.clone());
        receivers.push(timeloop::spawn(async move {
            let message = receiver.recv_async().await.expect("two messages were sent");
            log.borrow_mut().push(message);
        }));
    }

    producer.await.unwrap();
    for receiver in receivers {
        receiver.await.unwrap();
    }
    assert_eq!(*log.borrow(), [1, 2], "messages were taken out of order");
}
