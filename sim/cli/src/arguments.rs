//! The arguments of the command. Those of `cargo test` and `cargo run` have the same meaning, and are passed to cargo.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

/// Explores the schedules of a tokio program's own tests, without a change to the program.
#[derive(Debug, Parser)]
#[command(name = "cargo timeloop", bin_name = "cargo timeloop", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 nothing found, 1 an error around the tests (toolchain, dependencies, build), 2 wrong arguments or a wrong
timeloop.toml, 42 a bug was found.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the tests, and explores many schedules of those with `#[tokio::test]`.
    Test(TestOptions),
    /// Runs a program in a simulation, once.
    Run(RunOptions),
    /// Runs the tests as `test` does, with options for the number of schedules, the strategy and the seed.
    Explore(Explore),
    /// Runs a test under the schedule of a token.
    Replay(Replay),
    /// Runs the tests as `test` does, and writes what they need into timeloop.toml
    Init(TestOptions),
    /// Lists the tests.
    List(TestOptions),
    /// Removes what this command has stored in the target folder, except for the regressions.
    Clean(Clean),
    /// Checks the toolchain and the dependencies, and says what will not be simulated.
    Doctor(Graph),
}

/// What decides the graph of dependencies, and how cargo is called.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Graph {
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Features to activate
    #[arg(short = 'F', long, value_name = "FEATURES")]
    pub(crate) features: Vec<String>,
    /// Activate all features
    #[arg(long)]
    pub(crate) all_features: bool,
    /// Do not activate the `default` feature
    #[arg(long)]
    pub(crate) no_default_features: bool,
    /// Accept packages whose rust-version is lower than timeloop's
    #[arg(long)]
    pub(crate) ignore_rust_version: bool,
    /// Fail if your Cargo.lock is not up to date
    #[arg(long)]
    pub(crate) locked: bool,
    /// Do not use the network
    #[arg(long)]
    pub(crate) offline: bool,
    /// As --locked and --offline
    #[arg(long)]
    pub(crate) frozen: bool,
    /// Override a configuration value of cargo
    #[arg(long, value_name = "KEY=VALUE|PATH")]
    pub(crate) config: Vec<String>,
    /// Unstable flags of cargo
    #[arg(short = 'Z', value_name = "FLAG")]
    pub(crate) unstable: Vec<String>,
    /// Coloring: auto, always, never
    #[arg(long, value_name = "WHEN")]
    pub(crate) color: Option<String>,
    /// Use verbose output
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Do not print cargo's messages
    #[arg(short = 'q', long = "quiet")]
    pub(crate) silent: bool,
}

/// How cargo compiles.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Compile {
    /// Compile with optimizations
    #[arg(short, long)]
    release: bool,
    /// Compile with this profile
    #[arg(long, value_name = "PROFILE-NAME")]
    profile: Option<String>,
    /// Number of jobs of the build
    #[arg(short, long, value_name = "N")]
    jobs: Option<String>,
    /// Compile for this target
    #[arg(long, value_name = "TRIPLE")]
    target: Vec<String>,
    /// The target folder, in which timeloop has the folder `timeloop`
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) target_dir: Option<PathBuf>,
}

/// Which packages and targets are compiled.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Selection {
    /// Package to test
    #[arg(short, long, value_name = "SPEC")]
    package: Vec<String>,
    /// Test all packages of the workspace
    #[arg(long, alias = "all")]
    workspace: bool,
    /// Exclude packages
    #[arg(long, value_name = "SPEC")]
    exclude: Vec<String>,
    /// Test the library only
    #[arg(long)]
    lib: bool,
    /// Test all programs
    #[arg(long)]
    bins: bool,
    /// Test this program
    #[arg(long, value_name = "NAME")]
    bin: Vec<String>,
    /// Test all examples
    #[arg(long)]
    examples: bool,
    /// Test this example
    #[arg(long, value_name = "NAME")]
    example: Vec<String>,
    /// Test all integration tests
    #[arg(long)]
    tests: bool,
    /// Test this integration test
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    /// Test all benchmarks
    #[arg(long)]
    benches: bool,
    /// Test this benchmark
    #[arg(long, value_name = "NAME")]
    bench: Vec<String>,
    /// Test all targets
    #[arg(long)]
    all_targets: bool,
    /// Test the documentation of the library only
    #[arg(long)]
    doc: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TestOptions {
    #[command(flatten)]
    pub(crate) graph: Graph,
    #[command(flatten)]
    pub(crate) compile: Compile,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Compile, but don't run
    #[arg(long)]
    pub(crate) no_run: bool,
    /// Run all tests although one fails; always so
    #[arg(long)]
    pub(crate) no_fail_fast: bool,
    /// Every test that fails counts as a bug, also in FIFO order, by stalls alone, and if it is not deterministic
    #[arg(long)]
    pub(crate) strict: bool,
    /// Run the tests whose paths contain this
    #[arg(value_name = "TESTNAME")]
    pub(crate) filter: Option<String>,
    /// Arguments of the test binaries
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) libtest: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) graph: Graph,
    #[command(flatten)]
    pub(crate) compile: Compile,
    /// Package of the program
    #[arg(short, long, value_name = "SPEC")]
    package: Option<String>,
    /// Name of the program
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
    /// Name of the example to run
    #[arg(long, value_name = "NAME")]
    example: Option<String>,
    /// Arguments of the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Explore {
    /// How many schedules to try in each test, besides the baseline run
    #[arg(long, value_name = "N")]
    runs: Option<String>,
    /// The strategy, as in TIMELOOP_STRATEGY
    #[arg(long, value_name = "S")]
    strategy: Option<String>,
    /// The seed of the first run, as in TIMELOOP_SEED
    #[arg(long, value_name = "SEED")]
    seed: Option<String>,
    #[command(flatten)]
    pub(crate) test: TestOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The token of a report
    #[arg(value_name = "TOKEN")]
    pub(crate) token: String,
    #[command(flatten)]
    pub(crate) test: TestOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Clean {
    /// Also removes the stored regressions
    #[arg(long)]
    pub(crate) regressions: bool,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// The target folder
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) target_dir: Option<PathBuf>,
}

