//! Telling people: the receivers of every kind, and how failures are classed.
//!
//! An [`Integration`] is one entry of a receiver. Its module builds requests from a [`Note`] and judges the answers; it
//! knows nothing of groups, logs or retries.
//!
//! # Reading order: this file, `http` (requests and answers), `webhook`, then any other kind.
//! Source: `spec/alertmanager-pushgateway.md` §A6, §A9.

mod chat;
pub(crate) mod email;
mod http;
mod jira;
mod opsgenie;
mod pagerduty;
mod phone;
mod slack;
mod smtp;
mod sns;
#[cfg(test)]
mod tests;
mod victorops;
mod webhook;
mod wechat;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use wf_gotemplate::Value;
use wf_httpkit::Secret;

use crate::config::Receiver;
use crate::nflog::{Remembered, Told};
use crate::template::{Data, Escaping, Note, NoteFunctions, Templates};
use http::Http;

/// Why telling failed, as the metric's label has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailReason {
    Other,
    ClientError,
    ServerError,
    Canceled,
    DeadlineExceeded,
    AuthError,
    RateLimited,
}

impl FailReason {
    /// All of them: metrics begin at zero.
    pub(crate) const ALL: [Self; 7] = [
        Self::Other,
        Self::ClientError,
        Self::ServerError,
        Self::Canceled,
        Self::DeadlineExceeded,
        Self::AuthError,
        Self::RateLimited,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::ClientError => "clientError",
            Self::ServerError => "serverError",
            Self::Canceled => "contextCanceled",
            Self::DeadlineExceeded => "contextDeadlineExceeded",
            Self::AuthError => "authError",
            Self::RateLimited => "rateLimited",
        }
    }
}

/// Why telling failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct NotifyError {
    /// Whether another attempt may help.
    pub(crate) retries: bool,
    pub(crate) reason: FailReason,
    pub(crate) message: String,
}

impl NotifyError {
    /// An error that no further attempt cures.
    pub(crate) fn permanent(message: impl Into<String>) -> Self {
        Self { retries: false, reason: FailReason::Other, message: message.into() }
    }

    /// An error that may pass.
    pub(crate) fn transient(message: impl Into<String>) -> Self {
        Self { retries: true, reason: FailReason::Other, message: message.into() }
    }
}

/// What integrations remember from one notification to the next.
pub(crate) type Memory = BTreeMap<String, Remembered>;

/// A notification with what is needed to write it.
pub(crate) struct Context<'a> {
    pub(crate) note: &'a Note,
    pub(crate) templates: &'a Templates,
    pub(crate) data: Data,
    value: Value,
    /// What was remembered from the last notification of the group, unless this is the first.
    pub(crate) memory: &'a Memory,
    pub(crate) deadline: Instant,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        note: &'a Note,
        templates: &'a Templates,
        memory: &'a Memory,
        deadline: Instant,
    ) -> Self {
        let data = Data::new(note, templates);
        let value = data.value();
        Self { note, templates, data, value, memory, deadline }
    }

    fn expand(&self, text: &str, escaping: Escaping) -> Result<String, NotifyError> {
        let functions = NoteFunctions::new(self.note.now);
        self.templates.expand(text, &self.value, &functions, escaping).map_err(NotifyError::permanent)
    }

    /// Expands a template as text.
    pub(crate) fn text(&self, text: &str) -> Result<String, NotifyError> {
        self.expand(text, Escaping::Text)
    }

    /// Expands a template as HTML.
    pub(crate) fn html(&self, text: &str) -> Result<String, NotifyError> {
        self.expand(text, Escaping::Html)
    }

    /// Expands every text in a tree; what then reads as something else than a text becomes that.
    pub(crate) fn tree(&self, tree: &Json) -> Result<Json, NotifyError> {
        Ok(match tree {
            Json::String(text) => crate::json::retyped(&self.text(text)?).map_err(NotifyError::permanent)?,
            Json::Array(items) => items.iter().map(|item| self.tree(item)).collect::<Result<_, _>>()?,
            Json::Object(entries) => {
                let mut object = BTreeMap::new();
                for (key, value) in entries {
                    object.insert(self.text(key)?, self.tree(value)?);
                }
                Json::Object(object.into_iter().collect())
            }
            other => other.clone(),
        })
    }
}

/// One entry of a receiver, ready to tell.
#[derive(Clone, Debug)]
pub(crate) struct Integration {
    pub(crate) told: Told,
    pub(crate) sends_resolved: bool,
    kind: Kind,
    http: Option<Http>,
    /// Of one attempt; zero for none of its own.
    timeout: Duration,
}

