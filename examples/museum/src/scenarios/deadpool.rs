//! deadpool 0.9.4, fixed in 0.9.5 (the changelog): more objects than `max_size`.
//!
//! When `get` is cancelled while the manager recycles an object, the object is detached, which adds a permit
//! to the pool's semaphore; the permit that `get` held is returned as well. From then on two objects can be
//! out of a pool of one. The cancellation has to find the task within `recycle`.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use deadpool::async_trait;
use deadpool::managed::{Manager, Pool, RecycleResult};
use timeloop::task::yield_now;

struct Connections;

/// Counts the users of the pool's one object, and insists that there is one at most.
struct InUse(Rc<Cell<u32>>);

impl InUse {
    fn begin(count: Rc<Cell<u32>>) -> InUse {
        count.set(count.get() + 1);
        assert_eq!(count.get(), 1, "objects are out of a pool of 1");
        InUse(count)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[async_trait]
impl Manager for Connections {
    type Type = ();
    type Error = Infallible;

    async fn create(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn recycle(&self, _connection: &mut ()) -> RecycleResult<Infallible> {
        for _ in 0..3 {
            yield_now().await;
        }
        Ok(())
    }
}

/// Four users of a pool of one, one of whom is cancelled.
pub(crate) async fn scenario() {
    let pool: Pool<Connections> =
        Pool::builder(Connections).max_size(1).build().expect("no runtime is needed");
    let in_use = Rc::new(Cell::new(0));

    let mut users = Vec::new();
    for _ in 0..4 {
        let (pool, in_use) = (pool.clone(), in_use.clone());
        users.push(timeloop::spawn(async move {
            let Ok(_connection) = pool.get().await else { panic!("creating and recycling cannot fail") };
            let _in_use = InUse::begin(in_use);
            yield_now().await;
        }));
    }
    let impatient = users.pop().expect("four were spawned");
    for _ in 0..3 {
        yield_now().await;
    }
    impatient.abort();
    for user in users {
        user.await.unwrap();
    }
}
