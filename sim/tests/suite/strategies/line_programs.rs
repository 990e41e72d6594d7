//! Toy programs and a machine that runs them: tasks are lists of lines over integer cells, and each line is an
//! announced operation.
//!
//! # Invariants
//! - The machine calls its source as an event loop does, in the same order, and decides nothing itself.

use std::collections::VecDeque;

use timeloop_sim::{Access, Announced, DecisionKey, Operation, Ready, ResourceKey, Source, TaskKey};

/// What follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    /// Skip the next line.
    Skip,
    End,
    Fail,
}

/// The effect of a line on the cells and on the task's own register.
pub(crate) type Act = fn(&mut [i64], &mut [i64; 2]) -> Go;

#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// An operation on a cell.
    Do(usize, Access, Act),
    /// Acquires a lock, or waits for it in a queue.
    Lock(usize),
    /// Releases a lock to the first waiting task.
    Unlock(usize),
    /// Yields.
    Yield,
    /// Sleeps for this many nanoseconds.
    Sleep(u64),
    /// Polls a cell until it is not 0.
    Spin(usize),
    /// Spawns tasks.
    Spawn(Vec<Program>),
    /// Waits until all tasks that it has spawned have ended.
    Join,
}

pub(crate) type Program = Vec<Line>;

pub(crate) fn read(cell: usize, act: Act) -> Line {
    Line::Do(cell, Access::Read, act)
}

pub(crate) fn write(cell: usize, act: Act) -> Line {
    Line::Do(cell, Access::Write, act)
}

/// A root that spawns all of these and waits for them.
pub(crate) fn all(programs: Vec<Program>) -> Program {
    vec![Line::Spawn(programs), Line::Join]
}

/// The resource key of a cell.
pub(crate) fn cell(number: usize) -> ResourceKey {
    ResourceKey(1 + number as u64)
}

/// The resource key of a lock.
pub(crate) fn lock(number: usize) -> ResourceKey {
    ResourceKey(1_001 + number as u64)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Waiting,
    Ended,
}

#[derive(Debug)]
struct Task {
    key: TaskKey,
    parent: Option<usize>,
    program: Program,
    line: usize,
    registers: [i64; 2],
    resumes: u32,
    operations: u32,
    preempted: bool,
    children: u32,
    children_left: u32,
    state: State,
}

/// One operation or resumption of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Done {
    /// The index of the task.
    pub(crate) task: usize,
    pub(crate) operation: Option<Operation>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) failed: bool,
    /// Whether the run got stuck before all tasks had ended.
    pub(crate) stuck: bool,
    /// Every operation and resumption, in order.
    pub(crate) done: Vec<Done>,
    /// The number of points at which two or more tasks could run.
    pub(crate) choices: u32,
    /// The number of advances of time.
    pub(crate) moves: u32,
    /// The key and the parent of each task.
    pub(crate) tasks: Vec<(TaskKey, Option<usize>)>,
}

impl Outcome {
    /// Counts, for each task, the entries of it and its descendants for which `pass` is true.
    pub(crate) fn counts(&self, pass: impl Fn(&Done) -> bool) -> Vec<(TaskKey, u32)> {
        let mut counts: Vec<_> = self.tasks.iter().map(|(key, _)| (*key, 0)).collect();
        for done in self.done.iter().filter(|done| pass(done)) {
            let mut task = Some(done.task);
            while let Some(index) = task {
                counts[index].1 += 1;
                task = self.tasks[index].1;
            }
        }
        counts
    }

    /// Returns the tasks that accessed this resource, in order.
    pub(crate) fn order_of(&self, resource: ResourceKey) -> Vec<usize> {
        let about = |done: &&Done| done.operation.is_some_and(|operation| operation.resource == resource);
        self.done.iter().filter(about).map(|done| done.task).collect()
    }
}

/// The maximum number of steps of a run.
const STEPS_MAX: u32 = 100_000;

