//! Runs the code of a task.
//!
//! # Invariants
//! A task records in the model whether it is alive, asleep or parked before it waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use timeloop::task::{self, JoinError, JoinHandle};
use timeloop::time::{Duration, Instant, sleep, timeout};

use rand::Rng as _;

use crate::program::{Guard, MAX_TASKS, Op};
use crate::sets::{Members, local};
use crate::world::{INTENDED, State, TaskState, World};

/// The root: task number 0.
pub(crate) async fn root(world: Rc<World>) {
    let number = world.add(false);
    Watched::new(world, number, 0).await;
}

/// A task that reports its polls and its end to the model.
pub(crate) struct Watched {
    world: Rc<World>,
    number: usize,
    code: Pin<Box<dyn Future<Output = ()>>>,
    polls: u32,
}

impl Watched {
    pub(crate) fn new(world: Rc<World>, number: usize, code: u8) -> Self {
        let code = Box::pin(interpret(Rc::clone(&world), number, code));
        Self { world, number, code, polls: 0 }
    }
}

impl Future for Watched {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u32> {
        let number = self.number;
        let task = self.world.task(number);
        self.world
            .check(task.state.get() == State::Alive, || format!("task {number} is polled after its end"));
        self.world
            .check(!task.polling.replace(true), || format!("task {number} is polled inside its own poll"));
        self.world.check(!task.dropped.get(), || format!("task {number} is polled after it was dropped"));
        self.polls += 1;
        let now = Instant::now();
        let poll = self.code.as_mut().poll(context);
        task.polling.set(false);
        let world = &self.world;
        world.check(Instant::now() == now, || format!("time moved while task {number} ran"));
        world.logs(number, u64::from(self.polls) << 1 | u64::from(poll.is_ready()));
        poll.map(|()| {
            task.state.set(State::Ended(self.polls));
            if number == 0 {
                world.ends();
            }
            self.polls
        })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let task = self.world.task(self.number);
        let number = self.number;
        self.world.check(!task.dropped.replace(true), || format!("task {number} is dropped twice"));
        if number == 0 {
            self.world.ends();
        }
        if task.state.get() == State::Alive {
            task.state.set(State::Cancelled);
        }
        task.ended.set(Some(self.world.next_drop()));
    }
}

/// Does something when it is dropped.
struct OnDrop {
    world: Rc<World>,
    number: usize,
    guard: Guard,
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        let world = &self.world;
        world.logs(self.number, 1 << 40);
        match self.guard {
            Guard::Wake(task) => wake(world, task, 0),
            Guard::Spawn(code) => spawn(world, None, code, 0),
            Guard::Abort(task) => abort(world, task),
            Guard::Detach(task) => drop(world.named(task).handle.take()),
            Guard::Notify => world.notify.notify_one(),
            // A second panic would abort the process.
            Guard::Panic if std::thread::panicking() || world.task(self.number).threw.get() => {}
            Guard::Panic => world.throw(self.number),
        }
    }
}

