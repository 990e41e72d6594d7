//! The hermetic mode: a binary of its own, because the feature changes what all runs of a process ask for.
#![cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what they return is the subject")]

mod processes;
#[expect(dead_code, unused_imports, unused_macros, reason = "only a part of it is used here")]
mod support;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs as _};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use timeloop::world::World;
use timeloop::{Cause, Exploration, Explorer, FailureKind, RealCall, StrategySpec, TestResult};

const SECOND: Duration = Duration::from_secs(1);

fn explorer(name: &str) -> Explorer {
    Explorer::new(format!("hermetic::{name}")).silent().without_regressions().without_environment()
}

/// Makes the baseline run and a few others, and returns what each returned.
fn outputs<T: Send, F>(test: impl Fn() -> F + Sync) -> Vec<T>
where
    F: Future<Output = T>,
{
    let outputs = Mutex::new(Vec::new());
    let explorer = explorer("outputs").runs(3).jobs(1).strategy("random").stalls(false);
    explorer.check(|| async {
        let output = test().await;
        outputs.lock().unwrap().push(output);
    });
    outputs.into_inner().unwrap()
}

fn found<F: Future<Output: TestResult>>(exploration: impl Fn() -> F + Sync) -> Exploration {
    explorer("found").runs(2).run(exploration)
}

#[track_caller]
fn assert_escape(exploration: &Exploration, call: RealCall) {
    let found = exploration.found.as_ref().expect("it fails");
    assert_eq!(found.failure.kind, FailureKind::Escape, "{}", found.report);
    assert_eq!(found.failure.cause, Cause::RealCall(call), "{}", found.report);
    let site = found.failure.site.as_ref().expect("its place is known");
    assert!(site.file.ends_with("tests/suite/hermetic.rs"), "{site}");
    assert!(found.report.contains("TIMELOOP_HERMETIC=off"), "{}", found.report);
}

#[test]
fn clocks_of_std_show_virtual_time() {
    for (monotonic, wall, date) in outputs(|| async {
        let (begun, date) = (Instant::now(), SystemTime::now());
        timeloop::time::sleep(3600 * SECOND).await;
        (begun.elapsed(), date.elapsed().unwrap(), date)
    }) {
        let hour = 3600 * SECOND..3600 * SECOND + Duration::from_micros(1);
        assert!(hour.contains(&monotonic) && hour.contains(&wall), "{monotonic:?} {wall:?}");
        // The first of January 2026.
        let since = date.duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(since.as_secs(), 1_767_225_600);
    }
}

#[test]
fn a_loop_until_a_time_of_std_ends() {
    explorer("loop").runs(1).check(|| async {
        let until = Instant::now() + SECOND;
        while Instant::now() < until {}
        let begun = timeloop::time::Instant::now();
        for _ in 0..1000 {
            let _ = Instant::now();
        }
        assert_eq!(begun.elapsed(), Duration::ZERO, "the run's own time does not move");
    });
}

#[test]
fn instants_of_std_convert_to_those_of_the_run() {
    explorer("instants").runs(3).check(|| async {
        timeloop::time::sleep(5 * SECOND).await;
        let now = timeloop::time::Instant::now();
        let ahead = timeloop::time::Instant::from_std(Instant::now()) - now;
        assert!(ahead < Duration::from_micros(1), "{ahead:?}");
        assert!(Instant::now() - now.into_std() < Duration::from_micros(1));
        let deadline = Instant::now() + SECOND;
        timeloop::time::sleep_until(deadline.into()).await;
        assert!(Instant::now() >= deadline);
    });
}

#[test]
fn a_nodes_clock_is_shown_on_the_node() {
    explorer("nodes").runs(3).stalls(false).check(|| async {
        let node = World::current().node("fast").clock_drift_ppm(100_000).build();
        let on_node = node.spawn(async {
            let begun = (Instant::now(), timeloop::time::Instant::now());
            timeloop::time::sleep(SECOND).await;
            (begun.0.elapsed(), begun.1.elapsed())
        });
        let (of_std, of_run) = on_node.await.unwrap();
        assert!(of_std - of_run < Duration::from_micros(1), "{of_std:?} {of_run:?}");
    });
}

