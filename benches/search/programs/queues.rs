//! Containers that several tasks use concurrently.
//!
//! # Invariants
//! - They have as many tasks, items and accesses as the originals (SCTBench's `stack_bad` with 10 items,
//!   `stringbuffer-jdk1.4`, and CHESS's work-stealing queue with 4 items, one thief and two attempts).

use std::rc::Rc;

use timeloop::spawn;
use timeloop::sync::Mutex;

use super::shared::{Ended, Shared, join};

const STACK_ITEMS: usize = 10;

struct Stack {
    lock: Mutex<()>,
    top: Shared<usize>,
    items: Shared<[usize; STACK_ITEMS]>,
    /// Whether anything was ever pushed.
    used: Shared<bool>,
}

/// One task pushes and another pops. The popping task takes "something was pushed" for "something is there".
pub(super) async fn stack() -> Ended {
    let stack = Rc::new(Stack {
        lock: Mutex::new(()),
        top: Shared::new("top", 0),
        items: Shared::new("items", [0; STACK_ITEMS]),
        used: Shared::new("used", false),
    });
    let pushing = Rc::clone(&stack);
    let push = spawn(async move {
        for item in 0..STACK_ITEMS {
            let _lock = pushing.lock.lock().await;
            assert_ne!(pushing.top.get().await, STACK_ITEMS);
            let top = pushing.top.get().await;
            pushing.items.update(|items| items[top] = item).await;
            let top = pushing.top.get().await;
            pushing.top.set(top + 1).await;
            pushing.used.set(true).await;
        }
    });
    let pop = spawn(async move {
        for _ in 0..STACK_ITEMS {
            let _lock = stack.lock.lock().await;
            if stack.used.get().await {
                assert_ne!(stack.top.get().await, 0);
                let top = stack.top.get().await;
                stack.top.set(top - 1).await;
                let top = stack.top.get().await;
                stack.items.look(|items| items[top]).await;
            }
        }
    });
    join(vec![push, pop]).await
}

struct Buffer {
    lock: Mutex<()>,
    length: Shared<usize>,
    text: Shared<String>,
}

impl Buffer {
    fn new(text: &str) -> Self {
        Self {
            lock: Mutex::new(()),
            length: Shared::new("length", text.len()),
            text: Shared::new("text", text.to_owned()),
        }
    }

    async fn length(&self) -> usize {
        let _lock = self.lock.lock().await;
        self.length.get().await
    }

    async fn characters(&self, length: usize) -> String {
        let _lock = self.lock.lock().await;
        assert!(length <= self.length.get().await);
        self.text.get().await
    }

    async fn append(&self, text: &str) {
        let _lock = self.lock.lock().await;
        let length = self.length.get().await;
        self.text.update(|own| own.push_str(text)).await;
        self.length.set(length + text.len()).await;
    }

    async fn append_buffer(&self, other: &Self) {
        let _lock = self.lock.lock().await;
        let added = other.length().await;
        let length = self.length.get().await;
        let text = other.characters(added).await;
        self.text.update(|own| own.push_str(&text)).await;
        self.length.set(length + added).await;
    }

    async fn erase(&self) {
        let _lock = self.lock.lock().await;
        if self.length.get().await > 0 {
            self.text.update(String::clear).await;
            let length = self.length.get().await;
            self.length.set(length - 3).await;
        }
    }
}

/// A buffer is appended to another: first its length is read and then its text, while a task erases and refills it.
pub(super) async fn stringbuffer() -> Ended {
    let buffer = Rc::new(Buffer::new("abc"));
    let other = Rc::clone(&buffer);
    let eraser = spawn(async move {
        other.erase().await;
        other.append("abc").await;
    });
    let target = Buffer::new("");
    target.append_buffer(&buffer).await;
    eraser.await
}

const ITEMS: usize = 4;
const STEALS: usize = 2;

struct Queue {
    lock: Mutex<()>,
    head: Shared<isize>,
    tail: Shared<isize>,
    /// The slots for items; their number is a power of two.
    places: Shared<Vec<usize>>,
    /// The number of times that each item was taken.
    taken: [Shared<u32>; ITEMS],
}

