//! The contract of every strategy: no task is lost, none is invented, and the seed decides everything.

use proptest::prelude::*;
use timeloop_sim::{Access, Announced, DecisionKey, Operation, Ready, ResourceKey, Seed, Source, TaskKey};

use super::estimates::{ALL, Profile};
use super::line_programs::{self, Go, Line, Program, all, read, write};

/// Strategies that may hold back every ready task.
const HOLDING: [&str; 2] = ["starve", "stall"];

/// A program with some of every operation.
fn mixture() -> Program {
    let locks = vec![Line::Lock(0), Line::Yield, write(0, |_, _| Go::On), Line::Unlock(0)];
    let spawns = vec![
        Line::Spawn(vec![vec![read(0, |_, _| Go::On), Line::Sleep(3)], vec![Line::Yield, Line::Sleep(7)]]),
        write(1, |_, _| Go::On),
        Line::Join,
    ];
    all(vec![locks.clone(), spawns, vec![Line::Sleep(5), read(1, |_, _| Go::On)], locks])
}

#[test]
fn everything_ends_and_the_seed_decides() {
    let program = mixture();
    let profile = Profile::of(&program);
    for strategy in ALL {
        let mut seen = Vec::new();
        for seed in 0..300 {
            let run = || line_programs::run(&program, &mut *profile.source(strategy, Seed(seed)));
            let outcome = run();
            assert!(!outcome.stuck, "{strategy}, seed {seed}");
            assert_eq!(outcome, run(), "{strategy}, seed {seed}");
            seen.push(outcome.done);
        }
        seen.sort();
        seen.dedup();
        let least = if strategy == "fifo" { 1 } else { 30 };
        assert!(seen.len() >= least, "{strategy}: {} different runs", seen.len());
    }
}

/// The next event, as far as the source does not decide it.
#[derive(Clone, Debug)]
enum Event {
    Wake(u8),
    Spawn,
    /// The running task announces this operation, and continues or is preempted.
    Operation(u8, usize),
    /// The step ends: the task waits, or has ended.
    Step(bool),
    TimePasses,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => any::<u8>().prop_map(Event::Wake),
        2 => Just(Event::Spawn),
        4 => (0..4_u8, 0..Access::ALL.len()).prop_map(|(resource, access)| Event::Operation(resource, access)),
        4 => (0..5_u8).prop_map(|number| Event::Step(number == 0)),
        1 => Just(Event::TimePasses),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ready,
    Waiting,
    Running,
}

/// A simulation without a program: slots with tasks in them.
struct Slots {
    tasks: Vec<Option<(TaskKey, State)>>,
    running: Option<usize>,
    spawned: u32,
}

impl Slots {
    fn with(&self, state: State) -> Vec<usize> {
        let is = |slot: &usize| self.tasks[*slot].is_some_and(|task| task.1 == state);
        (0..self.tasks.len()).filter(is).collect()
    }

    fn ready(&mut self, slot: usize, announced: Option<Operation>, source: &mut dyn Source) {
        let task = self.tasks[slot].as_mut().expect("there is a task");
        task.1 = State::Ready;
        let announced = announced.map(|operation| Announced { index: 0, operation });
        source.ready(Ready { slot: slot as u32, resume: 0, task: task.0, announced });
    }

    fn spawn(&mut self, source: &mut dyn Source) {
        let parent = self.running.and_then(|slot| self.tasks[slot]).map_or(TaskKey::ROOT, |task| task.0);
        self.spawned += 1;
        let child = parent.child(self.spawned);
        // Slots are reused.
        let slot = self.tasks.iter().position(Option::is_none).unwrap_or(self.tasks.len());
        if slot == self.tasks.len() {
            self.tasks.push(None);
        }
        self.tasks[slot] = Some((child, State::Waiting));
        source.spawned(parent, child);
        self.ready(slot, None, source);
    }

