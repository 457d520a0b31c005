//! `wechat_configs`: messages of WeCom, with a token that is fetched first and kept for two hours.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value as Json;
use url::form_urlencoded;

use super::http::{Answer, Http, Request};
use super::{Context, Memory, NotifyError, Object, secret};
use crate::config::receivers::Wechat;

const TOKEN_LIVES: Duration = Duration::from_secs(2 * 3600);

/// The token is no longer good.
const EXPIRED_TOKEN: i64 = 42001;

pub(super) async fn tell(config: &Wechat, http: &Http, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    let token = token(config, http, ctx).await?;
    let content = ctx.text(&config.message)?;
    let is_markdown = config.message_type == "markdown";
    let (text, markdown) = if is_markdown { (String::new(), content) } else { (content, String::new()) };
    let body = Object::new()
        .with("text", Object::new().with("content", text).json())
        .some("touser", ctx.text(&config.to_user)?)
        .some("toparty", ctx.text(&config.to_party)?)
        .some("totag", ctx.text(&config.to_tag)?)
        .some("agentid", ctx.text(&config.agent_id)?)
        .with("safe", "0")
        .with("msgtype", config.message_type.clone())
        .with("markdown", Object::new().with("content", markdown).json());
    let url = format!("{}message/send?{}", config.api_url.0, encoded(&[("access_token", &token)]));
    let answer = http.send(Request::json(url, &body.json()), ctx).await?;
    let body = parsed(&answer)?;
    match body["errcode"].as_i64() {
        Some(0) => Ok(Memory::new()),
        Some(EXPIRED_TOKEN) => {
            *http.token.lock() = None;
            Err(NotifyError::transient("the token has expired"))
        }
        _ => Err(NotifyError::permanent(format!("error of WeChat: {}", body["errmsg"]))),
    }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn parsed(answer: &Answer) -> Result<Json, NotifyError> {
    if answer.status != 200 {
        return Err(answer.failure(true));
    }
    serde_json::from_str(&answer.body)
        .map_err(|error| NotifyError::permanent(format!("the answer of WeChat is no JSON: {error}")))
}

async fn token(config: &Wechat, http: &Http, ctx: &Context<'_>) -> Result<String, NotifyError> {
    let known = http.token.lock().clone();
    if let Some((token, _)) = known.filter(|(_, fetched)| fetched.elapsed() < TOKEN_LIVES) {
        return Ok(token);
    }
    let corp = ctx.text(&config.corp_id)?;
    let key = ctx.text(&secret(&config.api_secret, &config.api_secret_file, "api_secret").await?)?;
    let query = encoded(&[("corpid", &corp), ("corpsecret", &key)]);
    let answer =
        http.send(Request::new(Method::GET, format!("{}gettoken?{query}", config.api_url.0)), ctx).await?;
    let body = parsed(&answer)?;
    match body["access_token"].as_str().filter(|token| !token.is_empty()) {
        Some(token) => {
            *http.token.lock() = Some((token.to_owned(), Instant::now()));
            Ok(token.to_owned())
        }
        None => Err(NotifyError::permanent(format!("WeChat gives no token: {}", body["errmsg"]))),
    }
}
