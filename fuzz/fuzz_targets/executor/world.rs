//! What is known of every task of a run: the model that the loop is held against.
//!
//! Always true: no borrow is held while code of the loop's runs; what should not be is noted here instead of panicking,
//! because a panic inside a run is the run's affair.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use timeloop::sync::{Mutex, Notify};
use timeloop::task::{AbortHandle, JoinHandle};
use timeloop::time::Instant;

use crate::program::Program;

/// What every panic says that the program asks for.
pub(crate) const INTENDED: &str = "as the program says";

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Alive,
    /// Ran to its end, with this output.
    Ended(u32),
    /// Dropped before its end.
    Cancelled,
}

#[derive(Debug)]
pub(crate) struct TaskState {
    pub(crate) state: Cell<State>,
    pub(crate) polling: Cell<bool>,
    pub(crate) aborted: Cell<bool>,
    pub(crate) threw: Cell<bool>,
    pub(crate) dropped: Cell<bool>,
    /// The how-many-th task to be dropped.
    pub(crate) ended: Cell<Option<usize>>,
    /// Whether it is of a local set, so that it stands still while nobody awaits that.
    pub(crate) local: bool,
    pub(crate) sleeping: Cell<bool>,
    /// Parked, and whether it has been woken since.
    pub(crate) parked: Cell<Option<bool>>,
    /// Whether somebody may wake the task for no reason that is known here.
    pub(crate) restless: Cell<bool>,
    pub(crate) waker: RefCell<Option<Waker>>,
    pub(crate) handle: RefCell<Option<JoinHandle<u32>>>,
    pub(crate) abort: RefCell<Option<AbortHandle>>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) spawned: usize,
    pub(crate) dropped: usize,
    /// Panics, and those that somebody saw in a `JoinError`.
    pub(crate) thrown: usize,
    pub(crate) observed: usize,
    /// Tasks that slept when the run ended.
    pub(crate) sleeping: usize,
    /// Tasks that had been woken or aborted by then, and had not run since.
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
    /// Whether tasks may be held back while time passes.
    pub(crate) holds_back: bool,
    drops: Cell<usize>,
    /// The task that ran last.
    last: Cell<usize>,
    pub(crate) notify: Notify,
    pub(crate) lock: Mutex<u32>,
    /// The task that holds the lock, to see that no other does.
    pub(crate) locked_by: Cell<Option<usize>>,
    /// Wakers that tasks of this run have kept.
    kept: RefCell<Vec<Waker>>,
    /// How things stood when the root had ended or was dropped.
    at_end: RefCell<Option<AtEnd>>,
}

/// What the end of a run finds.
#[derive(Clone, Copy, Debug)]
struct AtEnd {
    sleeping: usize,
    woken: usize,
}

thread_local! {
    /// Wakers that tasks of the run before have kept.
    static STALE: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Lets go of the wakers of other inputs' runs.
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

    /// Adds a task; its number.
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

    /// The task that an operand names; operands go round.
    pub(crate) fn named(&self, operand: u8) -> Rc<TaskState> {
        self.task(usize::from(operand) % self.len())
    }

    /// Notes what should not be.
    pub(crate) fn check(&self, good: bool, complaint: impl FnOnce() -> String) {
        if !good {
            self.violations.borrow_mut().push(complaint());
        }
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.borrow().clone()
    }

    /// Task number `task` does something.
    pub(crate) fn logs(&self, task: usize, what: u64) {
        let log = (self.log.get() ^ what ^ (task as u64) << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.log.set(log.rotate_left(29));
        let last = self.last.replace(task);
        timeloop_fuzz::saw(&[task as u64, last as u64, what]);
    }

    pub(crate) fn log(&self) -> u64 {
        self.log.get()
    }

    /// The next task is dropped: the how-many-th.
    pub(crate) fn next_drop(&self) -> usize {
        self.drops.replace(self.drops.get() + 1)
    }

    /// Whether it is in time for the task to run now, if it was to at `due`.
    pub(crate) fn is_on_time(&self, task: usize, due: Instant) -> bool {
        let now = Instant::now();
        // Somebody else may have it wait for longer.
        if self.holds_back || self.task(task).local { now >= due } else { now == due }
    }

    /// Somebody saw a panic in a `JoinError`.
    pub(crate) fn observe(&self) {
        self.observed.set(self.observed.get() + 1);
    }

    /// Panics as the program says; the task is known to have done so.
    pub(crate) fn throw(&self, task: usize) -> ! {
        self.task(task).threw.set(true);
        panic!("{INTENDED}");
    }

    pub(crate) fn keep(&self, waker: Waker) {
        self.kept.borrow_mut().push(waker);
    }

    /// A waker that was kept in this run, or in the run before.
    pub(crate) fn kept(&self, operand: u8) -> Option<Waker> {
        let pick = |kept: &Vec<Waker>| {
            let number = usize::from(operand >> 1).checked_rem(kept.len())?;
            Some(kept[number].clone())
        };
        if operand & 1 == 0 { pick(&self.kept.borrow()) } else { STALE.with_borrow(pick) }
    }

    /// The root has ended, or is dropped before its end.
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

    /// Lets go of every handle and waker.
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
