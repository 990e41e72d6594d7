//! event-listener 2.3.2, fixed in 2.3.3 (the changelog): a deadlock, because the list is cut.
//!
//! The list of listeners keeps one entry aside for reuse. Put to use again while others are in line, it does
//! not learn who stands before it, so when it leaves, the one before it still points to it: from there the
//! walk through the list ends, and who comes later is never notified. It takes a listener that goes while
//! another is in line, one that gets the entry it left behind, one more behind that, and the one in between
//! gives up.

use std::cell::Cell;
use std::rc::Rc;

use event_listener_2::Event;
use timeloop::task::yield_now;

/// A lock as it is made from an event: try, listen, try again, wait.
struct Lock {
    locked: Cell<bool>,
    unlocked: Event,
}

struct Guard(Rc<Lock>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.locked.set(false);
        self.0.unlocked.notify(1);
    }
}

async fn lock(lock: &Rc<Lock>) -> Guard {
    while lock.locked.get() {
        let unlocked = lock.unlocked.listen();
        if lock.locked.get() {
            unlocked.await;
        }
    }
    lock.locked.set(true);
    Guard(lock.clone())
}

/// Something that takes three steps.
async fn work() {
    for _ in 0..3 {
        yield_now().await;
    }
}

/// A hand-made lock, three users who take it twice, and one who gives up and tries again.
pub(crate) async fn scenario() {
    let shared = Rc::new(Lock { locked: Cell::new(false), unlocked: Event::new() });

    let mut users = Vec::new();
    for _ in 0..3 {
        let shared = shared.clone();
        users.push(timeloop::spawn(async move {
            for _ in 0..2 {
                let _guard = lock(&shared).await;
                work().await;
            }
        }));
    }
    users.push(timeloop::spawn(async move {
        for _ in 0..4 {
            timeloop::select! {
                biased;
                _guard = lock(&shared) => work().await,
                () = yield_now() => {}
            }
        }
    }));
    for user in users {
        user.await.unwrap();
    }
}
