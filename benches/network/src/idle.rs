//! The memory of a million connections on which nothing happens.
//!
//! Always true: it is measured in a process of its own, started for it, at its peak, both ends of each connection and all
//! of the process included.

use std::cell::Cell;
use std::process::Command;
use std::rc::Rc;

use timeloop::io::AsyncReadExt;
use timeloop::net::{TcpListener, TcpStream};
use timeloop::time::{Duration, sleep};
use timeloop::world::World;

use crate::sides;
use crate::workload::PORT;

/// The argument that makes this program the process that is measured.
pub(crate) const ARGUMENT: &str = "--idle-in";
/// The peak that is to be kept, in MB of a million bytes.
pub(crate) const GOAL_MB: f64 = 1_000.0;

/// A host has so many ports for connections to one place, and more; so there are several that connect.
const CLIENTS: u64 = 40;
const EACH: u64 = 25_000;

/// The peak in MB; `None` where the system does not tell.
pub(crate) fn peak_mb(way: &str) -> Option<f64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).args([ARGUMENT, way]).output().ok()?;
    assert!(
        output.status.success(),
        "the process that measures the connections {way} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = kib.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024.0 / 1e6)
}

/// The process that is measured: makes the connections, prints what the system says of it, and ends.
///
/// `held`: the streams lie in vectors. `read`: for each there is a task on the server that waits for what comes.
pub(crate) fn child(way: &str) {
    let reads = match way {
        "held" => false,
        "read" => true,
        _ => panic!("`{way}` is no way to be idle; accepted are `held` and `read`"),
    };
    sides::one_run().check(|| async move {
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
        print!("{}", std::fs::read_to_string("/proc/self/status").expect("Linux tells a process its memory"));
        // Closing a million connections is not what is measured.
        std::process::exit(0);
    });
}
