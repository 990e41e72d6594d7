//! A toy simulation without async code: tasks are lists of operations.
//!
//! # Invariants
//! - The simulation decides nothing itself; all differences between runs come from the source.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;

use timeloop_sim::{
    Access, Advance, Announced, Arrival, BlockedTask, Cause, Choice, DecisionKey, Detail, Ended, Failure,
    FailureKind, Heartbeat, Operation, Performed, Ready, Record, Request, ResourceKey, ResourceKind,
    ResourceRecord, Simulation, Site, SpawnSite, Step, Stream, TaskKey, TaskLabel, TaskPath, TaskRecord,
};

/// A task's next operation. Cells, flags and registers are numbers that start at 0.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Yields.
    Yield,
    /// Announces an access to a cell, before which the task may be preempted.
    Touch(usize, Access),
    /// Sleeps for some nanoseconds.
    Sleep(u64),
    /// Loads a cell's number into the task's register.
    Load(usize),
    /// Stores the register plus a number in a cell.
    Store(usize, i64),
    /// Spawns another task.
    Spawn(Program),
    /// Raises a flag, which wakes every task that waits for it.
    Raise(usize),
    /// Waits for a flag.
    Wait(usize),
    /// Waits for a flag unless a cell has this number.
    WaitUnless(usize, i64, usize),
    /// Chooses one of some branches and stores its number.
    Select(u32, usize),
    /// Stores a random number below a bound.
    Draw(u32, usize),
    /// If the first cell has this number, adds the other number to the second cell.
    AddIf(usize, i64, usize, i64),
    /// Panics unless a cell has this number.
    Expect(usize, i64),
    /// Yields in a loop while a cell has this number.
    SpinIf(usize, i64),
    /// Never returns.
    Hang,
    /// Never returns if a cell has this number.
    HangIf(usize, i64),
}

/// A task's name and operations.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) ops: Arc<[Op]>,
}

pub(crate) fn program(name: &'static str, ops: impl Into<Arc<[Op]>>) -> Program {
    Program { name, ops: ops.into() }
}

/// A program that starts with its root task.
#[derive(Clone, Debug)]
pub(crate) struct Toy(pub(crate) Program);

impl Toy {
    pub(crate) fn new(ops: impl Into<Arc<[Op]>>) -> Self {
        Self(program("", ops))
    }
}

struct Task {
    program: Program,
    key: TaskKey,
    path: TaskPath,
    next_op: usize,
    register: i64,
    resumes: u32,
    /// The number of accesses announced in the current resumption.
    touched: u32,
    /// The number of choices made in it.
    choices: u32,
    /// The access before which the task was preempted.
    preempted_at: Option<Announced>,
    children: u32,
    since_ns: u64,
    stream: Option<Stream>,
    ended: bool,
}

impl Task {
    fn new(program: Program, path: TaskPath) -> Self {
        Self {
            program,
            key: path.key(),
            path,
            next_op: 0,
            register: 0,
            resumes: 0,
            touched: 0,
            choices: 0,
            preempted_at: None,
            children: 0,
            since_ns: 0,
            stream: None,
            ended: false,
        }
    }

    fn label(&self) -> TaskLabel {
        let spawned = (self.path != TaskPath::root()).then(|| Site { line: 1, ..self.site() });
        TaskLabel { path: self.path.clone(), name: Cow::Borrowed(self.program.name), spawned, node: None }
    }

    /// Each operation is a line of a file named after the task.
    fn site(&self) -> Site {
        let name = if self.program.name.is_empty() { "root" } else { self.program.name };
        let line = u32::try_from(self.next_op).unwrap() + 1;
        Site { file: format!("{name}.toy").into(), line, column: 5 }
    }
}

struct World<'a> {
    request: Request<'a>,
    tasks: Vec<Task>,
    cells: Vec<i64>,
    flags: Vec<bool>,
    waiting: Vec<(usize, usize)>,
    timers: BTreeMap<(u64, u64), usize>,
    timers_set: u64,
    /// The task that was preempted in the last step.
    preempted_last: Option<usize>,
    now_ns: u64,
    trace_hash: u64,
    /// A hash of the preemptions.
    preemptions: u64,
    record: Record,
    failure: Option<Box<Failure>>,
}

