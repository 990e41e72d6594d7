//! loole 0.3.1, fixed in 0.4.0 (the changelog, under 0.3.2): a wake is lost with a cancelled receive.
//!
//! Sending takes the first waiting receiver off the list and wakes it, and nobody else. If that receive is
//! cancelled before it is resumed, its wake goes with it: the message lies in the queue and the second
//! receiver sleeps for ever. The cancellation has to come between the wake and the resumption.

/// Two receivers, the first of which is cancelled once it was woken.
pub(crate) async fn scenario() {
    let (sender, receiver) = loole::unbounded();

    let first = timeloop::spawn({
        let receiver = receiver.clone();
        async move { receiver.recv_async().await }
    });
    let second = timeloop::spawn(async move { receiver.recv_async().await });
    let producer = timeloop::spawn({
        let sender = sender.clone();
        async move { sender.send(1).expect("the receivers are still there") }
    });

    producer.await.unwrap();
    first.abort();
    if first.await.is_ok() {
        // The first message is taken: the second receiver needs one of its own.
        sender.send(2).expect("the second receiver is still there");
    }
    second.await.unwrap().expect("a message is in the queue");
}
