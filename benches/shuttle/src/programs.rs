//! The programs, as threads. The functions of the same names in `benches/search/programs` describe each.
//!
//! # Invariants
//! - Each access is one operation of an atomic, and so one scheduling point.

use std::sync::Arc;

use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use shuttle::thread::{self, JoinHandle};

/// One program of the corpus.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) once: fn(),
}

/// The programs of `benches/search` that come from elsewhere, in its order.
pub(crate) const ALL: [Program; 16] = [
    Program { name: "reorder_3", once: || reorder(3) },
    Program { name: "reorder_5", once: || reorder(5) },
    Program { name: "reorder_10", once: || reorder(10) },
    Program { name: "reorder_20", once: || reorder(20) },
    Program { name: "twostage", once: || twostage(1, 1) },
    Program { name: "twostage_20", once: || twostage(10, 10) },
    Program { name: "stack", once: stack },
    Program { name: "bluetooth", once: bluetooth },
    Program { name: "token_ring", once: token_ring },
    Program { name: "wronglock", once: || wronglock(7) },
    Program { name: "stringbuffer", once: stringbuffer },
    Program { name: "work-stealing queue", once: work_stealing },
    Program { name: "reorder_4", once: || reorder(4) },
    Program { name: "wronglock_3", once: || wronglock(3) },
    Program { name: "deadlock01", once: deadlock },
    Program { name: "lazy01", once: lazy },
];

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("a thread failed");
    }
}

fn lock(mutex: &Mutex<()>) -> impl Drop + '_ {
    mutex.lock().expect("no thread panics while it holds a lock")
}

#[derive(Default)]
struct Pair {
    a: AtomicI64,
    b: AtomicI64,
}

fn reorder(tasks: usize) {
    let pair = Arc::new(Pair::default());
    let mut all = Vec::with_capacity(tasks);
    for _ in 1..tasks {
        let pair = Arc::clone(&pair);
        all.push(thread::spawn(move || {
            pair.a.store(1, SeqCst);
            pair.b.store(-1, SeqCst);
        }));
    }
    all.push(thread::spawn(move || {
        let neither = pair.a.load(SeqCst) == 0 && pair.b.load(SeqCst) == 0;
        assert!(neither || (pair.a.load(SeqCst) == 1 && pair.b.load(SeqCst) == -1));
    }));
    join(all);
}

struct Driver {
    pending: AtomicI64,
    stopping: AtomicBool,
    idle: AtomicBool,
    stopped: AtomicBool,
}

impl Driver {
    fn count_out(&self) {
        if self.pending.fetch_sub(1, SeqCst) == 1 {
            self.idle.store(true, SeqCst);
        }
    }
}

fn bluetooth() {
    let driver = Arc::new(Driver {
        pending: AtomicI64::new(1),
        stopping: AtomicBool::new(false),
        idle: AtomicBool::new(false),
        stopped: AtomicBool::new(false),
    });
    let stopper = Arc::clone(&driver);
    let stop = thread::spawn(move || {
        stopper.stopping.store(true, SeqCst);
        stopper.count_out();
        if stopper.idle.load(SeqCst) {
            stopper.stopped.store(true, SeqCst);
        }
    });
    let work = thread::spawn(move || {
        if !driver.stopping.load(SeqCst) {
            driver.pending.fetch_add(1, SeqCst);
            assert!(!driver.stopped.load(SeqCst));
        }
        driver.count_out();
    });
    join(vec![work, stop]);
}

#[derive(Default)]
struct Stages {
    first: Mutex<()>,
    second: Mutex<()>,
    data1: AtomicI64,
    data2: AtomicI64,
}