pub(crate) struct Machine<'a> {
    source: &'a mut dyn Source,
    tasks: Vec<Task>,
    cells: Vec<i64>,
    /// The holder and the waiting tasks of each lock.
    locks: Vec<(Option<usize>, VecDeque<usize>)>,
    timers: Vec<(u64, usize)>,
    now_ns: u64,
    ready: u32,
    live: u32,
    outcome: Outcome,
}

/// Runs a root program.
pub(crate) fn run(program: &Program, source: &mut dyn Source) -> Outcome {
    let mut machine = Machine {
        source,
        tasks: Vec::new(),
        cells: vec![0; 16],
        locks: (0..8).map(|_| (None, VecDeque::new())).collect(),
        timers: Vec::new(),
        now_ns: 0,
        ready: 0,
        live: 0,
        outcome: Outcome::default(),
    };
    machine.start(None, program);
    machine.turn();
    machine.outcome
}

impl Machine<'_> {
    fn start(&mut self, parent: Option<usize>, program: &Program) {
        let key = match parent {
            None => TaskKey::ROOT,
            Some(parent) => {
                let parent = &mut self.tasks[parent];
                parent.children += 1;
                parent.children_left += 1;
                parent.key.child(parent.children)
            }
        };
        if let Some(parent) = parent {
            self.source.spawned(self.tasks[parent].key, key);
        }
        let index = self.tasks.len();
        self.live += 1;
        self.tasks.push(Task {
            key,
            parent,
            program: program.clone(),
            line: 0,
            registers: [0; 2],
            resumes: 0,
            operations: 0,
            preempted: false,
            children: 0,
            children_left: 0,
            state: State::Waiting,
        });
        self.outcome.tasks.push((key, parent));
        self.wake(index, None);
    }

    fn wake(&mut self, index: usize, announced: Option<Announced>) {
        let task = &mut self.tasks[index];
        assert_ne!(task.state, State::Ended);
        task.state = State::Ready;
        self.ready += 1;
        let resume = if announced.is_some() { task.resumes - 1 } else { task.resumes };
        let slot = u32::try_from(index).expect("a few tasks");
        self.source.ready(Ready { slot, resume, task: task.key, announced });
    }

    fn turn(&mut self) {
        for _ in 0..STEPS_MAX {
            if self.ready > 1 {
                self.outcome.choices += 1;
            }
            match self.source.next() {
                Some(slot) => {
                    let index = slot as usize;
                    assert_eq!(
                        self.tasks[index].state,
                        State::Ready,
                        "a task that is not ready was handed out"
                    );
                    self.ready -= 1;
                    self.tasks[index].state = State::Waiting;
                    if self.step(index) == Go::Fail {
                        self.outcome.failed = true;
                        return;
                    }
                    if self.live == 0 {
                        return;
                    }
                }
                None if !self.timers.is_empty() => self.pass_time(),
                None if self.source.release_held() => assert!(self.ready > 0, "nobody was held"),
                None => {
                    assert_eq!(self.ready, 0, "a ready task was lost");
                    self.outcome.stuck = true;
                    return;
                }
            }
        }
        self.outcome.stuck = true;
    }

    fn pass_time(&mut self) {
        let due_ns = self.timers.iter().map(|timer| timer.0).min().expect("there are timers");
        self.now_ns = due_ns;
        self.outcome.moves += 1;
        self.source.time_passed();
        let (due, later) = self.timers.drain(..).partition(|timer| timer.0 == due_ns);
        self.timers = later;
        let due: Vec<(u64, usize)> = due;
        due.into_iter().for_each(|(_, task)| self.wake(task, None));
    }

    /// Returns whether the task is preempted before this operation.
    fn is_preempted(&mut self, index: usize, operation: Operation) -> bool {
        let task = &mut self.tasks[index];
        if std::mem::take(&mut task.preempted) {
            return false;
        }
        let number = task.operations;
        task.operations += 1;
        let key = DecisionKey::Operation { task: task.key, resume: task.resumes - 1, index: number };
        if self.ready > 0 {
            self.outcome.choices += 1;
        }
        if !self.source.should_preempt(key, operation) {
            return false;
        }
        self.tasks[index].preempted = true;
        self.wake(index, Some(Announced { index: number, operation }));
        true
    }

    fn perform(&mut self, index: usize, operation: Operation) {
        self.source.performed(self.tasks[index].key, operation);
        self.outcome.done.push(Done { task: index, operation: Some(operation) });
    }

    fn step(&mut self, index: usize) -> Go {
        if !self.tasks[index].preempted {
            self.tasks[index].resumes += 1;
            self.tasks[index].operations = 0;
            self.outcome.done.push(Done { task: index, operation: None });
        }
        loop {
            let Some(line) = self.tasks[index].program.get(self.tasks[index].line).cloned() else {
                self.end(index);
                return Go::On;
            };
            match line {
                Line::Do(number, access, act) => {
                    let operation = Operation { resource: cell(number), access };
                    if self.is_preempted(index, operation) {
                        return Go::On;
                    }
                    self.perform(index, operation);
                    match act(&mut self.cells, &mut self.tasks[index].registers) {
                        Go::On => {}
                        Go::Skip => self.tasks[index].line += 1,
                        Go::End => {
                            self.end(index);
                            return Go::On;
                        }
                        Go::Fail => return Go::Fail,
                    }
                }
                Line::Lock(number) => {
                    let operation = Operation { resource: lock(number), access: Access::Acquire };
                    if self.is_preempted(index, operation) {
                        return Go::On;
                    }
                    self.perform(index, operation);
                    self.tasks[index].line += 1;
                    let (holder, queue) = &mut self.locks[number];
                    if holder.is_some() {
                        queue.push_back(index);
                        return Go::On;
                    }
                    *holder = Some(index);
                    continue;
                }
                Line::Unlock(number) => self.unlock(index, number),
                Line::Yield => {
                    self.tasks[index].line += 1;
                    self.wake(index, None);
                    return Go::On;
                }
                Line::Sleep(ns) => {
                    self.tasks[index].line += 1;
                    self.timers.push((self.now_ns + ns, index));
                    return Go::On;
                }
                Line::Spin(number) => {
                    let operation = Operation { resource: cell(number), access: Access::Read };
                    if self.is_preempted(index, operation) {
                        return Go::On;
                    }
                    self.perform(index, operation);
                    if self.cells[number] == 0 {
                        self.wake(index, None);
                        return Go::On;
                    }
                }
                Line::Spawn(programs) => programs.iter().for_each(|program| self.start(Some(index), program)),
                Line::Join => {
                    if self.tasks[index].children_left > 0 {
                        return Go::On;
                    }
                }
            }
            self.tasks[index].line += 1;
        }
    }

    fn unlock(&mut self, index: usize, number: usize) {
        let operation = Operation { resource: lock(number), access: Access::Release };
        self.source.performed(self.tasks[index].key, operation);
        let (holder, queue) = &mut self.locks[number];
        *holder = queue.pop_front();
        if let Some(next) = *holder {
            self.wake(next, None);
        }
    }

    fn end(&mut self, index: usize) {
        // A task that ends early releases its locks.
        for number in 0..self.locks.len() {
            if self.locks[number].0 == Some(index) {
                self.unlock(index, number);
            }
        }
        let task = &mut self.tasks[index];
        task.state = State::Ended;
        self.live -= 1;
        self.source.finished(task.key);
        if let Some(parent) = task.parent {
            let waiting = &mut self.tasks[parent];
            waiting.children_left -= 1;
            let joins = matches!(waiting.program.get(waiting.line), Some(Line::Join));
            if waiting.children_left == 0 && joins && waiting.state == State::Waiting {
                self.wake(parent, None);
            }
        }
    }
}
