//! Runs a workload on each of the three networks: two nodes, with a latency of 1 ms.
//!
//! Each function runs the workload once in a new simulation. It returns the simulated time from the connection to the end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::workload::{PORT, Work};

/// The latency in each direction.
pub(crate) const LATENCY: Duration = Duration::from_millis(1);

const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT);

/// Limits that no benchmark reaches.
pub(crate) fn limits() -> timeloop::Limits {
    timeloop::Limits { max_steps: u64::MAX, max_polls_per_instant: u64::MAX, ..timeloop::Limits::default() }
}

/// Returns an explorer for one run with the strategy `random`.
pub(crate) fn one_run() -> timeloop::Explorer {
    timeloop::Explorer::new("network").limits(limits()).strategy(timeloop::StrategySpec::Random).runs(1)
}

/// The simulated time of a workload.
#[derive(Clone, Default)]
struct Took(Arc<Mutex<Duration>>);

impl Took {
    fn is(&self, time: Duration) {
        *self.0.lock().unwrap() = time;
    }

    fn get(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

pub(crate) fn timeloop(work: Work) -> Duration {
    use timeloop::net::{LinkModel, Network, TcpListener, TcpStream};
    use timeloop::time::Instant;
    use timeloop::world::World;

    let took = Took::default();
    one_run().check(|| async {
        Network::current().set_all(&LinkModel::new().latency(LATENCY));
        let server = World::current().node("server").build();
        let client = World::current().node("client").build();
        let serving = server.spawn(async move {
            let listener = TcpListener::bind(ANY).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            work.server(&mut stream).await;
        });
        let took = took.clone();
        let asking = client.spawn(async move {
            timeloop::time::sleep(LATENCY).await;
            let mut stream = TcpStream::connect(("server", PORT)).await.unwrap();
            let start = Instant::now();
            work.client(&mut stream).await;
            took.is(start.elapsed());
        });
        asking.await.unwrap();
        serving.await.unwrap();
    });
    took.get()
}

#[cfg(madsim)]
pub(crate) fn madsim(work: Work) -> Duration {
    use madsim::net::{TcpListener, TcpStream};
    use madsim::runtime::Runtime;
    use madsim::time::sleep;

    let mut config = madsim::Config::default();
    // The range must not be empty.
    config.net.send_latency = LATENCY..LATENCY + Duration::from_nanos(1);
    let runtime = Runtime::with_seed_and_config(1, config);
    let address = SocketAddr::new(Ipv4Addr::new(10, 0, 0, 1).into(), PORT);
    let server = runtime.create_node().ip(address.ip()).build();
    let client = runtime.create_node().ip(Ipv4Addr::new(10, 0, 0, 2).into()).build();
    let serving = server.spawn(async move {
        let listener = TcpListener::bind(ANY).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        work.server(&mut stream).await;
        // The last bytes are still in flight.
        sleep(100 * LATENCY).await;
    });
    let took = Took::default();
    let its = took.clone();
    let asking = client.spawn(async move {
        sleep(LATENCY).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Within the simulation, this is the virtual clock.
        let start = crate::now();
        work.client(&mut stream).await;
        its.is(start.elapsed());
    });
    runtime.block_on(async {
        asking.await.unwrap();
        serving.await.unwrap();
    });
    took.get()
}

/// Without `--cfg madsim`, madsim uses real sockets.
#[cfg(not(madsim))]
pub(crate) fn madsim(_: Work) -> Duration {
    eprintln!(
        "madsim does not simulate in this build; run it in benches/network, where Cargo sets `--cfg madsim`"
    );
    std::process::exit(2);
}

pub(crate) fn turmoil(work: Work) -> Duration {
    use turmoil::net::{TcpListener, TcpStream};

    let mut simulation = turmoil::Builder::new()
        .simulation_duration(Duration::from_secs(1_000_000))
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(LATENCY)
        .max_message_latency(LATENCY)
        .rng_seed(1)
        .build();
    simulation.host("server", move || async move {
        let listener = TcpListener::bind(ANY).await?;
        let (mut stream, _) = listener.accept().await?;
        work.server(&mut stream).await;
        // The last bytes are still in flight.
        std::future::pending().await
    });
    let took = Took::default();
    let its = took.clone();
    simulation.client("client", async move {
        let mut stream = TcpStream::connect(("server", PORT)).await?;
        let start = turmoil::sim_elapsed().unwrap();
        work.client(&mut stream).await;
        its.is(turmoil::sim_elapsed().unwrap() - start);
        Ok(())
    });
    simulation.run().unwrap();
    took.get()
}
