//! Sockets within a host, which have names in place of addresses.

/// What a socket of a host is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Name {
    /// Nothing.
    #[default]
    Unnamed,
    /// A path.
    Path(std::path::PathBuf),
}
