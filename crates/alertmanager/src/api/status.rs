//! `/status`, `/receivers` and the description of the API.

use axum::extract::{RawQuery, State};
use axum::response::IntoResponse;
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

/// Paths, parameters and bodies, for clients that are made from it.
const SWAGGER: &str = include_str!("swagger.json");

pub(super) async fn swagger() -> Answer {
    Ok(([(axum::http::header::CONTENT_TYPE, "application/json")], SWAGGER).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects what `$ref` points to.
    fn references(value: &Json, found: &mut Vec<String>) {
        match value {
            Json::Object(entries) => {
                found.extend(entries.get("$ref").and_then(Json::as_str).map(str::to_owned));
                entries.values().for_each(|value| references(value, found));
            }
            Json::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn the_description_defines_all_that_it_names() {
        let document: Json = serde_json::from_str(SWAGGER).unwrap();
        let mut names = Vec::new();
        references(&document, &mut names);
        assert!(names.len() > 20);
        for name in names {
            let name = name.strip_prefix("#/definitions/").unwrap();
            assert!(document["definitions"][name].is_object(), "{name}");
        }
        for path in
            ["/alerts", "/alerts/groups", "/receivers", "/silence/{silenceID}", "/silences", "/status"]
        {
            assert!(document["paths"][path]["get"]["operationId"].is_string(), "{path}");
        }
    }
}
