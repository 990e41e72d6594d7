//! A toy machine whose tasks share registers, locks and channels. Its state can be copied and compared, so that
//! [`BruteForce`] can enumerate all schedules.
//!
//! # Invariants
//! - A step is a function of the state, the task and its choices, so all schedules can be enumerated without the
//!   harness.
//! - A task is preempted before each operation, as the exhaustive search does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use timeloop_sim::{
    Access, Announced, AnySource, DecisionKey, Ended, Failure, FailureKind, Operation, Ready, ResourceKey,
    TaskKey,
};

/// A task's next operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    /// Mixes a register's number into the task's value.
    Read(u8),
    /// Stores the task's value in a register.
    Write(u8),
    /// Acquires a lock, in FIFO order.
    Lock(u8),
    /// Releases a lock, without announcing it.
    Unlock(u8),
    /// Sends the task's value to a channel, without announcing it.
    Send(u8),
    /// Receives from a channel, waiting while it is empty.
    Receive(u8),
    /// Receives from the first of two channels that is not empty.
    ReceiveAny(u8, u8),
    /// Makes a choice, and mixes it into the task's value.
    Choose(u8),
    /// Yields.
    Yield,
    /// Sleeps.
    Sleep(u8),
    /// Spawns another task.
    Spawn(Arc<[Op]>),
    /// Waits for the end of the n-th task that it spawned, if there is one.
    Join(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Ready(Stage),
    /// The task continues at this stage.
    Waiting(Stage),
    Ended,
}

/// The stage of a task before its next operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Fresh,
    /// It was preempted before the operation.
    Preempted,
    /// It has tried before and waited, and now retries without a preemption.
    Retry,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    ops: Arc<[Op]>,
    next: usize,
    value: u64,
    status: Status,
    children: Vec<TaskKey>,
    joiner: Option<TaskKey>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Lock {
    holder: Option<TaskKey>,
    queue: Vec<TaskKey>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Channel {
    numbers: Vec<u64>,
    waiting: Vec<TaskKey>,
}

/// The complete state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Machine {
    tasks: BTreeMap<TaskKey, Task>,
    registers: BTreeMap<u8, u64>,
    locks: BTreeMap<u8, Lock>,
    channels: BTreeMap<u8, Channel>,
    timers: BTreeSet<(u64, TaskKey)>,
    now: u64,
}

/// The effects of a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepEffects {
    pub(crate) operations: Vec<Operation>,
    /// The tasks that it woke or spawned, in order, and whether each was ready already.
    pub(crate) wakes: Vec<(TaskKey, bool)>,
    pub(crate) chosen: Vec<(u32, u32)>,
    pub(crate) announced: Option<Operation>,
    pub(crate) ended: bool,
}