async fn interpret(world: Rc<World>, number: usize, code: u8) {
    let me = world.task(number);
    let program = Rc::clone(&world.program);
    let mut guards = Vec::new();
    let mut set = Members::new(&world);
    let mut locals = None;
    for (position, &op) in program.code(code).iter().enumerate() {
        world.logs(number, 1 << 41 | position as u64);
        match op {
            Op::Yield => task::yield_now().await,
            Op::Sleep(duration) => {
                let due = Instant::now() + duration;
                me.sleeping.set(true);
                let _awake = guard_of(|| me.sleeping.set(false));
                sleep(duration).await;
                world.check(world.is_on_time(number, due), || format!("task {number} overslept"));
            }
            Op::Timeout(limit, duration) => {
                let due = Instant::now() + limit.min(duration);
                me.sleeping.set(true);
                let _awake = guard_of(|| me.sleeping.set(false));
                let in_time = timeout(limit, sleep(duration)).await.is_ok();
                let late = world.holds_back || me.local;
                let right = if late { in_time || duration > limit } else { in_time == (duration <= limit) };
                world.check(right, || format!("a wrong time-out in task {number}"));
                world.check(world.is_on_time(number, due), || {
                    format!("task {number} timed out at a wrong time")
                });
            }
            Op::Spawn { code, how } => spawn(&world, Some(number), code, how),
            Op::Abort(task) => abort(&world, task),
            Op::Join(operand) => {
                let joined = world.named(operand);
                let handle = joined.handle.take();
                if let Some(handle) = handle {
                    let result = handle.await;
                    check_join_result(&world, number, &joined, result);
                }
            }
            Op::JoinOrLeave(operand) => {
                let joined = world.named(operand);
                let handle = joined.handle.take();
                if let Some(mut handle) = handle {
                    // The poll leaves its waker behind.
                    me.restless.set(true);
                    let ended = handle.is_finished();
                    if !ended {
                        let poll = poll_fn(|context| Poll::Ready(Pin::new(&mut handle).poll(context))).await;
                        world.check(poll.is_pending(), || {
                            format!("task {number} joined a task that is alive")
                        });
                    }
                    let replaced = joined.handle.replace(Some(handle));
                    drop(replaced);
                }
            }
            Op::Detach(task) => drop(world.named(task).handle.take()),
            Op::Park => {
                me.parked.set(Some(false));
                let _unparked = guard_of(|| me.parked.set(None));
                let mut first = true;
                poll_fn(|context| {
                    if me.parked.get() == Some(true) {
                        return Poll::Ready(());
                    }
                    let known = std::mem::take(&mut first) || me.restless.get();
                    world.check(known, || format!("task {number} is polled though nobody woke it"));
                    let previous = me.waker.replace(Some(context.waker().clone()));
                    drop(previous);
                    Poll::Pending
                })
                .await;
            }
            Op::Wake { task, how } => wake(&world, task, how),
            Op::KeepWaker => {
                me.restless.set(true);
                poll_fn(|context| {
                    world.keep(context.waker().clone());
                    Poll::Ready(())
                })
                .await;
            }
            Op::WakeKept(operand) => {
                if let Some(waker) = world.kept(operand) {
                    waker.wake();
                }
            }
            Op::Panic => world.throw(number),
            Op::Guard(guard) => guards.push(OnDrop { world: Rc::clone(&world), number, guard }),
            Op::DropGuard => drop(guards.pop()),
            Op::Select(operand) => {
                // A branch that yields wakes the task, even if another branch is taken.
                me.restless.set(true);
                let chosen = timeloop::select! {
                    () = task::yield_now() => 0,
                    () = sleep(Duration::ZERO) => 1,
                    () = std::future::ready(()), if operand % 2 == 0 => 2,
                    () = std::future::pending() => 3,
                };
                world.check(chosen < 3, || "a branch that never completes was chosen".to_owned());
                world.logs(number, 1 << 42 | chosen);
            }
            Op::Notified => world.notify.notified().await,
            Op::NotifyOne => world.notify.notify_one(),
            Op::NotifyWaiters => world.notify.notify_waiters(),
            Op::LockAcrossYield => {
                let mut count = world.lock.lock().await;
                *count += 1;
                let before = world.locked_by.replace(Some(number));
                world.check(before.is_none(), || format!("tasks {before:?} and {number} hold one lock"));
                let _unlocked = guard_of(|| world.locked_by.set(None));
                task::yield_now().await;
            }
            Op::Set(op) => {
                // Waiting for a set leaves the waker there.
                me.restless.set(true);
                set.act(number, op).await;
            }
            Op::Local(op) => {
                me.restless.set(true);
                locals = local(&world, number, locals, op).await;
            }
            Op::Draw => {
                let drawn = timeloop::rng().next_u64();
                world.logs(number, drawn);
            }
        }
    }
}

/// Checks the result of a task that another one has joined.
pub(crate) fn check_join_result(
    world: &World,
    number: usize,
    joined: &TaskState,
    result: Result<u32, JoinError>,
) {
    let state = joined.state.get();
    let right = match &result {
        Ok(output) => state == State::Ended(*output),
        // Dropping a local set cancels its tasks.
        Err(error) if error.is_cancelled() => {
            (joined.aborted.get() || joined.local) && state == State::Cancelled
        }
        Err(_) => joined.threw.get(),
    };
    world.check(right, || format!("task {number} got {result:?} from {joined:?}"));
    if let Err(error) = result
        && let Ok(payload) = error.try_into_panic()
    {
        world.observe();
        let intended = payload.downcast_ref::<String>().is_some_and(|text| text == INTENDED)
            || payload.downcast_ref::<&str>().is_some_and(|text| *text == INTENDED);
        world.check(intended, || "a panic that the program does not ask for".to_owned());
    }
}

/// Calls `f` when it is dropped.
fn guard_of<F: Fn()>(f: F) -> impl Drop {
    struct Guarded<F: Fn()>(F);

    impl<F: Fn()> Drop for Guarded<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    Guarded(f)
}

fn spawn(world: &Rc<World>, by: Option<usize>, code: u8, how: u8) {
    if world.len() >= MAX_TASKS {
        return;
    }
    // Spawned on the running local set.
    let is_local = how % 4 == 2 && by.is_some_and(|task| world.task(task).local);
    let number = world.add(is_local);
    let task = world.task(number);
    let future = Watched::new(Rc::clone(world), number, code);
    let handle: JoinHandle<u32> = match how % 4 {
        0..=2 => task::spawn(future),
        _ => task::Builder::new().name("named").spawn(future).expect("a builder spawns"),
    };
    task.abort.replace(Some(handle.abort_handle()));
    // Half of the tasks are detached at once.
    if how & 4 == 0 {
        task.handle.replace(Some(handle));
    }
}

fn abort(world: &World, operand: u8) {
    let task = world.named(operand);
    let handle = task.abort.borrow().clone();
    if let Some(handle) = handle {
        task.aborted.set(true);
        handle.abort();
    }
}

fn wake(world: &World, operand: u8, how: u8) {
    let task = world.named(operand);
    let waker = task.waker.borrow().clone();
    if let Some(waker) = waker {
        match task.parked.get() {
            Some(_) => task.parked.set(Some(true)),
            None => task.restless.set(true),
        }
        match how % 4 {
            0 => waker.wake_by_ref(),
            1 => waker.wake(),
            2 => {
                waker.wake_by_ref();
                waker.wake();
            }
            _ => {
                std::mem::forget(waker.clone());
                waker.wake();
            }
        }
    }
}
