//! Helpers of several tests.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use timeloop::StrategySpec;
use timeloop::runtime::{Builder, Runtime};

/// A log that tasks share, instead of printing.
pub(crate) struct Log<T = &'static str>(Rc<RefCell<Vec<T>>>);

impl<T> Log<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn push(&self, entry: T) {
        self.0.borrow_mut().push(entry);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        self.0.take()
    }

    /// Pushes the entry when dropped.
    pub(crate) fn on_drop(&self, entry: T) -> impl Sized + 'static
    where
        T: 'static,
    {
        let log = self.clone();
        on_drop(move || log.push(entry))
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Log<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Calls `f` when dropped.
pub(crate) fn on_drop(f: impl FnOnce() + 'static) -> impl Sized + 'static {
    struct OnDrop<F: FnOnce()>(Option<F>);

    impl<F: FnOnce()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            if let Some(f) = self.0.take() {
                f();
            }
        }
    }

    OnDrop(Some(f))
}

/// Creates a runtime whose tasks run in FIFO order.
pub(crate) fn fifo() -> Runtime {
    Builder::new_current_thread().enable_all().strategy(StrategySpec::Fifo).build().expect("a runtime builds")
}

/// Returns the text of the panic of `f`.
pub(crate) fn panic_text(f: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("a panic");
    text_of(&*payload)
}

/// Returns the text of a panic's payload.
pub(crate) fn text_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).expect("a panic with a text").to_owned()
}

/// Polls the future once. It must not be ready, and keeps the waker.
pub(crate) async fn pends<F: Future + Unpin>(future: &mut F) {
    poll_fn(|cx| {
        assert!(Pin::new(&mut *future).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Creates a real tokio runtime with paused time, to compare with.
pub(crate) fn tokio() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("tokio builds a runtime")
}

#[path = "../../sim/tests/suite/redact.rs"]
mod redact;
pub(crate) use redact::redacted;

/// Replaces places in a test's source by names, and [redacts](redacted) the text.
///
/// A test ends the lines that a report will show with `// @name`. Each `file:line` of such a line becomes `<name>`, so that
/// an edit above the line does not change the expected text.
pub(crate) fn places_by_name(file: &str, text: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let source = std::fs::read_to_string(path).expect("the tests' source is where it was compiled");
    let mut marks: Vec<(usize, &str)> = (1..)
        .zip(source.lines())
        .filter_map(|(line, text)| Some((line, text.rsplit_once("// @")?.1)))
        .collect();
    // The longest numbers first: `:12` is a prefix of `:123`.
    marks.sort_by_key(|(line, _)| std::cmp::Reverse(*line));
    marks.iter().fold(redacted(text), |text, (line, name)| {
        let mut text = text.replace(&format!("{file}:{line}"), &format!("<{name}>"));
        // The table of steps leaves out a path that it has just shown.
        for end in [" ", "\n", ",", ":"] {
            text = text.replace(&format!(" :{line}{end}"), &format!(" <{name}>{end}"));
        }
        text
    })
}

/// Calls [`places_by_name`] for the file of the call.
macro_rules! by_name {
    ($text:expr) => {
        $crate::support::places_by_name(file!(), &$text.to_string())
    };
}
pub(crate) use by_name;

/// Creates an explorer that ignores everything outside its test. Many tests pin the runs of its seeds, so it uses the
/// simplest strategy instead of the default one.
pub(crate) fn explorer(name: &str) -> timeloop::Explorer {
    let explorer = timeloop::Explorer::new(name).strategy(StrategySpec::Random);
    explorer.without_environment().without_regressions().silent()
}

/// Sends datagrams to a node `db-1` that sends each back. Returns how many have come back after `waiting_time`.
#[cfg(feature = "net")]
pub(crate) async fn echoed(count: u8, waiting_time: std::time::Duration) -> usize {
    use timeloop::net::UdpSocket;
    use timeloop::time::{Duration, sleep};

    let node = timeloop::world::World::current().node("db-1").start(|| async {
        let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
        let mut bytes = [0; 8];
        loop {
            let (count, from) = socket.recv_from(&mut bytes).await.unwrap();
            socket.send_to(&bytes[..count], from).await.unwrap();
        }
    });
    sleep(Duration::from_millis(1)).await;
    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    for number in 0..count {
        socket.send_to(&[number], (node.address(), 9)).await.unwrap();
    }
    sleep(waiting_time).await;
    let mut bytes = [0; 8];
    std::iter::from_fn(|| socket.try_recv(&mut bytes).ok()).count()
}

/// Set if this test binary runs one of its own tests in a separate process.
const CHILD: &str = "SUITE_CHILD";

/// Returns whether this process was started by [`child`]. Tests that only run as children do nothing otherwise.
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// The result of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn passed(&self) -> bool {
        self.code == Some(0)
    }

    /// Returns what the test printed, which the test harness captures until it fails.
    pub(crate) fn printed(&self) -> &str {
        let Some((_, rest)) = self.stdout.split_once(" stdout ----\n") else { return "" };
        rest.split_once("\n\nfailures:\n").map_or(rest, |(printed, _)| printed)
    }
}

/// Runs a test of this binary in a separate process, as `cargo test` would, with these variables set. By default,
/// failing schedules are stored in a temporary folder.
pub(crate) fn child(test: &str, vars: &[(&str, &str)]) -> Ended {
    let mut command = std::process::Command::new(std::env::current_exe().expect("a test knows its binary"));
    command.args([test, "--exact"]).env(CHILD, "1");
    for name in ["CI", "NEXTEST", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIMELOOP_") {
            command.env_remove(name);
        }
    }
    let folder = Folder::new();
    command.env("CARGO_MANIFEST_DIR", folder.path());
    // Unlike pipes, files never fill up while nothing reads them.
    let output = Folder::new();
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| output.0.join(name));
    let create = |path| std::fs::File::create(path).expect("temporary files can be made");
    command.stdout(create(&stdout)).stderr(create(&stderr));
    let mut process = command.envs(vars.iter().copied()).spawn().expect("the tests' binary runs");
    let mut looks = 0;
    let status = loop {
        if let Some(status) = process.try_wait().expect("a child can be waited for") {
            break status;
        }
        // Many times as long as the slowest child takes alone.
        if looks == 120_000 {
            let _ = process.kill();
            let _ = process.wait();
            panic!("`{test}` has not ended for twenty minutes");
        }
        looks += 1;
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    let read = |path| std::fs::read_to_string(path).expect("tests print UTF-8");
    Ended { code: status.code(), stdout: read(&stdout), stderr: read(&stderr) }
}

