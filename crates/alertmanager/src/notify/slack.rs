//! `slack_configs`: messages by webhook or by bot token, and updates of the message that is there.

use serde_json::Value as Json;

use super::http::{Answer, Http, Request};
use super::{Context, Memory, NotifyError, Object, cut_chars, secret};
use crate::config::receivers::Slack;
use crate::nflog::Remembered;

const TITLE_CHARS_MAX: usize = 1024;

pub(super) async fn tell(config: &Slack, http: &Http, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    let channel = ctx.text(&config.channel)?;
    let mut message = Object::new()
        .some("channel", channel)
        .some("username", ctx.text(&config.username)?)
        .some("icon_emoji", ctx.text(&config.icon_emoji)?)
        .some("icon_url", ctx.text(&config.icon_url)?)
        .some("link_names", config.link_names)
        .some("text", ctx.text(&config.message_text)?)
        .with("attachments", vec![attachment(config, ctx)?]);
    let token = secret(&config.app_token, &config.app_token_file, "app_token").await?;
    let mut url = match token.is_empty() {
        true => secret(&config.api_url.0, &config.api_url_file, "api_url").await?,
        false => config.app_url.0.clone(),
    };
    if let (true, Some(ts), Some(channel)) =
        (config.update_message, remembered(ctx, "threadTs"), remembered(ctx, "channelId"))
    {
        message = message.with("channel", channel).with("ts", ts);
        url.clone_from(&http.fixed.slack_update);
    }
    let mut request = Request::json(url, &message.json());
    if !token.is_empty() {
        request = request.bearer(&token);
    }
    let answer = http.deliver(request, ctx, &[429]).await?;
    judge(&answer, config.update_message, ctx)
}

fn remembered(ctx: &Context<'_>, name: &str) -> Option<String> {
    match ctx.memory.get(name) {
        Some(Remembered::Text(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// A message is in its place only when Slack says so in the body.
fn judge(answer: &Answer, updates: bool, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    if !answer.content_type.starts_with("application/json") {
        return match answer.body.trim() {
            "ok" => Ok(ctx.memory.clone()),
            other => Err(NotifyError::permanent(format!("received an error response from Slack: {other}"))),
        };
    }
    let body: Json = serde_json::from_str(&answer.body)
        .map_err(|error| NotifyError::transient(format!("the answer of Slack is no JSON: {error}")))?;
    if body["ok"] != Json::Bool(true) {
        let error = body["error"].as_str().unwrap_or("no reason given");
        return Err(NotifyError::permanent(format!("error response from Slack: {error}")));
    }
    let mut memory = ctx.memory.clone();
    if let (true, Some(ts), Some(channel)) = (updates, body["ts"].as_str(), body["channel"].as_str()) {
        memory.insert("threadTs".to_owned(), Remembered::Text(ts.to_owned()));
        memory.insert("channelId".to_owned(), Remembered::Text(channel.to_owned()));
    }
    Ok(memory)
}

fn attachment(config: &Slack, ctx: &Context<'_>) -> Result<Json, NotifyError> {
    let (title, _) = cut_chars(&ctx.text(&config.title)?, TITLE_CHARS_MAX);
    let mut fields = Vec::new();
    for field in &config.fields {
        let (title, value) = (ctx.text(&field.title)?, ctx.text(&field.value)?);
        let short = field.short.unwrap_or(config.short_fields);
        fields.push(Object::new().some("title", title).some("value", value).with("short", short).json());
    }
    let mut actions = Vec::new();
    for action in &config.actions {
        let mut out = Object::new()
            .some("type", ctx.text(&action.kind)?)
            .some("text", ctx.text(&action.text)?)
            .some("url", ctx.text(&action.url)?)
            .some("style", ctx.text(&action.style)?);
        // A link needs neither name nor value, and asks nothing.
        if action.url.is_empty() {
            out = out.some("name", ctx.text(&action.name)?).some("value", ctx.text(&action.value)?);
            if let Some(confirm) = &action.confirm {
                let confirm = Object::new()
                    .some("title", ctx.text(&confirm.title)?)
                    .some("text", ctx.text(&confirm.text)?)
                    .some("ok_text", ctx.text(&confirm.ok_text)?)
                    .some("dismiss_text", ctx.text(&confirm.dismiss_text)?);
                out = out.with("confirm", confirm.json());
            }
        }
        actions.push(out.json());
    }
    let markdown = match config.mrkdwn_in.is_empty() {
        true => vec!["fallback".to_owned(), "pretext".to_owned(), "text".to_owned()],
        false => config.mrkdwn_in.clone(),
    };
    Ok(Object::new()
        .some("title", title)
        .some("title_link", ctx.text(&config.title_link)?)
        .some("pretext", ctx.text(&config.pretext)?)
        .with("text", ctx.text(&config.text)?)
        .with("fallback", ctx.text(&config.fallback)?)
        .with("callback_id", ctx.text(&config.callback_id)?)
        .some("fields", fields)
        .some("actions", actions)
        .some("image_url", ctx.text(&config.image_url)?)
        .some("thumb_url", ctx.text(&config.thumb_url)?)
        .with("footer", ctx.text(&config.footer)?)
        .some("color", ctx.text(&config.color)?)
        .some("mrkdwn_in", markdown)
        .json())
}
