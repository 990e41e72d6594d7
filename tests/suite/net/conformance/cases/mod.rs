//! The cases. `world` of the parent module is tokio or timeloop.

use super::world;

mod accept;
mod bind;
mod cancel;
mod closing;
pub(super) mod common;
mod connect;
mod lookup;
mod options;
mod pipe;
mod readiness;
mod reset;
mod socket;
mod split;
mod std_sockets;
mod transfer;
mod udp;
mod udp_errors;
mod unix_datagram;
mod unix_listener;
mod unix_socket;
mod unix_stream;
