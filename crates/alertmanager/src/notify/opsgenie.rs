//! `opsgenie_configs`: alerts that are made, changed and closed under the group's hash.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value as Json;

use super::http::{Http, Request};
use super::{Context, Memory, NotifyError, Object, cut_chars, secret};
use crate::config::receivers::{Opsgenie, OpsgenieResponder};

const MESSAGE_CHARS_MAX: usize = 130;

pub(super) async fn tell(config: &Opsgenie, http: &Http, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    let key = secret(&config.api_key, &config.api_key_file, "api_key").await?;
    let key = ctx.text(&key)?;
    for request in requests(config, ctx)? {
        http.deliver(request.header("authorization", format!("GenieKey {key}")), ctx, &[429]).await?;
    }
    Ok(Memory::new())
}

fn requests(config: &Opsgenie, ctx: &Context<'_>) -> Result<Vec<Request>, NotifyError> {
    let alias = ctx.note.key_hash();
    let url = |path: &str| format!("{}v2/alerts{path}", config.api_url.0);
    let source = ctx.text(&config.source)?;
    if !ctx.note.has_firing() {
        let body = Object::new().with("source", source).json();
        return Ok(vec![Request::json(url(&format!("/{alias}/close?identifierType=alias")), &body)]);
    }
    let (message, _) = cut_chars(&ctx.text(&config.message)?, MESSAGE_CHARS_MAX);
    let description = ctx.text(&config.description)?;
    let mut details: BTreeMap<String, String> = ctx.data.common_labels.clone();
    for (name, value) in &config.details {
        details.insert(name.clone(), ctx.text(value)?);
    }
    let mut responders = Vec::new();
    for responder in &config.responders {
        responders.extend(expanded(responder, ctx)?);
    }
    let body = Object::new()
        .with("alias", alias.clone())
        .with("message", message.clone())
        .some("description", description.clone())
        .with("details", crate::template::data::pairs_json(&details))
        .with("source", source)
        .some("responders", responders)
        .some("tags", listed(&ctx.text(&config.tags)?))
        .some("note", ctx.text(&config.note)?)
        .some("priority", ctx.text(&config.priority)?)
        .some("entity", ctx.text(&config.entity)?)
        .some("actions", listed(&ctx.text(&config.actions)?));
    let mut requests = vec![Request::json(url(""), &body.json())];
    if config.update_alerts {
        for (field, value) in [("message", message), ("description", description)] {
            let body = Object::new().some(field, value).json();
            let url = url(&format!("/{alias}/{field}?identifierType=alias"));
            requests.push(Request::new(Method::PUT, url).with_json(&body));
        }
    }
    Ok(requests)
}

/// Splits at commas, without the empty parts.
fn listed(text: &str) -> Vec<Json> {
    text.split(',').filter(|part| !part.is_empty()).map(Json::from).collect()
}

/// A responder as it is sent; `teams` stands for one per name.
fn expanded(responder: &OpsgenieResponder, ctx: &Context<'_>) -> Result<Vec<Json>, NotifyError> {
    let (id, name) = (ctx.text(&responder.id)?, ctx.text(&responder.name)?);
    let (username, kind) = (ctx.text(&responder.username)?, ctx.text(&responder.kind)?);
    if id.is_empty() && name.is_empty() && username.is_empty() {
        return Ok(Vec::new());
    }
    if kind == "teams" {
        let team = |name: &str| Object::new().with("name", name.trim()).with("type", "team").json();
        return Ok(name.split(',').map(team).collect());
    }
    let responder =
        Object::new().some("id", id).some("name", name).some("username", username).with("type", kind);
    Ok(vec![responder.json()])
}
