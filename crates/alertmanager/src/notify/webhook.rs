//! `webhook_configs` and `incidentio_configs`: the data as it is.

use serde_json::Value as Json;

use super::http::{Http, Request};
use super::{Context, Memory, NotifyError, Object, secret};
use crate::config::receivers::{Incidentio, Webhook};
use crate::template::Data;
use crate::template::data::pairs_json;

/// Largest body that incident.io takes.
const INCIDENTIO_BYTES_MAX: usize = 512 << 10;

/// Returns the body for the first `max_alerts` alerts; 0 for all.
fn body(ctx: &Context<'_>, max_alerts: u64, version: &str) -> Json {
    let max = usize::try_from(max_alerts).unwrap_or(usize::MAX);
    let n_cut = if max == 0 { 0 } else { ctx.note.alerts.len().saturating_sub(max) };
    let data = match n_cut {
        0 => ctx.data.clone(),
        _ => {
            let mut note = ctx.note.clone();
            note.alerts.truncate(max);
            Data::new(&note, ctx.templates)
        }
    };
    Object::new()
        .with("receiver", data.receiver)
        .with("status", data.status)
        .with("alerts", Json::Array(data.alerts.iter().map(|alert| alert.to_json()).collect()))
        .with("notification_reason", data.reason)
        .with("groupLabels", pairs_json(&data.group_labels))
        .with("commonLabels", pairs_json(&data.common_labels))
        .with("commonAnnotations", pairs_json(&data.common_annotations))
        .with("routeLabels", pairs_json(&data.route_labels))
        .with("externalURL", &*data.external_url)
        .with("version", version)
        .with("groupKey", ctx.note.group_key.clone())
        .with("truncatedAlerts", n_cut)
        .json()
}

pub(super) async fn tell(config: &Webhook, http: &Http, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    let body = match &config.payload.0 {
        Json::Null => body(ctx, config.max_alerts, "4"),
        payload => ctx.tree(payload)?,
    };
    let url = ctx.text(&secret(&config.url, &config.url_file, "url").await?)?;
    if url.is_empty() {
        return Err(NotifyError::permanent("the webhook's url is empty after templating"));
    }
    http.deliver(Request::json(url, &body), ctx, &[]).await?;
    Ok(Memory::new())
}

pub(super) async fn incidentio(
    config: &Incidentio,
    http: &Http,
    ctx: &Context<'_>,
) -> Result<Memory, NotifyError> {
    let mut data = body(ctx, config.max_alerts, "1");
    if crate::json::to_line(&data).len() > INCIDENTIO_BYTES_MAX {
        data = body(ctx, 1, "1");
    }
    let url = secret(&config.url.0.clone().into(), &config.url_file, "url").await?;
    let token =
        secret(&config.alert_source_token, &config.alert_source_token_file, "alert_source_token").await?;
    let mut request = Request::json(url, &data);
    if !token.is_empty() {
        request = request.bearer(&token);
    }
    http.deliver(request, ctx, &[429]).await?;
    Ok(Memory::new())
}
