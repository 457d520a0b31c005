//! A flush: what is left after inhibition, intervals and silences is told to every integration at once.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A6.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Alertmanager, Loaded, State};
use crate::dispatch::Flush;
use crate::history::{AlertOutcome, AlertRecord, Record, ToldOutcome, ToldRecord};
use crate::labels::log_hash;
use crate::nflog::{Entry, Reason, decide};
use crate::notify::{Context, FailReason, Integration, Memory, NotifyError};
use crate::pipeline;
use crate::route::Route;
use crate::template::data::NotedAlert;
use crate::template::{Note, route_labels};

const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_FACTOR: f64 = 1.5;
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Begins the record of a flush with what became of its alerts before anybody was told.
fn record(flush: &Flush, route: &Route, filtered: &pipeline::Filtered, now: jiff::Timestamp) -> Record {
    let alert = |noted: &NotedAlert, outcome: AlertOutcome| AlertRecord {
        fingerprint: noted.alert.fingerprint,
        labels: noted.alert.labels.clone(),
        outcome,
    };
    let passed = filtered.alerts.iter();
    let passed = passed.map(|noted| alert(noted, AlertOutcome::Passed { is_resolved: noted.is_resolved }));
    let dropped = filtered.suppressed.iter().map(|(noted, outcome)| alert(noted, outcome.clone()));
    Record {
        at: now,
        group_key: flush.key.clone(),
        route: route.id.clone(),
        receiver: route.receiver.clone(),
        alerts: passed.chain(dropped).collect(),
        told: Vec::new(),
    }
}

impl Alertmanager {
    /// Tells about a group, then notes how it went.
    pub(super) async fn flush(&self, loaded: &Arc<Loaded>, flush: Flush) {
        let wait = match self.cluster() {
            Some(cluster) => {
                cluster.settled().await;
                cluster.wait()
            }
            None => Duration::ZERO,
        };
        let deadline = Instant::now() + flush.timeout + wait;
        let now = self.now();
        let Some((mut note, mut record, counts)) = self.with_state(|state| {
            let State { alerts, dispatcher, inhibitor, silences, .. } = state;
            let route = dispatcher.route(flush.group)?;
            let filtered =
                pipeline::filter(&flush, route, (inhibitor, alerts), &loaded.intervals, silences, now);
            let counts = filtered.counts();
            let record = record(&flush, route, &filtered, now);
            let note = Note {
                receiver: route.receiver.clone(),
                group_key: flush.key.clone(),
                group_labels: flush.labels.clone(),
                route_labels: route.labels.clone(),
                alerts: filtered.alerts,
                reason: "unknown",
                now: flush.tick,
                repeat_interval: route.repeat_interval,
            };
            Some((note, record, counts))
        }) else {
            return;
        };
        for (why, count) in counts {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            self.shared.metrics.suppressed.with(&[why.as_str()]).add(count);
        }
        if !note.alerts.is_empty() {
            note.route_labels = route_labels(&note.route_labels.clone(), &loaded.templates, &note);
            record.told = self.tell_all(loaded, note, wait, deadline).await;
        }
        let has_failed = |told: &ToldRecord| matches!(told.outcome, ToldOutcome::Failed(_));
        let succeeded = !record.told.iter().any(has_failed);
        self.shared.history.note(record);
        let now = self.now();
        self.with_state(|state| state.dispatcher.finish(&flush, succeeded, now));
        self.shared.wake.notify_one();
    }

    /// Lets the members of the cluster before this one go first, then tells every integration.
    async fn tell_all(
        &self,
        loaded: &Arc<Loaded>,
        note: Note,
        wait: Duration,
        deadline: Instant,
    ) -> Vec<ToldRecord> {
        let Some(integrations) = loaded.receivers.get(&note.receiver) else { return Vec::new() };
        let note = Arc::new(note);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let mut tasks = JoinSet::new();
        for idx in 0..integrations.len() {
            let (this, loaded, note) = (self.clone(), Arc::clone(loaded), Arc::clone(&note));
            let integrations = Arc::clone(integrations);
            tasks.spawn(async move {
                let integration = integrations.get(idx)?;
                let outcome = this.tell(integration, &loaded, &note, deadline).await;
                Some((idx, ToldRecord { integration: integration.told.shown(), outcome }))
            });
        }
        let mut told = Vec::new();
        while let Some(result) = tasks.join_next().await {
            match result {
                Ok(one) => told.extend(one),
                // A panic is a failure of that integration alone.
                Err(error) => {
                    let outcome = ToldOutcome::Failed(error.to_string());
                    told.push((usize::MAX, ToldRecord { integration: "unknown".to_owned(), outcome }));
                }
            }
        }
        told.sort_unstable_by_key(|(idx, _)| *idx);
        told.into_iter().map(|(_, told)| told).collect()
    }

