//! Makes the crates that replace tokio, in `target/timeloop/crates`: the package `tokio`, timeloop, and the user's tokio.
//!
//! # Invariants
//! The folder's name is a hash of everything that it is made from. It appears as a whole, and never changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::Package;
use cargo_metadata::semver::Version;

use crate::exit::Failed;
use crate::files;
use crate::graph::Tokio;
use crate::places::Places;
use crate::{archive, host, manifest};

/// The manifests of our own crates in the archive.
const OURS: [&str; 4] = ["timeloop", "timeloop-sim", "timeloop-macros", "timeloop-hermetic"];

/// Where our crates are, in the folder of all crates. Reports take the files of `registry/src` for those of dependencies.
const OUR_FOLDER: &str = "registry/src/timeloop";

/// The crates of a program.
#[derive(Debug)]
pub(crate) struct Crates {
    pub(crate) folder: PathBuf,
}

impl Crates {
    /// Returns the folder of the package `tokio` of this version.
    pub(crate) fn shim(&self, version: &Version) -> PathBuf {
        self.folder.join(OUR_FOLDER).join(format!("tokio-{version}"))
    }
}

/// Makes the crates, if they do not exist. With `is_apart`, tokio is real where [`host::CFG`] is not set.
pub(crate) fn make(places: &Places, tokio: &Tokio, is_apart: bool) -> Result<Crates, Failed> {
    let real = Real::read(&tokio.newest)?;
    let mut hashed = vec![
        archive::BYTES.to_vec(),
        tokio.newest.id.repr.clone().into_bytes(),
        real.manifest.clone().into_bytes(),
    ];
    hashed.extend(real.changing()?);
    let shims = shims(&tokio.packages);
    hashed.push(format!("{shims:?} {is_apart}").into_bytes());
    let hash = files::hash(hashed.iter().map(Vec::as_slice));
    let crates = Crates { folder: places.crates.join(format!("{hash:016x}")) };
    let folder = &crates.folder;
    if !folder.is_dir() {
        let new = Crates { folder: files::beside(folder) };
        files::remove(&new.folder)?;
        fill(&new, &shims, &real, is_apart)?;
        // Another command may have made it in the meantime.
        if let Err(error) = fs::rename(&new.folder, folder)
            && !folder.is_dir()
        {
            files::context(Err(error), "write", folder)?;
        }
        files::remove(&new.folder)?;
    }
    Ok(crates)
}

type Features = BTreeMap<String, Vec<String>>;

/// Returns the versions of tokio, each with its features.
fn shims(packages: &[Package]) -> BTreeMap<&Version, Features> {
    let mut shims: BTreeMap<_, Features> = BTreeMap::new();
    for package in packages {
        // The same version from two places is one package `tokio`.
        let features = shims.entry(&package.version).or_default();
        for (name, implied) in &package.features {
            features.entry(name.clone()).or_default().extend(implied.iter().cloned());
        }
    }
    shims
}

/// The user's tokio.
struct Real<'a> {
    package: &'a Package,
    path: &'a Path,
    manifest: String,
}

impl<'a> Real<'a> {
    fn read(package: &'a Package) -> Result<Self, Failed> {
        let path = package.manifest_path.as_std_path();
        Ok(Self { package, path, manifest: files::context(fs::read_to_string(path), "read", path)? })
    }

    fn sources(&self) -> PathBuf {
        self.path.with_file_name("src")
    }

    /// Returns the sources if they may change under the same id, as those of a path dependency.
    fn changing(&self) -> Result<Vec<Vec<u8>>, Failed> {
        if self.package.source.is_some() { Ok(Vec::new()) } else { files::contents(&self.sources()) }
    }
}

fn fill(
    crates: &Crates,
    shims: &BTreeMap<&Version, Features>,
    real: &Real<'_>,
    is_apart: bool,
) -> Result<(), Failed> {
    let ours = crates.folder.join(OUR_FOLDER);
    archive::unpack(&ours)?;
    let real_name = format!("tokio-{}", real.package.version);
    let beside = Path::new("../../real").join(&real_name);
    let workspace = archive::text("timeloop/Cargo.toml");
    for name in OURS {
        let text = archive::text(&format!("{name}/Cargo.toml"));
        let text = manifest::of_ours(text, workspace, &beside);
        files::write(&ours.join(name).join("Cargo.toml"), text.as_bytes())?;
    }
    // A folder name that reports know.
    let to = crates.folder.join("registry/src/real").join(real_name);
    let (version, edition) = (&real.package.version, real.package.edition.as_str());
    let at = real.path.parent().unwrap_or(real.path);
    let text = manifest::of_real_tokio(&real.manifest, at, version, edition);
    let text = text.map_err(|error| Failed::infrastructure(format!("{}: {error}", real.path.display())))?;
    files::write(&to.join("Cargo.toml"), text.as_bytes())?;
    files::copy(&real.sources(), &to.join("src"))?;
    let mut roots: Vec<_> = OURS.iter().map(|name| ours.join(name)).chain([to]).collect();
    let template = ours.join("tokio");
    for (version, features) in shims {
        let shim = crates.shim(version);
        let mut manifest = manifest::of_shim(archive::text("tokio/Cargo.toml"), version, features);
        files::copy(&template.join("src"), &shim.join("src"))?;
        if is_apart {
            manifest::with_real_tokio(&mut manifest, &beside, &real.package.features);
            two_roots(&shim.join("src"))?;
        }
        files::write(&shim.join("Cargo.toml"), manifest::print(&manifest).as_bytes())?;
        roots.push(shim);
    }
    files::remove(&template)?;
    roots.iter().map(|root| root.join("src/lib.rs")).try_for_each(|root| without_warnings(&root))
}

/// Makes the crate in this folder what it is where [`host::CFG`] is set, and the real tokio elsewhere.
fn two_roots(folder: &Path) -> Result<(), Failed> {
    let root = folder.join("lib.rs");
    let text = files::context(fs::read_to_string(&root), "read", &root)?;
    // A file that is included can't document the crate.
    files::write(&folder.join("simulated.rs"), text.replace("//!", "//").as_bytes())?;
    let (cfg, real) = (host::CFG, manifest::REAL_KEY);
    let text =
        format!("#[cfg({cfg})]\ninclude!(\"simulated.rs\");\n#[cfg(not({cfg}))]\npub use {real}::*;\n");
    files::write(&root, text.as_bytes())
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