impl Queue {
    async fn take(&self, item: usize) {
        let taken = self.taken[item].get().await;
        self.taken[item].set(taken + 1).await;
    }

    async fn size(&self) -> isize {
        self.places.look(|places| places.len().cast_signed()).await
    }

    async fn at(&self, index: isize) -> usize {
        self.places.look(|places| places[place(index, places.len())]).await
    }

    async fn put(&self, index: isize, item: usize) {
        let put = |places: &mut Vec<usize>| {
            let place = place(index, places.len());
            places[place] = item;
        };
        self.places.update(put).await;
    }

    async fn steal(&self) -> Option<usize> {
        let _lock = self.lock.lock().await;
        let head = self.head.get().await;
        self.head.set(head + 1).await;
        if head < self.tail.get().await {
            return Some(self.at(head).await);
        }
        self.head.set(head).await;
        None
    }

    /// Takes the last item if no thief can be stealing it; otherwise checks again under the lock.
    async fn pop(&self) -> Option<usize> {
        let tail = self.tail.get().await - 1;
        self.tail.set(tail).await;
        if self.head.get().await > tail {
            self.tail.set(tail + 1).await;
            return self.pop_locked().await;
        }
        Some(self.at(tail).await)
    }

    async fn pop_locked(&self) -> Option<usize> {
        let _lock = self.lock.lock().await;
        let tail = self.tail.get().await - 1;
        self.tail.set(tail).await;
        let mut found = None;
        if self.head.get().await > tail {
            self.tail.set(tail + 1).await;
        } else {
            found = Some(self.at(tail).await);
        }
        if self.head.get().await > tail {
            self.head.set(0).await;
            self.tail.set(0).await;
            found = None;
        }
        found
    }

    async fn push(&self, item: usize) {
        let tail = self.tail.get().await;
        if tail < self.head.get().await + self.size().await {
            self.put(tail, item).await;
            self.tail.set(tail + 1).await;
        } else {
            self.push_locked(item).await;
        }
    }

    async fn push_locked(&self, item: usize) {
        let _lock = self.lock.lock().await;
        let head = self.head.get().await;
        let count = self.tail.get().await - head;
        let size = self.size().await;
        let head = head % size;
        self.head.set(head).await;
        self.tail.set(head + count).await;
        if count >= size - 1 {
            let grow = |places: &mut Vec<usize>| {
                let mut grown: Vec<usize> =
                    (0..count).map(|index| places[place(head + index, places.len())]).collect();
                grown.resize(2 * places.len(), 0);
                *places = grown;
            };
            self.places.update(grow).await;
            self.head.set(0).await;
            self.tail.set(count).await;
        }
        let tail = self.tail.get().await;
        self.put(tail, item).await;
        self.tail.set(tail + 1).await;
    }
}

/// Returns the slot of an index in a ring of `size` slots.
fn place(index: isize, size: usize) -> usize {
    index.rem_euclid(size.cast_signed()).cast_unsigned()
}

/// The owner pushes and pops at the tail without the lock while a thief steals at the head under it. A push may
/// overwrite a slot that the thief has claimed and not read yet.
pub(super) async fn work_stealing() -> Ended {
    let queue = Rc::new(Queue {
        lock: Mutex::new(()),
        head: Shared::new("head", 0),
        tail: Shared::new("tail", 0),
        places: Shared::new("places", vec![0; 2]),
        taken: ["taken0", "taken1", "taken2", "taken3"].map(|name| Shared::new(name, 0)),
    });
    let stealing = Rc::clone(&queue);
    let thief = spawn(async move {
        for _ in 0..STEALS {
            if let Some(item) = stealing.steal().await {
                stealing.take(item).await;
            }
        }
    });
    for pair in 0..ITEMS / 2 {
        queue.push(2 * pair).await;
        queue.push(2 * pair + 1).await;
        if let Some(item) = queue.pop().await {
            queue.take(item).await;
        }
    }
    for _ in 0..ITEMS / 2 {
        if let Some(item) = queue.pop().await {
            queue.take(item).await;
        }
    }
    thief.await?;
    for taken in &queue.taken {
        assert_eq!(taken.get().await, 1);
    }
    Ok(())
}
