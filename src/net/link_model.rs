//! The public model of a link: [`LinkModel`].
//!
//! Implausible parameters are rejected when they are set. Latencies are computed without the platform's math library,
//! so they are the same on every machine. The defaults are in `fabric/link_defaults.rs`.

use std::rc::Rc;
use std::time::Duration;

use super::fabric::{Delay, LATENCY_QUANTILES, LinkParams, PROBABILITY_STEPS};

/// The parameters of a link: latency, loss, duplication, reordering and bandwidth. The seed decides the fate of each
/// packet. The baseline run uses the least latency and no faults.
///
/// ```
/// use std::time::Duration;
/// use timeloop::net::{LinkModel, Network};
///
/// timeloop::run(1, || async {
///     let far = LinkModel::new()
///         .latency_with_tail(Duration::from_millis(40), Duration::from_millis(300))
///         .loss(0.01)
///         .bandwidth(1_000_000);
///     Network::current().set_all(&far);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkModel {
    pub(super) params: LinkParams,
}

impl LinkModel {
    /// Creates a model of a link within a data centre: a latency of 0.5 ms, no faults and no bandwidth limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a model of an unreliable link: latencies from 1 ms with a tail up to seconds. One datagram in 20 is
    /// lost, one in 50 is duplicated, and one in 20 is reordered.
    #[must_use]
    pub fn flaky() -> Self {
        Self::new()
            .latency_with_tail(Duration::from_millis(5), Duration::from_secs(1))
            .loss(0.05)
            .duplicates(0.02)
            .reorders(0.05)
    }

    /// Sets a constant latency.
    ///
    /// # Panics
    /// If the latency exceeds one hour.
    #[must_use]
    #[track_caller]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.params.delay = Delay::Constant(checked(latency));
        self
    }

    /// Sets latencies that are uniformly distributed from `least` to `most`.
    ///
    /// # Panics
    /// If `least` exceeds `most`, or `most` exceeds one hour.
    #[must_use]
    #[track_caller]
    pub fn latency_between(mut self, least: Duration, most: Duration) -> Self {
        let (low, high) = (checked(least), checked(most));
        if low > high {
            panic!("the minimum latency, {least:?}, exceeds the maximum, {most:?}; swap them");
        }
        let last = u64::from(LATENCY_QUANTILES - 1);
        self.params.delay = quantiles(|index| low + (high - low) * u64::from(index) / last);
        self
    }

    /// Sets a log-logistic distribution of latencies: half of the packets take at most `median`, and one in a hundred
    /// takes `p99` or more. The distribution is cut at the quantiles 0.2 % and 99.8 %.
    ///
    /// # Panics
    /// If `median` is zero or exceeds `p99`, or `p99` exceeds one hour.
    #[must_use]
    #[track_caller]
    pub fn latency_with_tail(mut self, median: Duration, p99: Duration) -> Self {
        let (middle, high) = (checked(median), checked(p99));
        if middle == 0 || middle > high {
            panic!(
                "the median latency must be above zero and at most the 99th percentile; the median is {median:?}, \
                 the 99th percentile {p99:?}"
            );
        }
        let shape = ln(high as f64 / middle as f64) / ln(99.0);
        self.params.delay = quantiles(|index| {
            let part = (f64::from(index) + 0.5) / f64::from(LATENCY_QUANTILES);
            let odds = part / (1.0 - part);
            (middle as f64 * exp(shape * ln(odds))) as u64
        });
        self
    }

    /// Sets latencies that are equally likely.
    ///
    /// # Panics
    /// If the list is empty, or a latency exceeds one hour.
    #[must_use]
    #[track_caller]
    pub fn latencies(mut self, latencies: &[Duration]) -> Self {
        if latencies.is_empty() {
            panic!("the list of latencies is empty; pass at least one");
        }
        let mut table: Vec<u64> = Vec::with_capacity(latencies.len());
        for latency in latencies {
            table.push(checked(*latency));
        }
        table.sort_unstable();
        self.params.delay =
            if table.len() == 1 { Delay::Constant(table[0]) } else { Delay::Quantiles(table.into()) };
        self
    }

    /// Sets the probability that a packet is lost. A lost datagram does not arrive. A lost TCP segment is sent again
    /// and arrives later. With a probability of 1 nothing passes the link, in the baseline run too: connecting to a node
    /// behind it times out.
    ///
    /// # Panics
    /// If the probability is not between 0 and 1.
    #[must_use]
    #[track_caller]
    pub fn loss(mut self, probability: f64) -> Self {
        self.params.loss = millionths(probability);
        self
    }

    /// Sets the probability that a datagram arrives twice. With a probability of 1 each does, in the baseline run too.
    ///
    /// # Panics
    /// If the probability is not between 0 and 1.
    #[must_use]
    #[track_caller]
    pub fn duplicates(mut self, probability: f64) -> Self {
        self.params.duplicate = millionths(probability);
        self
    }

    /// Sets the probability that a datagram takes twice its latency, so that later datagrams may overtake it. With
    /// a probability of 1 each does, in the baseline run too.
    ///
    /// # Panics
    /// If the probability is not between 0 and 1.
    #[must_use]
    #[track_caller]
    pub fn reorders(mut self, probability: f64) -> Self {
        self.params.reorder = millionths(probability);
        self
    }

    /// Limits the bandwidth. Packets beyond it are queued. There is no limit by default.
    ///
    /// # Panics
    /// If the bandwidth is 0.
    #[must_use]
    #[track_caller]
    pub fn bandwidth(mut self, bytes_per_second: u64) -> Self {
        if bytes_per_second == 0 {
            panic!(
                "a bandwidth of 0 would let no data through; set at least 1 byte per second, or cut the link"
            );
        }
        self.params.bandwidth = Some(bytes_per_second);
        self
    }

    /// Sets the capacity of the queue of a link with limited bandwidth; a datagram that exceeds it is lost. The
    /// default is 1 MiB.
    #[must_use]
    pub fn queue(mut self, bytes: u64) -> Self {
        self.params.queue_bytes = bytes;
        self
    }

    /// Sets the size of the largest packet; the default is 1,500 bytes. A longer datagram is fragmented, and is lost
    /// with any of its fragments.
    ///
    /// # Panics
    /// If the size is below 576 bytes.
    #[must_use]
    #[track_caller]
    pub fn mtu(mut self, bytes: u32) -> Self {
        if bytes < 576 {
            panic!("an MTU of {bytes} is too small; the minimum is 576 bytes");
        }
        self.params.mtu = bytes;
        self
    }

    pub(super) fn shared(&self) -> Rc<LinkParams> {
        Rc::new(self.params.clone())
    }
}

