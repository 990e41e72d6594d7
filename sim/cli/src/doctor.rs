//! `cargo timeloop doctor`: what works here, and what is not simulated.

use crate::arguments::{Compile, Graph};
use crate::exit::{Exit, Failed};
use crate::graph;
use crate::prepare::{Prepared, prepare};

/// Features of tokio whose modules are stand-ins.
const STAND_INS: [(&str, &str); 3] = [
    ("fs", "`tokio::fs` uses the real file system: files outlive the run that wrote them"),
    ("process", "`tokio::process` starts nothing: `spawn` returns an error"),
    ("signal", "`tokio::signal`: no signal arrives"),
];

/// Packages that reach past the simulation, and what they do.
const ESCAPES: [(&str, &str); 9] = [
    ("async-io", "real sockets and timers"),
    ("async-std", "a runtime of its own"),
    ("mio", "real sockets"),
    ("smol", "a runtime of its own"),
    ("rayon", "threads"),
    ("crossbeam-channel", "blocking channels between threads"),
    ("getrandom", "random numbers that no seed decides"),
    ("fastrand", "random numbers that no seed decides"),
    ("socket2", "real sockets"),
];

pub(crate) fn run(options: &Graph) -> Result<Exit, Failed> {
    let prepared = prepare(options, &Compile::default())?;
    let Prepared { toolchain, places, tokio, metadata, .. } = &prepared;
    println!("Rust {}, cargo {}", toolchain.rustc_version, toolchain.cargo_version);
    println!("stored in {}", places.state.display());
    println!("{}: replaced, all of it", graph::used(metadata, &tokio.package));
    for warning in graph::warnings(metadata) {
        println!("warning: {warning}");
    }
    let features = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let features = features.filter(|node| node.id == tokio.package.id).flat_map(|node| &node.features);
    let features: Vec<_> = features.map(|feature| feature.as_str()).collect();
    println!("\nStand-ins that this program can reach:");
    for (_, text) in STAND_INS.iter().filter(|(feature, _)| features.contains(feature)) {
        println!("  {text}");
    }
    println!(
        "  clocks and random numbers of `std`, threads, and statics are real: a test that uses them may not be deterministic"
    );
    let found = ESCAPES.map(|(name, what)| {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == name)?;
        let users: Vec<_> =
            graph::users(metadata, package).into_iter().filter(|user| user != "tokio").collect();
        (!users.is_empty()).then(|| format!("  {name}: {what}; used by {}", users.join(", ")))
    });
    let found: Vec<_> = found.into_iter().flatten().collect();
    if !found.is_empty() {
        println!(
            "\nPackages that can reach past the simulation, where they are called:\n{}",
            found.join("\n")
        );
    }
    Ok(Exit::Clean)
}
