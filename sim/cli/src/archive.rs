//! The sources of timeloop and of its crate `tokio`, which the build script has packed into this program.

use std::fs;
use std::path::Path;

use crate::exit::Failed;
use crate::files;

/// The packed files.
pub(crate) const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/crates.archive"));

/// Returns the path and the contents of each file.
pub(crate) fn entries() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let mut rest = BYTES;
    std::iter::from_fn(move || {
        let mut next = || {
            let (length, after) = rest.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (bytes, after) = after.split_at_checked(length)?;
            rest = after;
            Some(bytes)
        };
        let path = str::from_utf8(next()?).expect("the build script has packed text");
        Some((path, next()?))
    })
}

/// Returns the contents of a file.
///
/// # Panics
/// If there is no such file, or it is not text.
pub(crate) fn text(path: &str) -> &'static str {
    let (_, contents) = entries().find(|(name, _)| *name == path).expect("the build script packs it");
    str::from_utf8(contents).expect("the build script has packed text")
}

/// Writes all files but the manifests into a folder.
pub(crate) fn unpack(folder: &Path) -> Result<(), Failed> {
    for (path, contents) in entries().filter(|(path, _)| !path.ends_with("Cargo.toml")) {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        files::context(fs::create_dir_all(parent), "create the folder", parent)?;
        files::context(fs::write(&path, contents), "write", &path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_packed() {
        for path in [
            "timeloop/src/lib.rs",
            "timeloop-sim/src/lib.rs",
            "timeloop-macros/src/lib.rs",
            "timeloop-hermetic/src/lib.rs",
            "tokio/src/lib.rs",
        ] {
            assert!(text(path).len() > 100, "{path}");
        }
        let length: usize = entries().map(|(path, contents)| path.len() + contents.len() + 16).sum();
        assert_eq!(length, BYTES.len());
    }
}
