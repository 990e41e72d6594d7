//! A crate that tests its own binary while timeloop stands in for tokio.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::shell;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The line that replaces tokio.
const SWAP: &str = "#[cfg(feature = \"timeloop\")]\nextern crate timeloop as tokio;\n\n";

const LIB: &str = r#"
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Duration, sleep};

/// Answers one connection, in upper case.
pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    sleep(Duration::from_millis(20)).await;
    stream.write_all(text.to_uppercase().as_bytes()).await
}
"#;

const MAIN: &str = r#"
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("--version") => {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            println!("upper 1.0, {} s", tokio::time::Instant::now().elapsed().as_secs());
            Ok(())
        }
        Some("serve") => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("{}", listener.local_addr()?);
            upper::serve(listener).await
        }
        _ => Err(std::io::Error::other("usage: upper serve")),
    }
}
"#;

/// Starts the binary. It needs no network.
const COMMAND_LINE: &str = r#"
use std::process::Command;

fn upper(argument: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_upper")).arg(argument).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn prints_its_version() {
    assert_eq!(upper("--version"), (Some(0), "upper 1.0, 0 s\n".to_owned(), String::new()));
}

#[test]
fn refuses_other_arguments() {
    let (code, printed, error) = upper("--help");
    assert_eq!((code, &*printed), (Some(1), ""));
    assert!(error.contains("usage: upper serve"), "{error}");
}

#[tokio::test]
async fn starts_the_binary_in_a_task() {
    let version = tokio::task::spawn_blocking(|| upper("--version")).await.unwrap();
    assert_eq!(version.0, Some(0), "{version:?}");
}
"#;

/// Talks to the binary over real sockets.
const REAL: &str = r#"
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};

#[test]
fn answers_over_real_sockets() {
    let mut server =
        Command::new(env!("CARGO_BIN_EXE_upper")).arg("serve").stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let mut stream = TcpStream::connect(address.trim()).unwrap();
    stream.write_all(b"quite loud").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "QUITE LOUD");
    assert!(server.wait().unwrap().success());
}
"#;

/// Tests the library in a simulation.
const SIMULATED: &str = r#"
use timeloop::io::{AsyncReadExt as _, AsyncWriteExt as _};
use timeloop::net::{TcpListener, TcpStream};

#[timeloop::test(runs = 100)]
async fn answers_over_simulated_sockets() {
    let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
    let server = timeloop::spawn(upper::serve(listener));
    let mut stream = TcpStream::connect("127.0.0.1:80").await.unwrap();
    stream.write_all(b"quite loud").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "QUITE LOUD");
    server.await.unwrap().unwrap();
}
"#;

/// Creates a workspace of two packages, as the guide proposes.
fn workspace() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-binary");
    let package =
        |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n");
    let upper = package("upper")
        + &format!(
            "[features]\ntimeloop = [\"dep:timeloop\"]\n\n[dependencies]\ntimeloop = {{ path = {ROOT:?}, optional = true }}\n\
             tokio = {{ version = \"1\", features = [\"io-util\", \"macros\", \"net\", \"rt\", \"time\"] }}\n"
        );
    let simulation = package("upper-simulation")
        + &format!(
            "[dependencies]\ntimeloop = {{ path = {ROOT:?} }}\nupper = {{ path = \"../upper\", features = [\"timeloop\"] }}\n"
        );
    let files = [
        (
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"upper\", \"upper-simulation\"]\n".to_owned(),
        ),
        // The versions that timeloop is tested with. They are available without a network.
        ("Cargo.lock", fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).expect("a lockfile")),
        ("upper/Cargo.toml", upper),
        ("upper/src/lib.rs", format!("{SWAP}{LIB}")),
        (
            "upper/src/main.rs",
            format!(
                "{SWAP}{}",
                MAIN.replace("#[tokio::main]", "#[tokio::main(flavor = \"current_thread\")]")
            ),
        ),
        ("upper/tests/command_line.rs", format!("{SWAP}{COMMAND_LINE}")),
        ("upper/tests/real.rs", REAL.to_owned()),
        ("upper-simulation/Cargo.toml", simulation),
        ("upper-simulation/src/lib.rs", String::new()),
        ("upper-simulation/tests/simulated.rs", SIMULATED.to_owned()),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the target folder can be written");
        fs::write(path, text).expect("the target folder can be written");
    }
    folder
}

#[cfg(unix)]
#[test]
fn a_crate_tests_its_own_binary_while_the_swap_is_on() {
    let folder = workspace();
    // The binary runs in a simulation, too.
    let swapped =
        shell(&folder, "TIMELOOP_RUNS=3 cargo test -p upper --features timeloop --test command_line");
    assert!(swapped.contains("test result: ok. 3 passed"), "{swapped}");
    // Real sockets need a binary without the swap, which another package of the workspace turns on for itself.
    let real = shell(&folder, "cargo test -p upper");
    assert!(!real.contains("FAILED") && real.contains("answers_over_real_sockets ... ok"), "{real}");
    let simulated = shell(&folder, "cargo test -p upper-simulation");
    assert!(simulated.contains("answers_over_simulated_sockets ... ok"), "{simulated}");
}
