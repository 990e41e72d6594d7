//! The scheduler: asks the source which task runs next and for every other decision about tasks, keeps the budget of steps,
//! and computes the trace hash.
//!
//! # Invariants
//! Each decision is mixed into the trace hash exactly once.

use timeloop_sim::{Announced, AnySource, DecisionKey, Limits, Ready, SeedVersion, Stream, TaskKey};

use super::apart::ApartCounts;
use super::observer::Observer;
use super::tasks::{NO_SLOT, ROOT_SLOT, Slot, State};
use super::{Engine, context};

const OPERATIONS_A_POLL: u64 = Limits::OPERATIONS_PER_POLL;

/// Makes the decisions about tasks.
pub(super) struct Scheduler {
    pub(super) source: AnySource,
    /// Whether the source wants operations and may preempt tasks before them.
    pub(super) wants_operations: bool,
    /// Which decisions the source knows.
    pub(super) version: SeedVersion,
    /// The counts of the operations and decisions of later versions.
    pub(super) apart_counts: ApartCounts,
    pub(super) limits: Limits,
    pub(super) trace_hash: u64,
    /// A hash of the decisions whose place the trace hash lacks.
    decisions: u64,
    /// How many steps may be taken before the loop checks its limits. 0 makes it check at once.
    fuel: u64,
    /// The fuel at the start of the instant.
    granted: u64,
    /// How many steps had been taken at the start of the instant.
    steps_before: u64,
    /// How many operations have been performed at this instant in resumptions with many of them.
    operations: u64,
    /// The limit on `operations`.
    operations_max: u64,
    /// The same operations of the whole run.
    pub(super) operations_total: u64,
    /// How many choices of the `select` domain the current resumption has made.
    pub(super) selects: u32,
    /// The task that was preempted last, and after how many steps, unless time has moved since.
    pub(super) preempted_last: (u32, u64),
}

impl Scheduler {
    // Inlined to be built in place.
    #[inline(always)]
    pub(super) fn new(source: AnySource, wants_operations: bool, limits: &Limits) -> Self {
        let fuel = limits.max_steps.min(limits.max_polls_per_instant);
        Self {
            version: source.version(),
            apart_counts: ApartCounts::default(),
            source,
            wants_operations,
            limits: limits.clone(),
            trace_hash: 0,
            decisions: 0,
            fuel,
            granted: fuel,
            steps_before: 0,
            operations: 0,
            operations_total: 0,
            operations_max: limits.max_polls_per_instant.saturating_mul(OPERATIONS_A_POLL),
            selects: 0,
            preempted_last: (NO_SLOT, 0),
        }
    }

