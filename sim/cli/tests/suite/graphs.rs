//! tokio at a path, from git, by the user's own `[patch]`, and several of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::project::{DEPENDENCIES, Project, manifest};

const SOURCE: &str = "#[tokio::test]\nasync fn nothing() {}\n";

/// The version of the fork: newer than each published one.
const FORK: &str = "1.999.0";

/// Returns a repository with the newest tokio in cargo's cache, in another version.
fn fork(name: &str) -> Project {
    let project = Project::library(&format!("{name}-cache"), "");
    let manifest = project.shell(
        "cargo metadata --format-version=1 | tr ',' '\\n' | grep manifest_path | grep -o '/[^\"]*/tokio-1[^/]*/Cargo.toml'",
    );
    let tokio: PathBuf = Path::new(manifest.stdout.trim()).parent().expect("the folder of a manifest").into();
    let text = fs::read_to_string(tokio.join("Cargo.toml")).expect("it is in the cache");
    // Without what only tokio's own tests need, so that it resolves quickly.
    let needed = |section: &&str| !section.contains("dev-dependencies") && !section.starts_with('[');
    let text = text.split("\n[").filter(needed).collect::<Vec<_>>().join("\n[");
    let version = text.lines().find(|line| line.starts_with("version = ")).expect("it has a version");
    let text = text.replacen(version, &format!("version = \"{FORK}\""), 1);
    let fork = Project::new(name, &[("Cargo.toml", &text)]);
    fork.shell(&format!("cp -r '{}' .", tokio.join("src").display())).assert_code(0);
    fork.commit();
    fork
}

/// Checks that every tokio of a project with these dependencies is replaced; `listed` says which ones there are.
#[track_caller]
fn replaced(name: &str, dependencies: &str, listed: &[&str]) {
    let project =
        Project::new(name, &[("Cargo.toml", &manifest(name, dependencies)), ("src/lib.rs", SOURCE)]);
    project.commit();
    let before = project.snapshot();
    let ended = project.timeloop(&["doctor"]);
    ended.assert_code(0);
    listed.iter().for_each(|used| ended.assert_printed(&format!("{used}: replaced by timeloop everywhere")));
    assert_eq!(
        ended.stdout.matches("replaced by timeloop everywhere").count(),
        listed.len(),
        "{}",
        ended.stdout
    );
    project.assert_untouched(&before);
}

#[test]
fn every_tokio_is_replaced_wherever_it_is_from() {
    let fork = fork("fork");
    let path = fork.folder.display();
    let url = format!("file://{path}");
    let commit = fork.shell("git rev-parse HEAD").stdout;
    let from_git = format!("tokio {FORK} (git+{url}#{})", commit.trim());
    let at_path = format!("tokio {FORK} ({path})");
    let git = format!("tokio = {{ git = '{url}', features = ['full'] }}\n");
    replaced("git", &git, &[&format!("{from_git}, used by git")]);
    let patched =
        format!("{DEPENDENCIES}[patch.crates-io]\nfork = {{ package = 'tokio', path = '{path}' }}\n");
    replaced("patched", &patched, &[&format!("{at_path}, used by patched, tokio-stream")]);
    let patched = format!("{DEPENDENCIES}[patch.crates-io]\ntokio = {{ git = '{url}' }}\n");
    replaced("patched-by-git", &patched, &[&format!("{from_git}, used by patched-by-git, tokio-stream")]);
    // A `[patch]` of a repository.
    let user = manifest("user", "tokio = { path = '..' }\n");
    let copy = Project::new("copy", &[("user/Cargo.toml", &user), ("user/src/lib.rs", "")]);
    copy.shell(&format!("cp -r '{path}/Cargo.toml' '{path}/src' .")).assert_code(0);
    let at_copy = format!("tokio {FORK} ({})", copy.folder.display());
    let patched = format!("{git}[patch.'{url}/']\ntokio = {{ path = '{}' }}\n", copy.folder.display());
    replaced("patched-git", &patched, &[&format!("{at_copy}, used by patched-git")]);
    // The same version from two places.
    let two = format!("{git}user = {{ path = '{}/user' }}\n", copy.folder.display());
    replaced("two", &two, &[&format!("{from_git}, used by two"), &format!("{at_copy}, used by user")]);
    // In cargo's configuration.
    let files = [("Cargo.toml", &*manifest("configured", DEPENDENCIES)), ("src/lib.rs", SOURCE)];
    let project = Project::new("configured", &files);
    fs::create_dir(project.folder.join(".cargo")).expect("it is writable");
    let configure = |entry: &str| {
        let text = format!("[patch.crates-io]\n{entry}\n");
        fs::write(project.folder.join(".cargo/config.toml"), text).expect("it is writable");
        project.timeloop(&["doctor"])
    };
    let ended = configure(&format!("tokio.path = '{path}'"));
    ended.assert_code(0);
    ended.assert_printed(&format!(
        "{at_path}, used by configured, tokio-stream: replaced by timeloop everywhere"
    ));
    for entry in [format!("tokio.git = '{url}'"), format!("fork = {{ package = 'tokio', path = '{path}' }}")]
    {
        let ended = configure(&entry);
        ended.assert_code(1);
        ended.assert_printed("`[patch]` of tokio, move it to the Cargo.toml of the workspace's root");
    }
}

