//! What a link is like: latency, loss, duplicates, disorder, bandwidth.
//!
//! Always true: a model makes sense, for what does not is refused where it is written down; the numbers that come of it
//! are the same on every machine, since nothing but sums, products and quotients makes them.

use std::rc::Rc;
use std::time::Duration;

use super::fabric::{Delay, Model, QUANTILES};

/// What a link is like. Chances and latencies are drawn packet by packet, by the run's seed; the quiet run has the least
/// latency, and no fault.
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
    pub(super) model: Model,
}

impl LinkModel {
    /// A calm link within a data centre: a latency of 0.5 ms, and nothing that goes wrong.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A link on a bad day: latencies from 1 ms with a tail up to seconds, and of datagrams one in 20 is lost, one in 50 comes
    /// twice, one in 20 falls behind.
    #[must_use]
    pub fn flaky() -> Self {
        Self::new()
            .latency_with_tail(Duration::from_millis(5), Duration::from_secs(1))
            .loss(0.05)
            .duplicates(0.02)
            .reorders(0.05)
    }

    /// Each packet takes this long.
    ///
    /// # Panics
    /// Beyond an hour.
    #[must_use]
    #[track_caller]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.model.delay = Delay::Constant(checked(latency));
        self
    }

    /// Each packet takes as long as any other time from `least` to `most`.
    ///
    /// # Panics
    /// If `least` is above `most`, or `most` beyond an hour.
    #[must_use]
    #[track_caller]
    pub fn latency_between(mut self, least: Duration, most: Duration) -> Self {
        let (low, high) = (checked(least), checked(most));
        if low > high {
            panic!("the least latency, {least:?}, is above the most, {most:?}; swap them");
        }
        let last = u64::from(QUANTILES - 1);
        self.model.delay = quantiles(|index| low + (high - low) * u64::from(index) / last);
        self
    }

    /// Half of the packets take up to `median`, and one in a hundred `p99` or more, some of them much more: a log-logistic
    /// distribution, cut at the quantiles 0.2 % and 99.8 %.
    ///
    /// # Panics
    /// If `median` is zero or above `p99`, or `p99` beyond an hour.
    #[must_use]
    #[track_caller]
    pub fn latency_with_tail(mut self, median: Duration, p99: Duration) -> Self {
        let (middle, high) = (checked(median), checked(p99));
        if middle == 0 || middle > high {
            panic!("a median latency of {median:?} does not go with {p99:?} at 99 %; give 0 < median <= p99");
        }
        let shape = ln(high as f64 / middle as f64) / ln(99.0);
        self.model.delay = quantiles(|index| {
            let part = (f64::from(index) + 0.5) / f64::from(QUANTILES);
            let odds = part / (1.0 - part);
            (middle as f64 * exp(shape * ln(odds))) as u64
        });
        self
    }

    /// The latencies themselves, each as likely as any other.
    ///
    /// # Panics
    /// If there is none, or one is beyond an hour.
    #[must_use]
    #[track_caller]
    pub fn latencies(mut self, latencies: &[Duration]) -> Self {
        if latencies.is_empty() {
            panic!("there is no latency to choose from; give at least one");
        }
        let mut table: Vec<u64> = Vec::with_capacity(latencies.len());
        for latency in latencies {
            table.push(checked(*latency));
        }
        table.sort_unstable();
        self.model.delay =
            if table.len() == 1 { Delay::Constant(table[0]) } else { Delay::Quantiles(table.into()) };
        self
    }

    /// The chance that a packet is lost. A datagram is gone then; a segment of TCP is sent again, and takes longer.
    ///
    /// # Panics
    /// If it is no number from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn loss(mut self, chance: f64) -> Self {
        self.model.loss = millionths(chance);
        self
    }

    /// The chance that a datagram comes twice.
    ///
    /// # Panics
    /// As [`loss`](Self::loss).
    #[must_use]
    #[track_caller]
    pub fn duplicates(mut self, chance: f64) -> Self {
        self.model.duplicate = millionths(chance);
        self
    }

    /// The chance that a datagram takes twice as long as it would, so that those behind it may overtake it.
    ///
    /// # Panics
    /// As [`loss`](Self::loss).
    #[must_use]
    #[track_caller]
    pub fn reorders(mut self, chance: f64) -> Self {
        self.model.reorder = millionths(chance);
        self
    }

    /// How many bytes pass in a second; what is more has to wait. Without it there is no limit.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn bandwidth(mut self, bytes_per_second: u64) -> Self {
        if bytes_per_second == 0 {
            panic!("a bandwidth of 0 lets nothing pass; give at least 1 byte a second, or cut the link");
        }
        self.model.bandwidth = Some(bytes_per_second);
        self
    }

    /// How many bytes wait for their turn where there is a bandwidth: a datagram beyond that is lost. 1 MiB otherwise.
    #[must_use]
    pub fn queue(mut self, bytes: u64) -> Self {
        self.model.queue_bytes = bytes;
        self
    }

    /// The largest packet, 1,500 bytes otherwise. A datagram that is longer travels in pieces, and is lost with any of them.
    ///
    /// # Panics
    /// Below 576.
    #[must_use]
    #[track_caller]
    pub fn mtu(mut self, bytes: u32) -> Self {
        if bytes < 576 {
            panic!("a link passes packets of 576 bytes at least; an MTU of {bytes} is too small");
        }
        self.model.mtu = bytes;
        self
    }

    pub(super) fn shared(&self) -> Rc<Model> {
        Rc::new(self.model.clone())
    }
}

/// The most that a packet takes.
const LONGEST: Duration = Duration::from_secs(3_600);

#[track_caller]
fn checked(latency: Duration) -> u64 {
    if latency > LONGEST {
        panic!("a latency of {latency:?} is more than an hour; cut the link instead");
    }
    latency.as_nanos() as u64
}

#[track_caller]
fn millionths(chance: f64) -> u32 {
    if !(0.0..=1.0).contains(&chance) {
        panic!("a chance is a number from 0 to 1; {chance} is not");
    }
    let millionths = (chance * 1e6).round() as u32;
    // What may happen at all may happen; 1 means always but once in a million.
    if chance > 0.0 { millionths.max(1) } else { 0 }
}

fn quantiles(at: impl Fn(u32) -> u64) -> Delay {
    let table: Vec<u64> = (0..QUANTILES).map(|index| at(index).min(checked(LONGEST))).collect();
    if table[0] == table[table.len() - 1] {
        Delay::Constant(table[0])
    } else {
        Delay::Quantiles(table.into())
    }
}

/// The natural logarithm: the one of the platform may differ in the last digit.
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

/// The exponential function, likewise.
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
        let Delay::Quantiles(table) = &model.model.delay else { panic!("it has a tail") };
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
