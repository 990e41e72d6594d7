//! [`World`]: the model of all tasks of a run, which the event loop is checked against.
//!
//! # Invariants
//! No borrow is held while code of the event loop runs. Violations are recorded here, since a panic inside a run only fails
//! that run.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use timeloop::sync::{Mutex, Notify};
use timeloop::task::{AbortHandle, JoinHandle};
use timeloop::time::Instant;

use crate::program::Program;

/// The message of every panic that the program asks for.
pub(crate) const INTENDED: &str = "as the program says";

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Alive,
    /// The task has returned this output.
    Ended(u32),
    /// The task was dropped before its end.
    Cancelled,
}

#[derive(Debug)]
pub(crate) struct TaskState {
    pub(crate) state: Cell<State>,
    pub(crate) polling: Cell<bool>,
    pub(crate) aborted: Cell<bool>,
    pub(crate) threw: Cell<bool>,
    pub(crate) dropped: Cell<bool>,
    /// The position of the task in the order of drops.
    pub(crate) ended: Cell<Option<usize>>,
    /// Whether the task is in a local set, so that it only runs while the set is awaited.
    pub(crate) local: bool,
    pub(crate) sleeping: Cell<bool>,
    /// `Some` while the task is parked: whether it has been woken since.
    pub(crate) parked: Cell<Option<bool>>,
    /// Whether the task may be woken for a reason that the model does not know.
    pub(crate) restless: Cell<bool>,
    pub(crate) waker: RefCell<Option<Waker>>,
    pub(crate) handle: RefCell<Option<JoinHandle<u32>>>,
    pub(crate) abort: RefCell<Option<AbortHandle>>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) spawned: usize,
    pub(crate) dropped: usize,
    /// The number of panics, and of those observed in a `JoinError`.
    pub(crate) thrown: usize,
    pub(crate) observed: usize,
    /// The number of tasks that slept when the run ended.
    pub(crate) sleeping: usize,
    /// The number of tasks that had been woken or aborted by then, and had not run since.
    pub(crate) woken: usize,
    pub(crate) root_ended: bool,
    pub(crate) root_threw: bool,
}

pub(crate) struct World {
    pub(crate) program: Rc<Program>,
    tasks: RefCell<Vec<Rc<TaskState>>>,
    observed: Cell<usize>,
    log: Cell<u64>,
    violations: RefCell<Vec<String>>,
    /// Whether the source may stall tasks while time passes.
    pub(crate) holds_back: bool,
    drops: Cell<usize>,
    /// The task that ran last.
    last: Cell<usize>,
    pub(crate) notify: Notify,
    pub(crate) lock: Mutex<u32>,
    /// The task that holds the lock, to check that it is the only one.
    pub(crate) locked_by: Cell<Option<usize>>,
    /// The wakers that tasks of this run have kept.
    kept: RefCell<Vec<Waker>>,
    /// The state when the root ended or was dropped.
    at_end: RefCell<Option<AtEnd>>,
}

/// The state at the end of a run.
#[derive(Clone, Copy, Debug)]
struct AtEnd {
    sleeping: usize,
    woken: usize,
}

