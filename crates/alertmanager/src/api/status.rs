//! `/status`, `/receivers` and the description of the API.

use axum::extract::{RawQuery, State};
use serde_json::Value as Json;

use super::query::Parameters;
use super::{Answer, Manager, json_body};
use crate::instant::Instant;
use crate::template::data::pairs_json;

/// The version of the original that this one stands in for.
pub(crate) const ALERTMANAGER_VERSION: &str = "0.34.0";

pub(super) async fn status(State(alertmanager): Manager) -> Answer {
    let build = &alertmanager.options().build;
    let original = alertmanager.with_config(|config, _, _| config.to_yaml());
    Ok(json_body(&serde_json::json!({
        "cluster": cluster_json(&alertmanager),
        "config": {"original": original},
        "uptime": Instant::local(alertmanager.started_at()).millis(),
        "versionInfo": {
            "branch": build.branch,
            "buildDate": "",
            "buildUser": "",
            "goVersion": wf_httpkit::process::GO_VERSION_STAND_IN,
            "revision": build.revision,
            "version": ALERTMANAGER_VERSION,
        },
    })))
}

fn cluster_json(alertmanager: &crate::manager::Alertmanager) -> Json {
    let Some(cluster) = alertmanager.cluster() else {
        return serde_json::json!({"peers": [], "status": "disabled"});
    };
    let members = cluster.members();
    let peers: Vec<Json> = members
        .iter()
        .map(|member| serde_json::json!({"address": member.address, "name": member.name}))
        .collect();
    let status = if cluster.is_settled() { "ready" } else { "settling" };
    serde_json::json!({"name": cluster.name(), "peers": peers, "status": status})
}

pub(super) async fn receivers(State(alertmanager): Manager, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::of(query.as_deref());
    alertmanager.with_config(|config, _, _| {
        let filter = parameters.receivers(config.mode)?;
        let receivers = config.file.receivers.iter();
        let kept = receivers.filter(|receiver| filter.keeps(&receiver.name, Some(&receiver.labels)));
        let shown = kept.map(
            |receiver| serde_json::json!({"labels": pairs_json(&receiver.labels), "name": receiver.name}),
        );
        Ok(json_body(&shown.collect::<Json>()))
    })
}

/// Paths and methods, for clients that ask what there is.
pub(super) async fn swagger() -> Answer {
    let calls = |methods: &[&str]| {
        let call = |method: &&str| {
            ((*method).to_owned(), serde_json::json!({"responses": {"200": {"description": "OK"}}}))
        };
        Json::Object(methods.iter().map(call).collect())
    };
    Ok(json_body(&serde_json::json!({
        "swagger": "2.0",
        "info": {"title": "Alertmanager API", "description": "API of the Alertmanager", "version": "0.0.1"},
        "basePath": "/api/v2/",
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": {
            "/alerts": calls(&["get", "post"]),
            "/alerts/groups": calls(&["get"]),
            "/receivers": calls(&["get"]),
            "/silence/{silenceID}": calls(&["get", "delete"]),
            "/silences": calls(&["get", "post"]),
            "/status": calls(&["get"]),
        },
    })))
}
