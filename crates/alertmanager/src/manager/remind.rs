//! Reminders: before a silence ends, an alert of our own says so and takes the routes that alerts take.
//!
//! ```text
//! {alertname="SilenceEndsSoon", silence_id, created_by, severity="info"}   from `remind_before` before the end, to the end
//! ```
//! In a cluster every member makes the same alert, and the log tells it once.

use std::time::Duration;

use jiff::Timestamp;

use super::Alertmanager;
use crate::alert::PostedAlert;
use crate::instant::{Instant, before};
use crate::matchers::set_text;
use crate::silence::{Silence, State};

/// The name of the alert.
pub(crate) const ALERT_NAME: &str = "SilenceEndsSoon";

/// How often silences are looked at.
pub(super) fn interval(remind_before: Duration) -> Duration {
    (remind_before / 10).clamp(Duration::from_millis(100), Duration::from_secs(30))
}

impl Alertmanager {
    /// Begins and ends reminders.
    pub(super) fn remind(&self) {
        let now = self.now();
        let within = self.shared.options.remind_before;
        let base = &self.shared.options.external_url;
        let posted = self.with_state(|state| {
            let mut posted: Vec<PostedAlert<'static>> = Vec::new();
            let due =
                |silence: &Silence| silence.state(now) == State::Active && starts_at(silence, within) <= now;
            let mut reminded: Vec<String> = Vec::new();
            for silence in state.silences.iter().filter(|silence| due(silence)) {
                reminded.push(silence.id.clone());
                posted.push(reminder(silence, within, base));
            }
            // One that was prolonged or ended early needs no reminder any more.
            let ours =
                state.alerts.iter().filter(|alert| alert.name() == ALERT_NAME && !alert.is_resolved(now));
            for alert in ours {
                let id = alert.labels.get("silence_id").unwrap_or("");
                if !id.is_empty() && !reminded.iter().any(|known| known == id) {
                    let pairs = alert.labels.iter();
                    posted.push(PostedAlert {
                        labels: pairs
                            .map(|(name, value)| (name.to_owned().into(), value.to_owned().into()))
                            .collect(),
                        starts_at: Some(alert.starts_at),
                        ends_at: Some(Instant::utc(now)),
                        ..PostedAlert::default()
                    });
                }
            }
            posted
        });
        if !posted.is_empty() {
            self.post(posted);
        }
    }
}

/// A silence that is short is not reminded of from its very beginning: its last quarter is early enough.
fn starts_at(silence: &Silence, within: Duration) -> Timestamp {
    let lasts = Duration::try_from(silence.ends_at.duration_since(silence.starts_at)).unwrap_or_default();
    before(silence.ends_at, within.min(lasts / 4))
}

fn reminder(silence: &Silence, within: Duration, base: &str) -> PostedAlert<'static> {
    let matchers: Vec<String> = silence.matcher_sets.iter().map(|set| set_text(set)).collect();
    let pair = |name: &'static str, value: String| (name.into(), value.into());
    let base = base.trim_end_matches('/');
    PostedAlert {
        labels: vec![
            pair("alertname", ALERT_NAME.to_owned()),
            pair("silence_id", silence.id.clone()),
            pair("created_by", silence.created_by.clone()),
            pair("severity", "info".to_owned()),
        ],
        annotations: vec![
            pair(
                "summary",
                format!(
                    "Silence of {} ends at {}",
                    matchers.join(" or "),
                    Instant::utc(silence.ends_at).millis()
                ),
            ),
            pair("description", silence.comment.clone()),
        ],
        starts_at: Some(Instant::utc(starts_at(silence, within))),
        ends_at: Some(Instant::utc(silence.ends_at)),
        generator_url: format!("{base}/#/silences/{}", silence.id).into(),
    }
}

#[cfg(test)]
mod tests {
    use wf_model::Matcher;

    use super::*;
    use crate::instant::after;
    use crate::manager::testing::manager;
    use crate::wire::Writer;

    /// A silence of ten hours of which `left` are left.
    fn silence(id: &str, now: Timestamp, left: Duration) -> Vec<u8> {
        let ends_at = after(now, left);
        let silence = Silence {
            id: id.to_owned(),
            matcher_sets: vec![vec![Matcher::equal("a", "b")]],
            starts_at: before(ends_at, Duration::from_secs(36_000)),
            ends_at,
            updated_at: now,
            created_by: "me".to_owned(),
            comment: "why".to_owned(),
            annotations: std::collections::BTreeMap::new(),
            receiver_matcher_sets: Vec::new(),
            expires_at: after(ends_at, Duration::from_secs(3600)),
        };
        let mut out = Writer::default();
        out.delimited(&crate::silence::snapshot::encode(&silence));
        out.0
    }

    #[test]
    fn a_silence_that_ends_soon_is_an_alert_until_it_is_prolonged() {
        let (manager, _folder) = manager("route: {receiver: a}\nreceivers: [{name: a}]\n");
        let now = manager.now();
        let minutes = |n: u64| Duration::from_secs(n * 60);
        manager.with_state(|state| {
            for (id, left) in [("soon", minutes(50)), ("later", minutes(70))] {
                state.silences.merge(&silence(id, now, left), now).unwrap();
            }
        });
        let reminders = || -> Vec<(String, bool)> {
            manager.remind();
            let now = manager.now();
            manager.with_state(|state| {
                let ours = state.alerts.iter().filter(|alert| alert.name() == ALERT_NAME);
                ours.map(|alert| (alert.labels.get("silence_id").unwrap().to_owned(), alert.is_resolved(now)))
                    .collect()
            })
        };
        assert_eq!(reminders(), [("soon".to_owned(), false)]);
        let prolonged = silence("soon", after(now, Duration::from_millis(1)), minutes(120));
        manager.with_state(|state| state.silences.merge(&prolonged, now).unwrap());
        assert_eq!(reminders(), [("soon".to_owned(), true)]);
        assert_eq!(
            starts_at(&crate::silence::snapshot::decode(&silence_of(&prolonged)).unwrap(), minutes(600)),
            {
                let ends_at = after(after(now, Duration::from_millis(1)), minutes(120));
                before(ends_at, minutes(150))
            }
        );
    }

    /// Takes the length off.
    fn silence_of(delimited: &[u8]) -> Vec<u8> {
        let mut fields = crate::wire::Fields::new(delimited);
        fields.next_message().unwrap().unwrap().to_vec()
    }
}
