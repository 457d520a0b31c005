//! Chat rooms: Discord, Teams in both versions, Webex, Mattermost, Rocket.Chat.

use serde_json::Value as Json;

use super::http::{Http, Request};
use super::{Context, Memory, NotifyError, Object, cut_bytes, cut_chars, secret};
use crate::config::receivers::{
    Discord, Field, Mattermost, MattermostAttachment, Msteams, MsteamsV2, Rocketchat, Webex,
};

type Told = Result<Memory, NotifyError>;

const DISCORD_RED: u64 = 0x0099_2d22;
const DISCORD_GREEN: u64 = 0x002e_cc71;

pub(super) async fn discord(config: &Discord, http: &Http, ctx: &Context<'_>) -> Told {
    let color = if ctx.note.has_firing() { DISCORD_RED } else { DISCORD_GREEN };
    let embed = Object::new()
        .with("title", cut_chars(&ctx.text(&config.title)?, 256).0)
        .with("description", cut_chars(&ctx.text(&config.message)?, 4096).0)
        .with("color", color);
    let body = Object::new()
        .with("content", cut_chars(&ctx.text(&config.content)?, 2000).0)
        .with("embeds", vec![embed.json()])
        .some("username", ctx.text(&config.username)?)
        .some("avatar_url", ctx.text(&config.avatar_url)?);
    let url = secret(&config.webhook_url.0, &config.webhook_url_file, "webhook_url").await?;
    http.deliver(Request::json(url, &body.json()), ctx, &[]).await?;
    Ok(Memory::new())
}

pub(super) async fn msteams(config: &Msteams, http: &Http, ctx: &Context<'_>) -> Told {
    let body = Object::new()
        .with("@context", "http://schema.org/extensions")
        .with("type", "MessageCard")
        .with("title", ctx.text(&config.title)?)
        .with("summary", ctx.text(&config.summary)?)
        .with("text", ctx.text(&config.text)?)
        .with("themeColor", if ctx.note.has_firing() { "8C1A1A" } else { "2DC72D" });
    let url = secret(&config.webhook_url.0, &config.webhook_url_file, "webhook_url").await?;
    http.deliver(Request::json(url, &body.json()), ctx, &[]).await?;
    Ok(Memory::new())
}

pub(super) async fn msteams_v2(config: &MsteamsV2, http: &Http, ctx: &Context<'_>) -> Told {
    let title = Object::new()
        .with("type", "TextBlock")
        .with("text", ctx.text(&config.title)?)
        .with("weight", "Bolder")
        .with("size", "Medium")
        .with("wrap", true)
        .with("style", "heading")
        .with("color", if ctx.note.has_firing() { "Attention" } else { "Good" });
    let text =
        Object::new().with("type", "TextBlock").with("text", ctx.text(&config.text)?).with("wrap", true);
    let card = Object::new()
        .with("$schema", "http://adaptivecards.io/schemas/adaptive-card.json")
        .with("type", "AdaptiveCard")
        .with("version", "1.2")
        .with("body", vec![title.json(), text.json()])
        .with("msteams", Object::new().with("width", "full").json());
    let attachment = Object::new()
        .with("contentType", "application/vnd.microsoft.card.adaptive")
        .with("contentUrl", Json::Null)
        .with("content", card.json());
    let body = Object::new().with("type", "message").with("attachments", vec![attachment.json()]);
    let url = secret(&config.webhook_url.0, &config.webhook_url_file, "webhook_url").await?;
    http.deliver(Request::json(url, &body.json()), ctx, &[]).await?;
    Ok(Memory::new())
}

pub(super) async fn webex(config: &Webex, http: &Http, ctx: &Context<'_>) -> Told {
    let (markdown, _) = cut_bytes(&ctx.text(&config.message)?, 7439);
    let body = Object::new().with("markdown", markdown).with("roomId", ctx.text(&config.room_id)?);
    http.deliver(Request::json(config.api_url.0.clone(), &body.json()), ctx, &[]).await?;
    Ok(Memory::new())
}

fn fields(fields: &[Field], ctx: &Context<'_>) -> Result<Vec<Json>, NotifyError> {
    let mut out = Vec::new();
    for field in fields {
        let (title, value) = (ctx.text(&field.title)?, ctx.text(&field.value)?);
        let short = field.short.unwrap_or(false);
        out.push(Object::new().some("title", title).some("value", value).with("short", short).json());
    }
    Ok(out)
}

const MATTERMOST_CHARS_MAX: usize = 16_383;

