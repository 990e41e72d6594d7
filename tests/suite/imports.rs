//! Modules import in one direction: the public modules import the engine and the kernels, and all of them import the
//! harness. The engine and the kernels import neither each other nor the public modules.

use std::fs;
use std::path::{Path, PathBuf};

/// The kernels: state machines that could be separate crates.
const KERNELS: [&str; 1] = ["net/fabric"];

/// The only import from the engine to the public modules: it sets which world its runs have.
const WIRING: (&str, &str) = ("engine/world.rs", "crate::net::driver::Fabric");

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources").map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files
}

/// Returns the paths that start with one of `roots`, in `use` lines or elsewhere, up to the end of the line.
fn paths<'a>(text: &'a str, roots: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(move |line| {
        roots.iter().flat_map(move |root| {
            line.match_indices(root).map(move |(start, _)| {
                let path = &line[start..];
                let end = path.find(|other: char| !(other.is_alphanumeric() || "_:".contains(other)));
                &path[..end.unwrap_or(path.len())]
            })
        })
    })
}

#[test]
fn engine_and_kernels_do_not_import_the_public_modules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in sources(&root) {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let is_kernel = KERNELS.iter().any(|kernel| name.starts_with(&format!("{kernel}/")));
        if !is_kernel && !name.starts_with("engine/") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for path in paths(&text, &["crate::"]) {
            let own = format!("crate::{}", if is_kernel { "net::fabric" } else { "engine" });
            if !path.starts_with(&own) && (name.as_str(), path) != WIRING {
                wrong.push(format!("{name} names {path}"));
            }
        }
        // A relative path that leaves a kernel.
        let depth = name.matches('/').count() - usize::from(name.ends_with("/mod.rs"));
        let up = "super::".repeat(depth);
        if is_kernel && text.contains(&up) {
            wrong.push(format!("{name} names {up}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_harness_does_not_import_the_simulation() {
    let sim = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim/src");
    for file in sources(&sim) {
        let text = fs::read_to_string(&file).unwrap();
        let names: Vec<_> = text
            .lines()
            .map(str::trim_start)
            .filter(|line| {
                ["use timeloop::", "extern crate timeloop"].iter().any(|known| line.starts_with(known))
            })
            .collect();
        assert_eq!(names, [""; 0], "{}", file.display());
    }
}
