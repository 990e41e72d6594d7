//! Haste: in most runs whoever was woken goes on at once, up to its first operation.
//!
//! Until then nobody knows what it does next, so that a strategy which looks at operations would decide unawares.
//!
//! Always true: whether a run is hasty is drawn once; in a hasty run the priorities of those who were woken lie above
//! [`WOKEN`], and all others below.

use super::Draw;

/// See above.
pub(super) const WOKEN: u32 = 1 << 31;

/// One run in so many is not hasty.
const PATIENT_ONE_IN: u32 = 4;

/// Whether a run is hasty; not known before the first choice.
#[derive(Debug, Default)]
pub(super) struct Haste(Option<bool>);

impl Haste {
    /// The run is not hasty.
    pub(super) fn none() -> Self {
        Self(Some(false))
    }

    /// Whether the run is hasty.
    #[inline]
    pub(super) fn is_on(&mut self, draw: &mut Draw) -> bool {
        *self.0.get_or_insert_with(|| draw.below(PATIENT_ONE_IN) != 0)
    }
}

/// A priority that has been drawn, in its place: `hasty` says whether the run is, `woken` whether the task was.
#[inline]
pub(super) fn placed(drawn: u32, hasty: bool, woken: bool) -> u32 {
    match (hasty, woken) {
        (false, _) => drawn,
        (true, false) => drawn & !WOKEN | 1,
        (true, true) => drawn | WOKEN,
    }
}