fn twostage(writers: usize, readers: usize) {
    let stages = Arc::new(Stages::default());
    let mut all = Vec::with_capacity(writers + readers);
    for _ in 0..writers {
        let stages = Arc::clone(&stages);
        all.push(thread::spawn(move || {
            let first = lock(&stages.first);
            stages.data1.store(1, SeqCst);
            drop(first);
            let _second = lock(&stages.second);
            let data1 = stages.data1.load(SeqCst);
            stages.data2.store(data1 + 1, SeqCst);
        }));
    }
    for _ in 0..readers {
        let stages = Arc::clone(&stages);
        all.push(thread::spawn(move || {
            let first = lock(&stages.first);
            if stages.data1.load(SeqCst) == 0 {
                return;
            }
            let data1 = stages.data1.load(SeqCst);
            drop(first);
            let second = lock(&stages.second);
            let data2 = stages.data2.load(SeqCst);
            drop(second);
            assert_eq!(data2, data1 + 1);
        }));
    }
    join(all);
}

#[derive(Default)]
struct WrongLock {
    right: Mutex<()>,
    wrong: Mutex<()>,
    data: AtomicI64,
}

fn wronglock(others: usize) {
    let shared = Arc::new(WrongLock::default());
    let mut all = Vec::with_capacity(others + 1);
    let first = Arc::clone(&shared);
    all.push(thread::spawn(move || {
        let _right = lock(&first.right);
        let before = first.data.load(SeqCst);
        let data = first.data.load(SeqCst);
        first.data.store(data + 1, SeqCst);
        assert_eq!(first.data.load(SeqCst), before + 1);
    }));
    for _ in 0..others {
        let shared = Arc::clone(&shared);
        all.push(thread::spawn(move || {
            let _wrong = lock(&shared.wrong);
            let data = shared.data.load(SeqCst);
            shared.data.store(data + 1, SeqCst);
        }));
    }
    join(all);
}

struct Ring {
    lock: Mutex<()>,
    x: [AtomicI64; 3],
    done: [AtomicBool; 3],
}

fn token_ring() {
    let ring = Arc::new(Ring {
        lock: Mutex::new(()),
        x: [1, 2, 1].map(AtomicI64::new),
        done: [false; 3].map(AtomicBool::new),
    });
    let mut all = Vec::with_capacity(4);
    for (to, from, step) in [(0, 2, 1), (1, 0, 0), (2, 1, 0)] {
        let ring = Arc::clone(&ring);
        all.push(thread::spawn(move || {
            let _lock = lock(&ring.lock);
            let value = ring.x[from].load(SeqCst);
            ring.x[to].store((value + step) % 4, SeqCst);
            ring.done[to].store(true, SeqCst);
        }));
    }
    all.push(thread::spawn(move || {
        let _lock = lock(&ring.lock);
        if ring.done.iter().all(|done| done.load(SeqCst)) {
            assert_eq!(ring.x[0].load(SeqCst), ring.x[1].load(SeqCst));
            assert_eq!(ring.x[1].load(SeqCst), ring.x[2].load(SeqCst));
        }
    }));
    join(all);
}

#[derive(Default)]
struct TwoLocks {
    a: Mutex<()>,
    b: Mutex<()>,
    counter: AtomicI64,
}

fn deadlock() {
    let shared = Arc::new(TwoLocks::default());
    let other = Arc::clone(&shared);
    let up = thread::spawn(move || {
        let _a = lock(&shared.a);
        let _b = lock(&shared.b);
        let counter = shared.counter.load(SeqCst);
        shared.counter.store(counter + 1, SeqCst);
    });
    let down = thread::spawn(move || {
        let _b = lock(&other.b);
        let _a = lock(&other.a);
        let counter = other.counter.load(SeqCst);
        other.counter.store(counter - 1, SeqCst);
    });
    join(vec![up, down]);
}

#[derive(Default)]
struct Lazy {
    lock: Mutex<()>,
    data: AtomicI64,
}

impl Lazy {
    fn add(&self, summand: i64) {
        let _lock = lock(&self.lock);
        let data = self.data.load(SeqCst);
        self.data.store(data + summand, SeqCst);
    }
}

fn lazy() {
    let shared = Arc::new(Lazy::default());
    let [third, second, first] = [(); 3].map(|()| Arc::clone(&shared));
    let first = thread::spawn(move || first.add(1));
    let second = thread::spawn(move || second.add(2));
    let third = thread::spawn(move || {
        let _lock = lock(&third.lock);
        assert!(third.data.load(SeqCst) < 3);
    });
    join(vec![first, second, third]);
}