macro_rules! kinds {
    ($($kind:ident, $name:literal, $list:ident, $tell:path, $timeout:expr;)*) => {
        /// What an integration is, with its settings.
        #[derive(Clone, Debug)]
        enum Kind {
            Email(Box<crate::config::receivers::Email>),
            $($kind(Box<crate::config::receivers::$kind>),)*
        }

        /// Names of all kinds, as metrics and the log have them.
        pub(crate) const KINDS: &[&str] = &["email", $($name),*];

        /// Builds the integrations of a receiver.
        /// # Errors
        /// When a client cannot be made: an option that is not there yet, or a certificate that is not.
        pub(crate) fn build(receiver: &Receiver) -> Result<Vec<Integration>, String> {
            let mut all = Vec::new();
            let told = |kind: &str, idx: usize| Told {
                receiver: receiver.name.clone(),
                kind: kind.to_owned(),
                idx: u32::try_from(idx).unwrap_or(u32::MAX),
            };
            for (idx, config) in receiver.email_configs.iter().enumerate() {
                all.push(Integration {
                    told: told("email", idx),
                    sends_resolved: config.send_resolved,
                    kind: Kind::Email(Box::new(config.clone())),
                    http: None,
                    timeout: Duration::ZERO,
                });
            }
            $(for (idx, config) in receiver.$list.iter().enumerate() {
                let options = config.http_config.clone().unwrap_or_default();
                let http = Http::new(&options.0).map_err(|error| format!("{} of receiver {:?}: {error}", $name, receiver.name))?;
                let timeout: fn(&crate::config::receivers::$kind) -> Duration = $timeout;
                all.push(Integration {
                    told: told($name, idx),
                    sends_resolved: config.send_resolved,
                    timeout: timeout(config),
                    kind: Kind::$kind(Box::new(config.clone())),
                    http: Some(http),
                });
            })*
            Ok(all)
        }

        impl Integration {
            async fn attempt(&self, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
                let http = || self.http.as_ref().ok_or_else(|| NotifyError::permanent("there is no client"));
                match &self.kind {
                    Kind::Email(config) => email::tell(config, ctx).await,
                    $(Kind::$kind(config) => $tell(config, http()?, ctx).await,)*
                }
            }
        }
    };
}

kinds! {
    Discord, "discord", discord_configs, chat::discord, |_| Duration::ZERO;
    Incidentio, "incidentio", incidentio_configs, webhook::incidentio, |config| config.timeout.0;
    Jira, "jira", jira_configs, jira::tell, |_| Duration::ZERO;
    Mattermost, "mattermost", mattermost_configs, chat::mattermost, |_| Duration::ZERO;
    Msteams, "msteams", msteams_configs, chat::msteams, |_| Duration::ZERO;
    MsteamsV2, "msteamsv2", msteamsv2_configs, chat::msteams_v2, |_| Duration::ZERO;
    Opsgenie, "opsgenie", opsgenie_configs, opsgenie::tell, |_| Duration::ZERO;
    Pagerduty, "pagerduty", pagerduty_configs, pagerduty::tell, |config| config.timeout.0;
    Pushover, "pushover", pushover_configs, phone::pushover, |_| Duration::ZERO;
    Rocketchat, "rocketchat", rocketchat_configs, chat::rocketchat, |_| Duration::ZERO;
    Slack, "slack", slack_configs, slack::tell, |config| config.timeout.0;
    Sns, "sns", sns_configs, sns::tell, |_| Duration::ZERO;
    Telegram, "telegram", telegram_configs, phone::telegram, |_| Duration::ZERO;
    Victorops, "victorops", victorops_configs, victorops::tell, |_| Duration::ZERO;
    Webex, "webex", webex_configs, chat::webex, |_| Duration::ZERO;
    Webhook, "webhook", webhook_configs, webhook::tell, |config| config.timeout.0;
    Wechat, "wechat", wechat_configs, wechat::tell, |_| Duration::ZERO;
}

impl Integration {
    /// Makes one attempt to tell; returns what to remember.
    /// # Errors
    /// See [`NotifyError`].
    pub(crate) async fn notify(&self, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
        let left = ctx.deadline.saturating_duration_since(Instant::now());
        let limit = if self.timeout.is_zero() { left } else { left.min(self.timeout) };
        match tokio::time::timeout(limit, self.attempt(ctx)).await {
            Ok(result) => result,
            Err(_) => Err(NotifyError {
                retries: true,
                reason: FailReason::DeadlineExceeded,
                message: format!("no answer within {:.1} s: context deadline exceeded", limit.as_secs_f64()),
            }),
        }
    }
}

/// Returns a secret: the one in the configuration, or what its file holds now, without blanks around it.
async fn secret(value: &Secret<String>, file: &str, what: &str) -> Result<String, NotifyError> {
    if !value.reveal().is_empty() || file.is_empty() {
        return Ok(value.reveal().clone());
    }
    let text = tokio::fs::read_to_string(file).await;
    let text = text.map_err(|error| NotifyError::permanent(format!("read {what} from {file}: {error}")))?;
    Ok(text.trim().to_owned())
}

/// Cuts to `n` characters, the last of them `…`; returns whether anything was cut.
pub(crate) fn cut_chars(text: &str, n: usize) -> (String, bool) {
    if text.chars().count() <= n {
        return (text.to_owned(), false);
    }
    if n <= 3 {
        return (text.chars().take(n).collect(), true);
    }
    (text.chars().take(n - 1).chain(['…']).collect(), true)
}

/// Cuts to `n` bytes, room for `…` among them.
pub(crate) fn cut_bytes(text: &str, n: usize) -> (String, bool) {
    if text.len() <= n {
        return (text.to_owned(), false);
    }
    let keeps = if n <= 3 { n } else { n - 3 };
    let mut end = keeps.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut out = text.get(..end).unwrap_or_default().to_owned();
    if n > 3 {
        out.push('…');
    }
    (out, true)
}

/// Builds a JSON object key by key.
#[derive(Debug, Default)]
struct Object(serde_json::Map<String, Json>);

impl Object {
    fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Sets a key unless its value is an empty text, list or map, false, or null.
    fn some(self, key: &str, value: impl Into<Json>) -> Self {
        let value = value.into();
        let is_empty = match &value {
            Json::Null | Json::Bool(false) => true,
            Json::String(text) => text.is_empty(),
            Json::Array(items) => items.is_empty(),
            Json::Object(entries) => entries.is_empty(),
            _ => false,
        };
        if is_empty { self } else { self.with(key, value) }
    }

    fn json(self) -> Json {
        Json::Object(self.0)
    }
}