/// Creates a package with these files, in a workspace of its own, as a user would. It depends on timeloop with these
/// features. Returns its folder.
pub(crate) fn package(name: &str, features: &[&str], files: &[(&str, &str)]) -> std::path::PathBuf {
    let root = env!("CARGO_MANIFEST_DIR");
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Schedules stored by an earlier test would be tried first.
    let _ = std::fs::remove_dir_all(folder.join("timeloop-regressions"));
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         timeloop = {{ path = {root:?}, features = {features:?} }}\n"
    );
    // The versions that timeloop is tested with. They are available without a network.
    let lockfile =
        std::fs::read_to_string(std::path::Path::new(root).join("Cargo.lock")).expect("a lockfile");
    let defaults = [("Cargo.toml", manifest.as_str()), ("Cargo.lock", &lockfile)];
    for (path, text) in defaults.iter().chain(files) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the target folder can be written");
        std::fs::write(path, text).expect("the target folder can be written");
    }
    folder
}

/// Runs a line in a shell in this folder, without a network. Returns everything that it prints. Packages that are built this
/// way share a target folder.
pub(crate) fn shell(folder: &std::path::Path, line: &str) -> String {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("cd {folder:?} && {line}")]);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let is_set_by_cargo =
            name.starts_with("CARGO_") && name != "CARGO_HOME" || name.starts_with("NEXTEST");
        if name.starts_with("TIMELOOP_") || is_set_by_cargo {
            command.env_remove(&*name);
        }
    }
    command.env_remove("CI").env_remove("RUST_BACKTRACE").env("CARGO_NET_OFFLINE", "true");
    // The README's test compiles timeloop in this folder, too.
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme/target");
    let output = command.env("CARGO_TARGET_DIR", target).output().expect("a shell runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A test's own folder, deleted with it.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("timeloop-suite-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folders can be made");
        Self(folder)
    }

    /// Returns the path for an environment variable.
    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("temporary folders have plain names")
    }

    /// Returns the text with `FOLDER` for this folder.
    pub(crate) fn hidden_in(&self, text: &str) -> String {
        text.replace(self.path(), "FOLDER")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
