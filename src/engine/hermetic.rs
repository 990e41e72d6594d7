//! The hermetic mode: a run answers what the code under test asks the C library. It has the clocks, random numbers and names of
//! the run, and fails at a call that leaves the simulation.
//!
//! # Invariants
//! - No answer is a decision: the random numbers come from a stream of their own, and the trace hash includes none of them.
//! - A clock shows a later time at each reading, so that a loop that waits for a time ends. The run's own time does not move.
//! - An answer never panics. Where the state of the loop is borrowed, the engine itself asks: it gets the last known time.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::sync::OnceLock;

use timeloop_hermetic::{Call, Entered, LookupError, Run};
use timeloop_sim::{AnySource, RealCall, Settings, Stream, print_note};

use super::settings::RuntimeSettings;
use super::{Engine, context, sites};

/// What the monotonic clock shows at the start of a run: 13 days, as if the machine had been started then.
const BOOT_NS: u64 = 1 << 50;

/// From this number of readings at one time of the run on, the code probably waits for a time in a loop. Then the clocks
/// advance faster, so that the loop ends soon.
const SPINNING: u32 = 10_000;
const SPINNING_STEP_NS: u64 = 1_000;

/// The ports of real sockets that are bound to any: above those that simulated sockets get.
const PORTS: std::ops::RangeInclusive<u16> = 61_000..=65_535;

/// The entity of the stream that the system's random numbers come from. Those of tasks are hashes.
const ENTITY: u64 = u64::from_le_bytes(*b"hermetic");

/// What a hermetic run keeps for its answers.
pub(super) struct Hermetic {
    /// How far the clocks that the code reads are ahead of the run's.
    ahead_ns: Cell<u64>,
    /// How often clocks were read at the last known time.
    readings: Cell<u32>,
    /// The last known time of the run.
    last_ns: Cell<u64>,
    stream: RefCell<Stream>,
    /// The port of the next real socket that is bound to any.
    next_port: Cell<u16>,
    /// Whether random numbers were drawn.
    draws: Cell<bool>,
}

impl Hermetic {
    /// Returns the state of a run with these settings. A loop that is made within a hermetic run is a part of it.
    pub(super) fn of(settings: RuntimeSettings, source: &mut AnySource) -> Option<Box<Self>> {
        (settings.hermetic || timeloop_hermetic::is_entered()).then(|| {
            Box::new(Self {
                ahead_ns: Cell::new(0),
                readings: Cell::new(0),
                last_ns: Cell::new(0),
                stream: RefCell::new(source.user_stream(ENTITY)),
                next_port: Cell::new(*PORTS.start()),
                draws: Cell::new(false),
            })
        })
    }

    /// Counts a reading of a clock; returns how far the clock is ahead in it.
    fn read(&self) -> u64 {
        let readings = self.readings.get().saturating_add(1);
        self.readings.set(readings);
        let step_ns = if readings < SPINNING { 1 } else { SPINNING_STEP_NS };
        self.ahead_ns.replace(self.ahead_ns.get() + step_ns)
    }
}

/// Returns whether the hermetic mode is on by default: unless TIMELOOP_HERMETIC switches it off.
pub(crate) fn is_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| {
        // A value that is not accepted is reported where an exploration reads it.
        let settings = Settings::from_environment().unwrap_or_default();
        settings.hermetic.unwrap_or(true) && installed().is_ok()
    })
}

/// Returns whether the runs of an exploration are hermetic, if that is `wanted`. If they can't be, prints a note, unless the
/// exploration is `silent`.
pub(crate) fn is_on_for(wanted: bool, silent: bool) -> bool {
    if !wanted {
        return false;
    }
    let installed = installed();
    if let Err(why) = installed
        && !silent
    {
        print_note(why);
    }
    installed.is_ok()
}

/// Installs the answers of this process. An error is the reason why they have no effect, as a note.
fn installed() -> Result<(), &'static str> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    if !timeloop_hermetic::IS_SUPPORTED {
        return Err(
            "the hermetic mode is missing on this system (it needs Linux on x86-64 or aarch64, and a shared glibc), so the \
             clocks, random numbers, threads and sockets of `std` are real",
        );
    }
    match *INSTALLED.get_or_init(|| timeloop_hermetic::install(&Answers)) {
        true => Ok(()),
        false => Err(
            "the hermetic mode has no effect, because the program has another definition of `clock_gettime`; the clocks, \
             random numbers, threads and sockets of `std` are real",
        ),
    }
}

/// Calls `f`, which asks the system itself, also in a run.
pub(crate) fn outside<R>(f: impl FnOnce() -> R) -> R {
    timeloop_hermetic::outside(f)
}