impl Simulation for Toy {
    fn run(&self, request: Request<'_>) -> Ended {
        let stuck_after = request.limits.stuck_after;
        let mut world = World {
            request,
            tasks: Vec::new(),
            cells: vec![0; 16],
            flags: vec![false; 16],
            waiting: Vec::new(),
            timers: BTreeMap::new(),
            timers_set: 0,
            preempted_last: None,
            now_ns: 0,
            trace_hash: 0x5EED,
            preemptions: 0,
            record: Record::default(),
            failure: None,
        };
        world.add(Task::new(self.0.clone(), TaskPath::root()));
        let steps = Heartbeat::watch_run(stuck_after, |heartbeat| world.run(heartbeat));
        Ended {
            failure: world.failure,
            trace_hash: world.trace_hash,
            decisions_hash: world.trace_hash ^ world.preemptions,
            steps,
            elapsed_ns: world.now_ns,
            record: (world.request.detail != Detail::Lean).then(|| Box::new(world.record)),
            unapplied: world.request.source.unapplied(),
            held_ns: world.request.source.held_ns(),
            draws: world.tasks.iter().any(|task| task.stream.is_some()),
            ..Ended::default()
        }
    }
}

impl World<'_> {
    fn run(&mut self, heartbeat: &Heartbeat<'_>) -> u64 {
        let limits = self.request.limits;
        let (mut steps, mut at_this_instant) = (0, 0);
        while self.failure.is_none() && !self.tasks[0].ended {
            let Some(slot) = self.request.source.next() else {
                let Some(((at_ns, number), task)) = self.timers.pop_first() else {
                    if self.request.source.release_held() {
                        continue;
                    }
                    self.fail(None, FailureKind::Deadlock, Cause::Deadlock(self.waiting.len()), steps);
                    break;
                };
                let by_ns = at_ns.saturating_sub(self.now_ns);
                if by_ns > 0 && !self.request.source.lets_time_pass(by_ns) {
                    self.timers.insert((at_ns, number), task);
                    continue;
                }
                at_this_instant = if at_ns > self.now_ns { 0 } else { at_this_instant };
                if at_ns > self.now_ns {
                    self.now_ns = at_ns;
                    self.preempted_last = None;
                    let Record { arrivals, steps, advances, .. } = &mut self.record;
                    let after_steps = steps.len() as u64;
                    let after_arrivals = arrivals.len() as u64;
                    advances.push(Advance { after_arrivals, after_steps, to_ns: at_ns });
                    self.request.source.time_passed();
                }
                self.ready(task);
                continue;
            };
            if steps == limits.max_steps {
                self.fail(None, FailureKind::StepLimit, Cause::StepLimit(limits.max_steps), steps);
                break;
            }
            if at_this_instant == limits.max_polls_per_instant {
                let cause = Cause::Livelock(limits.max_polls_per_instant);
                self.fail(None, FailureKind::Livelock, cause, steps);
                break;
            }
            steps += 1;
            at_this_instant += 1;
            let Task { resumes, key: task, preempted_at, .. } = self.tasks[slot as usize];
            let resume = if preempted_at.is_some() { resumes - 1 } else { resumes };
            heartbeat.begin_poll(task, SpawnSite::of(Location::caller()));
            self.step(Ready { slot, resume, task, announced: preempted_at }, steps);
        }
        steps
    }

    fn mix(&mut self, number: u64) {
        let mixed = (self.trace_hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.trace_hash = mixed ^ (mixed >> 29);
    }

    fn add(&mut self, task: Task) {
        let (key, label) = (task.key, task.label());
        self.record.tasks.push(TaskRecord { key, label, spawned_at_ns: self.now_ns });
        self.tasks.push(task);
        self.ready(self.tasks.len() - 1);
    }

    fn ready(&mut self, slot: usize) {
        let Task { resumes, key: task, preempted_at, .. } = self.tasks[slot];
        let resume = if preempted_at.is_some() { resumes - 1 } else { resumes };
        let operation = preempted_at.map(|announced| announced.index);
        let slot = u32::try_from(slot).unwrap();
        let after_steps = self.record.steps.len() as u64;
        if self.request.detail != Detail::Lean {
            self.record.arrivals.push(Arrival { task: slot, resume, operation, after_steps });
        }
        self.request.source.ready(Ready { slot, resume, task, announced: preempted_at });
    }

    fn step(&mut self, ready: Ready, steps: u64) {
        let slot = ready.slot as usize;
        let (trace_hash, at_ns) = (self.trace_hash, self.now_ns);
        if self.request.detail != Detail::Lean {
            let operation = ready.announced.map(|announced| announced.index);
            let is_this = |arrival: &Arrival| {
                (arrival.task, arrival.resume, arrival.operation) == (ready.slot, ready.resume, operation)
            };
            let arrival = u32::try_from(self.record.arrivals.iter().rposition(is_this).unwrap()).unwrap();
            self.record.steps.push(Step { arrival, at_ns, trace_hash, ..Step::default() });
        }
        // A task that continues right after its preemption leaves no trace.
        let continues_at_once = ready.announced.is_some() && self.preempted_last == Some(slot);
        if !continues_at_once {
            self.mix(ready.task.0 ^ u64::from(ready.resume));
            self.mix(self.now_ns);
        }
        self.preempted_last = None;
        let mut continues = self.tasks[slot].preempted_at.take();
        match continues {
            Some(announced) if !continues_at_once => self.mix(u64::from(announced.index) + 1),
            Some(_) => self.mix_preemption(u64::MAX),
            None => {
                self.tasks[slot].resumes += 1;
                self.tasks[slot].touched = 0;
                self.tasks[slot].choices = 0;
            }
        }
        self.tasks[slot].since_ns = at_ns;
        let explain = self.request.detail >= Detail::Located;
        loop {
            let Some(op) = self.tasks[slot].program.ops.get(self.tasks[slot].next_op).cloned() else {
                self.tasks[slot].ended = true;
                self.finished();
                let key = self.tasks[slot].key;
                self.request.source.finished(key);
                return;
            };
            let site = self.tasks[slot].site();
            let waits = match op {
                Op::Touch(cell, access) if self.is_preempted(slot, cell, access, &mut continues) => {
                    self.ready(slot);
                    self.preempted_last = Some(slot);
                    true
                }
                Op::Yield => {
                    self.ready(slot);
                    true
                }
                Op::SpinIf(cell, number) if self.cells[cell] == number => {
                    self.ready(slot);
                    true
                }
                Op::Sleep(ns) => {
                    self.timers.insert((self.now_ns + ns, self.timers_set), slot);
                    self.timers_set += 1;
                    true
                }
                Op::Wait(flag) if !self.flags[flag] => {
                    self.waiting.push((flag, slot));
                    true
                }
                Op::WaitUnless(cell, number, flag) if self.cells[cell] != number && !self.flags[flag] => {
                    self.waiting.push((flag, slot));
                    true
                }
                _ => false,
            };
            if waits && explain {
                self.record.steps.last_mut().unwrap().waits_at = Some(site.clone());
            }
            let again = waits && matches!(op, Op::SpinIf(..) | Op::Touch(..));
            self.tasks[slot].next_op += usize::from(!again);
            if waits {
                return;
            }
            if !self.execute(slot, op, site, steps) {
                self.finished();
                return;
            }
        }
    }

    /// Returns whether the task is preempted before an access; if not, performs the access.
    fn is_preempted(
        &mut self,
        slot: usize,
        cell: usize,
        access: Access,
        continues: &mut Option<Announced>,
    ) -> bool {
        let operation = Operation { resource: ResourceKey(cell as u64), access };
        let task = self.tasks[slot].key;
        let index = match continues.take() {
            Some(announced) => announced.index,
            None => {
                let index = self.tasks[slot].touched;
                self.tasks[slot].touched += 1;
                let resume = self.tasks[slot].resumes - 1;
                let key = DecisionKey::Operation { task, resume, index };
                if self.request.source.should_preempt(key, operation) {
                    self.tasks[slot].preempted_at = Some(Announced { index, operation });
                    let preempted = task.0 ^ u64::from(resume) << 32 ^ u64::from(index);
                    self.mix_preemption(preempted);
                    return true;
                }
                index
            }
        };
        self.request.source.performed(task, operation);
        if self.request.detail != Detail::Lean {
            let resources = &mut self.record.resources;
            if !resources.iter().any(|known| known.key == operation.resource) {
                let made = Some(Site { file: "cells.toy".into(), line: cell as u32 + 1, column: 1 });
                let name = format!("cell {cell}").into();
                resources.push(ResourceRecord {
                    key: operation.resource,
                    kind: ResourceKind::Shared,
                    name,
                    made,
                });
            }
            let (step, site) = (self.record.steps.len() as u64 - 1, Some(self.tasks[slot].site()));
            self.record.operations.push(Performed {
                step,
                index: Some(index),
                operation,
                site,
                outcome: None,
            });
        }
        false
    }

    fn mix_preemption(&mut self, value: u64) {
        self.preemptions = (self.preemptions.rotate_left(5) ^ value).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    fn finished(&mut self) {
        let panicked = self.failure.as_ref().is_some_and(|failure| failure.kind != FailureKind::Error);
        if let Some(step) = self.record.steps.last_mut() {
            step.finished = true;
            step.panicked = panicked;
        }
    }

    /// Executes an operation at which the task does not wait; returns whether the task continues.
    #[expect(clippy::print_stderr, reason = "stands for what the panic hook prints")]
    fn execute(&mut self, slot: usize, op: Op, site: Site, steps: u64) -> bool {
        match op {
            Op::Touch(..) | Op::Yield | Op::Sleep(_) | Op::Wait(_) | Op::WaitUnless(..) | Op::SpinIf(..) => {}
            Op::Load(cell) => self.tasks[slot].register = self.cells[cell],
            Op::Store(cell, number) => self.cells[cell] = self.tasks[slot].register + number,
            Op::AddIf(cell, number, to, addend) => {
                if self.cells[cell] == number {
                    self.cells[to] += addend;
                }
            }
            Op::Spawn(program) => {
                self.tasks[slot].children += 1;
                let path = self.tasks[slot].path.child(self.tasks[slot].children);
                let (parent, child) = (self.tasks[slot].key, path.key());
                self.request.source.spawned(parent, child);
                self.add(Task::new(program, path));
            }
            Op::Raise(flag) => {
                self.flags[flag] = true;
                let waiting = std::mem::take(&mut self.waiting);
                for (other, task) in waiting {
                    if other == flag {
                        self.ready(task);
                    } else {
                        self.waiting.push((other, task));
                    }
                }
            }
            Op::Select(arity, cell) => {
                let resume = self.tasks[slot].resumes - 1;
                let key = DecisionKey::Select {
                    task: self.tasks[slot].key,
                    resume,
                    index: self.tasks[slot].choices,
                };
                self.tasks[slot].choices += 1;
                let value = self.request.source.choose(key, arity);
                let (task, step) = (u32::try_from(slot).unwrap(), steps - 1);
                self.record.choices.push(Choice { key, task, arity, value, step });
                self.mix(u64::from(value) + 1);
                self.cells[cell] = i64::from(value);
            }
            Op::Draw(bound, cell) => {
                let Self { tasks, request, .. } = self;
                let key = tasks[slot].key;
                let stream = tasks[slot].stream.get_or_insert_with(|| request.source.user_stream(key.0));
                self.cells[cell] = i64::from(stream.below(bound));
            }
            Op::Expect(cell, number) => {
                let found = self.cells[cell];
                if found != number {
                    let kind = if slot == 0 { FailureKind::Panic } else { FailureKind::UnobservedPanic };
                    if self.request.loud {
                        eprintln!("the toy panicked: cell {cell} is {found}");
                    }
                    let message = format!("cell {cell} is {found}, not {number}");
                    let cause = match kind {
                        FailureKind::Error => Cause::Error(message),
                        _ => Cause::Panic(message),
                    };
                    self.fail(Some((slot, site)), kind, cause, steps);
                    return false;
                }
            }
            Op::HangIf(cell, number) if self.cells[cell] != number => {}
            Op::Hang | Op::HangIf(..) => loop {
                std::thread::sleep(std::time::Duration::from_millis(5));
            },
        }
        true
    }

    fn fail(&mut self, place: Option<(usize, Site)>, kind: FailureKind, cause: Cause, at_step: u64) {
        let explain = self.request.detail >= Detail::Blocked;
        let waiting: Vec<usize> = self.waiting.iter().map(|(_, task)| *task).collect();
        let blocked = waiting.into_iter().map(|slot| {
            let task = &mut self.tasks[slot];
            // The task waits in the operation before the next one.
            task.next_op -= 1;
            let waits_at = explain.then(|| task.site());
            task.next_op += 1;
            BlockedTask { task: task.label(), waits_at, since_ns: task.since_ns, for_ns: 0, waits_for: None }
        });
        let blocked = if kind == FailureKind::Deadlock { blocked.collect() } else { Vec::new() };
        let (task, site) = match place {
            Some((slot, site)) => (Some(self.tasks[slot].label()), Some(site)),
            None => (None, None),
        };
        self.failure = Some(Box::new(Failure {
            kind,
            notes: Box::default(),
            cause,
            site: site.map(Box::new),
            task: task.map(Box::new),
            blocked: blocked.into(),
            network: Box::default(),
            at_ns: self.now_ns,
            at_step,
        }));
    }
}

/// Two tasks that each add one to cell 0 by loading, yielding and storing. The second starts late, so the baseline run
/// loses nothing; one deviation is enough to lose an update.
pub(crate) fn lost_update() -> Toy {
    let transfer = program("transfer", [Op::Load(0), Op::Yield, Op::Store(0, 1), Op::Raise(1)]);
    let audit =
        program("audit", [Op::Yield, Op::Yield, Op::Load(0), Op::Yield, Op::Store(0, 1), Op::Raise(2)]);
    Toy::new([Op::Spawn(transfer), Op::Spawn(audit), Op::Wait(1), Op::Wait(2), Op::Expect(0, 2)])
}

/// A signal that is lost if it comes before its waiter: the root then waits for ever.
pub(crate) fn lost_wake() -> Toy {
    let waiter = program("waiter", [Op::Store(0, 1), Op::Yield, Op::Wait(1), Op::Raise(2)]);
    // The signal has an effect only if the waiter has registered, which cell 0 shows.
    let notifier = program("notifier", [Op::Yield, Op::WaitUnless(0, 1, 9), Op::Raise(1)]);
    Toy::new([Op::Spawn(waiter), Op::Spawn(notifier), Op::Wait(2)])
}

/// Pairs of tasks; the run fails if in every pair the second task runs first. So it takes exactly one deviation per
/// pair.
pub(crate) fn races(pairs: usize) -> Toy {
    let total = 15;
    let mut ops = Vec::new();
    for pair in 0..pairs {
        let first = program("first", [Op::Load(14), Op::Store(pair, 1), Op::Yield, Op::Raise(pair * 2)]);
        let second = program("second", [Op::AddIf(pair, 0, total, 1), Op::Yield, Op::Raise(pair * 2 + 1)]);
        ops.extend([Op::Spawn(first), Op::Spawn(second)]);
    }
    ops.extend((0..pairs * 2).map(Op::Wait));
    ops.extend([Op::AddIf(total, i64::try_from(pairs).unwrap(), 13, 1), Op::Expect(13, 0)]);
    Toy::new(ops)
}

/// Fails if the third branch is polled first at the second of two choices.
pub(crate) fn select() -> Toy {
    let chooser =
        program("chooser", [Op::Yield, Op::Select(3, 0), Op::Select(3, 1), Op::Expect(1, 0), Op::Raise(0)]);
    Toy::new([Op::Spawn(chooser), Op::Wait(0)])
}

/// Two tasks that add to cell 0 by two accesses each; an update is lost if the other task runs between them.
pub(crate) fn lost_access() -> Toy {
    let deposit = |name, flag| {
        let [read, write] = [Access::Read, Access::Write].map(|access| Op::Touch(0, access));
        program(
            name,
            [Op::Touch(1, Access::Read), read, Op::Load(0), write, Op::Store(0, 1), Op::Raise(flag)],
        )
    };
    let tasks = [deposit("rent", 1), deposit("wages", 2)].map(Op::Spawn);
    Toy::new([&tasks[..], &[Op::Wait(1), Op::Wait(2), Op::Expect(0, 2)]].concat())
}