#[test]
fn a_blocking_sleep_takes_virtual_time() {
    let begun = Instant::now();
    explorer("sleep").runs(3).check(|| async {
        let timer = timeloop::spawn(timeloop::time::sleep(60 * SECOND));
        let begun = (Instant::now(), timeloop::time::Instant::now());
        std::thread::sleep(3600 * SECOND);
        assert!(begun.0.elapsed() >= 3600 * SECOND);
        assert_eq!(begun.1.elapsed(), 3600 * SECOND);
        timer.await.unwrap();
        assert!(begun.1.elapsed() < 3601 * SECOND, "the timer was due");
    });
    assert!(begun.elapsed() < 3600 * SECOND);
}

#[test]
fn a_wait_with_a_timeout_takes_virtual_time() {
    let begun = Instant::now();
    explorer("timeout").runs(3).check(|| async {
        let begun = timeloop::time::Instant::now();
        let (sender, receiver) = channel::<u32>();
        assert_eq!(receiver.recv_timeout(600 * SECOND), Err(RecvTimeoutError::Timeout));
        sender.send(7).unwrap();
        assert_eq!(receiver.recv_timeout(600 * SECOND), Ok(7));
        assert!((600 * SECOND..601 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    });
    assert!(begun.elapsed() < 600 * SECOND);
}

fn order() -> Vec<u32> {
    (0..50).map(|number| (number, ())).collect::<HashMap<_, _>>().into_keys().collect()
}

#[test]
fn the_order_of_a_hash_map_is_that_of_the_seed() {
    let once = outputs(|| async { order() });
    assert_eq!(once, outputs(|| async { order() }));
    assert!(once.windows(2).any(|pair| pair[0] != pair[1]), "seeds have different orders");
    // The keys of later maps of a run differ.
    let hashes = || async { [0; 3].map(|_| RandomState::new().hash_one("key")) };
    assert_eq!(outputs(hashes), outputs(hashes));
}

#[expect(unsafe_code, reason = "functions of the C library")]
fn random_numbers() -> [[u8; 16]; 3] {
    unsafe extern "C" {
        fn getrandom(buffer: *mut u8, length: usize, flags: u32) -> isize;
        fn getentropy(buffer: *mut u8, length: usize) -> i32;
        fn syscall(number: i64, ...) -> i64;
    }
    let number: i64 = if cfg!(target_arch = "x86_64") { 318 } else { 278 };
    let mut all = [[0; 16]; 3];
    // SAFETY: the buffers have the lengths that are passed.
    unsafe {
        assert_eq!(getrandom(all[0].as_mut_ptr(), 16, 0), 16);
        assert_eq!(getentropy(all[1].as_mut_ptr(), 16), 0);
        assert_eq!(syscall(number, all[2].as_mut_ptr(), 16_usize, 0_u32), 16);
    }
    all
}

#[test]
fn random_numbers_of_the_system_are_those_of_the_seed() {
    let of_runs = outputs(|| async { random_numbers() });
    assert_eq!(of_runs, outputs(|| async { random_numbers() }));
    let mut all: Vec<_> = of_runs[1..].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 9, "each differs");
    assert_ne!(random_numbers(), random_numbers(), "real ones outside of a run");
}

#[test]
fn random_numbers_decide_nothing() {
    let hash = |draws: bool| {
        let source = StrategySpec::Random.source(timeloop::Seed(7));
        let outcome = timeloop::run_from(source, &timeloop::Limits::default(), || async move {
            if draws {
                random_numbers();
            }
            let tasks: Vec<_> = (0..9).map(|_| timeloop::spawn(timeloop::task::yield_now())).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        outcome.trace_hash
    };
    assert_eq!(hash(true), hash(false));
}

#[test]
fn names_are_those_of_the_run() {
    explorer("names").runs(3).check(|| async {
        let address = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
        World::current().node("server.example").address(address).build();
        let found = |name: &str| (name, 80).to_socket_addrs().map(|all| all.collect::<Vec<_>>());
        assert_eq!(found("server.example").unwrap(), [(address, 80).into()]);
        assert_eq!(found("10.9.9.9").unwrap(), [([10, 9, 9, 9], 80).into()]);
        let localhost = found("localhost").unwrap();
        assert!(!localhost.is_empty() && localhost.iter().all(|address| address.ip().is_loopback()));
        let unknown = found("nowhere.example").unwrap_err();
        assert!(unknown.to_string().contains("failed to lookup address information"), "{unknown}");
    });
}

#[test]
fn a_thread_is_an_escape() {
    let exploration = found(|| async {
        let started = std::thread::Builder::new().spawn(|| ());
        assert_eq!(started.unwrap_err().kind(), ErrorKind::PermissionDenied);
        timeloop::task::yield_now().await;
        unreachable!("the run has failed");
    });
    assert_escape(&exploration, RealCall::StartThread);
    // The panic of `spawn` follows from it.
    assert_escape(&found(|| async { drop(std::thread::spawn(|| ())) }), RealCall::StartThread);
    let in_task = || async {
        let task = timeloop::spawn(async { drop(std::thread::spawn(|| ())) });
        let _ = task.await;
    };
    assert_escape(&found(in_task), RealCall::StartThread);
    // At the end of the run.
    struct Starts;

    impl Drop for Starts {
        fn drop(&mut self) {
            let _ = std::thread::Builder::new().spawn(|| ());
        }
    }
    let at_end = || async {
        timeloop::spawn(async {
            let _starts = Starts;
            std::future::pending::<()>().await;
        });
        timeloop::task::yield_now().await;
    };
    assert_escape(&found(at_end), RealCall::StartThread);
}

#[test]
fn real_sockets_are_escapes() {
    let connects = || async { drop(std::net::TcpStream::connect("127.0.0.1:9")) };
    assert_escape(&found(connects), RealCall::Connect);
    let accepts = || async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _ = listener.accept();
    };
    assert_escape(&found(accepts), RealCall::Accept);
    let sends = || async {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let _ = socket.send_to(b"a", "127.0.0.1:9");
    };
    assert_escape(&found(sends), RealCall::Send);
}

/// The port is the same in each run, and no system has to have it.
#[test]
fn real_sockets_are_taken_over_with_addresses_of_the_run() {
    let ports = outputs(|| async {
        let std = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        std.set_nonblocking(true).unwrap();
        let address = std.local_addr().unwrap();
        let other = std::net::UdpSocket::bind("127.0.0.1:53").unwrap();
        assert_eq!(other.local_addr().unwrap().port(), 53);
        let listener = timeloop::net::TcpListener::from_std(std).unwrap();
        let client = timeloop::spawn(timeloop::net::TcpStream::connect(address));
        listener.accept().await.unwrap();
        client.await.unwrap().unwrap();
        let later = std::net::TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap();
        (address.port(), later)
    });
    assert!(ports.windows(2).all(|pair| pair[0] == pair[1]), "{ports:?}");
}

#[test]
fn outside_of_a_run_everything_is_real() {
    let real = Instant::now();
    let (sender, receiver) = channel::<()>();
    let other = std::thread::spawn(move || {
        let _ = receiver.recv();
        (Instant::now(), order())
    });
    explorer("outside").runs(3).check(|| async {
        timeloop::time::sleep(1_000_000 * SECOND).await;
        drop(order());
    });
    drop(sender);
    let (of_thread, _) = other.join().unwrap();
    assert!(of_thread >= real && of_thread < real + 600 * SECOND);
    assert!(real.elapsed() < 600 * SECOND);
    std::thread::sleep(Duration::from_millis(5));
    assert!(real.elapsed() >= Duration::from_millis(5));
    let (mut client, listener) = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        (std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener)
    };
    use std::io::{Read as _, Write as _};
    let mut server = listener.accept().unwrap().0;
    client.write_all(b"a").unwrap();
    server.read_exact(&mut [0]).unwrap();
}

#[test]
fn without_the_mode_nothing_is_virtual() {
    let explorer = explorer("off").runs(1).jobs(1).hermetic(false);
    explorer.check(|| async {
        let begun = Instant::now();
        timeloop::time::sleep(3600 * SECOND).await;
        assert!(begun.elapsed() < 3600 * SECOND);
        std::thread::spawn(|| ()).join().unwrap();
    });
}

#[test]
fn each_run_has_new_thread_locals() {
    thread_local! {
        static RUNS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }
    let name = std::thread::current().name().map(str::to_owned);
    explorer("locals").runs(20).jobs(1).check(|| async {
        assert_eq!(RUNS.replace(1), 0);
        assert_eq!(std::thread::current().name(), name.as_deref());
    });
}
