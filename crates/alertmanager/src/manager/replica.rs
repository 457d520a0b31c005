//! What members of a cluster share of an Alertmanager: the notification log and the silences.

use std::sync::{Arc, Weak};

use super::{Alertmanager, Shared, State};
use crate::cluster::Replica;
use crate::cluster::part::{Kind, Part};

/// Returns what changed here since the last call.
pub(super) fn take_news(state: &mut State) -> Vec<Part> {
    let log = state.log.take_news();
    let silences = state.silences.take_news();
    let log = log.iter().map(|entry| Part::of(Kind::Log, entry));
    log.chain(silences.iter().map(|entry| Part::of(Kind::Silences, entry))).collect()
}

/// The state as the cluster sees it. Weak: the cluster lives in what it would keep alive.
struct SharedState(Weak<Shared>);

impl Replica for SharedState {
    fn merge(&self, part: &Part) -> Vec<Part> {
        let Some(shared) = self.0.upgrade() else { return Vec::new() };
        let now = (shared.clock)();
        let mut state = shared.state.lock();
        let taken = match part.kind {
            Kind::Log => state.log.merge(&part.entries, now),
            Kind::Silences => state.silences.merge(&part.entries, now),
        };
        drop(state);
        match taken {
            Ok(taken) => taken.iter().map(|entry| Part::of(part.kind, entry)).collect(),
            Err(error) => {
                tracing::warn!(kind = part.kind.as_str(), %error, "a member of the cluster told what cannot be read");
                Vec::new()
            }
        }
    }

    fn full_state(&self) -> Vec<Part> {
        let Some(shared) = self.0.upgrade() else { return Vec::new() };
        let state = shared.state.lock();
        let part = |kind, entries| Part { kind, entries };
        vec![part(Kind::Log, state.log.snapshot()), part(Kind::Silences, state.silences.snapshot())]
    }
}

impl Alertmanager {
    /// Lets the cluster see what is known.
    pub(super) fn share_state(&self) {
        if let Some(cluster) = &self.shared.cluster {
            cluster.share(Arc::new(SharedState(Arc::downgrade(&self.shared))));
        }
    }
}
