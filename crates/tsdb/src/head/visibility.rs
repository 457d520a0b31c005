//! Which batches readers may see: those whose log records reached the operating system, in order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Batches are numbered from 1; batch 0 stands for what was replayed.
#[derive(Debug, Default)]
pub(crate) struct Visibility {
    visible: AtomicU64,
    /// Batches that are complete in memory and wait for their write: sequence and position in the log, both ascending.
    waiting: Mutex<VecDeque<(u64, u64)>>,
}

impl Visibility {
    /// Registers a batch that is complete in memory and whose records end at `position` in the log.
    pub(crate) fn complete(&self, seq: u64, position: u64) {
        self.waiting.lock().push_back((seq, position));
    }

    /// Returns the newest batch that is visible when the log is written up to `written`. All earlier ones are too.
    pub(crate) fn visible_seq(&self, written: u64) -> u64 {
        let mut waiting = self.waiting.lock();
        while let Some((seq, position)) = waiting.front().copied() {
            if position > written {
                break;
            }
            self.visible.store(seq, Ordering::Release);
            waiting.pop_front();
        }
        self.visible.load(Ordering::Acquire)
    }

    /// Returns the number of batches that wait.
    pub(crate) fn n_waiting(&self) -> usize {
        self.waiting.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_visible_once_all_before_it_are_written() {
        let visibility = Visibility::default();
        visibility.complete(1, 100);
        visibility.complete(2, 250);
        assert_eq!([99, 100, 249].map(|written| visibility.visible_seq(written)), [0, 1, 1]);
        assert_eq!((visibility.visible_seq(300), visibility.n_waiting()), (2, 0));
        assert_eq!(visibility.visible_seq(0), 2, "what was seen stays seen");
    }
}
