//! What reaches phones: Pushover and Telegram.

use http::Method;
use serde_json::Value as Json;
use url::form_urlencoded;
use wf_httpkit::Secret;

use super::http::{Http, Request};
use super::{Context, Memory, NotifyError, Object, cut_chars, secret};
use crate::config::receivers::{Pushover, Telegram};

/// Reads a file that is not trimmed.
async fn untrimmed(value: &Secret<String>, file: &str, what: &str) -> Result<String, NotifyError> {
    if file.is_empty() {
        return Ok(value.reveal().clone());
    }
    let text = tokio::fs::read_to_string(file).await;
    text.map_err(|error| NotifyError::permanent(format!("read {what} from {file}: {error}")))
}

pub(super) async fn pushover(
    config: &Pushover,
    http: &Http,
    ctx: &Context<'_>,
) -> Result<Memory, NotifyError> {
    let token = ctx.text(&untrimmed(&config.token, &config.token_file, "token").await?)?;
    let user = ctx.text(&untrimmed(&config.user_key, &config.user_key_file, "user_key").await?)?;
    let query = pushover_query(config, ctx, &token, &user)?;
    let url = format!("{}?{query}", http.fixed.pushover);
    http.deliver(Request::new(Method::POST, url).header("content-type", "text/plain"), ctx, &[]).await?;
    Ok(Memory::new())
}

fn pushover_query(
    config: &Pushover,
    ctx: &Context<'_>,
    token: &str,
    user: &str,
) -> Result<String, NotifyError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("token", token).append_pair("user", user);
    query.append_pair("title", &cut_chars(&ctx.text(&config.title)?, 250).0);
    let message = match (config.html, config.monospace) {
        (true, _) => ctx.html(&config.message)?,
        (false, _) => ctx.text(&config.message)?,
    };
    let (message, _) = cut_chars(&message, 1024);
    let message = message.trim();
    query.append_pair("message", if message.is_empty() { "(no details)" } else { message });
    query.append_pair("url", &cut_chars(&ctx.text(&config.url)?, 512).0);
    query.append_pair("url_title", &ctx.text(&config.url_title)?);
    query.append_pair("priority", &ctx.text(&config.priority)?);
    query.append_pair("retry", &config.retry.0.as_secs().to_string());
    query.append_pair("expire", &config.expire.0.as_secs().to_string());
    query.append_pair("device", &ctx.text(&config.device)?);
    query.append_pair("sound", &ctx.text(&config.sound)?);
    if !config.ttl.0.is_zero() {
        query.append_pair("ttl", &config.ttl.0.as_secs().to_string());
    }
    if config.html {
        query.append_pair("html", "1");
    }
    if config.monospace {
        query.append_pair("monospace", "1");
    }
    Ok(query.finish())
}

const TELEGRAM_CHARS_MAX: usize = 4096;

/// Sent in place of HTML that would be cut inside a tag.
const TOO_LONG: &str =
    "The message is too long to be sent: shorten its template, or see the alerts in Alertmanager.";

pub(super) async fn telegram(
    config: &Telegram,
    http: &Http,
    ctx: &Context<'_>,
) -> Result<Memory, NotifyError> {
    let retried = |error: NotifyError| NotifyError { retries: true, ..error };
    let message = match config.parse_mode.as_str() {
        "HTML" => ctx.html(&config.message)?,
        _ => ctx.text(&config.message)?,
    };
    let (mut message, was_cut) = cut_chars(&message, TELEGRAM_CHARS_MAX);
    if was_cut && config.parse_mode == "HTML" {
        TOO_LONG.clone_into(&mut message);
    }
    let token = secret(&config.bot_token, &config.bot_token_file, "bot_token").await.map_err(retried)?;
    let chat = match config.chat_id {
        0 => secret(&Secret::default(), &config.chat_id_file, "chat_id").await.map_err(retried)?,
        id => id.to_string(),
    };
    let mut body = Object::new()
        .with("chat_id", chat)
        .with("text", message)
        .with("disable_web_page_preview", "true")
        .some("parse_mode", config.parse_mode.clone());
    if config.disable_notifications {
        body = body.with("disable_notification", "true");
    }
    if config.message_thread_id != 0 {
        body = body.with("message_thread_id", config.message_thread_id.to_string());
    }
    let url = format!("{}/bot{token}/sendMessage", config.api_url.0.trim_end_matches('/'));
    let answer = http.send(Request::json(url, &body.json()), ctx).await?;
    answer.wants_success(&[answer.status]).map_err(retried)?;
    let is_ok = serde_json::from_str::<Json>(&answer.body).is_ok_and(|body| body["ok"] != Json::Bool(false));
    match is_ok {
        true => Ok(Memory::new()),
        false => Err(answer.failure(true)),
    }
}