/// A folder of vendored packages has to have those that timeloop needs, too.
#[test]
fn vendored_packages_need_timeloops() {
    let project = Project::library("vendored", SOURCE);
    project.shell("cargo vendor --quiet").assert_code(0);
    let source = "[source.crates-io]\nreplace-with = 'mine'\n[source.mine]\ndirectory = 'vendor'\n";
    fs::create_dir(project.folder.join(".cargo")).expect("it is writable");
    fs::write(project.folder.join(".cargo/config.toml"), source).expect("it is writable");
    let ended = project.timeloop(&["doctor"]);
    ended.assert_code(1);
    let line = ended.stderr.lines().find_map(|line| line.strip_prefix("  cargo vendor --sync "));
    let manifest = line.expect("the command").split(' ').next().expect("a manifest");
    project.shell(&format!("cargo vendor --quiet --sync {manifest} target/all")).assert_code(0);
    let before = project.snapshot();
    let all = ["doctor", "--offline", "--config", "source.mine.directory='target/all'"];
    project.timeloop(&all).assert_code(0);
    project.assert_untouched(&before);
}

#[test]
fn a_member_is_not_replaced() {
    let fork = fork("member");
    let text = manifest("members", "tokio = { path = 'forks/tokio', features = ['full'] }\n");
    let project =
        Project::new("members", &[("src/lib.rs", SOURCE), ("Cargo.toml", &format!("{text}[workspace]\n"))]);
    let copy =
        format!("mkdir forks && cp -r '{}' forks/tokio && rm -rf forks/tokio/.git", fork.folder.display());
    project.shell(&copy).assert_code(0);
    let ended = project.timeloop(&["doctor"]);
    ended.assert_code(1);
    ended.assert_printed("is a member of your workspace, and cargo replaces no member");
    ended.assert_printed("write `exclude = [\"forks/tokio\"]` into the table `[workspace]`");
    let text = format!("{text}[workspace]\nexclude = ['forks/tokio']\n");
    fs::write(project.folder.join("Cargo.toml"), text).expect("it is writable");
    let ended = project.timeloop(&["doctor"]);
    ended.assert_code(0);
    ended.assert_printed("-members/forks/tokio), used by members: replaced by timeloop everywhere");
}

/// A fork beside the workspace, the published tokio for a dependency, and the real one while compiling.
#[test]
fn tests_run_with_several_tokios() {
    let fork = fork("beside");
    let source = "
        //! ```
        //! let runtime = tokio::runtime::Runtime::new().unwrap();
        //! runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_secs(3600)).await });
        //! ```

        #[tokio::test]
        async fn streams() {
            use tokio_stream::StreamExt as _;
            assert!(cfg!(flag_of_the_user), \"the flags in .cargo/config.toml are not in effect\");
            assert_eq!(env!(\"READ\"), \"by the real tokio\");
            assert!(ask::sleeps!());
            let (sender, receiver) = tokio::sync::mpsc::channel(2);
            let sending = tokio::spawn(async move {
                for number in 0..3 {
                    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
                    sender.send(number).await.unwrap();
                }
            });
            let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
            let stream = stream.throttle(std::time::Duration::from_secs(1));
            assert_eq!(stream.collect::<Vec<_>>().await, [0, 1, 2]);
            sending.await.unwrap();
        }
    ";
    let script = "
        use tokio::io::AsyncReadExt as _;

        #[tokio::main(flavor = \"current_thread\")]
        async fn main() {
            let listener = std::net::TcpListener::bind(\"127.0.0.1:0\").unwrap();
            let address = listener.local_addr().unwrap();
            std::thread::spawn(move || {
                use std::io::Write as _;
                listener.accept().unwrap().0.write_all(b\"by the real tokio\").unwrap();
            });
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            println!(\"cargo::rustc-env=READ={text}\");
        }
    ";
    let procedural = "
        #[proc_macro]
        pub fn sleeps(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
            let begun = std::time::Instant::now();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_millis(20)).await });
            (begun.elapsed().as_millis() >= 20).to_string().parse().unwrap()
        }
    ";
    let path = fork.folder.display();
    let dependencies = format!(
        "ask = {{ path = 'ask' }}\ntokio = {{ path = '{path}', features = ['full'] }}\n\
         tokio-stream = {{ version = '0.1', features = ['time'] }}\n[build-dependencies]\n\
         tokio = {{ path = '{path}', features = ['io-util', 'macros', 'net', 'rt'] }}\n"
    );
    let ask = manifest("ask", "tokio = { version = '1.47', features = ['rt', 'time'] }\n");
    let files = [
        ("Cargo.toml", &*manifest("several", &dependencies)),
        ("build.rs", script),
        ("src/lib.rs", source),
        (".cargo/config.toml", "build.rustflags = ['--cfg', 'flag_of_the_user']\n"),
        ("ask/Cargo.toml", &(ask + "[lib]\nproc-macro = true\n")),
        ("ask/src/lib.rs", procedural),
    ];
    let project = Project::new("several", &files);
    project.commit();
    let before = (project.snapshot(), fork.snapshot());
    let ended = project.timeloop(&["doctor"]);
    ended.assert_printed("  `ask`, which `several` needs while compiling: tokio is real there");
    ended.assert_printed("  `tokio`, which `several` needs while compiling: tokio is real there");
    let ended = project.timeloop(&["test"]);
    ended.assert_code(0);
    ended.assert_printed("1 explored, no schedule failed (1001 schedules)");
    // The documentation test.
    ended.assert_printed("1 other test passed");
    let again = project.timeloop(&["test", "--lib"]);
    again.assert_code(0);
    again.assert_not_printed("Compiling");
    project.assert_untouched(&before.0);
    fork.assert_untouched(&before.1);
    // Another state of the same folder.
    let path = fork.folder.join("src/sync/mutex.rs");
    let text = fs::read_to_string(&path).expect("tokio has it");
    fs::write(&path, format!("{text}\nstruct ;\n")).expect("it is writable");
    let ended = project.timeloop(&["test"]);
    ended.assert_code(1);
    ended.assert_printed("the tests do not compile: see above");
}
