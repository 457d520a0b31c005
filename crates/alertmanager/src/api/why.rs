//! `/alerts/why` and `/receivers/test`: what the original cannot tell.
//!
//! The shapes are described in `docs/alertmanager.md`.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::query::Parameters;
use super::{Answer, Manager, Refusal, json_body, read_json, text_at, texts_at};
use crate::history::{self, Found};
use crate::instant::Instant;
use crate::manager::{Alertmanager, State as Known};
use crate::matchers::matches_all;
use crate::pipeline::muted_by;

/// Tells where alerts stand and what became of them.
pub(super) async fn why(State(alertmanager): Manager, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::of(query.as_deref());
    let filter = parameters.filter(alertmanager.options().mode)?;
    if filter.is_empty() {
        return Err(Refusal::bad("say which alerts are meant: filter=alertname=\"...\""));
    }
    let now = alertmanager.now();
    let mut found: BTreeMap<u64, Found> = alertmanager.with_state(|state| {
        let alerts = state.alerts.iter().filter(|alert| matches_all(&filter, &alert.labels));
        let empty = |labels: &wf_model::Labels| Found { labels: labels.clone(), events: Default::default() };
        alerts.take(history::N_ALERTS_MAX).map(|alert| (alert.fingerprint, empty(&alert.labels))).collect()
    });
    let folder = alertmanager.history().folder().to_owned();
    let searched = tokio::task::spawn_blocking(move || {
        history::search(&folder, &filter, &mut found).map(|()| found).map_err(|error| error.to_string())
    });
    let found = searched.await.map_err(|error| error.to_string()).and_then(|result| result);
    let found = found.map_err(|error| Refusal::Plain {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        message: format!("read the history: {error}"),
    })?;
    let shown = found.into_iter().map(|(fingerprint, found)| {
        let labels: Json =
            Json::Object(found.labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect());
        json!({
            "fingerprint": format!("{fingerprint:016x}"),
            "labels": labels,
            "now": standing(&alertmanager, fingerprint, &found.labels, now),
            "history": found.events.into_iter().rev().collect::<Vec<_>>(),
        })
    });
    Ok(json_body(&shown.collect()))
}

/// Tells what would become of an alert now, and what it waits for.
fn standing(
    alertmanager: &Alertmanager,
    fingerprint: u64,
    labels: &wf_model::Labels,
    now: Timestamp,
) -> Json {
    alertmanager.with_config(|_, intervals, _| {
        alertmanager.with_state(|state| {
            let Known { alerts, inhibitor, dispatcher, silences, log } = state;
            let alert = alerts.get(fingerprint).filter(|alert| !alert.is_resolved(now));
            let silenced_by = silences.covering(fingerprint, labels, now);
            let inhibited_by = inhibitor
                .inhibited_by(labels, alerts, now)
                .map(|(rule, source)| json!({"rule": rule, "fingerprint": format!("{source:016x}")}));
            let time = |at: Timestamp| Json::from(Instant::utc(at).millis());
            let routes = dispatcher.routes.matching(labels).into_iter().filter_map(|idx| {
                let route = dispatcher.routes.nodes.get(idx)?;
                let group_labels = route.group_labels(labels);
                let group_key = route.group_key(&group_labels);
                let told: Vec<Json> = log
                    .of_group(&group_key, &route.receiver)
                    .map(|entry| {
                        json!({
                            "integration": entry.told.shown(), "at": time(entry.at),
                            "firing": entry.firing.len(), "resolved": entry.resolved.len(),
                            "repeats": time(crate::instant::after(entry.at, route.repeat_interval)),
                        })
                    })
                    .collect();
                let (muted, _) = muted_by(route, intervals, now);
                Some(json!({
                    "route": route.id, "receiver": route.receiver, "groupKey": group_key,
                    "mutedBy": muted, "nextFlush": dispatcher.next_flush(idx, &group_labels).map(time),
                    "told": told,
                }))
            });
            let routes: Vec<Json> = routes.collect();
            let is_muted = !routes.is_empty()
                && routes.iter().all(|route| route["mutedBy"].as_array().is_some_and(|by| !by.is_empty()));
            let state = match alert {
                None => "resolved",
                Some(_) if !silenced_by.is_empty() || inhibited_by.is_some() || is_muted => "suppressed",
                Some(_) => "active",
            };
            json!({"state": state, "silencedBy": silenced_by, "inhibitedBy": inhibited_by, "routes": routes})
        })
    })
}

/// Sends a test notification.
pub(super) async fn test(State(alertmanager): Manager, request: Request) -> Answer {
    let body = read_json(request).await?;
    let receiver = text_at(&body, "receiver", "")?;
    if receiver.is_empty() {
        return Err(Refusal::schema(602, "receiver in body is required"));
    }
    let (labels, annotations) = (texts_at(&body, "labels", "")?, texts_at(&body, "annotations", "")?);
    match alertmanager.try_receiver(&receiver, labels, annotations).await {
        Some(Ok(results)) => Ok(json_body(&Json::from(results))),
        Some(Err(why)) => Err(Refusal::bad(why)),
        None => Err(Refusal::Plain {
            status: StatusCode::NOT_FOUND,
            message: format!("receiver {receiver:?} not found"),
        }),
    }
}
