//! `cargo timeloop doctor`: what works here, and what is not simulated.

use std::collections::BTreeSet;

use crate::arguments::{Compile, Graph};
use crate::exit::{Exit, Failed};
use crate::files;
use crate::graph;
use crate::prepare::{Prepared, prepare};

/// Features of tokio whose modules are stand-ins.
const STAND_INS: [(&str, &str); 3] = [
    ("fs", "`tokio::fs` uses the real file system: files outlive the run that wrote them"),
    ("process", "`tokio::process` starts nothing: `spawn` returns an error"),
    ("signal", "`tokio::signal`: only the signals that a test raises arrive"),
];

/// Packages that reach past the simulation, and what they do.
const ESCAPES: [(&str, &str); 8] = [
    ("async-io", "real sockets and timers"),
    ("async-std", "a runtime of its own"),
    ("mio", "real sockets"),
    ("smol", "a runtime of its own"),
    ("rayon", "threads"),
    ("crossbeam-channel", "blocking channels between threads"),
    ("fastrand", "random numbers that no seed decides"),
    ("socket2", "real sockets"),
];

/// Whether the hermetic mode exists on this system.
const IS_HERMETIC: bool =
    cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")));

pub(crate) fn run(options: &Graph) -> Result<Exit, Failed> {
    let prepared = prepare(options, &Compile::default())?;
    let Prepared { toolchain, places, settings, tokio, metadata, .. } = &prepared;
    let mut lines = vec![
        format!("Rust {}, cargo {}", toolchain.rustc_version, toolchain.cargo_version),
        format!("stored in {}", places.state.display()),
    ];
    let replaced = tokio.packages.iter().map(|package| graph::used(metadata, package));
    lines.extend(replaced.map(|used| format!("{used}: replaced by timeloop everywhere")));
    lines.extend(prepared.warnings().into_iter().map(|warning| format!("warning: {warning}")));
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let features = nodes
        .filter(|node| tokio.packages.iter().any(|package| package.id == node.id))
        .flat_map(|node| &node.features);
    let features: BTreeSet<_> = features.map(|feature| feature.as_str()).collect();
    lines.push("\nNot simulated:".into());
    if prepared.apart.is_some() {
        let users = graph::compile_time_users(metadata).into_iter();
        lines.extend(users.map(|(package, needed)| {
            format!("  `{needed}`, which `{package}` needs while compiling: tokio is real there")
        }));
    }
    let stand_ins = STAND_INS.iter().filter(|(feature, _)| features.contains(feature));
    lines.extend(stand_ins.map(|(_, text)| format!("  {text}")));
    lines.push("  threads, and connections of real sockets: a run that starts one fails as an escape".into());
    lines.push("  statics, which outlive a run: a test that is not deterministic for that reason gets a process for each run, under Linux".into());
    let missing = match (settings.hermetic, IS_HERMETIC) {
        (Some(false), _) => Some("`hermetic = false` in timeloop.toml"),
        (_, false) => Some("the hermetic mode needs Linux on x86-64 or aarch64"),
        _ => None,
    };
    if let Some(why) = missing {
        lines.push(format!(
            "  clocks, random numbers and name lookups of `std` ({why}): a test may not be deterministic"
        ));
    }
    let escapes = ESCAPES.iter().filter_map(|(name, what)| {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == *name)?;
        let users = graph::users(metadata, package).into_iter().filter(|user| user != "tokio");
        let users: Vec<_> = users.collect();
        (!users.is_empty()).then(|| format!("  {name}: {what}; a dependency of {}", users.join(", ")))
    });
    lines.extend(escapes);
    files::print(&(lines.join("\n") + "\n"));
    Ok(Exit::Clean)
}
