//! [`OwnedLoop`]: what a `Runtime` and a `LocalRuntime` are made of.
//!
//! # Invariants
//! - The loop belongs to the thread that built it, and is shut down on that thread.
//! - The handle is a number, so the owner may move to another thread.

use std::panic::Location;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use timeloop_sim::{Limits, Seed, StrategySpec};

use super::Handle;
use crate::engine::context::{self, Standing};
use crate::engine::{self, Blocking, Engine, RunId, RuntimeSettings};
use crate::harness::assert_not_inside_tokio;

/// What a loop is made from.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) strategy: StrategySpec,
    pub(super) seed: Seed,
    pub(super) limits: Limits,
    pub(super) settings: RuntimeSettings,
    pub(super) name: Option<Arc<str>>,
    pub(super) built: &'static Location<'static>,
}

/// What the runtimes that are alive were made from.
static RECIPES: Mutex<Vec<(RunId, Recipe)>> = Mutex::new(Vec::new());

fn recipes() -> MutexGuard<'static, Vec<(RunId, Recipe)>> {
    RECIPES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recipe {
    #[track_caller]
    fn make(&self) -> Rc<Engine> {
        let label = format!("the `Runtime` built at {}", self.built);
        assert_not_inside_tokio(&label);
        let source = self.strategy.source(self.seed);
        let engine = Engine::long_lived(source, &self.limits, label.into(), self.settings);
        engine.add_root(self.built);
        engine
    }
}

/// Returns the loop of a runtime in the current run. A runtime that was built outside of it, which a static may hold, has a new
/// loop in each run.
#[track_caller]
pub(super) fn here(runtime: RunId) -> RunId {
    match context::standing(runtime) {
        Standing::Itself => runtime,
        Standing::StandIn(run) => run,
        Standing::Foreign => {
            let recipe = recipes().iter().find(|(run, _)| *run == runtime).map(|(_, recipe)| recipe.clone());
            let Some(recipe) = recipe else { return runtime };
            let engine = recipe.make();
            engine.stand_for(runtime);
            engine.run_id()
        }
    }
}

/// Owns a loop. Dropping it shuts the loop down.
#[derive(Debug)]
pub(super) struct OwnedLoop {
    handle: Handle,
    is_shut_down: bool,
}

impl OwnedLoop {
    #[track_caller]
    pub(super) fn build(recipe: Recipe) -> Self {
        let engine = recipe.make();
        let handle = Handle::named(engine.run_id(), recipe.name.clone());
        recipes().push((engine.run_id(), recipe));
        Self { handle, is_shut_down: false }
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Shuts the loop down. If it `waits`, the closures of `spawn_blocking` that are left run first.
    ///
    /// # Panics
    /// In a task, where nothing may block.
    #[track_caller]
    pub(super) fn shut_down(&mut self, waits: bool) {
        let refused = context::driving(Engine::blocking) == Some(Blocking::Refused);
        self.shut_down_anywhere(waits);
        assert!(
            !refused || std::thread::panicking(),
            "Cannot drop a runtime in a context where blocking is not allowed, such as a task; drop it outside of the \
             task, or use `shutdown_background`"
        );
    }

    /// Shuts the loop down, also in a task of another loop.
    #[track_caller]
    pub(super) fn shut_down_anywhere(&mut self, waits: bool) {
        if std::mem::replace(&mut self.is_shut_down, true) {
            return;
        }
        let run = self.handle.run();
        recipes().retain(|(runtime, _)| *runtime != run);
        let Some(engine) = engine::find_idle(run) else {
            // On another thread.
            return;
        };
        if engine.is_running() {
            // The loop is still on the stack, so it cannot be shut down now.
            assert!(
                std::thread::panicking(),
                "cannot drop {} inside its own loop; drop it after `block_on` has returned",
                engine.label()
            );
            return;
        }
        engine.shut_down(waits);
        drop(engine);
        context::forget_shut_down();
    }
}

impl Drop for OwnedLoop {
    #[track_caller]
    fn drop(&mut self) {
        if !self.is_shut_down {
            self.shut_down(true);
        }
    }
}
