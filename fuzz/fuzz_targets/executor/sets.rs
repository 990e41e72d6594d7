//! Operations on join sets and local sets.
//!
//! It checks that a join set returns each of its tasks once, in the order in which they ended, and that dropping it aborts
//! the rest.

use std::rc::Rc;

use timeloop::task::{Id, JoinSet, LocalSet};
use timeloop::time::sleep;

use crate::interpreter::{Watched, check_join_result};
use crate::program::{LocalOp, MAX_TASKS, SetOp};
use crate::world::World;

/// A join set, and its tasks.
pub(crate) struct Members {
    world: Rc<World>,
    set: JoinSet<u32>,
    members: Vec<(Id, usize)>,
}

impl Members {
    pub(crate) fn new(world: &Rc<World>) -> Self {
        Self { world: Rc::clone(world), set: JoinSet::new(), members: Vec::new() }
    }

    /// Runs an operation of task number `by` on its set.
    pub(crate) async fn act(&mut self, by: usize, op: SetOp) {
        let world = Rc::clone(&self.world);
        match op {
            SetOp::Spawn(code) if world.len() < MAX_TASKS => {
                let number = world.add(false);
                let abort = self.set.spawn(Watched::new(Rc::clone(&world), number, code));
                self.members.push((abort.id(), number));
                world.task(number).abort.replace(Some(abort));
            }
            SetOp::Spawn(_) => {}
            SetOp::Next => {
                let next = self.set.join_next_with_id().await;
                self.check_next(by, next);
            }
            SetOp::TryNext => {
                let any = self.first().is_some();
                let next = self.set.try_join_next_with_id();
                world.check(next.is_some() == any, || {
                    format!("the set of task {by} returned {next:?}, and {any} is right")
                });
                if next.is_some() {
                    self.check_next(by, next);
                }
            }
            SetOp::AbortAll => {
                self.aborts();
                self.set.abort_all();
            }
            SetOp::DetachAll => {
                self.set.detach_all();
                self.members.clear();
            }
            SetOp::Drop => {
                self.aborts();
                self.members.clear();
                let set = std::mem::take(&mut self.set);
                drop(set);
            }
        }
        let (length, members) = (self.set.len(), self.members.len());
        world.check(length == members, || format!("{length} tasks are in a set of {members}"));
    }

    /// Returns the task of the set that ended first.
    fn first(&self) -> Option<usize> {
        let ended =
            self.members.iter().filter_map(|&(_, task)| Some((self.world.task(task).ended.get()?, task)));
        ended.min().map(|(_, task)| task)
    }

    fn check_next(&mut self, by: usize, next: Option<Result<(Id, u32), timeloop::task::JoinError>>) {
        let world = Rc::clone(&self.world);
        let Some(next) = next else {
            world.check(self.members.is_empty(), || format!("the set of task {by} returned nothing"));
            return;
        };
        let (id, result) = match next {
            Ok((id, output)) => (id, Ok(output)),
            Err(error) => (error.id(), Err(error)),
        };
        let first = self.first();
        let Some(place) = self.members.iter().position(|member| member.0 == id) else {
            world.check(false, || format!("the set of task {by} returned another task"));
            return;
        };
        let (_, task) = self.members.remove(place);
        world.check(first == Some(task), || format!("a set returned task {task}, but {first:?} ended first"));
        check_join_result(&world, by, &world.task(task), result);
    }

    /// Records that the remaining tasks are aborted.
    fn aborts(&self) {
        for (_, task) in &self.members {
            self.world.task(*task).aborted.set(true);
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.aborts();
    }
}

/// Runs an operation of task number `by` on its local set. Returns the set, if it still exists.
pub(crate) async fn local(
    world: &Rc<World>,
    by: usize,
    set: Option<LocalSet>,
    op: LocalOp,
) -> Option<LocalSet> {
    let set = set.unwrap_or_default();
    match op {
        LocalOp::Spawn(code) if world.len() < MAX_TASKS => {
            let number = world.add(true);
            let handle = set.spawn_local(Watched::new(Rc::clone(world), number, code));
            world.task(number).abort.replace(Some(handle.abort_handle()));
            world.task(number).handle.replace(Some(handle));
        }
        LocalOp::Spawn(_) => {}
        LocalOp::RunFor(duration) => {
            let due = timeloop::time::Instant::now() + duration;
            set.run_until(sleep(duration)).await;
            world.check(world.is_on_time(by, due), || format!("the local set of task {by} overslept"));
        }
        LocalOp::RunOut => {
            let before = world.len();
            set.await;
            world.logs(by, before as u64);
            return None;
        }
        LocalOp::Drop => {
            drop(set);
            return None;
        }
    }
    Some(set)
}