/// The maximum latency of a packet.
const LATENCY_MAX: Duration = Duration::from_secs(3_600);

#[track_caller]
fn checked(latency: Duration) -> u64 {
    if latency > LATENCY_MAX {
        panic!("a latency of {latency:?} exceeds one hour; cut the link instead");
    }
    latency.as_nanos() as u64
}

#[track_caller]
fn millionths(probability: f64) -> u32 {
    if !(0.0..=1.0).contains(&probability) {
        panic!("a probability must be between 0 and 1, not {probability}");
    }
    // Only 0 is never, and only 1 is always.
    if probability == 0.0 {
        0
    } else if probability == 1.0 {
        PROBABILITY_STEPS
    } else {
        ((probability * 1e6).round() as u32).clamp(1, PROBABILITY_STEPS - 1)
    }
}

fn quantiles(at: impl Fn(u32) -> u64) -> Delay {
    let table: Vec<u64> = (0..LATENCY_QUANTILES).map(|index| at(index).min(checked(LATENCY_MAX))).collect();
    if table[0] == table[table.len() - 1] {
        Delay::Constant(table[0])
    } else {
        Delay::Quantiles(table.into())
    }
}

/// The natural logarithm. The platform's may differ in the last digit.
fn ln(x: f64) -> f64 {
    let (mut x, mut doublings) = (x, 0_i32);
    while x > 1.5 {
        x /= 2.0;
        doublings += 1;
    }
    while x < 0.75 {
        x *= 2.0;
        doublings -= 1;
    }
    let y = (x - 1.0) / (x + 1.0);
    let (mut power, mut sum, mut divisor) = (y, 0.0, 1.0);
    while divisor < 41.0 {
        sum += power / divisor;
        power *= y * y;
        divisor += 2.0;
    }
    2.0 * sum + f64::from(doublings) * std::f64::consts::LN_2
}

/// The exponential function. The platform's may differ in the last digit.
fn exp(x: f64) -> f64 {
    let (mut x, mut squarings) = (x, 0);
    while x.abs() > 0.5 {
        x /= 2.0;
        squarings += 1;
    }
    let (mut term, mut sum, mut number) = (1.0, 1.0, 1.0);
    while number < 20.0 {
        term *= x / number;
        sum += term;
        number += 1.0;
    }
    (0..squarings).fold(sum, |sum, _| sum * sum)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Delay, LinkModel, exp, ln};

    #[test]
    fn logarithms_and_powers_are_right() {
        for x in [0.001, 0.3, 1.0, 2.5, 99.0, 1e6] {
            assert!((ln(x) - f64::ln(x)).abs() < 1e-12, "{x}");
        }
        for x in [-8.0, -0.2, 0.0, 0.7, 3.0, 10.0] {
            assert!((exp(x) / f64::exp(x) - 1.0).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn a_tail_has_its_median_and_its_99th_percentile() {
        let model = LinkModel::new().latency_with_tail(Duration::from_millis(10), Duration::from_millis(200));
        let Delay::Quantiles(table) = &model.params.delay else { panic!("the latencies vary") };
        let near = |index: usize, millis: u64| {
            let (low, high) = (table[index].min(table[index + 1]), table[index].max(table[index + 1]));
            let wanted = millis * 1_000_000;
            assert!((low * 9 / 10..=high * 11 / 10).contains(&wanted), "{low} to {high}");
        };
        near(127, 10);
        near(253, 200);
        assert!(table.is_sorted());
        assert_eq!((table[0], table[255]), (171_505, 583_071_658));
    }
}
