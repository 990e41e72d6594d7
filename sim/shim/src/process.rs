//! `tokio::process`: there are no processes in a simulation. A [`Command`] can be built, and starting it is an error.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
#[cfg(unix)]
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use timeloop::io::DuplexStream;

/// A command, which can't be started.
#[derive(Debug)]
pub struct Command {
    inner: std::process::Command,
}

macro_rules! setters {
    ($($(#[$attribute:meta])* $name:ident$(<$($generic:ident: $bound:path),*>)?($($argument:ident: $type:ty),*);)*) => {
        $(
            $(#[$attribute])*
            pub fn $name$(<$($generic: $bound),*>)?(&mut self, $($argument: $type),*) -> &mut Self {
                self.inner.$name($($argument),*);
                self
            }
        )*
    };
}

impl Command {
    /// Creates a command that would start the program.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { inner: std::process::Command::new(program) }
    }

    /// Returns the standard library's command.
    #[must_use]
    pub fn as_std(&self) -> &std::process::Command {
        &self.inner
    }

    /// Returns the standard library's command.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.inner
    }

    /// Returns the standard library's command.
    #[must_use]
    pub fn into_std(self) -> std::process::Command {
        self.inner
    }

    setters! {
        /// Adds an argument.
        arg(arg: impl AsRef<OsStr>);
        /// Sets a variable.
        env<K: AsRef<OsStr>, V: AsRef<OsStr>>(key: K, val: V);
        /// Removes a variable.
        env_remove(key: impl AsRef<OsStr>);
        /// Removes all variables.
        env_clear();
        /// Sets the current folder.
        current_dir(dir: impl AsRef<Path>);
        /// Sets the standard input.
        stdin(cfg: impl Into<Stdio>);
        /// Sets the standard output.
        stdout(cfg: impl Into<Stdio>);
        /// Sets the standard error output.
        stderr(cfg: impl Into<Stdio>);
    }

    /// Sets the first argument, which is the name of the program.
    #[cfg(unix)]
    pub fn arg0(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.inner.arg0(arg);
        self
    }

    /// Sets the user.
    #[cfg(unix)]
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.inner.uid(id);
        self
    }

    /// Sets the group of the user.
    #[cfg(unix)]
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.inner.gid(id);
        self
    }

    /// Sets the process group.
    #[cfg(unix)]
    pub fn process_group(&mut self, pgroup: i32) -> &mut Self {
        self.inner.process_group(pgroup);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// Sets variables.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Accepted without effect.
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Self {
        let _ = kill_on_drop;
        self
    }

    /// Starts no process.
    ///
    /// # Errors
    /// Always: [`io::ErrorKind::Unsupported`].
    pub fn spawn(&mut self) -> io::Result<Child> {
        Err(self.refused())
    }

    /// Starts no process.
    ///
    /// # Errors
    /// Always: [`io::ErrorKind::Unsupported`].
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        std::future::ready(Err(self.refused()))
    }

    /// Starts no process.
    ///
    /// # Errors
    /// Always: [`io::ErrorKind::Unsupported`].
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        std::future::ready(Err(self.refused()))
    }

    fn refused(&self) -> io::Error {
        let program = self.inner.get_program().display();
        io::Error::new(
            io::ErrorKind::Unsupported,
            format!("timeloop: `{program}` is not started, because a simulation has no other processes"),
        )
    }
}

impl From<std::process::Command> for Command {
    fn from(inner: std::process::Command) -> Self {
        Self { inner }
    }
}

/// A process. There are none, since [`Command::spawn`] is an error.
#[derive(Debug)]
pub struct Child {
    /// The standard input.
    pub stdin: Option<ChildStdin>,
    /// The standard output.
    pub stdout: Option<ChildStdout>,
    /// The standard error output.
    pub stderr: Option<ChildStderr>,
    never: std::convert::Infallible,
}

/// The standard input of a process. There are no processes.
pub type ChildStdin = DuplexStream;
/// The standard output of a process. There are no processes.
pub type ChildStdout = DuplexStream;
/// The standard error output of a process. There are no processes.
pub type ChildStderr = DuplexStream;

impl Child {
    /// Returns the number of the process.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        match self.never {}
    }

    /// Sends a signal that ends the process.
    ///
    /// # Errors
    /// None: there are no processes.
    pub fn start_kill(&mut self) -> io::Result<()> {
        match self.never {}
    }

    /// Ends the process and waits for its end.
    ///
    /// # Errors
    /// None: there are no processes.
    pub async fn kill(&mut self) -> io::Result<()> {
        match self.never {}
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// None: there are no processes.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self.never {}
    }

    /// Returns how the process has ended, if it has.
    ///
    /// # Errors
    /// None: there are no processes.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match self.never {}
    }

    /// Waits for the end of the process and returns its output.
    ///
    /// # Errors
    /// None: there are no processes.
    pub async fn wait_with_output(self) -> io::Result<Output> {
        match self.never {}
    }
}
