//! Test notifications: does this receiver work?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use wf_model::Labels;

use super::Alertmanager;
use crate::alert::PostedAlert;
use crate::labels::group_text;
use crate::notify::{self, Context, Memory};
use crate::template::Note;
use crate::template::data::NotedAlert;

/// How long an integration has.
const LIMIT: Duration = Duration::from_secs(30);

impl Alertmanager {
    /// Sends one notification to every integration of a receiver, without retries, and tells how it went: `None` when
    /// there is no such receiver. The notification log does not hear of it.
    pub(crate) async fn try_receiver(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
    ) -> Option<Result<Vec<Json>, String>> {
        let loaded = self.shared.loaded.load_full();
        let receiver = loaded.config.file.receivers.iter().find(|receiver| receiver.name == name)?;
        let integrations = match notify::build(receiver) {
            Ok(integrations) => integrations,
            Err(error) => return Some(Err(error)),
        };
        let note = match self.trial_note(name, labels, annotations) {
            Ok(note) => note,
            Err(error) => return Some(Err(error)),
        };
        let mut results = Vec::new();
        for integration in &integrations {
            let started = Instant::now();
            let memory = Memory::new();
            let ctx = Context::new(&note, &loaded.templates, &memory, started + LIMIT);
            let result = integration.notify(&ctx).await;
            tracing::info!(
                receiver = name,
                integration = integration.told.shown(),
                ok = result.is_ok(),
                "sent a test notification"
            );
            let mut shown = json!({
                "integration": integration.told.shown(),
                "ok": result.is_ok(),
                "seconds": started.elapsed().as_secs_f64(),
            });
            if let Err(error) = result {
                shown["error"] = error.message.into();
                shown["reason"] = error.reason.as_str().into();
            }
            results.push(shown);
        }
        Some(Ok(results))
    }

    fn trial_note(
        &self,
        receiver: &str,
        mut labels: BTreeMap<String, String>,
        mut annotations: BTreeMap<String, String>,
    ) -> Result<Note, String> {
        if labels.is_empty() {
            labels.insert("alertname".to_owned(), "TestNotification".to_owned());
            labels.insert("severity".to_owned(), "none".to_owned());
        }
        if annotations.is_empty() {
            let summary = "This is a test: somebody tries whether this receiver works.";
            annotations.insert("summary".to_owned(), summary.to_owned());
        }
        let now = self.now();
        let pairs = |pairs: BTreeMap<String, String>| {
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        let posted = PostedAlert {
            labels: pairs(labels),
            annotations: pairs(annotations),
            generator_url: self.shared.options.external_url.clone().into(),
            ..PostedAlert::default()
        };
        let mode = self.shared.options.mode;
        let alert = posted.complete(now, LIMIT, |name| mode.is_label_name(name))?;
        let group_labels = Labels::from_pairs(alert.labels.iter().filter(|(name, _)| *name == "alertname"));
        Ok(Note {
            receiver: receiver.to_owned(),
            group_key: format!("test/{receiver}:{}", group_text(&group_labels)),
            group_labels,
            route_labels: BTreeMap::new(),
            alerts: vec![NotedAlert { alert: Arc::new(alert), is_resolved: false }],
            reason: "test",
            now,
            repeat_interval: Duration::ZERO,
        })
    }
}
