//! Packs the sources of the crates that `cargo timeloop` puts in the place of tokio into one file, which the program contains.
//!
//! A file is stored as the length of its path, its path, the length of its contents, and its contents. Lengths are 8 bytes,
//! little-endian.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The folders and files to pack, relative to this package, and their paths in the archive.
const PACKED: [(&str, &str); 10] = [
    ("../../Cargo.toml", "timeloop/Cargo.toml"),
    ("../../src", "timeloop/src"),
    ("../Cargo.toml", "timeloop-sim/Cargo.toml"),
    ("../src", "timeloop-sim/src"),
    ("../macros/Cargo.toml", "timeloop-macros/Cargo.toml"),
    ("../macros/src", "timeloop-macros/src"),
    ("../hermetic/Cargo.toml", "timeloop-hermetic/Cargo.toml"),
    ("../hermetic/src", "timeloop-hermetic/src"),
    ("../shim/Cargo.toml", "tokio/Cargo.toml"),
    ("../shim/src", "tokio/src"),
];

fn main() -> io::Result<()> {
    let mut archive = Vec::new();
    for (from, to) in PACKED {
        println!("cargo::rerun-if-changed={from}");
        pack(Path::new(from), to, &mut archive)?;
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("crates.archive"), archive)
}

fn pack(from: &Path, to: &str, archive: &mut Vec<u8>) -> io::Result<()> {
    if !from.is_dir() {
        for bytes in [to.as_bytes(), &fs::read(from)?] {
            archive.extend((bytes.len() as u64).to_le_bytes());
            archive.extend(bytes);
        }
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(from)? {
        names.push(entry?.file_name().into_string().expect("our own files have names in UTF-8"));
    }
    names.sort();
    for name in names {
        pack(&from.join(&name), &format!("{to}/{name}"), archive)?;
    }
    Ok(())
}
