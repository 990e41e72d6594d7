//! [`OwnedLoop`]: what a `Runtime` and a `LocalRuntime` are made of.
//!
//! # Invariants
//! - The loop belongs to the thread that built it, and is shut down on that thread.
//! - The handle is a number, so the owner may move to another thread.

use std::panic::Location;

use timeloop_sim::{AnySource, Limits};

use super::Handle;
use crate::engine::{self, Blocking, Engine, RuntimeSettings, context};
use crate::harness::assert_not_inside_tokio;

/// Owns a loop. Dropping it shuts the loop down.
#[derive(Debug)]
pub(super) struct OwnedLoop {
    handle: Handle,
    is_shut_down: bool,
}

impl OwnedLoop {
    #[track_caller]
    pub(super) fn build(
        source: AnySource,
        limits: &Limits,
        settings: RuntimeSettings,
        name: Option<&str>,
        built: &'static Location<'static>,
    ) -> Self {
        let label = format!("the `Runtime` built at {built}");
        assert_not_inside_tokio(&label);
        let engine = Engine::long_lived(source, limits, label.into(), settings);
        engine.add_root(built);
        Self { handle: Handle::named(engine.run_id(), name.map(Into::into)), is_shut_down: false }
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
        let Some(engine) = engine::find_idle(self.handle.run()) else {
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
