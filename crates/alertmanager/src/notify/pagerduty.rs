//! `pagerduty_configs`: events of version 2, and of version 1 for those with a service key.

use serde_json::{Map, Value as Json};

use super::http::{Http, Request};
use super::{Context, Memory, NotifyError, Object, cut_chars, secret};
use crate::config::receivers::Pagerduty;

const SUMMARY_CHARS_MAX: usize = 1024;

/// Largest event that is taken.
const EVENT_BYTES_MAX: usize = 512_000;

pub(super) async fn tell(config: &Pagerduty, http: &Http, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    let mut details = Map::new();
    for (name, value) in &config.details {
        details.insert(name.clone(), ctx.tree(&value.0)?);
    }
    let has_service_key = !config.service_key.reveal().is_empty() || !config.service_key_file.is_empty();
    if has_service_key {
        return version_1(config, http, ctx, details).await;
    }
    let key = ctx.text(&secret(&config.routing_key, &config.routing_key_file, "routing_key").await?)?;
    if key.is_empty() {
        return Err(NotifyError::permanent("routing key is empty after templating"));
    }
    let mut event = event(config, ctx, &key, details)?;
    if crate::json::to_line(&event).len() > EVENT_BYTES_MAX {
        shorten(event.pointer_mut("/payload/custom_details"));
    }
    http.deliver(Request::json(config.url.0.clone(), &event), ctx, &[429]).await?;
    Ok(Memory::new())
}

/// Replaces details that make the event too large.
fn shorten(details: Option<&mut Json>) {
    if let Some(details) = details {
        let message =
            "Custom details have been removed because the original event exceeds the maximum size of 512KB";
        *details = Object::new().with("error", message).json();
    }
}

fn action(ctx: &Context<'_>) -> &'static str {
    if ctx.note.has_firing() { "trigger" } else { "resolve" }
}

fn event(
    config: &Pagerduty,
    ctx: &Context<'_>,
    key: &str,
    details: Map<String, Json>,
) -> Result<Json, NotifyError> {
    let (summary, _) = cut_chars(&ctx.text(&config.description)?, SUMMARY_CHARS_MAX);
    let payload = Object::new()
        .with("summary", summary)
        .with("source", ctx.text(&config.source)?)
        .with("severity", ctx.text(&config.severity)?)
        .some("class", ctx.text(&config.class)?)
        .some("component", ctx.text(&config.component)?)
        .some("group", ctx.text(&config.group)?)
        .some("custom_details", Json::Object(details));
    let (mut images, mut links) = (Vec::new(), Vec::new());
    for image in &config.images {
        let source = ctx.text(&image.src)?;
        if !source.is_empty() {
            let (alt, href) = (ctx.text(&image.alt)?, ctx.text(&image.href)?);
            images.push(Object::new().with("src", source).with("alt", alt).with("href", href).json());
        }
    }
    for link in &config.links {
        let href = ctx.text(&link.href)?;
        if !href.is_empty() {
            links.push(Object::new().with("href", href).with("text", ctx.text(&link.text)?).json());
        }
    }
    Ok(Object::new()
        .with("routing_key", key)
        .with("event_action", action(ctx))
        .with("dedup_key", ctx.note.key_hash())
        .some("client", ctx.text(&config.client)?)
        .some("client_url", ctx.text(&config.client_url)?)
        .some("images", images)
        .some("links", links)
        .with("payload", payload.json())
        .json())
}

async fn version_1(
    config: &Pagerduty,
    http: &Http,
    ctx: &Context<'_>,
    details: Map<String, Json>,
) -> Result<Memory, NotifyError> {
    let key = ctx.text(&secret(&config.service_key, &config.service_key_file, "service_key").await?)?;
    if key.is_empty() {
        return Err(NotifyError::permanent("service key is empty after templating"));
    }
    let (description, _) = cut_chars(&ctx.text(&config.description)?, SUMMARY_CHARS_MAX);
    let mut event = Object::new()
        .with("service_key", key)
        .with("event_type", action(ctx))
        .with("incident_key", ctx.note.key_hash())
        .some("description", description)
        .some("details", Json::Object(details))
        .with("event_action", "")
        .with("payload", Json::Null);
    if ctx.note.has_firing() {
        let client = ctx.text(&config.client)?;
        event = event.some("client", client).some("client_url", ctx.text(&config.client_url)?);
    }
    let mut event = event.json();
    if crate::json::to_line(&event).len() > EVENT_BYTES_MAX {
        shorten(event.pointer_mut("/details"));
    }
    http.deliver(Request::json(http.fixed.pagerduty_v1.clone(), &event), ctx, &[403]).await?;
    Ok(Memory::new())
}
