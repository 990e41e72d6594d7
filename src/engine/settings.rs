//! [`RuntimeSettings`]: what tokio's builder and attributes set, and code can ask for.

/// Kinds of runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// No builder or attribute has chosen one: nothing is refused that any kind allows.
    Unset,
    CurrentThread,
    /// A `LocalRuntime`.
    Local,
    MultiThread,
}

/// The settings of a runtime. They decide what a call refuses or returns and what fails a run, never the order of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeSettings {
    pub(crate) flavor: Flavor,
    /// The number of workers of a runtime with several threads.
    pub(crate) workers: u32,
    /// Whether timers are enabled.
    pub(crate) time: bool,
    /// Whether sockets are enabled.
    pub(crate) io: bool,
    /// Whether the clock is paused at the start.
    pub(crate) start_paused: bool,
    /// The name that the attribute was given.
    pub(crate) name: Option<&'static str>,
    /// Whether the run continues after a panic of a task whose join handle is gone.
    pub(crate) ignores_unobserved_panics: bool,
    /// Whether the run answers what code asks the C library.
    #[cfg(feature = "hermetic")]
    pub(crate) hermetic: bool,
}

impl RuntimeSettings {
    /// The default number of workers. A fixed number: that of the machine's cores would differ between machines.
    pub(crate) const WORKERS: u32 = 4;

    /// The settings of a run that nothing has configured.
    pub(crate) const OF_RUN: Self = Self {
        flavor: Flavor::Unset,
        workers: Self::WORKERS,
        time: true,
        io: true,
        start_paused: false,
        name: None,
        ignores_unobserved_panics: false,
        #[cfg(feature = "hermetic")]
        hermetic: false,
    };

    /// The settings of a run that nothing has configured but the environment.
    pub(crate) fn of_run() -> Self {
        Self {
            #[cfg(feature = "hermetic")]
            hermetic: super::hermetic::is_on(),
            ..Self::OF_RUN
        }
    }

    /// Returns how many workers the runtime has.
    pub(crate) fn workers(self) -> u32 {
        if matches!(self.flavor, Flavor::CurrentThread | Flavor::Local) { 1 } else { self.workers }
    }
}
