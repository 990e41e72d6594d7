//! The halves of a stream within a host.
//!
//! # Invariants
//! As for the halves of a stream of TCP.

use super::SocketAddr;
use super::stream::UnixStream;
use crate::net::stream_methods::prelude::*;

stream_methods::halves!(UnixStream, SocketAddr, "unix");
