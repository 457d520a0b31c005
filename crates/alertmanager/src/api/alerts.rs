//! `/alerts` and `/alerts/groups`.
//!
//! The list of alerts is written while it is sent.
//! # Reading order: this file, `posted` (what comes in), `shown` (what goes out).

mod posted;
mod shown;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use wf_model::Matcher;

use super::query::{Parameters, ReceiverFilter};
use super::{Answer, Manager, Refusal, read_body};
use crate::alert::{Alert, AlertStore};
use crate::config::AlertmanagerConfig;
use crate::inhibit::Inhibitor;
use crate::labels::{alert_order, order};
use crate::manager;
use crate::matchers::matches_all;
use crate::pipeline::muted_by;
use crate::silence::Silences;
use crate::template::{Note, route_labels};
use shown::{AlertList, Row, ShownAlert};

/// Which alerts are shown.
struct Wanted {
    active: bool,
    silenced: bool,
    inhibited: bool,
    filter: Vec<Matcher>,
    receivers: ReceiverFilter,
}

impl Wanted {
    fn of(parameters: &Parameters, mode: crate::Mode) -> Result<Self, Refusal> {
        Ok(Self {
            active: parameters.flag("active"),
            silenced: parameters.flag("silenced"),
            inhibited: parameters.flag("inhibited"),
            filter: parameters.filter(mode)?,
            receivers: parameters.receivers(mode)?,
        })
    }

    fn keeps(&self, alert: &Alert, now: Timestamp) -> bool {
        !alert.is_resolved(now) && matches_all(&self.filter, &alert.labels)
    }

    fn keeps_status(&self, status: &Status) -> bool {
        let is_active = status.silenced_by.is_empty() && status.inhibited_by.is_none();
        (self.active || !is_active)
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_none())
    }
}

/// What keeps an alert from being told about.
struct Status {
    silenced_by: Vec<String>,
    inhibited_by: Option<(usize, u64)>,
}

impl Status {
    fn of(
        alert: &Alert,
        silences: &mut Silences,
        (inhibitor, alerts): (&Inhibitor, &AlertStore),
        now: Timestamp,
    ) -> Self {
        Self {
            silenced_by: silences.covering(alert.fingerprint, &alert.labels, now),
            inhibited_by: inhibitor.inhibited_by(&alert.labels, alerts, now),
        }
    }
}

fn labels_of<'a>(config: &'a AlertmanagerConfig, receiver: &str) -> Option<&'a BTreeMap<String, String>> {
    let mut receivers = config.file.receivers.iter();
    receivers.find(|known| known.name == receiver).map(|known| &known.labels)
}

pub(super) async fn list(State(alertmanager): Manager, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::of(query.as_deref());
    let now = alertmanager.now();
    let list = alertmanager.with_config(|config, _, _| {
        let wanted = Wanted::of(&parameters, config.mode)?;
        let mut list = alertmanager.with_state(|state| {
            let manager::State { alerts, inhibitor, dispatcher, silences, .. } = state;
            let mut rows = Vec::new();
            for alert in alerts.iter().filter(|alert| wanted.keeps(alert, now)) {
                let filed = dispatcher.filed(alert);
                let routes = filed.groups.iter().filter_map(|group| dispatcher.route(*group));
                let is_asked = wanted.receivers.keeps_all()
                    || routes
                        .map(|route| route.receiver.as_str())
                        .any(|name| wanted.receivers.keeps(name, labels_of(config, name)));
                if !is_asked {
                    continue;
                }
                let status = Status::of(alert, silences, (inhibitor, alerts), now);
                if wanted.keeps_status(&status) {
                    rows.push(Row { alert: Arc::clone(alert), filed, status });
                }
            }
            AlertList::new(Arc::clone(&dispatcher.routes), rows)
        });
        list.sort();
        Ok(list)
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], list.into_body()).into_response())
}

/// A group as it is shown.
struct ShownGroup {
    labels: wf_model::Labels,
    receiver: String,
    json: String,
}

pub(super) async fn groups(State(alertmanager): Manager, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::of(query.as_deref());
    let now = alertmanager.now();
    alertmanager.with_config(|config, intervals, templates| {
        let wanted = Wanted::of(&parameters, config.mode)?;
        let shows_muted = parameters.flag("muted");
        let zone = jiff::tz::TimeZone::system();
        let mut shown = alertmanager.with_state(|state| {
            let manager::State { alerts: known, inhibitor, dispatcher, silences, .. } = state;
            let mut shown = Vec::new();
            for (id, group) in dispatcher.groups() {
                let Some(route) = dispatcher.route(*id) else { continue };
                let (muted, _) = muted_by(route, intervals, now);
                let is_asked = wanted.receivers.keeps(&route.receiver, labels_of(config, &route.receiver));
                if !is_asked || (!muted.is_empty() && !shows_muted) {
                    continue;
                }
                let mut alerts: Vec<&Arc<Alert>> =
                    group.alerts.values().filter(|alert| wanted.keeps(alert, now)).collect();
                alerts.sort_by(|a, b| alert_order(&a.labels, &b.labels));
                let mut rows = String::new();
                for alert in alerts {
                    let status = Status::of(alert, silences, (inhibitor, known), now);
                    if wanted.keeps_status(&status) {
                        if !rows.is_empty() {
                            rows.push(',');
                        }
                        let receivers = std::iter::once(&*route.receiver_json);
                        let shown = ShownAlert { alert, status: &status, muted_by: &muted, zone: &zone };
                        shown.write(&mut rows, receivers);
                    }
                }
                if rows.is_empty() {
                    continue;
                }
                let noted = |alert: &Arc<Alert>| crate::template::data::NotedAlert {
                    is_resolved: alert.is_resolved(now),
                    alert: Arc::clone(alert),
                };
                let note = Note {
                    receiver: route.receiver.clone(),
                    group_key: group.key.clone(),
                    group_labels: group.labels.clone(),
                    route_labels: BTreeMap::new(),
                    alerts: if route.labels.is_empty() {
                        Vec::new()
                    } else {
                        group.alerts.values().map(noted).collect()
                    },
                    reason: "unknown",
                    now,
                    repeat_interval: route.repeat_interval,
                };
                let mut json = format!("{{\"alerts\":[{rows}],\"labels\":");
                crate::json::write_pairs(&mut json, group.labels.iter());
                json.push_str(",\"receiver\":");
                json.push_str(&route.receiver_json);
                json.push_str(",\"routeLabels\":");
                let route_labels = route_labels(&route.labels, templates, &note);
                crate::json::write_pairs(
                    &mut json,
                    route_labels.iter().map(|(name, value)| (&**name, &**value)),
                );
                json.push('}');
                shown.push(ShownGroup {
                    labels: group.labels.clone(),
                    receiver: route.receiver.clone(),
                    json,
                });
            }
            shown
        });
        shown.sort_by(|a, b| match order(&a.labels, &b.labels) {
            Ordering::Equal => a.receiver.cmp(&b.receiver),
            other => other,
        });
        let groups: Vec<&str> = shown.iter().map(|group| group.json.as_str()).collect();
        let body = format!("[{}]\n", groups.join(","));
        Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
    })
}

pub(super) async fn post(State(alertmanager): Manager, request: Request) -> Answer {
    let bytes = read_body(request).await?;
    let posted = posted::read(&bytes)?;
    let errors = alertmanager.post(posted);
    match errors.is_empty() {
        true => Ok(StatusCode::OK.into_response()),
        false => Err(Refusal::bad(errors.join("\n"))),
    }
}
