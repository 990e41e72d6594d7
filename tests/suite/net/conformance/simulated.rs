//! Runs the cases with timeloop, each with several schedules.

#[path = "cases/mod.rs"]
mod cases;

mod world {
    //! timeloop.

    use std::future::Future;
    use std::path::{Path, PathBuf};

    use rand::Rng;

    use crate::support::explorer;
    pub(crate) use timeloop::{io, join, net, spawn, time};

    /// More bytes than two sockets buffer.
    pub(crate) const MUCH: usize = 1_000_000;

    /// Runs a case.
    #[track_caller]
    pub(crate) fn run<F: Future<Output = ()>>(case: impl Fn() -> F + Sync) {
        explorer("net::conformance")
            .strategy(timeloop::StrategySpec::Portfolio)
            .stalls(false)
            // As between two sockets of one Linux host.
            .varied_io(false)
            .runs(20)
            .check(case);
    }

    /// Sets how long a stream lingers.
    pub(crate) fn set_linger(stream: &net::TcpStream, linger: Option<time::Duration>) {
        stream.set_linger(linger).expect("the option can be set");
    }

    /// An unused path.
    #[derive(Debug)]
    pub(crate) struct Place(PathBuf);

    impl Place {
        pub(crate) fn new() -> Self {
            Self(PathBuf::from(format!("/run/{:016x}", timeloop::rng().next_u64())))
        }
    }

    impl AsRef<Path> for Place {
        fn as_ref(&self) -> &Path {
            &self.0
        }
    }
}
