//! The priority of woken tasks in POS and SURW: [`WakePriority`] decides for each run whether woken tasks go first.

use super::Draw;

/// The priority of a task for which none has been drawn yet.
pub(super) const NONE: u32 = 0;

/// In a run that prefers woken tasks, their priorities are at least this and all others are lower.
pub(super) const WOKEN: u32 = 1 << 31;

/// One run in this many does not prefer woken tasks.
const WITHOUT_ONE_IN: u32 = 4;

/// Whether the run prefers woken tasks until their first operation. Until then a task's next operation is unknown, so a
/// strategy that compares operations has nothing to compare. Drawn at the first choice.
#[derive(Debug, Default)]
pub(super) struct WakePriority(Option<bool>);

impl WakePriority {
    /// Creates the setting of a run that never prefers woken tasks.
    pub(super) fn none() -> Self {
        Self(Some(false))
    }

    /// Returns whether the run prefers woken tasks.
    #[inline]
    pub(super) fn is_on(&mut self, draw: &mut Draw) -> bool {
        *self.0.get_or_insert_with(|| draw.below(WITHOUT_ONE_IN) != 0)
    }
}

/// Moves a drawn priority into the range for its task. `prefers_woken` is the run's setting; `woken` says whether the
/// task was woken, rather than preempted.
#[inline]
pub(super) fn placed(drawn: u32, prefers_woken: bool, woken: bool) -> u32 {
    match (prefers_woken, woken) {
        (false, _) => drawn,
        (true, false) => drawn & !WOKEN | 1,
        (true, true) => drawn | WOKEN,
    }
}