const STACK_ITEMS: usize = 10;

struct Stack {
    lock: Mutex<()>,
    top: AtomicUsize,
    items: [AtomicUsize; STACK_ITEMS],
    used: AtomicBool,
}

fn stack() {
    let stack = Arc::new(Stack {
        lock: Mutex::new(()),
        top: AtomicUsize::new(0),
        items: [0; STACK_ITEMS].map(AtomicUsize::new),
        used: AtomicBool::new(false),
    });
    let pushing = Arc::clone(&stack);
    let push = thread::spawn(move || {
        for item in 0..STACK_ITEMS {
            let _lock = lock(&pushing.lock);
            assert_ne!(pushing.top.load(SeqCst), STACK_ITEMS);
            let top = pushing.top.load(SeqCst);
            pushing.items[top].store(item, SeqCst);
            let top = pushing.top.load(SeqCst);
            pushing.top.store(top + 1, SeqCst);
            pushing.used.store(true, SeqCst);
        }
    });
    let pop = thread::spawn(move || {
        for _ in 0..STACK_ITEMS {
            let _lock = lock(&stack.lock);
            if stack.used.load(SeqCst) {
                assert_ne!(stack.top.load(SeqCst), 0);
                let top = stack.top.load(SeqCst);
                stack.top.store(top - 1, SeqCst);
                let top = stack.top.load(SeqCst);
                stack.items[top].load(SeqCst);
            }
        }
    });
    join(vec![push, pop]);
}

struct Buffer {
    lock: Mutex<()>,
    length: AtomicUsize,
    text: AtomicUsize,
}

impl Buffer {
    fn new(length: usize) -> Self {
        Self { lock: Mutex::new(()), length: AtomicUsize::new(length), text: AtomicUsize::new(length) }
    }

    fn length(&self) -> usize {
        let _lock = lock(&self.lock);
        self.length.load(SeqCst)
    }

    fn characters(&self, length: usize) -> usize {
        let _lock = lock(&self.lock);
        assert!(length <= self.length.load(SeqCst));
        self.text.load(SeqCst)
    }

    fn append(&self, text: usize) {
        let _lock = lock(&self.lock);
        let length = self.length.load(SeqCst);
        self.text.fetch_add(text, SeqCst);
        self.length.store(length + text, SeqCst);
    }

    fn append_buffer(&self, other: &Self) {
        let _lock = lock(&self.lock);
        let added = other.length();
        let length = self.length.load(SeqCst);
        let text = other.characters(added);
        self.text.fetch_add(text, SeqCst);
        self.length.store(length + added, SeqCst);
    }

    fn erase(&self) {
        let _lock = lock(&self.lock);
        if self.length.load(SeqCst) > 0 {
            self.text.store(0, SeqCst);
            let length = self.length.load(SeqCst);
            self.length.store(length - 3, SeqCst);
        }
    }
}

fn stringbuffer() {
    let buffer = Arc::new(Buffer::new(3));
    let other = Arc::clone(&buffer);
    let eraser = thread::spawn(move || {
        other.erase();
        other.append(3);
    });
    let target = Buffer::new(0);
    target.append_buffer(&buffer);
    eraser.join().expect("the eraser");
}

const ITEMS: usize = 4;
const STEALS: usize = 2;

/// The slots for items: one variable; each access is announced by an operation of the atomic.
struct Places {
    access: AtomicUsize,
    items: std::sync::Mutex<Vec<usize>>,
}

impl Places {
    fn look<R>(&self, look: impl FnOnce(&Vec<usize>) -> R) -> R {
        self.access.load(SeqCst);
        look(&self.items.lock().expect("nobody panics here"))
    }

    fn update(&self, update: impl FnOnce(&mut Vec<usize>)) {
        self.access.store(0, SeqCst);
        update(&mut self.items.lock().expect("nobody panics here"));
    }

    fn size(&self) -> i64 {
        self.look(|items| i64::try_from(items.len()).expect("a few"))
    }
}

