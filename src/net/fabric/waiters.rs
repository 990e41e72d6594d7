//! Who waits for a socket: tasks to be woken when it may be ready.
//!
//! Always true: a waiter is woken once for each time that it came; none is lost; and there is one place for whoever polls
//! a socket by `poll_…`, where the newest counts, as in tokio.

/// Those who wait for one thing.
#[derive(Debug)]
pub(crate) struct Waiters<W> {
    /// Who polled last.
    poller: Option<W>,
    /// Those who await it, besides; boxed, since most of the time there is none.
    #[expect(clippy::box_collection, reason = "three words in every connection that nobody uses")]
    others: Option<Box<Vec<W>>>,
}

/// How somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// In the place of the one poller.
    Poller,
    /// As one of many.
    One,
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self { poller: None, others: None }
    }
}

impl<W> Waiters<W> {
    /// Somebody waits; gives back who had the place, to be dropped where no lock is held.
    #[inline]
    pub(super) fn add(&mut self, who: W, how: As) -> Option<W>
    where
        W: PartialEq,
    {
        match how {
            As::Poller => self.poller.replace(who),
            As::One => {
                let others = self.others.get_or_insert_default();
                if others.contains(&who) {
                    return Some(who);
                }
                others.push(who);
                None
            }
        }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.poller.is_none() && self.others.as_ref().is_none_or(|others| others.is_empty())
    }

    /// Wakes all.
    #[inline]
    pub(super) fn wake(&mut self, woken: &mut Vec<W>) {
        if let Some(poller) = self.poller.take() {
            woken.push(poller);
        }
        if self.others.is_some() {
            woken.extend(self.others.take().into_iter().flat_map(|others| *others));
        }
    }
}