/// Returns the instant of `std` at which every hermetic run starts. `None` outside of such a run.
pub(crate) fn start() -> Option<std::time::Instant> {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    if !timeloop_hermetic::is_entered() {
        return None;
    }
    if let Some(start) = START.get() {
        return Some(*start);
    }
    let shown_ns = with(|engine, hermetic| Some(engine.shown_ns(hermetic) + hermetic.ahead_ns.get()))?;
    #[expect(clippy::disallowed_methods, reason = "the run answers")]
    let now = std::time::Instant::now();
    Some(*START.get_or_init(|| now - std::time::Duration::from_nanos(shown_ns)))
}

/// Calls `f` with the loop that runs on this thread, if it is hermetic.
fn with<R>(f: impl FnOnce(&Engine, &Hermetic) -> Option<R>) -> Option<R> {
    context::driving(|engine| f(engine, engine.hermetic.as_deref()?))?
}

/// The answers of all hermetic runs.
struct Answers;

impl Run for Answers {
    fn monotonic_ns(&self) -> Option<u64> {
        with(|engine, hermetic| Some(BOOT_NS + engine.shown_ns(hermetic) + hermetic.read()))
    }

    fn wall_ns(&self) -> Option<i128> {
        with(|engine, hermetic| {
            let shown_ns = i128::from(engine.shown_ns(hermetic)) + engine.ahead_ns();
            Some(shown_ns + i128::from(hermetic.read()))
        })
    }

    fn pass(&self, ns: u64) -> bool {
        with(|engine, _| engine.pass(ns)).is_some()
    }

    fn pass_until(&self, monotonic_ns: u64) -> bool {
        with(|engine, _| engine.pass_until(monotonic_ns.saturating_sub(BOOT_NS))).is_some()
    }

    fn fill(&self, bytes: &mut [u8]) -> bool {
        with(|_, hermetic| {
            hermetic.draws.set(true);
            hermetic.stream.try_borrow_mut().ok()?.fill_bytes(bytes);
            Some(())
        })
        .is_some()
    }

    fn resolve(&self, host: &str) -> Option<Result<Vec<IpAddr>, LookupError>> {
        with(|engine, _| {
            drop(engine.core.try_borrow_mut()?);
            Some(engine.look_up_here(host))
        })
    }

    fn port(&self) -> Option<u16> {
        with(|_, hermetic| {
            let port = hermetic.next_port.get();
            hermetic.next_port.set(if port == *PORTS.end() { *PORTS.start() } else { port + 1 });
            Some(port)
        })
    }

    fn refuse(&self, call: Call) -> bool {
        with(|engine, _| engine.refuse_call(call)).is_some()
    }
}

impl Engine {
    /// Lets the run answer the calls of this thread until the result is dropped, if it is hermetic.
    pub(super) fn enter_hermetic(&self) -> Option<Entered> {
        self.hermetic.as_ref().map(|_| timeloop_hermetic::enter())
    }

    /// Returns whether the code drew random numbers of the system.
    pub(super) fn draws_of_system(&self) -> bool {
        self.hermetic.as_ref().is_some_and(|hermetic| hermetic.draws.get())
    }

    /// Returns the time of the current node since the run's start.
    fn shown_ns(&self, hermetic: &Hermetic) -> u64 {
        if let Some(mut core) = self.core.try_borrow_mut() {
            let local_ns = core.local_ns(self.current.get());
            if hermetic.last_ns.replace(local_ns) != local_ns {
                hermetic.readings.set(0);
            }
        }
        hermetic.last_ns.get()
    }

    /// Returns how far the wall clock of the current node is ahead of its monotonic clock.
    fn ahead_ns(&self) -> i128 {
        let Some(mut core) = self.core.try_borrow_mut() else { return 0 };
        let node = core.node_of(self.current.get());
        let epoch = i128::try_from(core.scheduler.limits.epoch.as_nanos()).unwrap_or(i128::MAX / 4);
        core.nodes.clock(node).offset_ns() + epoch
    }

    /// Lets this time of the current node pass within a poll.
    fn pass(&self, ns: u64) -> Option<()> {
        let local_ns = self.core.try_borrow_mut()?.local_ns(self.current.get());
        self.pass_until(local_ns.saturating_add(ns))
    }

    /// Lets time pass within a poll, until the clock of the current node shows this time, without what its readings add. So the
    /// run's own time has passed as well.
    fn pass_until(&self, local_ns: u64) -> Option<()> {
        self.core.try_borrow_mut()?.pass_until(self.current.get(), local_ns);
        Some(())
    }

    /// Fails the run because of a call that leaves the simulation.
    fn refuse_call(&self, call: Call) -> Option<()> {
        drop(self.core.try_borrow_mut()?);
        let site = sites::site(&Backtrace::force_capture());
        let mut guard = self.core.try_borrow_mut()?;
        let core = &mut *guard;
        if core.fatal.is_none() {
            let call = match call {
                Call::Connect => RealCall::Connect,
                Call::Accept => RealCall::Accept,
                Call::Send => RealCall::Send,
                _ => RealCall::StartThread,
            };
            let slot = self.current.get();
            core.fatal = Some(self.real_call(core, slot, call, site));
            core.scheduler.stop_soon();
        }
        Some(())
    }
}
