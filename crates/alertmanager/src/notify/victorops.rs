//! `victorops_configs`

use super::http::{Http, Request};
use super::{Context, Memory, NotifyError, Object, cut_chars, secret};
use crate::config::receivers::Victorops;

const STATE_CHARS_MAX: usize = 20_480;

pub(super) async fn tell(config: &Victorops, http: &Http, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    let key = secret(&config.api_key, &config.api_key_file, "api_key").await?;
    let url = format!("{}{key}/{}", config.api_url.0, ctx.text(&config.routing_key)?);
    let asked = ctx.text(&config.message_type)?;
    let kind = match (ctx.note.has_firing(), asked.as_str()) {
        (false, _) => "RECOVERY",
        (true, "INFO" | "WARNING") => asked.as_str(),
        (true, _) => "CRITICAL",
    };
    // Payload templates are tried again until the deadline, as the original does.
    let text = |template: &str| ctx.text(template).map_err(|error| NotifyError { retries: true, ..error });
    let (state, _) = cut_chars(&text(&config.state_message)?, STATE_CHARS_MAX);
    let mut body = Object::new()
        .with("message_type", kind)
        .with("entity_id", ctx.note.key_hash())
        .with("entity_display_name", text(&config.entity_display_name)?)
        .with("state_message", state)
        .with("monitoring_tool", text(&config.monitoring_tool)?);
    for (name, value) in &config.custom_fields {
        body = body.with(name, text(value)?);
    }
    http.deliver(Request::json(url, &body.json()), ctx, &[]).await?;
    Ok(Memory::new())
}
