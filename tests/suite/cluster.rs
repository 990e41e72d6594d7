//! One seed is one run of a small cluster with sockets, faults, lookups and split transfers: in every process, and in debug
//! and release builds.
//!
//! `.ci/long` compares 2,000 seeds, in two processes of each build: `SEEDS=2000 cargo test --test pinned
//! cluster::prints_runs -- --exact --nocapture`.

use std::env;
use std::fmt::Write as _;

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{FaultPlan, LinkModel, Network, TcpListener, TcpStream, UdpSocket};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::world::World;
use timeloop::{Limits, Profile, Seed, StrategySpec, run_from, spawn};

use crate::support::{child, is_child};

const MS: Duration = Duration::from_millis(1);

/// Serves requests: reads four bytes and answers with them, through a pipe in memory.
async fn serve() {
    let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
    let gossip = UdpSocket::bind("0.0.0.0:9").await.unwrap();
    spawn(async move {
        let mut bytes = [0; 4];
        while let Ok((count, from)) = gossip.recv_from(&mut bytes).await {
            let _ = gossip.send_to(&bytes[..count], from).await;
        }
    });
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        spawn(async move {
            let (mut one, mut other) = timeloop::io::duplex(3);
            let copies = spawn(async move {
                let mut bytes = [0; 4];
                other.read_exact(&mut bytes).await?;
                other.write_all(&bytes).await
            });
            let mut bytes = [0; 4];
            while stream.read_exact(&mut bytes).await.is_ok() {
                if one.write_all(&bytes).await.is_err() || one.read_exact(&mut bytes).await.is_err() {
                    break;
                }
                if stream.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            copies.abort();
        });
    }
}

async fn ask(server: &str, number: u32) -> std::io::Result<u32> {
    let mut stream = TcpStream::connect(format!("{server}:7")).await?;
    // The first read may get a part of the answer, which is a bug on purpose: some seeds fail.
    stream.write_all(&number.to_be_bytes()).await?;
    let mut bytes = [0; 4];
    let count = stream.read(&mut bytes).await?;
    if count < 4 {
        stream.read_exact(&mut bytes[count..]).await?;
        assert!(number.is_multiple_of(3), "a part of the answer to {number}");
    }
    Ok(u32::from_be_bytes(bytes))
}

/// Asks two servers while nodes and links fail.
async fn cluster() {
    let model = LinkModel::new().latency_between(MS, 9 * MS).loss(0.02).duplicates(0.02).reorders(0.05);
    Network::current().set_all(&model);
    let world = World::current();
    for server in ["one", "two"] {
        world.node(server).start(serve);
    }
    let client = world.node("client").build();
    let plan = FaultPlan::over(2_000 * MS).partitions(1).clogs(1).crashes(1).pauses(1);
    let faults = spawn(plan.run());
    let echoes = client.spawn(async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let mut back = 0;
        for number in 0..5_u8 {
            let _ = socket.send_to(&[number], "two:9").await;
            back += usize::from(timeout(50 * MS, socket.recv(&mut [0; 4])).await.is_ok());
        }
        back
    });
    let answers = client.spawn(async {
        let mut answers = 0;
        for number in 0..8_u32 {
            let server = if number % 2 == 0 { "one" } else { "two" };
            if let Ok(Ok(answer)) = timeout(500 * MS, ask(server, number)).await {
                assert_eq!(answer, number);
                answers += 1;
            }
            sleep(100 * MS).await;
        }
        answers
    });
    faults.await.unwrap();
    let (answers, echoes) = (answers.await.unwrap(), echoes.await.unwrap());
    assert!(answers + echoes > 4, "{answers} answers, {echoes} echoes");
}

/// Returns a line for the run of each seed: its trace hash, steps and time, and how it ended.
fn runs(seeds: u64) -> String {
    let limits = Limits::default();
    let (source, watched) = Profile::watching();
    let baseline = run_from(source, &limits, cluster);
    let profile = watched.into_profile();
    let mut lines = format!("baseline {:016x}\n", baseline.trace_hash);
    for seed in (0..seeds).map(Seed) {
        let outcome = run_from(profile.source(StrategySpec::Portfolio, seed), &limits, cluster);
        let ending = match &outcome.result {
            Ok(()) => "passes".to_owned(),
            Err(failure) => format!("{} {}", failure.lean_fingerprint(), failure.kind),
        };
        writeln!(lines, "{seed} {:016x} {} {ending}", outcome.trace_hash, outcome.steps).unwrap();
    }
    lines
}

/// The number of seeds that the suite compares.
const SEEDS: u64 = 100;

/// Run by the test below, and by `.ci/long`.
#[test]
fn prints_runs() {
    use std::io::Write as _;
    let seeds = match env::var("SEEDS") {
        Ok(seeds) => seeds.parse().expect("a number of seeds"),
        Err(_) if is_child() => SEEDS,
        Err(_) => return,
    };
    // Bypasses the test harness's capture of output.
    std::io::stderr().write_all(runs(seeds).as_bytes()).unwrap();
}

/// The hash of the lines of [`SEEDS`] seeds. Debug and release builds must both produce it.
const PINNED: u64 = 0xD9DE_F66C_A940_04E6;

#[test]
fn one_seed_is_one_run_in_every_process_and_build() {
    let here = runs(SEEDS);
    let passing = here.lines().filter(|line| line.ends_with("passes")).count();
    assert!(passing > 50 && passing < SEEDS as usize, "{here}");
    for vars in [[("RUST_BACKTRACE", "0")], [("RUST_TEST_THREADS", "1")]] {
        let ended = child("cluster::prints_runs", &vars);
        assert!(ended.passed(), "{ended:?}");
        assert_eq!(ended.stderr, here);
    }
    let hash = here.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    assert_eq!(format!("{hash:016x}"), format!("{PINNED:016x}"));
}
