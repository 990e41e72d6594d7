//! `cargo timeloop clean`: removes what the other commands have stored.

use std::fs;

use crate::arguments::Clean;
use crate::exit::{Exit, Failed};
use crate::files;
use crate::places::Places;
use crate::toolchain::Toolchain;

pub(crate) fn run(options: &Clean) -> Result<Exit, Failed> {
    let toolchain = Toolchain::find()?;
    let places = Places::find(&toolchain, options.manifest_path.as_deref(), options.target_dir.as_deref())?;
    for folder in [&places.build, &places.crates, &places.state.join("lock")] {
        files::remove(folder)?;
    }
    fs::remove_file(places.results()).ok();
    if options.regressions {
        files::remove(&places.regressions())?;
    }
    // Only if nothing is left.
    fs::remove_dir(&places.state).ok();
    fs::remove_dir(&places.base).ok();
    Ok(Exit::Clean)
}
