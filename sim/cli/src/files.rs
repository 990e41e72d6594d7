//! Files that appear as a whole or not at all, because another command may read them, and this one may be killed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::exit::Failed;

/// Adds what was being done to an error of the file system.
pub(crate) fn context<T>(result: io::Result<T>, what: &str, path: &Path) -> Result<T, Failed> {
    result.map_err(|error| Failed::infrastructure(format!("can't {what} {}: {error}", path.display())))
}

/// Writes a file, and the folders above it.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<(), Failed> {
    let folder = path.parent().unwrap_or(path);
    context(fs::create_dir_all(folder), "create the folder", folder)?;
    let new = beside(path);
    context(fs::write(&new, contents), "write", &new)?;
    context(fs::rename(&new, path), "write", path)
}

/// Returns a path beside this one that no other process uses.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new-{}", std::process::id()))
}

/// Copies all files of a folder.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    context(fs::create_dir_all(to), "create the folder", to)?;
    for entry in context(fs::read_dir(from), "read the folder", from)? {
        let entry = context(entry, "read the folder", from)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            // Not `fs::copy`, which keeps a file that can't be written as it is.
            let contents = context(fs::read(&from), "read", &from)?;
            context(fs::write(&to, contents), "write", &to)?;
        }
    }
    Ok(())
}

/// Returns the names and the contents of all files of a folder, in the order of their names.
pub(crate) fn contents(folder: &Path) -> Result<Vec<Vec<u8>>, Failed> {
    let mut paths = Vec::new();
    for entry in context(fs::read_dir(folder), "read the folder", folder)? {
        paths.push(context(entry, "read the folder", folder)?.path());
    }
    paths.sort();
    let mut contents = Vec::new();
    for path in paths {
        contents.push(path.as_os_str().as_encoded_bytes().to_vec());
        if path.is_dir() {
            contents.extend(self::contents(&path)?);
        } else {
            contents.push(context(fs::read(&path), "read", &path)?);
        }
    }
    Ok(contents)
}

/// Prints to the standard output.
pub(crate) fn print(text: &str) {
    // The reader of a pipe may have ended.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Removes a folder and everything in it, if it exists.
pub(crate) fn remove(folder: &Path) -> Result<(), Failed> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => context(Err(error), "remove", folder),
        _ => Ok(()),
    }
}

/// Returns the 64-bit FNV-1a hash of the texts, each followed by a zero.
pub(crate) fn hash<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let add = |hash, text: &[u8]| step(text.iter().copied().fold(hash, step), 0);
    texts.into_iter().fold(0xcbf2_9ce4_8422_2325, add)
}
