//! `cargo timeloop clean`: removes what the other commands have stored.

use std::fs;
use std::path::Path;

use crate::arguments::Clean;
use crate::exit::{Exit, Failed};
use crate::files;
use crate::places::Places;
use crate::toolchain::Toolchain;

pub(crate) fn run(options: &Clean) -> Result<Exit, Failed> {
    let toolchain = Toolchain::find()?;
    let places = Places::find(&toolchain, options.manifest_path.as_deref(), options.target_dir.as_deref())?;
    files::remove(&places.build)?;
    files::remove(&places.crates)?;
    // Also what a command that was killed has left.
    for entry in fs::read_dir(&places.state).into_iter().flatten() {
        let path = files::context(entry, "read", &places.state)?.path();
        if path != places.regressions() || options.regressions {
            remove(&path)?;
        }
    }
    // Only if nothing is left.
    fs::remove_dir(&places.state).ok();
    fs::remove_dir(&places.base).ok();
    Ok(Exit::Clean)
}

fn remove(path: &Path) -> Result<(), Failed> {
    if path.is_dir() { files::remove(path) } else { files::context(fs::remove_file(path), "remove", path) }
}
