//! The halves of a Unix stream.
//!
//! # Invariants
//! See the halves of a TCP stream.

use super::SocketAddr;
use super::stream::UnixStream;
use crate::net::stream_methods::prelude::*;

stream_methods::halves!(UnixStream, SocketAddr, "unix");
