//! Lockfiles of our own, each made from another one.

use std::fs;
use std::path::Path;

use crate::exit::Failed;
use crate::files;

/// Copies the lockfile `from` to `to`, unless `to` was made from the same contents: cargo has then added to it what it needs.
/// Without `from`, `to` is kept.
pub(crate) fn seed(from: &Path, to: &Path) -> Result<(), Failed> {
    let Ok(contents) = fs::read(from) else { return Ok(()) };
    let seed = to.with_file_name("made-from");
    if to.is_file() && fs::read(&seed).is_ok_and(|made_from| made_from == contents) {
        return Ok(());
    }
    files::write(to, &contents)?;
    files::write(&seed, &contents)
}

/// Copies the lockfile `from` to `to`. Without `from`, `to` is kept.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    match fs::read(from) {
        Ok(contents) => files::write(to, &contents),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockfile_is_made_anew_when_its_seed_changes() {
        let folder = std::env::temp_dir().join(format!("cargo-timeloop-lock-{}", std::process::id()));
        let (from, to) = (folder.join("Cargo.lock"), folder.join("lock/Cargo.lock"));
        let contents = || fs::read_to_string(&to).expect("it was written");
        files::write(&from, b"one").expect("the folder is writable");
        seed(&from, &to).expect("it is copied");
        assert_eq!(contents(), "one");
        files::write(&to, b"one and more").expect("the folder is writable");
        seed(&from, &to).expect("it is kept");
        assert_eq!(contents(), "one and more");
        files::write(&from, b"two").expect("the folder is writable");
        seed(&from, &to).expect("it is copied");
        assert_eq!(contents(), "two");
        fs::remove_dir_all(&folder).expect("the folder is ours");
    }
}
