//! Where POS and SURW depart from priorities at random: [`WakePriority`] prefers tasks that have been woken, and [`Fairness`]
//! bounds how long tasks are preferred at all.

use super::Draw;

/// A priority that has not been drawn yet.
pub(super) const NONE: u32 = 0;

/// In a run that prefers woken tasks their priorities lie above this, and all others below.
pub(super) const WOKEN: u32 = 1 << 31;

/// One run in so many does not prefer woken tasks.
const WITHOUT_ONE_IN: u32 = 4;

/// Whether the run prefers woken tasks up to their first operation: until then nobody knows what they do next, so that a
/// strategy which looks at operations would decide unawares. Drawn at the first choice.
#[derive(Debug, Default)]
pub(super) struct WakePriority(Option<bool>);

impl WakePriority {
    /// The run does not prefer them.
    pub(super) fn none() -> Self {
        Self(Some(false))
    }

    /// Whether the run prefers them.
    #[inline]
    pub(super) fn is_on(&mut self, draw: &mut Draw) -> bool {
        *self.0.get_or_insert_with(|| draw.below(WITHOUT_ONE_IN) != 0)
    }
}

/// Puts a priority that has been drawn in its place: `prefers_woken` says whether the run does, `woken` whether the task was.
#[inline]
pub(super) fn placed(drawn: u32, prefers_woken: bool, woken: bool) -> u32 {
    match (prefers_woken, woken) {
        (false, _) => drawn,
        (true, false) => drawn & !WOKEN | 1,
        (true, true) => drawn | WOKEN,
    }
}

/// So many choices at one instant are the strategy's own.
const CHOICES_MAX: u32 = 1_000;

/// Beyond them one choice in so many is made at random.
const RANDOM_ONE_IN: u32 = 8;

/// Counts choices at one instant of virtual time; beyond some, one in a few is to be made at random among all ready tasks.
///
/// A task may go on for ever until another has run: it looks at a flag, again and again. A strategy that lets the other wait
/// for long enough would take that for a livelock which the code does not have.
#[derive(Debug, Default)]
pub(super) struct Fairness {
    choices: u32,
}

impl Fairness {
    /// Counts a choice; whether it is to be made at random.
    #[inline]
    pub(super) fn demands_random(&mut self, draw: &mut Draw) -> bool {
        if self.choices < CHOICES_MAX {
            self.choices += 1;
            return false;
        }
        draw.below(RANDOM_ONE_IN) == 0
    }

    /// Begins counting anew: time has moved.
    #[inline]
    pub(super) fn restart(&mut self) {
        self.choices = 0;
    }
}
