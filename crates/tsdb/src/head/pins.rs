//! Truncation waits for the selections that were made before it.
//!
//! A truncation happens in two steps. First new selections stop seeing what will go; then, when the last selection from
//! before has been dropped, it goes. A selection that is held too long loses: memory must stay bounded.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

/// Held by a selection: its age, in truncations.
#[derive(Debug)]
pub(crate) struct Pin {
    pub(crate) generation: u64,
    /// What the selection may not read any more, ms: older data may go at any time.
    pub(crate) min_time: i64,
}

/// All generations that may still be in use.
#[derive(Debug)]
pub(crate) struct Pins {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    current: Arc<Pin>,
    retired: VecDeque<Arc<Pin>>,
    /// Selections of generations below this may find their data gone.
    oldest_readable: u64,
}

impl Pins {
    pub(crate) fn new(min_time: i64) -> Self {
        let current = Arc::new(Pin { generation: 0, min_time });
        Self { inner: Mutex::new(Inner { current, retired: VecDeque::new(), oldest_readable: 0 }) }
    }

    pub(crate) fn pin(&self) -> Arc<Pin> {
        Arc::clone(&self.inner.lock().current)
    }

    /// Starts a generation that does not see data before `min_time`.
    pub(crate) fn advance(&self, min_time: i64) {
        let mut inner = self.inner.lock();
        let next = Arc::new(Pin { generation: inner.current.generation + 1, min_time });
        let old = std::mem::replace(&mut inner.current, next);
        inner.retired.push_back(old);
    }

    /// Returns whether no selection of an earlier generation is left.
    pub(crate) fn are_old_ones_gone(&self) -> bool {
        let mut inner = self.inner.lock();
        // Nobody can clone a retired pin but through the selections that hold it: a count of one is final.
        inner.retired.retain(|pin| Arc::strong_count(pin) > 1);
        inner.retired.is_empty()
    }

    /// Gives up on the selections of earlier generations: they report an error from now on.
    pub(crate) fn expire_old_ones(&self) {
        let mut inner = self.inner.lock();
        inner.retired.clear();
        inner.oldest_readable = inner.current.generation;
    }

    /// Returns whether a selection still finds its data.
    pub(crate) fn is_readable(&self, pin: &Pin) -> bool {
        pin.generation >= self.inner.lock().oldest_readable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_data_goes_when_the_last_old_selection_does() {
        let pins = Pins::new(0);
        let old = pins.pin();
        pins.advance(100);
        let new = pins.pin();
        assert!(!pins.are_old_ones_gone());
        assert_eq!((old.min_time, new.min_time), (0, 100));
        drop(old);
        assert!(pins.are_old_ones_gone());
        pins.advance(200);
        pins.expire_old_ones();
        assert!(!pins.is_readable(&new) && pins.are_old_ones_gone());
        assert!(pins.is_readable(&pins.pin()));
    }
}
