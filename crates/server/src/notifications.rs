//! What a person at the UI should know at once: kept as a short list, and told to whoever listens.
//!
//! # Source
//! `spec/prometheus-query.md` §4.2 (`/notifications`, `/notifications/live`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::broadcast;

/// A reload failed.
pub(crate) const RELOAD_FAILED: &str = "Configuration reload has failed.";
/// Storage is being read.
pub(crate) const STARTING: &str = "Prometheus is starting and replaying the write-ahead log (WAL).";
/// Somebody asked us to stop.
pub(crate) const STOPPING: &str = "Prometheus is shutting down and gracefully stopping all operations.";

/// Changes that a slow listener may be behind; then it misses the oldest.
const N_QUEUED: usize = 16;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) text: &'static str,
    /// Since when, ms.
    pub(crate) since_ms: i64,
    /// False in the last word about it.
    pub(crate) is_active: bool,
}

/// Those that hold now.
#[derive(Debug)]
pub(crate) struct Notifications {
    active: Mutex<Vec<Notification>>,
    changes: broadcast::Sender<Notification>,
    n_listeners: Arc<AtomicUsize>,
    n_listeners_max: usize,
}

/// Somebody who is told of changes.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) changes: broadcast::Receiver<Notification>,
    n_listeners: Arc<AtomicUsize>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.n_listeners.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Notifications {
    pub(crate) fn new(n_listeners_max: usize) -> Self {
        let (changes, _) = broadcast::channel(N_QUEUED);
        Self { active: Mutex::default(), changes, n_listeners: Arc::default(), n_listeners_max }
    }

    /// Begins or renews a notification.
    pub(crate) fn begin(&self, text: &'static str, now_ms: i64) {
        let notification = Notification { text, since_ms: now_ms, is_active: true };
        let mut active = self.active.lock();
        active.retain(|other| other.text != text);
        active.push(notification.clone());
        // Nobody may be listening.
        let _ = self.changes.send(notification);
    }

    /// Ends a notification, if it holds.
    pub(crate) fn end(&self, text: &'static str) {
        let mut active = self.active.lock();
        if let Some(at) = active.iter().position(|other| other.text == text) {
            let ended = Notification { is_active: false, ..active.remove(at) };
            let _ = self.changes.send(ended);
        }
    }

    /// Returns those that hold, oldest first.
    pub(crate) fn active(&self) -> Vec<Notification> {
        self.active.lock().clone()
    }

    /// Returns those that hold and a way to hear of changes; none when too many listen already.
    pub(crate) fn listen(&self) -> Option<(Vec<Notification>, Listener)> {
        let grown = self.n_listeners.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| {
            (n < self.n_listeners_max).then_some(n + 1)
        });
        grown.ok()?;
        // Under the lock, so that no change falls between the list and the channel.
        let active = self.active.lock();
        let changes = self.changes.subscribe();
        Some((active.clone(), Listener { changes, n_listeners: Arc::clone(&self.n_listeners) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_hear_of_changes_and_are_limited() {
        let notifications = Notifications::new(1);
        notifications.begin(STARTING, 5);
        let (active, mut listener) = notifications.listen().unwrap();
        assert_eq!(active, [Notification { text: STARTING, since_ms: 5, is_active: true }]);
        assert!(notifications.listen().is_none());
        notifications.end(STARTING);
        notifications.end(STARTING);
        notifications.begin(RELOAD_FAILED, 6);
        notifications.begin(RELOAD_FAILED, 7);
        assert!(!listener.changes.try_recv().unwrap().is_active);
        assert_eq!(listener.changes.try_recv().unwrap().since_ms, 6);
        drop(listener);
        assert_eq!(notifications.listen().unwrap().0.len(), 1, "one of each kind");
    }
}