struct Queue {
    lock: Mutex<()>,
    head: AtomicI64,
    tail: AtomicI64,
    places: Places,
    taken: [AtomicUsize; ITEMS],
}

/// Returns the slot of an index in a ring of `size` slots.
fn place(index: i64, size: usize) -> usize {
    usize::try_from(index.rem_euclid(i64::try_from(size).expect("a few"))).expect("not negative")
}

impl Queue {
    fn take(&self, item: usize) {
        let taken = self.taken[item].load(SeqCst);
        self.taken[item].store(taken + 1, SeqCst);
    }

    fn at(&self, index: i64) -> usize {
        self.places.look(|places| places[place(index, places.len())])
    }

    fn put(&self, index: i64, item: usize) {
        self.places.update(|places| {
            let place = place(index, places.len());
            places[place] = item;
        });
    }

    fn steal(&self) -> Option<usize> {
        let _lock = lock(&self.lock);
        let head = self.head.load(SeqCst);
        self.head.store(head + 1, SeqCst);
        if head < self.tail.load(SeqCst) {
            return Some(self.at(head));
        }
        self.head.store(head, SeqCst);
        None
    }

    fn pop(&self) -> Option<usize> {
        let tail = self.tail.load(SeqCst) - 1;
        self.tail.store(tail, SeqCst);
        if self.head.load(SeqCst) > tail {
            self.tail.store(tail + 1, SeqCst);
            return self.pop_locked();
        }
        Some(self.at(tail))
    }

    fn pop_locked(&self) -> Option<usize> {
        let _lock = lock(&self.lock);
        let tail = self.tail.load(SeqCst) - 1;
        self.tail.store(tail, SeqCst);
        let mut found = None;
        if self.head.load(SeqCst) > tail {
            self.tail.store(tail + 1, SeqCst);
        } else {
            found = Some(self.at(tail));
        }
        if self.head.load(SeqCst) > tail {
            self.head.store(0, SeqCst);
            self.tail.store(0, SeqCst);
            found = None;
        }
        found
    }

    fn push(&self, item: usize) {
        let tail = self.tail.load(SeqCst);
        if tail < self.head.load(SeqCst) + self.places.size() {
            self.put(tail, item);
            self.tail.store(tail + 1, SeqCst);
        } else {
            self.push_locked(item);
        }
    }

    fn push_locked(&self, item: usize) {
        let _lock = lock(&self.lock);
        let head = self.head.load(SeqCst);
        let count = self.tail.load(SeqCst) - head;
        let size = self.places.size();
        let head = head % size;
        self.head.store(head, SeqCst);
        self.tail.store(head + count, SeqCst);
        if count >= size - 1 {
            self.places.update(|places| {
                let mut grown: Vec<usize> =
                    (0..count).map(|index| places[place(head + index, places.len())]).collect();
                grown.resize(2 * places.len(), 0);
                *places = grown;
            });
            self.head.store(0, SeqCst);
            self.tail.store(count, SeqCst);
        }
        let tail = self.tail.load(SeqCst);
        self.put(tail, item);
        self.tail.store(tail + 1, SeqCst);
    }
}

fn work_stealing() {
    let queue = Arc::new(Queue {
        lock: Mutex::new(()),
        head: AtomicI64::new(0),
        tail: AtomicI64::new(0),
        places: Places { access: AtomicUsize::new(0), items: std::sync::Mutex::new(vec![0; 2]) },
        taken: [0; ITEMS].map(AtomicUsize::new),
    });
    let stealing = Arc::clone(&queue);
    let thief = thread::spawn(move || {
        for _ in 0..STEALS {
            if let Some(item) = stealing.steal() {
                stealing.take(item);
            }
        }
    });
    for pair in 0..ITEMS / 2 {
        queue.push(2 * pair);
        queue.push(2 * pair + 1);
        if let Some(item) = queue.pop() {
            queue.take(item);
        }
    }
    for _ in 0..ITEMS / 2 {
        if let Some(item) = queue.pop() {
            queue.take(item);
        }
    }
    thief.join().expect("the thief");
    for taken in &queue.taken {
        assert_eq!(taken.load(SeqCst), 1);
    }
}
