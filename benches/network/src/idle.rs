//! Measures the memory of a million idle connections.
//!
//! The result is the peak memory of a separate process, which includes both ends of each connection.

use std::cell::Cell;
use std::process::Command;
use std::rc::Rc;

use timeloop::io::AsyncReadExt;
use timeloop::net::{TcpListener, TcpStream};
use timeloop::time::{Duration, sleep};
use timeloop::world::World;

use crate::networks;
use crate::workload::PORT;

/// The argument that starts this program as the measured process.
pub(crate) const ARGUMENT: &str = "--idle-in";
/// The maximum peak, in MB of a million bytes.
pub(crate) const GOAL_MB: f64 = 1_000.0;

/// The connections are spread over several clients, because a host has a limited number of ports.
const CLIENTS: u64 = 40;
const EACH: u64 = 25_000;

/// Returns the peak in MB; `None` if the system does not report it.
pub(crate) fn peak_mb(mode: &str) -> Option<f64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).args([ARGUMENT, mode]).output().ok()?;
    assert!(
        output.status.success(),
        "the process that measures the connections ({mode}) failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = kib.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024.0 / 1e6)
}

/// Runs the measured process: opens the connections, prints the process status and exits.
///
/// With `held`, the streams are stored in vectors. With `read`, a server task waits in a read on each stream.
pub(crate) fn child(mode: &str) {
    let reads = match mode {
        "held" => false,
        "read" => true,
        _ => panic!("unknown mode `{mode}`; the modes are `held` and `read`"),
    };
    networks::one_run().check(|| async move {
        let accepted = Rc::new(Cell::new(0));
        let count = Rc::clone(&accepted);
        let server = World::current().node("server").build();
        drop(server.spawn(async move {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).await.unwrap();
            let mut streams = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.set(count.get() + 1);
                if reads {
                    drop(timeloop::spawn(async move { stream.read_u8().await }));
                } else {
                    streams.push(stream);
                }
            }
        }));
        for number in 0..CLIENTS {
            let client = World::current().node(format!("client-{number}")).build();
            drop(client.spawn(async move {
                sleep(Duration::from_millis(1)).await;
                let mut streams = Vec::with_capacity(EACH as usize);
                for _ in 0..EACH {
                    streams.push(TcpStream::connect(("server", PORT)).await.unwrap());
                }
                std::future::pending::<()>().await;
                drop(streams);
            }));
        }
        while accepted.get() < CLIENTS * EACH {
            sleep(Duration::from_secs(1)).await;
        }
        print!("{}", std::fs::read_to_string("/proc/self/status").expect("Linux has /proc/self/status"));
        // Exits at once: closing the connections is not measured.
        std::process::exit(0);
    });
}