    /// Takes a step if any task is ready, letting time pass while all ready tasks are held back.
    fn step(&mut self, holds: bool, source: &mut dyn Source) -> Result<(), TestCaseError> {
        let ready = self.with(State::Ready);
        for attempt in 0.. {
            if let Some(slot) = source.next() {
                prop_assert!(ready.contains(&(slot as usize)), "{slot} is not ready");
                self.tasks[slot as usize].as_mut().expect("it is ready").1 = State::Running;
                self.running = Some(slot as usize);
                return Ok(());
            }
            if ready.is_empty() {
                prop_assert!(!source.release_held(), "nothing is held");
                return Ok(());
            }
            prop_assert!(holds && attempt < 20, "{} tasks are ready, and none is handed out", ready.len());
            if attempt % 2 == 0 {
                source.time_passed();
            } else {
                prop_assert!(source.release_held(), "tasks are held");
                prop_assert!(!source.release_held(), "once is enough");
            }
        }
        Ok(())
    }
}

fn play(strategy: &str, seed: u64, events: &[Event]) -> Result<(), TestCaseError> {
    let profile = Profile::of(&mixture());
    let mut source = profile.source(strategy, Seed(seed));
    let source = &mut *source;
    let holds = HOLDING.contains(&strategy);
    let root = Some((TaskKey::ROOT, State::Waiting));
    let mut slots = Slots { tasks: vec![root], running: None, spawned: 0 };
    slots.ready(0, None, source);
    for event in events {
        if slots.running.is_none() {
            slots.step(holds, source)?;
        }
        match event {
            Event::Wake(which) => {
                let waiting = slots.with(State::Waiting);
                if !waiting.is_empty() {
                    slots.ready(waiting[usize::from(*which) % waiting.len()], None, source);
                }
            }
            Event::Spawn => slots.spawn(source),
            Event::Operation(resource, access) => {
                if let Some(slot) = slots.running {
                    let key = slots.tasks[slot].expect("it runs").0;
                    let resource = ResourceKey(1 + u64::from(*resource));
                    let operation = Operation { resource, access: Access::ALL[*access] };
                    let decision = DecisionKey::Operation { task: key, resume: 0, index: 0 };
                    if operation.access != Access::Release && source.should_preempt(decision, operation) {
                        slots.running = None;
                        slots.ready(slot, Some(operation), source);
                        continue;
                    }
                    source.performed(key, operation);
                }
            }
            Event::Step(ends) => {
                if let Some(slot) = slots.running.take() {
                    let task = slots.tasks[slot].as_mut().expect("it runs");
                    task.1 = State::Waiting;
                    if *ends {
                        source.finished(task.0);
                        slots.tasks[slot] = None;
                    }
                }
            }
            Event::TimePasses => {
                if slots.running.is_none() && slots.with(State::Ready).is_empty() {
                    source.time_passed();
                }
            }
        }
    }
    // Every task still ready is returned, once.
    while !slots.with(State::Ready).is_empty() {
        slots.running = None;
        slots.step(holds, source)?;
    }
    prop_assert_eq!(source.next(), None);
    prop_assert!(!source.release_held());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_task_is_lost_and_none_is_invented(seed: u64, events in prop::collection::vec(event(), 0..80)) {
        for strategy in ALL {
            play(strategy, seed, &events).map_err(|error| TestCaseError::fail(format!("{strategy}: {error}")))?;
        }
    }
}

#[test]
fn a_crowd_takes_no_time() {
    // Ten thousand tasks with the same operation: scanning all of them at each step would take a hundred million
    // comparisons.
    let program = all(vec![vec![write(0, |_, _| Go::On)]; 10_000]);
    let profile = Profile::of(&program);
    for strategy in ALL {
        let outcome = line_programs::run(&program, &mut *profile.source(strategy, Seed(7)));
        assert!(!outcome.stuck, "{strategy}");
        assert_eq!(outcome.done.len(), 20_002, "{strategy}");
    }
}
