//! Makes the crates that replace tokio, in `target/timeloop/crates`: the package `tokio`, timeloop, and the user's tokio.
//!
//! # Invariants
//! The folder's name is a hash of everything that it is made from. It appears as a whole, and never changes.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::semver::Version;

use crate::exit::Failed;
use crate::files;
use crate::graph::Tokio;
use crate::places::Places;
use crate::{archive, manifest};

/// The manifests of our own crates in the archive.
const OURS: [&str; 4] = ["timeloop", "timeloop-sim", "timeloop-macros", "timeloop-hermetic"];

/// The folder of the package `tokio`, in the folder of all crates. Reports take the files of `registry/src` for those of
/// dependencies.
const SHIM: &str = "registry/src/timeloop/tokio";

/// Returns the folder of the package `tokio`, which is made if it does not exist.
pub(crate) fn make(places: &Places, tokio: &Tokio) -> Result<PathBuf, Failed> {
    let path = Path::new(tokio.package.manifest_path.as_std_path());
    let real = files::context(fs::read_to_string(path), "read", path)?;
    let features = format!("{:?}", tokio.package.features);
    let id = tokio.package.id.repr.as_bytes();
    let hash = files::hash([archive::BYTES, id, real.as_bytes(), features.as_bytes()]);
    let folder = places.crates.join(format!("{hash:016x}"));
    if !folder.is_dir() {
        let new = files::beside(&folder);
        files::remove(&new)?;
        fill(&new, tokio, path, &real)?;
        // Another command may have made it in the meantime.
        if let Err(error) = fs::rename(&new, &folder)
            && !folder.is_dir()
        {
            files::context(Err(error), "write", &folder)?;
        }
        files::remove(&new)?;
    }
    Ok(folder.join(SHIM))
}

fn fill(folder: &Path, tokio: &Tokio, real_manifest: &Path, real: &str) -> Result<(), Failed> {
    let ours = folder.join("registry/src/timeloop");
    archive::unpack(&ours)?;
    let version = &tokio.package.version;
    let real_name = format!("tokio-{version}");
    let beside = Path::new("../../real").join(&real_name);
    let workspace = archive::text("timeloop/Cargo.toml");
    for name in OURS {
        let text = archive::text(&format!("{name}/Cargo.toml"));
        let text = manifest::of_ours(text, workspace, &beside);
        files::write(&ours.join(name).join("Cargo.toml"), text.as_bytes())?;
    }
    // A folder name that reports know.
    let to = folder.join("registry/src/real").join(real_name);
    let text = manifest::of_real_tokio(real);
    let text =
        text.map_err(|error| Failed::infrastructure(format!("{}: {error}", real_manifest.display())))?;
    files::write(&to.join("Cargo.toml"), text.as_bytes())?;
    files::copy(&real_manifest.with_file_name("src"), &to.join("src"))?;
    let shim = manifest::of_shim(archive::text("tokio/Cargo.toml"), version, &tokio.package.features);
    files::write(&folder.join(SHIM).join("Cargo.toml"), shim.as_bytes())?;
    let roots = OURS.iter().map(|name| ours.join(name)).chain([to, folder.join(SHIM)]);
    roots.map(|root| root.join("src/lib.rs")).try_for_each(|root| without_warnings(&root))
}

/// Turns off the compiler's warnings for a crate, as cargo does for crates of a registry. No line changes its number.
fn without_warnings(root: &Path) -> Result<(), Failed> {
    let text = files::context(fs::read_to_string(root), "read", root)?;
    files::context(fs::write(root, format!("#![allow(warnings)] {text}")), "write", root)
}

/// Returns the oldest Rust that compiles timeloop.
pub(crate) fn oldest_rust() -> Version {
    let workspace = manifest::parse(archive::text("timeloop/Cargo.toml"));
    version(workspace["workspace"]["package"]["rust-version"].as_str())
}

/// Returns the oldest tokio that timeloop takes.
pub(crate) fn oldest_tokio() -> Version {
    let workspace = manifest::parse(archive::text("timeloop/Cargo.toml"));
    version(workspace["dependencies"]["tokio"]["version"].as_str())
}

/// Parses `1.88`.
fn version(text: Option<&str>) -> Version {
    let version = text.and_then(|text| Version::parse(&format!("{text}.0")).ok());
    version.expect("our own manifest has it")
}
