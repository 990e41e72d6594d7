//! A project in a temporary folder, as a user has one, under version control.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::SystemTime;
use std::{env, fs};

/// The contents and times of files.
pub(crate) type Snapshot = BTreeMap<PathBuf, (Vec<u8>, SystemTime)>;

/// A project, which is removed when dropped.
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    target: PathBuf,
}

/// What a command has printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("tests print UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
    }

    #[track_caller]
    pub(crate) fn assert_printed(&self, text: &str) {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "{text}:\n{}\n{}",
            self.stdout,
            self.stderr
        );
    }

    #[track_caller]
    pub(crate) fn assert_not_printed(&self, text: &str) {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "{text}:\n{}\n{}",
            self.stdout,
            self.stderr
        );
    }

    /// Returns the replay line of the first report.
    #[track_caller]
    pub(crate) fn replay_line(&self) -> &str {
        let lines = self.stdout.lines().chain(self.stderr.lines());
        let line = lines.filter_map(|line| line.strip_prefix("replay     ")).next();
        line.unwrap_or_else(|| panic!("no replay line:\n{}\n{}", self.stdout, self.stderr))
    }
}

impl Project {
    /// Creates a project with these files, and commits it. All projects share the crates that they compile.
    pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = env::temp_dir().join(format!("cargo-timeloop-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let project = Self { folder, target: Path::new(env!("CARGO_TARGET_TMPDIR")).join("projects") };
        for (path, contents) in files {
            let path = project.folder.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("the temporary folder is writable");
            fs::write(path, contents).expect("the temporary folder is writable");
        }
        fs::write(project.folder.join(".gitignore"), "/target\n").expect("the temporary folder is writable");
        project
    }

    /// Creates a library with this source, that depends on tokio and tokio-stream.
    pub(crate) fn library(name: &str, source: &str) -> Self {
        let project =
            Self::new(name, &[("Cargo.toml", &manifest(name, DEPENDENCIES)), ("src/lib.rs", source)]);
        project.commit();
        project
    }

    /// Makes the lockfile, and commits everything.
    pub(crate) fn commit(&self) {
        self.succeeds("cargo", &["generate-lockfile", "--quiet"]);
        self.succeeds("git", &["init", "--quiet"]);
        self.succeeds("git", &["add", "--all"]);
        let names = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        self.succeeds("git", &[&names[..], &["commit", "--quiet", "--message", "all"]].concat());
    }

    /// Uses the project's own target folder.
    pub(crate) fn with_own_target(mut self) -> Self {
        self.target = self.folder.join("target");
        fs::create_dir(&self.target).expect("it is writable");
        self
    }

    /// The folder in which `cargo timeloop` stores what belongs to this project.
    pub(crate) fn stored(&self) -> PathBuf {
        let base = self.target.join("timeloop");
        if base.starts_with(&self.folder) {
            return base;
        }
        let name = self.folder.file_name().expect("a name").to_string_lossy().into_owned();
        let folders =
            fs::read_dir(&base).expect("it was used").map(|entry| entry.expect("it can be read").path());
        let mut folders = folders
            .filter(|folder| folder.file_name().is_some_and(|it| it.to_string_lossy().starts_with(&name)));
        folders.next().expect("the project's folder")
    }

    /// Returns a command in this project, without the variables of the surrounding cargo.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let of_cargo = name.starts_with("CARGO") && name != "CARGO_HOME";
            if of_cargo
                || name.starts_with("TIMELOOP_")
                || ["CI", "RUST_BACKTRACE", "NEXTEST"].contains(&&*name)
            {
                command.env_remove(&name);
            }
        }
        // So that a shell finds `cargo timeloop`.
        let binary = Path::new(env!("CARGO_BIN_EXE_cargo-timeloop")).parent().expect("a folder");
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([binary.to_owned()].into_iter().chain(env::split_paths(&path)));
        command.env("PATH", path.expect("no quotes")).env("CARGO_TARGET_DIR", &self.target);
        command.env("PWD", &self.folder);
        // Less to compile and to write.
        command.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only").env("CARGO_INCREMENTAL", "0");
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    fn succeeds(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program, arguments).output().expect("it runs");
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    }

    /// Runs `cargo timeloop` with these arguments.
    pub(crate) fn timeloop(&self, arguments: &[&str]) -> Ended {
        self.timeloop_with(arguments, &[])
    }

    /// Runs `cargo timeloop` with these arguments and variables.
    pub(crate) fn timeloop_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = self.command("cargo", &[&["timeloop"], arguments].concat());
        command.envs(variables.iter().copied()).output().expect("it runs").into()
    }

    /// Runs `cargo timeloop` with another cargo.
    pub(crate) fn timeloop_by(&self, cargo: &Path, arguments: &[&str]) -> Ended {
        let mut command = self.command(env!("CARGO_BIN_EXE_cargo-timeloop"), arguments);
        command.env("CARGO", cargo).output().expect("it runs").into()
    }

    /// Runs a line in a shell.
    pub(crate) fn shell(&self, line: &str) -> Ended {
        self.command("sh", &["-c", line]).output().expect("it runs").into()
    }

    /// Starts `cargo timeloop` in a process group of its own.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command("cargo", &[&["timeloop"], arguments].concat());
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs")
    }

    /// Returns every file outside of the target folder and of git's, with its contents and times.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            let modified =
                |path: &Path| fs::metadata(path).and_then(|data| data.modified()).expect("it has a time");
            // A folder's time shows that a file was in it for a moment.
            files.insert(folder.clone(), (Vec::new(), modified(&folder)));
            for entry in fs::read_dir(&folder).expect("it can be read") {
                let path = entry.expect("it can be read").path();
                if path.is_dir() {
                    let name = path.file_name().expect("a name");
                    folders.extend((name != "target" && name != ".git").then_some(path));
                } else {
                    files.insert(path.clone(), (fs::read(&path).expect("it can be read"), modified(&path)));
                }
            }
        }
        files
    }

    /// Checks that no file has changed, nor was there another one for a moment.
    #[track_caller]
    pub(crate) fn assert_untouched(&self, before: &Snapshot) {
        let after = self.snapshot();
        let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let changed: Vec<_> =
            paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).collect();
        assert!(changed.is_empty(), "changed: {changed:?}");
    }

    /// Returns what git says of changed files.
    pub(crate) fn git_status(&self) -> String {
        Ended::from(self.command("git", &["status", "--porcelain"]).output().expect("it runs")).stdout
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) const DEPENDENCIES: &str =
    "tokio = { version = '1.47', features = ['full'] }\ntokio-stream = '0.1'\n";

/// Returns the manifest of a package with these dependencies.
pub(crate) fn manifest(name: &str, dependencies: &str) -> String {
    format!("[package]\nname = '{name}'\nversion = '0.1.0'\nedition = '2021'\n[dependencies]\n{dependencies}")
}