pub(super) async fn mattermost(config: &Mattermost, http: &Http, ctx: &Context<'_>) -> Told {
    let mut body = Object::new()
        .some("channel", ctx.text(&config.channel)?)
        .some("username", ctx.text(&config.username)?)
        .some("icon_url", ctx.text(&config.icon_url)?)
        .some("icon_emoji", ctx.text(&config.icon_emoji)?)
        .some("type", ctx.text(&config.kind)?);
    if let Some(props) = &config.props {
        body = body.with("props", Object::new().some("card", ctx.text(&props.card)?).json());
    }
    if let Some(priority) = &config.priority {
        let priority = Object::new()
            .with("priority", priority.priority.clone())
            .some("requested_ack", priority.requested_ack)
            .some("persistent_notifications", priority.persistent_notifications);
        body = body.with("priority", priority.json());
    }
    let attachments = match config.attachments.is_empty() {
        true => vec![mattermost_attachment(&own_attachment(config), ctx)?],
        false => {
            let (text, _) = cut_chars(&ctx.text(&config.text)?, MATTERMOST_CHARS_MAX);
            body = body.some("text", text);
            let attachments =
                config.attachments.iter().map(|attachment| mattermost_attachment(attachment, ctx));
            attachments.collect::<Result<_, _>>()?
        }
    };
    let body = body.some("attachments", attachments);
    let url = secret(&config.webhook_url.0, &config.webhook_url_file, "webhook_url").await?;
    http.deliver(Request::json(url, &body.json()), ctx, &[]).await?;
    Ok(Memory::new())
}

/// The attachment that the fields of the message itself make.
fn own_attachment(config: &Mattermost) -> MattermostAttachment {
    MattermostAttachment {
        fallback: config.fallback.clone(),
        color: config.color.clone(),
        pretext: config.pretext.clone(),
        text: config.text.clone(),
        author_name: config.author_name.clone(),
        author_link: config.author_link.clone(),
        author_icon: config.author_icon.clone(),
        title: config.title.clone(),
        title_link: config.title_link.clone(),
        fields: config.fields.clone(),
        thumb_url: config.thumb_url.clone(),
        footer: config.footer.clone(),
        footer_icon: config.footer_icon.clone(),
        image_url: config.image_url.clone(),
    }
}

fn mattermost_attachment(attachment: &MattermostAttachment, ctx: &Context<'_>) -> Result<Json, NotifyError> {
    let (text, _) = cut_chars(&ctx.text(&attachment.text)?, MATTERMOST_CHARS_MAX);
    Ok(Object::new()
        .some("fallback", ctx.text(&attachment.fallback)?)
        .some("color", ctx.text(&attachment.color)?)
        .some("pretext", ctx.text(&attachment.pretext)?)
        .some("text", text)
        .some("author_name", ctx.text(&attachment.author_name)?)
        .some("author_link", ctx.text(&attachment.author_link)?)
        .some("author_icon", ctx.text(&attachment.author_icon)?)
        .some("title", ctx.text(&attachment.title)?)
        .some("title_link", ctx.text(&attachment.title_link)?)
        .some("fields", fields(&attachment.fields, ctx)?)
        .some("thumb_url", ctx.text(&attachment.thumb_url)?)
        .some("footer", ctx.text(&attachment.footer)?)
        .some("footer_icon", ctx.text(&attachment.footer_icon)?)
        .some("image_url", ctx.text(&attachment.image_url)?)
        .json())
}

pub(super) async fn rocketchat(config: &Rocketchat, http: &Http, ctx: &Context<'_>) -> Told {
    let mut fields = Vec::new();
    for field in &config.fields {
        let (title, value) = (ctx.text(&field.title)?, ctx.text(&field.value)?);
        let short = field.short.unwrap_or(config.short_fields);
        fields.push(Object::new().with("short", short).some("title", title).some("value", value).json());
    }
    let mut actions = Vec::new();
    for action in &config.actions {
        let action = Object::new()
            .with("type", "button")
            .some("text", ctx.text(&action.text)?)
            .some("url", ctx.text(&action.url)?)
            .with("is_webview", false)
            .some("msg", ctx.text(&action.msg)?)
            .with("msg_in_chat_window", false);
        actions.push(action.json());
    }
    let attachment = Object::new()
        .some("title", cut_chars(&ctx.text(&config.title)?, 1024).0)
        .some("title_link", ctx.text(&config.title_link)?)
        .some("text", ctx.text(&config.text)?)
        .some("image_url", ctx.text(&config.image_url)?)
        .some("thumb_url", ctx.text(&config.thumb_url)?)
        .some("color", ctx.text(&config.color)?)
        .some("fields", fields)
        .some("actions", actions);
    let body = Object::new()
        .some("channel", ctx.text(&config.channel)?)
        .some("emoji", ctx.text(&config.emoji)?)
        .some("avatar", ctx.text(&config.icon_url)?)
        .with("attachments", vec![attachment.json()]);
    let url = format!("{}/api/v1/chat.postMessage", config.api_url.0.trim_end_matches('/'));
    let token = secret(&config.token, &config.token_file, "token").await?;
    let token_id = secret(&config.token_id, &config.token_id_file, "token_id").await?;
    let request =
        Request::json(url, &body.json()).header("x-auth-token", token).header("x-user-id", token_id);
    let answer = http.deliver(request, ctx, &[]).await?;
    let body: Json = serde_json::from_str(&answer.body)
        .map_err(|error| NotifyError::transient(format!("the answer of Rocket.Chat is no JSON: {error}")))?;
    match body["success"].as_bool() {
        Some(false) => {
            Err(NotifyError::permanent(format!("error response from Rocket.Chat: {}", body["error"])))
        }
        _ => Ok(Memory::new()),
    }
}