fn mix(a: u64, b: u64) -> u64 {
    let z = (a ^ b.wrapping_add(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 31)
}

fn resource(kind: u64, number: u64) -> ResourceKey {
    ResourceKey(kind << 60 | number >> 4)
}

fn end_of(task: TaskKey) -> ResourceKey {
    resource(4, task.0)
}

impl Machine {
    pub(crate) fn new(root: Arc<[Op]>) -> Self {
        let mut machine = Self {
            tasks: BTreeMap::new(),
            registers: BTreeMap::new(),
            locks: BTreeMap::new(),
            channels: BTreeMap::new(),
            timers: BTreeSet::new(),
            now: 0,
        };
        machine.add(TaskKey::ROOT, root);
        machine
    }

    fn add(&mut self, key: TaskKey, ops: Arc<[Op]>) {
        let task = Task {
            ops,
            next: 0,
            value: key.0,
            status: Status::Ready(Stage::Fresh),
            children: Vec::new(),
            joiner: None,
        };
        self.tasks.insert(key, task);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.tasks[&TaskKey::ROOT].status == Status::Ended
    }

    pub(crate) fn ready(&self) -> Vec<TaskKey> {
        let is_ready = |task: &Task| matches!(task.status, Status::Ready(_));
        self.tasks.iter().filter(|(_, task)| is_ready(task)).map(|(key, _)| *key).collect()
    }

    /// Advances time to the next timer; returns the tasks that become ready.
    pub(crate) fn advance(&mut self) -> Vec<TaskKey> {
        let Some(&(at, _)) = self.timers.first() else { return Vec::new() };
        self.now = at;
        let mut due = Vec::new();
        while let Some(&(when, task)) = self.timers.first()
            && when == at
        {
            self.timers.pop_first();
            self.task(task).status = Status::Ready(Stage::Fresh);
            due.push(task);
        }
        due
    }

    fn task(&mut self, key: TaskKey) -> &mut Task {
        self.tasks.get_mut(&key).expect("a task that was spawned")
    }

    fn wake(&mut self, key: TaskKey, effects: &mut StepEffects) {
        let task = self.task(key);
        match task.status {
            Status::Ready(_) => effects.wakes.push((key, true)),
            Status::Waiting(stage) => {
                task.status = Status::Ready(stage);
                effects.wakes.push((key, false));
            }
            Status::Ended => {}
        }
    }

    /// Runs one step of a task; `choose` chooses a number below a bound.
    pub(crate) fn step(&mut self, key: TaskKey, choose: &mut dyn FnMut(u32) -> u32) -> StepEffects {
        let mut effects = StepEffects::default();
        let Status::Ready(mut stage) = self.task(key).status else {
            panic!("a step of a task that is not ready")
        };
        loop {
            let task = self.task(key);
            let Some(op) = task.ops.get(task.next).cloned() else {
                task.status = Status::Ended;
                effects.ended = true;
                let joiner = task.joiner.take();
                effects.operations.push(Operation { resource: end_of(key), access: Access::Write });
                if let Some(joiner) = joiner {
                    self.wake(joiner, &mut effects);
                }
                return effects;
            };
            effects.announced = self.announced(key, &op).filter(|_| stage == Stage::Fresh);
            if effects.announced.is_some() {
                self.task(key).status = Status::Ready(Stage::Preempted);
                return effects;
            }
            let outcome = self.perform(key, op, choose, &mut effects);
            let task = self.task(key);
            match outcome {
                None => {
                    task.next += 1;
                    stage = Stage::Fresh;
                }
                Some((status, done)) => {
                    task.status = status;
                    task.next += usize::from(done);
                    return effects;
                }
            }
        }
    }

    /// Returns the operation before which a task is preempted.
    fn announced(&self, key: TaskKey, op: &Op) -> Option<Operation> {
        let (kind, number, access) = match *op {
            Op::Read(register) => (1, register, Access::Read),
            Op::Write(register) => (1, register, Access::Write),
            Op::Lock(lock) => (2, lock, Access::Acquire),
            Op::Receive(channel) | Op::ReceiveAny(channel, _) => (3, channel, Access::Receive),
            Op::Join(child) => {
                let child = self.tasks[&key].children.get(usize::from(child))?;
                return Some(Operation { resource: end_of(*child), access: Access::Read });
            }
            _ => return None,
        };
        Some(Operation { resource: resource(kind, u64::from(number) << 4), access })
    }

    /// Performs an operation. Returns the task's new status and whether the operation is done, or `None` if the task
    /// continues.
    fn perform(
        &mut self,
        key: TaskKey,
        op: Op,
        choose: &mut dyn FnMut(u32) -> u32,
        effects: &mut StepEffects,
    ) -> Option<(Status, bool)> {
        effects.operations.extend(self.announced(key, &op));
        let does =
            |kind, number: u8, access| Operation { resource: resource(kind, u64::from(number) << 4), access };
        match op {
            Op::Read(register) => {
                let read = self.registers.get(&register).copied().unwrap_or(0);
                self.learn(key, read);
            }
            Op::Write(register) => {
                let value = self.tasks[&key].value;
                self.registers.insert(register, value);
            }
            Op::Lock(lock) => {
                let lock = self.locks.entry(lock).or_default();
                if lock.holder.is_some() {
                    lock.queue.push(key);
                    // The lock is handed to the first task in the queue.
                    return Some((Status::Waiting(Stage::Fresh), false));
                }
                lock.holder = Some(key);
            }
            Op::Unlock(number) => {
                effects.operations.push(does(2, number, Access::Release));
                let lock = self.locks.entry(number).or_default();
                if lock.holder == Some(key) {
                    lock.holder = (!lock.queue.is_empty()).then(|| lock.queue.remove(0));
                    if let Some(next) = lock.holder {
                        self.task(next).next += 1;
                        self.wake(next, effects);
                    }
                }
            }
            Op::Send(number) => {
                effects.operations.push(does(3, number, Access::Send));
                let value = self.tasks[&key].value;
                let channel = self.channels.entry(number).or_default();
                channel.numbers.push(value);
                for waiting in std::mem::take(&mut channel.waiting) {
                    self.wake(waiting, effects);
                }
            }
            Op::Receive(number) => return self.receive(key, &[number], effects),
            Op::ReceiveAny(one, other) => return self.receive(key, &[one, other], effects),
            Op::Choose(arity) => {
                let value = choose(u32::from(arity));
                effects.chosen.push((u32::from(arity), value));
                self.learn(key, u64::from(value));
            }
            Op::Yield => return Some((Status::Ready(Stage::Fresh), true)),
            Op::Sleep(time) => {
                self.timers.insert((self.now + u64::from(time), key));
                return Some((Status::Waiting(Stage::Fresh), true));
            }
            Op::Spawn(ops) => {
                let task = self.task(key);
                let child = key.child(task.children.len() as u32 + 1);
                task.children.push(child);
                self.add(child, ops);
                effects.wakes.push((child, false));
            }
            Op::Join(child) => {
                let child = *self.tasks[&key].children.get(usize::from(child))?;
                let child = self.task(child);
                if child.status != Status::Ended {
                    child.joiner = Some(key);
                    return Some((Status::Waiting(Stage::Retry), false));
                }
            }
        }
        None
    }

    fn receive(&mut self, key: TaskKey, from: &[u8], effects: &mut StepEffects) -> Option<(Status, bool)> {
        for (index, number) in from.iter().enumerate() {
            let operation =
                Operation { resource: resource(3, u64::from(*number) << 4), access: Access::Receive };
            if index > 0 {
                effects.operations.push(operation);
            }
            let channel = self.channels.entry(*number).or_default();
            if !channel.numbers.is_empty() {
                let got = channel.numbers.remove(0);
                for number in from {
                    self.channels.entry(*number).or_default().waiting.retain(|waiting| *waiting != key);
                }
                self.learn(key, mix(got, index as u64));
                return None;
            }
        }
        for number in from {
            let waiting = &mut self.channels.entry(*number).or_default().waiting;
            if !waiting.contains(&key) {
                waiting.push(key);
            }
        }
        Some((Status::Waiting(Stage::Retry), false))
    }

    fn learn(&mut self, key: TaskKey, what: u64) {
        let task = self.task(key);
        task.value = mix(task.value, what);
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct MachineRun {
    pub(crate) machine: Machine,
    pub(crate) ended: Ended,
    /// Every step: its task, the number of advances of time before it, and its effects.
    pub(crate) steps: Vec<(TaskKey, u32, StepEffects)>,
}

/// Runs a program with a source of decisions.
pub(crate) fn run(root: &Arc<[Op]>, mut source: AnySource) -> MachineRun {
    let mut machine = Machine::new(Arc::clone(root));
    // A task's slot is its index here. Each entry has the task's resumption and its operation within the resumption.
    let mut slots: Vec<(TaskKey, u32, u32)> = Vec::new();
    let mut steps = Vec::new();
    let mut instant = 0;
    let mut failure = None;
    fn make_ready(
        source: &mut AnySource,
        slots: &mut Vec<(TaskKey, u32, u32)>,
        task: TaskKey,
        announced: Option<Operation>,
    ) {
        let slot = slots.iter().position(|(known, ..)| *known == task).unwrap_or_else(|| {
            slots.push((task, 0, 0));
            slots.len() - 1
        });
        let (_, resume, index) = &mut slots[slot];
        if announced.is_none() {
            *resume += 1;
            *index = 0;
        }
        let announced = announced.map(|operation| Announced { index: *index, operation });
        source.ready(Ready { slot: slot as u32, resume: *resume - 1, task, announced });
        *index += 1;
    }
    make_ready(&mut source, &mut slots, TaskKey::ROOT, None);
    while !machine.is_over() {
        let Some(slot) = source.next() else {
            let due = machine.advance();
            if due.is_empty() {
                failure = Some(Box::new(deadlock()));
                break;
            }
            instant += 1;
            source.time_passed();
            for task in due {
                // A task that the source holds back is ready already.
                make_ready(&mut source, &mut slots, task, None);
            }
            continue;
        };
        let (task, resume, _) = slots[slot as usize];
        let mut index = 0;
        let effects = machine.step(task, &mut |arity| {
            let key = DecisionKey::Select { task, resume, index };
            index += 1;
            source.choose(key, arity)
        });
        effects.operations.iter().for_each(|operation| source.performed(task, *operation));
        for (woken, again) in &effects.wakes {
            if *again {
                source.woken(*woken);
            } else {
                make_ready(&mut source, &mut slots, *woken, None);
            }
        }
        if let Some(operation) = effects.announced {
            let key = DecisionKey::Operation { task, resume, index: 0 };
            assert!(source.should_preempt(key, operation), "the search preempts before every operation");
            make_ready(&mut source, &mut slots, task, Some(operation));
        } else if machine.ready().contains(&task) {
            make_ready(&mut source, &mut slots, task, None);
        }
        steps.push((task, instant, effects));
    }
    let ended = Ended { failure, steps: steps.len() as u64, elapsed_ns: machine.now, ..Ended::default() };
    MachineRun { machine, ended, steps }
}

fn deadlock() -> Failure {
    Failure {
        kind: FailureKind::Deadlock,
        cause: timeloop_sim::Cause::Deadlock(0),
        notes: Box::default(),
        site: None,
        task: None,
        blocked: Box::default(),
        network: Box::default(),
        at_ns: 0,
        at_step: 0,
    }
}

/// Every state in which a program can end, and the number of ways to end, found by enumeration.
#[derive(Debug, Default)]
pub(crate) struct BruteForce {
    pub(crate) finals: BTreeSet<Machine>,
    ways: BTreeMap<Machine, u64>,
}

impl BruteForce {
    /// Tries everything from a state on; returns the number of ways to end.
    pub(crate) fn explore(&mut self, machine: &Machine) -> u64 {
        if let Some(&ways) = self.ways.get(machine) {
            return ways;
        }
        let mut ways = 0_u64;
        let ready = machine.ready();
        if machine.is_over() {
            self.finals.insert(machine.clone());
            ways = 1;
        } else if ready.is_empty() {
            let mut later = machine.clone();
            ways = if later.advance().is_empty() {
                self.finals.insert(machine.clone());
                1
            } else {
                self.explore(&later)
            };
        }
        for task in ready.into_iter().filter(|_| !machine.is_over()) {
            // Every combination of choices, the last one counting up first.
            let mut script: Vec<(u32, u32)> = Vec::new();
            loop {
                let mut next = machine.clone();
                let mut index = 0;
                next.step(task, &mut |arity| {
                    if index == script.len() {
                        script.push((arity, 0));
                    }
                    index += 1;
                    script[index - 1].1
                });
                ways = ways.saturating_add(self.explore(&next));
                while script.last().is_some_and(|(arity, value)| value + 1 == *arity) {
                    script.pop();
                }
                match script.last_mut() {
                    Some((_, value)) => *value += 1,
                    None => break,
                }
            }
        }
        self.ways.insert(machine.clone(), ways);
        ways
    }
}
