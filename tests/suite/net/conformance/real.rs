//! Runs the cases with tokio on real sockets.

#[path = "cases/mod.rs"]
mod cases;
#[path = "cases/unix_paths.rs"]
mod unix_paths;

use cases::common;

mod world {
    //! tokio.

    use std::future::Future;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicUsize, Ordering};

    pub(crate) use tokio::{io, join, net, spawn, time};

    /// More bytes than two sockets buffer.
    pub(crate) const MUCH: usize = 20_000_000;

    /// Runs a case.
    pub(crate) fn run<F: Future<Output = ()>>(case: impl Fn() -> F + Sync) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        // Many times as long as the slowest case takes alone.
        let limit = time::Duration::from_secs(600);
        runtime.block_on(async { time::timeout(limit, case()).await }).expect("the case ends");
    }

    /// Sets how long a stream lingers.
    #[expect(deprecated, reason = "deprecated methods have to work too")]
    pub(crate) fn set_linger(stream: &net::TcpStream, linger: Option<time::Duration>) {
        stream.set_linger(linger).expect("the option can be set");
    }

    /// An unused path. Its file is removed at the end.
    #[derive(Debug)]
    pub(crate) struct Place(PathBuf);

    impl Place {
        pub(crate) fn new() -> Self {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            Self(std::env::temp_dir().join(format!("timeloop-{}-{number}", std::process::id())))
        }

        pub(crate) fn unlink(&self) {
            std::fs::remove_file(&self.0).expect("the file exists");
        }
    }

    impl AsRef<Path> for Place {
        fn as_ref(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}
