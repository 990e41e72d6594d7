//! The corpus: small programs with one bug each, and how each is run.
//!
//! # Invariants
//! - A program is an `async fn` that depends on nothing but the run.
//! - It fails under some schedules (a panic, a deadlock) and passes under others.
//! - A fixed variant, where there is one, passes under all schedules.

mod async_native;
mod locks;
mod queues;
mod registers;
mod shared;
mod time;

use timeloop::{AnySource, Exploration, Explorer, Limits, Outcome, run_from};

/// A figure of a table: the mean number of schedules to the first failure; `None` if it was never found.
pub(crate) type Figure = Option<u32>;

/// Not found within 10,000 schedules.
const NEVER: Figure = None;

const fn some<const N: usize>(figures: [u32; N]) -> [Figure; N] {
    let mut all = [NEVER; N];
    let mut at = 0;
    while at < N {
        if figures[at] != 0 {
            all[at] = Some(figures[at]);
        }
        at += 1;
    }
    all
}

/// One program of the corpus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The published figures for SURW, PCT3, PCT10, POS and random, if the program is in that table.
    pub(crate) published: Option<[Figure; 5]>,
    /// The figures measured for shuttle 0.9.9 with random, PCT3, PCT10 and URW, if the program is in that table.
    pub(crate) shuttle: Option<[Figure; 4]>,
    pub(crate) buggy: Body,
    /// The program without the bug.
    pub(crate) fixed: Option<Body>,
}

/// The functions that run a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    /// Makes one run.
    pub(crate) once: fn(AnySource, &Limits) -> Outcome<shared::Ended>,
    /// Makes a whole exploration.
    pub(crate) explore: fn(&Explorer) -> Exploration,
}

macro_rules! body {
    ($body:expr) => {
        Body {
            once: |source, limits| run_from(source, limits, || $body),
            explore: |explorer| explorer.run(|| $body),
        }
    };
}

impl Program {
    const fn new(name: &'static str, buggy: Body) -> Self {
        Self { name, published: None, shuttle: None, buggy, fixed: None }
    }

    /// Sets the figures; 0 means "not found".
    const fn published(mut self, figures: [u32; 5]) -> Self {
        self.published = Some(some(figures));
        self
    }

    /// Sets the figures; 0 means "not found".
    const fn shuttle(mut self, figures: [u32; 4]) -> Self {
        self.shuttle = Some(some(figures));
        self
    }

    const fn fixed(mut self, body: Body) -> Self {
        self.fixed = Some(body);
        self
    }
}

/// Every program: first those of the published table, then the rest of shuttle's, then those that only async code has.
pub(crate) const ALL: [Program; 27] = [
    Program::new("reorder_3", body!(registers::reorder(3)))
        .published([7, 185, 148, 86, 0])
        .shuttle([40, 15, 60, 13]),
    Program::new("reorder_5", body!(registers::reorder(5)))
        .published([10, 647, 1094, 2169, 0])
        .shuttle([204, 138, 50, 23]),
    Program::new("reorder_10", body!(registers::reorder(10)))
        .published([17, 3225, 4462, 0, 0])
        .shuttle([0, 541, 562, 40]),
    Program::new("reorder_20", body!(registers::reorder(20)))
        .published([6, 3005, 3297, 0, 0])
        .shuttle([0, 357, 276, 7]),
    Program::new("twostage", body!(locks::twostage(1, 1)))
        .published([8, 13, 9, 15, 464])
        .shuttle([23, 6, 169, 64]),
    Program::new("twostage_20", body!(locks::twostage(10, 10)))
        .published([6, 159, 101, 156, 0])
        .shuttle([0, 752, 311, 363]),
    Program::new("stack", body!(queues::stack())).published([5, 3, 3, 2, 176]),
    Program::new("bluetooth", body!(registers::bluetooth()))
        .published([70, 112, 83, 36, 215])
        .shuttle([15, 16, 0, 329]),
    Program::new("token_ring", body!(locks::token_ring())).published([8, 8, 8, 9, 13]).shuttle([8, 8, 7, 5]),
    Program::new("wronglock", body!(locks::wronglock(7)))
        .published([7, 51, 20, 10, 36])
        .shuttle([4, 18, 4, 3]),
    Program::new("stringbuffer", body!(queues::stringbuffer())).published([8, 281, 26, 23, 2243]),
    Program::new("work-stealing queue", body!(queues::work_stealing())).published([6, 48, 16, 12, 0]),
    Program::new("reorder_4", body!(registers::reorder(4))).shuttle([99, 51, 51, 17]),
    Program::new("wronglock_3", body!(locks::wronglock(3))).shuttle([2, 7, 3, 3]),
    Program::new("deadlock01", body!(locks::deadlock())).shuttle([3, 5, 2, 2]),
    Program::new("lazy01", body!(locks::lazy())).shuttle([2, 1, 1, 2]),
    Program::new("lost notify", body!(async_native::lost_notify(false)))
        .fixed(body!(async_native::lost_notify(true))),
    Program::new("cancelled acquire", body!(time::cancelled_acquire(false)))
        .fixed(body!(time::cancelled_acquire(true))),
    Program::new("select drops a message", body!(time::select_drops(false)))
        .fixed(body!(time::select_drops(true))),
    Program::new("lock order", body!(async_native::lock_order(false)))
        .fixed(body!(async_native::lock_order(true))),
    Program::new("check then await", body!(async_native::check_then_await(false)))
        .fixed(body!(async_native::check_then_await(true))),
    Program::new("stale cache", body!(async_native::stale_cache(false)))
        .fixed(body!(async_native::stale_cache(true))),
    Program::new("shutdown race", body!(async_native::shutdown_race(false)))
        .fixed(body!(async_native::shutdown_race(true))),
    Program::new("barrier reuse", body!(async_native::barrier_reuse(false)))
        .fixed(body!(async_native::barrier_reuse(true))),
    Program::new("broadcast lag", body!(async_native::broadcast_lag(false)))
        .fixed(body!(async_native::broadcast_lag(true))),
    Program::new("retry without idempotence", body!(time::retry(false))).fixed(body!(time::retry(true))),
    Program::new("lease outlives its clock", body!(time::lease(false))).fixed(body!(time::lease(true))),
];
