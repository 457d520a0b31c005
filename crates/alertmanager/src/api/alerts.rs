//! `/alerts` and `/alerts/groups`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use wf_model::Matcher;

use super::query::{Parameters, ReceiverFilter};
use super::{Answer, Manager, Refusal, json_body, read_json, text_at, texts_at, time_at};
use crate::alert::{Alert, PostedAlert};
use crate::config::AlertmanagerConfig;
use crate::inhibit::Inhibitor;
use crate::instant::Instant;
use crate::labels::{alert_order, order};
use crate::manager;
use crate::matchers::matches_all;
use crate::pipeline::muted_by;
use crate::silence::Silences;
use crate::template::data::pairs_json;
use crate::template::{Note, route_labels};

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
    inhibited_by: Option<u64>,
}

impl Status {
    fn of(alert: &Alert, silences: &mut Silences, inhibitor: &Inhibitor, now: Timestamp) -> Self {
        Self {
            silenced_by: silences.covering(alert.fingerprint, &alert.labels, now),
            inhibited_by: inhibitor.inhibited_by(&alert.labels, now),
        }
    }

    fn json(&self, muted_by: &[String]) -> Json {
        let inhibited: Vec<String> = self.inhibited_by.iter().map(|hash| format!("{hash:016x}")).collect();
        let is_active = self.silenced_by.is_empty() && inhibited.is_empty() && muted_by.is_empty();
        serde_json::json!({
            "inhibitedBy": inhibited,
            "mutedBy": muted_by,
            "silencedBy": self.silenced_by,
            "state": if is_active { "active" } else { "suppressed" },
        })
    }
}

fn alert_json(alert: &Alert, receivers: &[&str], status: Json) -> Json {
    let mut object = Map::new();
    let mut set = |key: &str, value: Json| drop(object.insert(key.to_owned(), value));
    set("annotations", pairs_json(&alert.annotations));
    set("endsAt", alert.ends_at.millis().into());
    set("fingerprint", format!("{:016x}", alert.fingerprint).into());
    set("receivers", receivers.iter().map(|name| serde_json::json!({"name": name})).collect());
    set("startsAt", alert.starts_at.millis().into());
    set("status", status);
    set("updatedAt", Instant::local(alert.updated_at).millis().into());
    if !alert.generator_url.is_empty() {
        set("generatorURL", alert.generator_url.clone().into());
    }
    let labels = alert.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    set("labels", pairs_json(&labels));
    Json::Object(object)
}

fn labels_of<'a>(config: &'a AlertmanagerConfig, receiver: &str) -> Option<&'a BTreeMap<String, String>> {
    let mut receivers = config.file.receivers.iter();
    receivers.find(|known| known.name == receiver).map(|known| &known.labels)
}

pub(super) async fn list(State(alertmanager): Manager, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::of(query.as_deref());
    let now = alertmanager.now();
    alertmanager.with_config(|config, _, _| {
        let wanted = Wanted::of(&parameters, config.mode)?;
        let alerts = alertmanager.with_state(|state| {
            let manager::State { alerts, inhibitor, dispatcher, silences, .. } = state;
            let mut found = Vec::new();
            for alert in alerts.sorted() {
                if !wanted.keeps(&alert, now) {
                    continue;
                }
                let routes = &dispatcher.routes;
                let routed = routes.matching(&alert.labels);
                let receivers: Vec<&str> =
                    routed.iter().filter_map(|idx| Some(routes.nodes.get(*idx)?.receiver.as_str())).collect();
                if !receivers.iter().any(|name| wanted.receivers.keeps(name, labels_of(config, name))) {
                    continue;
                }
                let status = Status::of(&alert, silences, inhibitor, now);
                if wanted.keeps_status(&status) {
                    found.push(alert_json(&alert, &receivers, status.json(&[])));
                }
            }
            found
        });
        Ok(json_body(&Json::Array(alerts)))
    })
}

/// A group as it is shown.
struct ShownGroup {
    labels: wf_model::Labels,
    receiver: String,
    json: Json,
}

pub(super) async fn groups(State(alertmanager): Manager, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::of(query.as_deref());
    let now = alertmanager.now();
    alertmanager.with_config(|config, intervals, templates| {
        let wanted = Wanted::of(&parameters, config.mode)?;
        let shows_muted = parameters.flag("muted");
        let mut shown = alertmanager.with_state(|state| {
            let manager::State { inhibitor, dispatcher, silences, .. } = state;
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
                let mut rows = Vec::new();
                for alert in alerts {
                    let status = Status::of(alert, silences, inhibitor, now);
                    if wanted.keeps_status(&status) {
                        rows.push(alert_json(alert, &[&route.receiver], status.json(&muted)));
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
                let labels =
                    group.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                let json = serde_json::json!({
                    "alerts": rows,
                    "labels": pairs_json(&labels),
                    "receiver": {"name": route.receiver},
                    "routeLabels": pairs_json(&route_labels(&route.labels, templates, &note)),
                });
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
        Ok(json_body(&Json::Array(shown.into_iter().map(|group| group.json).collect())))
    })
}

pub(super) async fn post(State(alertmanager): Manager, request: Request) -> Answer {
    let body = read_json(request).await?;
    let Json::Array(items) = body else {
        let message = "parsing body body from \"\" failed, because it is no array of alerts";
        return Err(Refusal::coded(StatusCode::BAD_REQUEST, message));
    };
    let posted =
        items.iter().enumerate().map(|(idx, item)| posted(item, idx)).collect::<Result<Vec<_>, _>>()?;
    let errors = alertmanager.post(posted);
    match errors.is_empty() {
        true => Ok(StatusCode::OK.into_response()),
        false => Err(Refusal::bad(errors.join("\n"))),
    }
}

fn posted(item: &Json, idx: usize) -> Result<PostedAlert, Refusal> {
    let path = format!("{idx}.");
    if item["labels"].is_null() {
        return Err(Refusal::schema(602, format!("{path}labels in body is required")));
    }
    let generator_url = text_at(item, "generatorURL", &path)?;
    // Any URI reference: the parser of whole URLs wants a base for relative ones.
    let is_uri = !generator_url.contains(char::is_whitespace)
        && url::Url::options()
            .base_url(url::Url::parse("http://base.invalid/").ok().as_ref())
            .parse(&generator_url)
            .is_ok();
    if !generator_url.is_empty() && !is_uri {
        let message = format!("{path}generatorURL in body must be of type uri: {generator_url:?}");
        return Err(Refusal::schema(601, message));
    }
    Ok(PostedAlert {
        labels: texts_at(item, "labels", &path)?,
        annotations: texts_at(item, "annotations", &path)?,
        starts_at: time_at(item, "startsAt", &path)?,
        ends_at: time_at(item, "endsAt", &path)?,
        generator_url,
    })
}