    /// Tells one integration if the log asks for it.
    async fn tell(
        &self,
        integration: &Integration,
        loaded: &Loaded,
        note: &Note,
        deadline: Instant,
    ) -> ToldOutcome {
        let hashes = |wants_resolved: bool| -> Vec<u64> {
            let alerts = note.alerts.iter().filter(|alert| alert.is_resolved == wants_resolved);
            alerts.map(|alert| log_hash(&alert.alert.labels)).collect()
        };
        let (firing, resolved) = (hashes(false), hashes(true));
        let sends_resolved = integration.sends_resolved;
        let asked = Instant::now();
        let decided = self.with_state(|state| {
            let entry = state.log.get(&note.group_key, &integration.told);
            let reason = decide(entry, &firing, &resolved, note.now, note.repeat_interval, sends_resolved)?;
            let known = entry.filter(|_| reason != Reason::First).map(|entry| entry.data.clone());
            Some((reason, known.unwrap_or_default()))
        });
        let [log_metrics, _] = &self.shared.metrics.snapshots;
        log_metrics.queries.inc();
        log_metrics.query_seconds.observe(asked.elapsed().as_secs_f64());
        let Some((reason, mut memory)) = decided else { return ToldOutcome::Known };
        let keep = |alert: &&NotedAlert| sends_resolved || !alert.is_resolved;
        let alerts: Vec<NotedAlert> = note.alerts.iter().filter(keep).cloned().collect();
        self.shared.metrics.notifications.with(&[&integration.told.kind]).inc();
        let mut outcome = ToldOutcome::NotWanted;
        if !alerts.is_empty() {
            outcome = ToldOutcome::Sent(reason.as_str());
            let told = Note { alerts, reason: reason.as_str(), ..note.clone() };
            match self.retry(integration, loaded, &told, &memory, deadline).await {
                Ok(remembered) => memory = remembered,
                Err(error) => {
                    self.on_failed(integration, note, &error);
                    return ToldOutcome::Failed(error.message);
                }
            }
        }
        let at = self.now();
        let entry = Entry {
            group_key: note.group_key.clone().into_bytes(),
            told: integration.told.clone(),
            at,
            firing,
            resolved,
            data: memory,
            expires_at: at,
        };
        self.with_state(|state| state.log.log(entry, note.repeat_interval));
        outcome
    }

    fn on_failed(&self, integration: &Integration, note: &Note, error: &NotifyError) {
        let kind = integration.told.kind.as_str();
        self.shared.metrics.failed.with(&[kind, error.reason.as_str()]).inc();
        tracing::error!(
            receiver = %note.receiver,
            integration = %integration.told.shown(),
            group = %note.group_key,
            reason = error.reason.as_str(),
            %error,
            "notify failed"
        );
    }

    /// Tries until it works, nothing more can be hoped for, or the deadline passes.
    async fn retry(
        &self,
        integration: &Integration,
        loaded: &Loaded,
        note: &Note,
        memory: &Memory,
        deadline: Instant,
    ) -> Result<Memory, NotifyError> {
        let kind = integration.told.kind.as_str();
        let ctx = Context::new(note, &loaded.templates, memory, deadline);
        let mut backoff = BACKOFF_FIRST;
        let mut last: Option<NotifyError> = None;
        loop {
            if Instant::now() >= deadline {
                return Err(last.unwrap_or_else(|| NotifyError {
                    retries: false,
                    reason: FailReason::DeadlineExceeded,
                    message: "no time was left: context deadline exceeded".to_owned(),
                }));
            }
            let started = Instant::now();
            let result = integration.notify(&ctx).await;
            let metrics = &self.shared.metrics;
            metrics.latency.with(&[kind]).observe(started.elapsed().as_secs_f64());
            metrics.requests.with(&[kind]).inc();
            let error = match result {
                Ok(remembered) => return Ok(remembered),
                Err(error) => error,
            };
            metrics.requests_failed.with(&[kind]).inc();
            if !error.retries {
                return Err(error);
            }
            if last.is_none() {
                tracing::warn!(receiver = %note.receiver, integration = kind, %error, "notify attempt failed, will retry later");
            }
            last = Some(error);
            // Half to one and a half: peers that failed together do not come back together.
            let wait = backoff.mul_f64(0.5 + fastrand::f64());
            tokio::time::sleep(wait.min(deadline.saturating_duration_since(Instant::now()))).await;
            backoff = backoff.mul_f64(BACKOFF_FACTOR).min(BACKOFF_MAX);
        }
    }
}