/// The words of a cargo command.
#[derive(Debug, Default)]
struct Words(Vec<OsString>);

impl Words {
    fn flag(&mut self, name: &str, given: bool) {
        if given {
            self.0.push(name.into());
        }
    }

    fn option(&mut self, name: &str, values: impl IntoIterator<Item = impl Into<OsString>>) {
        for value in values {
            self.0.push(name.into());
            self.0.push(value.into());
        }
    }
}

impl Graph {
    /// Returns the arguments that decide the graph.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.option("--manifest-path", &self.manifest_path);
        words.option("--features", &self.features);
        words.flag("--all-features", self.all_features);
        words.flag("--no-default-features", self.no_default_features);
        // Not `--locked`: the patch changes the lockfile.
        words.flag("--offline", self.offline || self.frozen);
        words.0.extend(self.configuring_words());
        words.option("--color", &self.color);
        words.0
    }

    /// Returns the arguments that cargo's configuration depends on.
    pub(crate) fn configuring_words(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.option("--config", &self.config);
        words.option("-Z", &self.unstable);
        words.0
    }

    /// Returns the arguments of commands that compile.
    fn compiling_words(&self) -> Vec<OsString> {
        let mut words = Words(self.words());
        words.flag("--ignore-rust-version", self.ignore_rust_version);
        words.flag("--quiet", self.silent);
        (0..self.verbose).for_each(|_| words.flag("--verbose", true));
        words.0
    }
}

impl Compile {
    /// Returns the arguments, without the target folder.
    fn words(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.flag("--release", self.release);
        words.option("--profile", &self.profile);
        words.option("--jobs", &self.jobs);
        words.0.extend(self.target_words());
        words.0
    }

    pub(crate) fn target_words(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.option("--target", &self.target);
        words.0
    }

    /// Returns whether an argument says for which targets to compile.
    pub(crate) fn has_target(&self) -> bool {
        !self.target.is_empty()
    }
}

impl TestOptions {
    /// Returns the arguments of `cargo test`, up to the filter.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let Selection { package, workspace, exclude, lib, bins, bin, examples, example, .. } =
            &self.selection;
        let Selection { tests, test, benches, bench, all_targets, doc, .. } = &self.selection;
        let mut words = Words(self.graph.compiling_words());
        words.0.extend(self.compile.words());
        words.option("--package", package);
        words.flag("--workspace", *workspace);
        words.option("--exclude", exclude);
        words.flag("--lib", *lib);
        words.flag("--bins", *bins);
        words.option("--bin", bin);
        words.flag("--examples", *examples);
        words.option("--example", example);
        words.flag("--tests", *tests);
        words.option("--test", test);
        words.flag("--benches", *benches);
        words.option("--bench", bench);
        words.flag("--all-targets", *all_targets);
        words.flag("--doc", *doc);
        words.0
    }

    /// Returns whether only documentation is tested, which `--no-run` does not compile.
    pub(crate) fn is_documentation(&self) -> bool {
        self.selection.doc
    }
}

impl RunOptions {
    /// Returns the arguments of `cargo run`.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words = Words(self.graph.compiling_words());
        words.0.extend(self.compile.words());
        words.option("--package", &self.package);
        words.option("--bin", &self.bin);
        words.option("--example", &self.example);
        words.0.push("--".into());
        words.0.extend(self.arguments.iter().cloned());
        words.0
    }
}

impl Explore {
    /// Returns the variables of the test processes.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let variables = [
            ("TIMELOOP_RUNS", &self.runs),
            ("TIMELOOP_STRATEGY", &self.strategy),
            ("TIMELOOP_SEED", &self.seed),
        ];
        variables.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_replay_line_is_understood() {
        let line = "timeloop replay TL1AB -p bank --features slow --test transfers money::moves -- --exact";
        let Command::Replay(replay) = Arguments::parse_from(line.split(' ')).command else {
            panic!("a replay")
        };
        assert_eq!((replay.token.as_str(), replay.test.filter.as_deref()), ("TL1AB", Some("money::moves")));
        assert_eq!(replay.test.libtest, ["--exact"]);
        let words = ["--features", "slow", "--package", "bank", "--test", "transfers"];
        assert_eq!(replay.test.words(), words);
    }
}
