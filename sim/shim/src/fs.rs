//! `tokio::fs` on the real file system: each call blocks the thread and takes no virtual time.
//!
//! A stand-in: schedules do not interleave with it, a crash of a node loses nothing, and files outlive the run that wrote them.
//! Tests that write the same files in every run see what the run before left behind.

use std::fs::{FileTimes, FileType, Metadata, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use timeloop::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// An open file.
#[derive(Debug)]
pub struct File {
    inner: std::fs::File,
    /// Where the last seek has ended.
    position: u64,
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        std::fs::File::open(path).map(Self::from_std)
    }

    /// Creates a file, or empties it, to write it.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        std::fs::File::create(path).map(Self::from_std)
    }

    /// Creates a file that does not exist, to read and write it.
    ///
    /// # Errors
    /// When the file exists, or can't be created.
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        std::fs::File::create_new(path).map(Self::from_std)
    }

    /// Returns options to open a file with.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Makes a file of the standard library's.
    #[must_use]
    pub fn from_std(std: std::fs::File) -> Self {
        Self { inner: std, position: 0 }
    }

    /// Writes everything to the disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.inner.sync_all()
    }

    /// Writes the contents to the disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    /// Truncates or extends the file.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        self.inner.set_len(size)
    }

    /// Returns the file's metadata.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.inner.metadata()
    }

    /// Returns another handle of the file.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn try_clone(&self) -> io::Result<Self> {
        self.inner.try_clone().map(Self::from_std)
    }

    /// Returns the standard library's file.
    pub async fn into_std(self) -> std::fs::File {
        self.inner
    }

    /// Returns the standard library's file.
    ///
    /// # Errors
    /// None: no operation is in progress.
    pub fn try_into_std(self) -> Result<std::fs::File, Self> {
        Ok(self.inner)
    }

    /// Sets the permissions.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn set_permissions(&self, perm: Permissions) -> io::Result<()> {
        self.inner.set_permissions(perm)
    }

    /// Sets the times.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.inner.set_times(times)
    }

    /// Accepted without effect.
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        let _ = max_buf_size;
    }

    /// Returns the size of the buffer that tokio has.
    #[must_use]
    pub fn max_buf_size(&self) -> usize {
        2 * 1024 * 1024
    }
}

impl From<std::fs::File> for File {
    fn from(std: std::fs::File) -> Self {
        Self::from_std(std)
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for File {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.inner.as_raw_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for File {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.inner.read(buf.initialize_unfilled())?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for File {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.inner.write(buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.inner.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        self.position = self.inner.seek(position)?;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

/// Options to open a file with.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    inner: std::fs::OpenOptions,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(inner: std::fs::OpenOptions) -> Self {
        Self { inner }
    }
}

macro_rules! options {
    ($($name:ident)*) => {
        $(
            /// Sets the option of this name.
            pub fn $name(&mut self, $name: bool) -> &mut Self {
                self.inner.$name($name);
                self
            }
        )*
    };
}

impl OpenOptions {
    /// Creates options that are all off.
    #[must_use]
    pub fn new() -> Self {
        std::fs::OpenOptions::new().into()
    }

    options! { read write append truncate create create_new }

    /// Sets the permissions of a file that is created.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::mode(&mut self.inner, mode);
        self
    }

    /// Sets flags of the operating system.
    #[cfg(unix)]
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut self.inner, flags);
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.inner.open(path).map(File::from_std)
    }
}

/// The entries of a folder, in the order of the file system.
#[derive(Debug)]
pub struct ReadDir(std::fs::ReadDir);

impl ReadDir {
    /// Returns the next entry.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        self.0.next().transpose().map(|entry| entry.map(DirEntry))
    }

    /// Returns the next entry.
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        let _ = cx;
        Poll::Ready(self.0.next().transpose().map(|entry| entry.map(DirEntry)))
    }
}

/// An entry of a folder.
#[derive(Debug)]
pub struct DirEntry(std::fs::DirEntry);

impl DirEntry {
    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.path()
    }

    /// Returns the name.
    #[must_use]
    pub fn file_name(&self) -> std::ffi::OsString {
        self.0.file_name()
    }

    /// Returns the metadata.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// Returns the type.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn file_type(&self) -> io::Result<FileType> {
        self.0.file_type()
    }

    /// Returns the number of the inode.
    #[cfg(unix)]
    #[must_use]
    pub fn ino(&self) -> u64 {
        std::os::unix::fs::DirEntryExt::ino(&self.0)
    }
}

/// Creates folders.
#[derive(Debug)]
pub struct DirBuilder {
    inner: std::fs::DirBuilder,
}

impl Default for DirBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl DirBuilder {
    /// Creates a builder that creates one folder.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: std::fs::DirBuilder::new() }
    }

    /// Sets whether the folders above are created too.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.inner.recursive(recursive);
        self
    }

    /// Sets the permissions.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        std::os::unix::fs::DirBuilderExt::mode(&mut self.inner, mode);
        self
    }

    /// Creates the folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.inner.create(path)
    }
}

/// Returns the entries of a folder.
///
/// # Errors
/// Those of the file system.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    std::fs::read_dir(path).map(ReadDir)
}

macro_rules! calls {
    ($($name:ident($($argument:ident),*) -> $output:ty;)*) => {
        $(
            /// Calls the function of this name in `std::fs`.
            ///
            /// # Errors
            /// Those of the file system.
            pub async fn $name($($argument: impl AsRef<Path>),*) -> io::Result<$output> {
                std::fs::$name($($argument),*)
            }
        )*
    };
}

calls! {
    canonicalize(path) -> PathBuf;
    copy(from, to) -> u64;
    create_dir(path) -> ();
    create_dir_all(path) -> ();
    hard_link(src, dst) -> ();
    metadata(path) -> Metadata;
    symlink_metadata(path) -> Metadata;
    read(path) -> Vec<u8>;
    read_link(path) -> PathBuf;
    read_to_string(path) -> String;
    remove_dir(path) -> ();
    remove_dir_all(path) -> ();
    remove_file(path) -> ();
    rename(from, to) -> ();
}

/// Writes a file with these contents.
///
/// # Errors
/// Those of the file system.
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    std::fs::write(path, contents)
}

/// Returns whether the path exists.
///
/// # Errors
/// When that can't be known.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    std::fs::exists(path)
}

/// Sets the permissions.
///
/// # Errors
/// Those of the file system.
pub async fn set_permissions(path: impl AsRef<Path>, perm: Permissions) -> io::Result<()> {
    std::fs::set_permissions(path, perm)
}

/// Creates a symbolic link.
///
/// # Errors
/// Those of the file system.
#[cfg(unix)]
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    std::os::unix::fs::symlink(original, link)
}