thread_local! {
    /// The wakers that tasks of the run before have kept.
    static STALE: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Drops the wakers of other inputs' runs.
pub(crate) fn forget_stale_wakers() {
    drop(STALE.take());
}

impl World {
    pub(crate) fn new(program: Rc<Program>, holds_back: bool) -> Self {
        Self {
            program,
            tasks: RefCell::default(),
            observed: Cell::new(0),
            log: Cell::new(0),
            violations: RefCell::default(),
            holds_back,
            drops: Cell::new(0),
            last: Cell::new(0),
            notify: Notify::new(),
            lock: Mutex::new(0),
            locked_by: Cell::new(None),
            kept: RefCell::default(),
            at_end: RefCell::default(),
        }
    }

    /// Adds a task. Returns its number.
    pub(crate) fn add(&self, local: bool) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(Rc::new(TaskState {
            state: Cell::new(State::Alive),
            polling: Cell::new(false),
            aborted: Cell::new(false),
            threw: Cell::new(false),
            dropped: Cell::new(false),
            ended: Cell::new(None),
            local,
            sleeping: Cell::new(false),
            parked: Cell::new(None),
            restless: Cell::new(local),
            waker: RefCell::new(None),
            handle: RefCell::new(None),
            abort: RefCell::new(None),
        }));
        tasks.len() - 1
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.borrow().len()
    }

    pub(crate) fn task(&self, number: usize) -> Rc<TaskState> {
        Rc::clone(&self.tasks.borrow()[number])
    }

    /// Returns the task that an operand names, modulo the number of tasks.
    pub(crate) fn named(&self, operand: u8) -> Rc<TaskState> {
        self.task(usize::from(operand) % self.len())
    }

    /// Records a violation, unless `good`.
    pub(crate) fn check(&self, good: bool, message: impl FnOnce() -> String) {
        if !good {
            self.violations.borrow_mut().push(message());
        }
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.borrow().clone()
    }

    /// Adds an event of task number `task` to the log.
    pub(crate) fn logs(&self, task: usize, what: u64) {
        let log = (self.log.get() ^ what ^ (task as u64) << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.log.set(log.rotate_left(29));
        let last = self.last.replace(task);
        timeloop_fuzz::cover(&[task as u64, last as u64, what]);
    }

    pub(crate) fn log(&self) -> u64 {
        self.log.get()
    }

    /// Counts a dropped task. Returns its position in the order of drops.
    pub(crate) fn next_drop(&self) -> usize {
        self.drops.replace(self.drops.get() + 1)
    }

    /// Returns whether a task that was due at `due` runs on time now.
    pub(crate) fn is_on_time(&self, task: usize, due: Instant) -> bool {
        let now = Instant::now();
        // The source or the local set may delay it.
        if self.holds_back || self.task(task).local { now >= due } else { now == due }
    }

    /// Counts a panic that was observed in a `JoinError`.
    pub(crate) fn observe(&self) {
        self.observed.set(self.observed.get() + 1);
    }

    /// Panics, as the program asks, and records it.
    pub(crate) fn throw(&self, task: usize) -> ! {
        self.task(task).threw.set(true);
        panic!("{INTENDED}");
    }

    pub(crate) fn keep(&self, waker: Waker) {
        self.kept.borrow_mut().push(waker);
    }

    /// Returns a waker that was kept in this run, or in the run before.
    pub(crate) fn kept(&self, operand: u8) -> Option<Waker> {
        let pick = |kept: &Vec<Waker>| {
            let number = usize::from(operand >> 1).checked_rem(kept.len())?;
            Some(kept[number].clone())
        };
        if operand & 1 == 0 { pick(&self.kept.borrow()) } else { STALE.with_borrow(pick) }
    }

    /// Records the state when the root ends or is dropped.
    pub(crate) fn ends(&self) {
        let tasks = self.tasks.borrow();
        let free = || tasks.iter().filter(|task| !task.local);
        let count = |is: &dyn Fn(&TaskState) -> bool| free().filter(|task| is(task)).count();
        self.at_end.borrow_mut().get_or_insert_with(|| AtEnd {
            sleeping: count(&|task| task.sleeping.get()),
            woken: count(&|task| {
                let alive = task.state.get() == State::Alive;
                alive && (task.parked.get() == Some(true) || task.aborted.get())
            }),
        });
    }

    pub(crate) fn counts(&self) -> Counts {
        let tasks = self.tasks.borrow();
        let count = |is: &dyn Fn(&TaskState) -> bool| tasks.iter().filter(|task| is(task)).count();
        let root = &tasks[0];
        let at_end = self.at_end.borrow().expect("the root has ended or was dropped");
        Counts {
            spawned: tasks.len(),
            dropped: count(&|task| task.dropped.get()),
            thrown: count(&|task| task.threw.get()),
            observed: self.observed.get(),
            sleeping: at_end.sleeping,
            woken: at_end.woken,
            root_ended: matches!(root.state.get(), State::Ended(_)),
            root_threw: root.threw.get(),
        }
    }

    /// Drops all handles and wakers.
    pub(crate) fn clear(&self) {
        STALE.set(self.kept.take());
        let tasks = self.tasks.take();
        for task in &tasks {
            let (handle, abort) = (task.handle.take(), task.abort.take());
            if let Some(abort) = abort {
                abort.abort();
                assert!(abort.is_finished(), "a task that is alive after its run");
            }
            drop(handle);
            if let Some(waker) = task.waker.take() {
                waker.wake();
            }
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("program", &self.program)
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}
