//! Which batches readers may see: those whose log records reached the operating system, in order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Batches are numbered from 1; batch 0 stands for what was replayed.
#[derive(Debug, Default)]
pub(crate) struct Visibility {
    visible: AtomicU64,
    /// Batches that are complete in memory and wait for their write: sequence and positions in the two logs; the
    /// sequence and the first position ascend.
    waiting: Mutex<VecDeque<(u64, u64, u64)>>,
}

impl Visibility {
    /// Registers a batch that is complete in memory and whose records end at `position` in the write-ahead log and at
    /// `late_position` in the write-behind log, 0 without late samples.
    pub(crate) fn complete(&self, seq: u64, position: u64, late_position: u64) {
        self.waiting.lock().push_back((seq, position, late_position));
    }

    /// Returns the newest batch that is visible when the logs are written up to `written` and `late_written`. All
    /// earlier ones are too.
    pub(crate) fn visible_seq(&self, written: u64, late_written: u64) -> u64 {
        let mut waiting = self.waiting.lock();
        while let Some((seq, position, late_position)) = waiting.front().copied() {
            if position > written || late_position > late_written {
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
        visibility.complete(1, 100, 0);
        visibility.complete(2, 250, 0);
        assert_eq!([99, 100, 249].map(|written| visibility.visible_seq(written, 0)), [0, 1, 1]);
        assert_eq!((visibility.visible_seq(300, 0), visibility.n_waiting()), (2, 0));
        assert_eq!(visibility.visible_seq(0, 0), 2, "what was seen stays seen");
        visibility.complete(3, 350, 20);
        assert_eq!([(349, 20), (350, 19), (350, 20)].map(|(w, l)| visibility.visible_seq(w, l)), [2, 2, 3]);
    }
}