    /// Takes the task that runs next; `None` if none is ready or the budget is used up.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<u32> {
        if self.fuel == 0 { None } else { self.source.next() }
    }

    /// Counts the step of the task that was taken.
    #[inline(always)]
    pub(super) fn count_step(&mut self) {
        self.fuel -= 1;
    }

    /// Marks a task as ready and passes it to the source; `announced` is the operation before which it was preempted.
    #[inline(always)]
    pub(super) fn make_ready(
        &mut self,
        place: &mut Slot,
        slot: u32,
        announced: Option<Announced>,
        observer: &mut Observer,
    ) {
        place.state = State::Ready;
        // A preempted task continues its resumption.
        let resume = if announced.is_some() { place.resumes - 1 } else { place.resumes };
        let (id, ready) = (place.id, Ready { slot, resume, task: place.key, announced });
        observer.record(|recorder| recorder.ready(id, resume, announced.map(|announced| announced.index)));
        self.source.ready(ready);
    }

    /// Ends a step whose task has not ended. The task is ready again if it was `woken` during the step.
    #[inline(always)]
    pub(super) fn pending(&mut self, place: &mut Slot, slot: u32, woken: bool, observer: &mut Observer) {
        let (id, resume) = (place.id, place.resumes);
        observer.record(|recorder| recorder.pending(id, resume, woken));
        place.state = if woken { State::Ready } else { State::Waiting };
        if woken {
            self.source.ready(Ready { slot, resume, task: place.key, announced: None });
        }
    }

    /// Mixes a value into the trace hash.
    #[inline(always)]
    pub(super) fn mix(&mut self, value: u64) {
        self.trace_hash = mix(self.trace_hash, value);
    }

    /// Mixes a step into the trace hash: the task, its n-th resumption, and the time.
    #[inline(always)]
    pub(super) fn mix_step(&mut self, task: TaskKey, resume: u32, now_ns: u64) {
        self.mix(task.0 ^ u64::from(resume).rotate_left(48) ^ now_ns.rotate_left(20));
    }

    /// Mixes a decision into the hash of those whose place the trace hash lacks: a preemption, with value 0, or a part of the
    /// bytes of a transfer. The index counts the decisions of the task's n-th resumption.
    #[inline]
    pub(super) fn mix_decision(&mut self, task: TaskKey, resume: u32, index: u32, value: u32) {
        let place = task.0 ^ u64::from(resume).rotate_left(48) ^ u64::from(index);
        self.decisions = mix(self.decisions, place ^ u64::from(value).rotate_left(32));
    }

    /// Mixes a step into the hash of the decisions in which a preempted task continues at once.
    #[cold]
    #[inline(never)]
    pub(super) fn mix_continuation(&mut self) {
        self.decisions = mix(self.decisions, u64::MAX);
    }

    /// Returns the hash of all decisions.
    pub(super) fn decisions_hash(&self) -> u64 {
        mix(self.trace_hash, self.decisions)
    }

    /// Returns how many steps have been taken.
    pub(super) fn steps(&self) -> u64 {
        self.steps_before + (self.granted - self.fuel)
    }

    /// Returns whether the budget of steps is used up.
    pub(super) fn is_spent(&self) -> bool {
        self.fuel == 0
    }

    /// Makes the loop stop before its next step.
    pub(super) fn stop_soon(&mut self) {
        self.steps_before = self.steps();
        (self.granted, self.fuel) = (0, 0);
    }

    /// Begins a new instant. Resets the count of polls at one instant.
    pub(super) fn refuel(&mut self) {
        self.steps_before = self.steps();
        let steps_left = self.limits.max_steps - self.steps_before;
        self.granted = steps_left.min(self.limits.max_polls_per_instant);
        self.fuel = self.granted;
        self.operations = 0;
        self.operations_max = self.limits.max_polls_per_instant.saturating_mul(OPERATIONS_A_POLL);
    }

    /// Counts the operations of a resumption that has ended. If the limit is exceeded, makes the loop check its limits before
    /// the next step. A resumption with few operations need not be counted, since its poll is.
    #[inline(always)]
    pub(super) fn count_operations(&mut self, operations: u32) {
        if u64::from(operations) > OPERATIONS_A_POLL {
            self.add_operations(operations);
        }
    }

    #[cold]
    #[inline(never)]
    fn add_operations(&mut self, operations: u32) {
        self.operations += u64::from(operations);
        self.operations_total += u64::from(operations);
        if self.operations > self.operations_max {
            self.granted -= self.fuel;
            self.fuel = 0;
        }
    }

    /// Returns the limit on operations at one instant, if it is exceeded.
    pub(super) fn exceeded_operations(&self) -> Option<u64> {
        (self.operations > self.operations_max).then_some(self.operations_max)
    }

    /// Raises the budget of the instant if very many tasks are alive, so that each can be polled a few times. The limit is
    /// meant for a few tasks that wake each other. Returns whether the budget was raised.
    pub(super) fn extend_for(&mut self, tasks: u32) -> bool {
        const POLLS_A_TASK: u64 = 16;
        let wanted = POLLS_A_TASK * u64::from(tasks);
        let most = wanted.min(self.limits.max_steps - self.steps_before);
        let operations_max = self.operations_max.max(most.saturating_mul(OPERATIONS_A_POLL));
        if self.granted == 0 || most <= self.granted || self.operations > operations_max {
            return false;
        }
        self.fuel = most - self.granted;
        self.granted = most;
        self.operations_max = operations_max;
        true
    }

    /// Decides which branch of a `select!` the current resumption of `task` polls first.
    fn choose_branch(&mut self, task: TaskKey, resume: u32, branches: u32, observer: &mut Observer) -> u32 {
        let key = DecisionKey::Select { task, resume, index: self.selects };
        self.selects += 1;
        let value = self.source.choose(key, branches);
        assert!(value < branches, "a source decides within the arity");
        self.mix(u64::from(value) << 32 | u64::from(branches));
        observer.record(|recorder| recorder.chosen(key, branches, value));
        value
    }
}

/// Mixes a value into a rolling hash.
#[inline(always)]
pub(super) fn mix(hash: u64, value: u64) -> u64 {
    (hash.rotate_left(5) ^ value).wrapping_mul(0x517C_C1B7_2722_0A95)
}

/// Decides which branch of a `select!` is polled first. Returns 0 outside of a run.
#[inline]
pub(crate) fn select_start(branches: u32) -> u32 {
    if branches < 2 { 0 } else { context::driving(|engine| engine.choose_branch(branches)).unwrap_or(0) }
}

impl Engine {
    fn choose_branch(&self, branches: u32) -> u32 {
        let current = self.current.get();
        if current == NO_SLOT {
            return 0;
        }
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        let place = core.tasks.at(current);
        if place.state != State::Running {
            // A destructor of another task polls.
            return 0;
        }
        // The count includes the current resumption.
        core.scheduler.choose_branch(place.key, place.resumes - 1, branches, &mut core.observer)
    }

    /// Draws from the current task's stream of random numbers.
    pub(crate) fn draw<R>(&self, draw: impl FnOnce(&mut Stream) -> R) -> R {
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        let current = match self.current.get() {
            NO_SLOT => ROOT_SLOT,
            slot => slot,
        };
        let place = core.tasks.at(current);
        let (id, key) = (place.id, place.key);
        let source = &mut core.scheduler.source;
        draw(core.tasks.stream(id, || source.user_stream(key.0)))
    }
}
