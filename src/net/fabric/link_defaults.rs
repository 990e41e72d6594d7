//! The default parameters of a link: latency, queue and MTU.

use super::link::{Delay, LinkParams};

/// The latency of a packet: 0.5 ms, as within a data centre.
const LATENCY_NS: u64 = 500_000;

/// How many bytes may wait for transmission on a link with limited bandwidth.
const QUEUE_BYTES: u64 = 1 << 20;

/// The size of the largest packet, IP headers included.
const MTU: u32 = 1_500;

impl Default for LinkParams {
    /// A data centre without faults.
    fn default() -> Self {
        Self {
            delay: Delay::Constant(LATENCY_NS),
            loss: 0,
            duplicate: 0,
            reorder: 0,
            bandwidth: None,
            queue_bytes: QUEUE_BYTES,
            mtu: MTU,
        }
    }
}
