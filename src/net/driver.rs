//! The network of the event loop's runs: the fabric, with the loop's tasks as those who wait.

use super::fabric;
use crate::engine::Wakee;
use crate::engine::announce::ResourceId;

pub(crate) type Fabric = fabric::Fabric<Wakee, ResourceId>;
pub(super) type Listener = fabric::Listener<Wakee, ResourceId>;
pub(super) type UdpSocket = fabric::UdpSocket<Wakee>;
