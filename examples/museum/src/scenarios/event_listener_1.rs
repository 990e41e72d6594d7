//! event-listener 1.0.0, fixed in 1.0.1 (the changelog): the newest listener is woken first.
//!
//! `notify` walks the list of listeners from its tail. The newest listener is served first, and with enough
//! newcomers the oldest listener starves. It shows when both listeners are in line before the first
//! notification.

use std::cell::RefCell;
use std::rc::Rc;

use event_listener_1::Event;
use timeloop::task::yield_now;

/// Two listeners, and one notification for each.
pub(crate) async fn scenario() {
    let event = Rc::new(Event::new());
    let waiting = Rc::new(RefCell::new(Vec::new()));
    let woken = Rc::new(RefCell::new(Vec::new()));

    let listen = |name: &'static str| {
        let (event, waiting, woken) = (event.clone(), waiting.clone(), woken.clone());
        timeloop::spawn(async move {
            let listener = event.listen();
            waiting.borrow_mut().push(name);
            listener.await;
            woken.borrow_mut().push(name);
        })
    };

    let first = listen("first");
    let notifier = timeloop::spawn({
        let (event, waiting, woken) = (event.clone(), waiting.clone(), woken.clone());
        async move {
            for round in 1..=2 {
                // A notification without a listener is lost, and one that was not yet received counts
                // for the next as well: so wait for both.
                while waiting.borrow().len() < round || woken.borrow().len() + 1 < round {
                    yield_now().await;
                }
                event.notify_one();
            }
        }
    });
    let second = listen("second");

    for task in [first, notifier, second] {
        task.await.unwrap();
    }
    assert_eq!(*woken.borrow(), *waiting.borrow(), "listeners were woken in another order than they came");
}
