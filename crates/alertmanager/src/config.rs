//! alertmanager.yml: what was typed, checked, with defaults and what the global section says filled in.
//!
//! # Reading order: `section` (how sections are declared), this file (the file's shape), `receivers`, `validate`
//! (fallbacks and checks), `telemetry`, `print`.
//! Source: `spec/alertmanager-pushgateway.md` §A1.

pub(crate) mod print;
pub(crate) mod receivers;
pub(crate) mod section;
mod telemetry;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use wf_config::yaml::reader::{FromYaml, Reader, read_fields};
use wf_config::yaml::{Node, Value};
use wf_config::{Position, Problem};
use wf_httpkit::Secret;

use crate::interval::IntervalSpec;
use crate::matchers::Mode;
use crate::route::Routes;
use crate::template::Templates;
use receivers::{
    Discord, Email, Incidentio, Jira, JiraText, Mattermost, Msteams, MsteamsV2, Opsgenie, Pagerduty,
    Pushover, Rocketchat, Slack, Sns, Telegram, Victorops, Webex, Webhook, Wechat,
};
use section::{Blank, HttpConfig, Millis, Regex, SecretUrl, TlsConfig, UrlText, section};
use telemetry::{EventRecorder, Tracing};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("open {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The content is wrong.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid {
        /// Everything that is wrong; never empty.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    fn one(message: impl Into<String>) -> Self {
        let problem = Problem { position: Position::default(), path: String::new(), message: message.into() };
        Self::Invalid { problems: vec![problem] }
    }
}

section! {
    /// Everything in the file.
    pub(crate) struct File("config.plain") {
        pub(crate) global: Global = Global::default(),
        pub(crate) route: Option<Route> = None,
        pub(crate) inhibit_rules: Vec<InhibitRule> = Vec::new(),
        pub(crate) receivers: Vec<Receiver> = Vec::new(),
        pub(crate) templates: Vec<String> = Vec::new(),
        pub(crate) mute_time_intervals: Vec<NamedIntervals> = Vec::new(),
        pub(crate) time_intervals: Vec<NamedIntervals> = Vec::new(),
        pub(crate) tracing: Option<Tracing> = None,
        pub(crate) event_recorder: Option<EventRecorder> = None,
    }
}

section! {
    /// `global`
    pub(crate) struct Global("config.plain") {
        pub(crate) resolve_timeout: Millis = Millis(Duration::from_secs(300)),
        pub(crate) http_config: HttpConfig = HttpConfig::default(),
        pub(crate) smtp_from: String = String::new(),
        pub(crate) smtp_hello: String = "localhost".to_owned(),
        pub(crate) smtp_smarthost: String = String::new(),
        pub(crate) smtp_auth_username: String = String::new(),
        pub(crate) smtp_auth_password: Secret<String> = Secret::default(),
        pub(crate) smtp_auth_password_file: String = String::new(),
        pub(crate) smtp_auth_secret: Secret<String> = Secret::default(),
        pub(crate) smtp_auth_secret_file: String = String::new(),
        pub(crate) smtp_auth_identity: String = String::new(),
        pub(crate) smtp_require_tls: bool = true,
        pub(crate) smtp_tls_config: Option<TlsConfig> = None,
        pub(crate) smtp_force_implicit_tls: Option<bool> = None,
        pub(crate) slack_api_url: SecretUrl = SecretUrl::default(),
        pub(crate) slack_api_url_file: String = String::new(),
        pub(crate) slack_app_token: Secret<String> = Secret::default(),
        pub(crate) slack_app_token_file: String = String::new(),
        pub(crate) slack_app_url: UrlText = UrlText("https://slack.com/api/chat.postMessage".to_owned()),
        pub(crate) pagerduty_url: UrlText = UrlText("https://events.pagerduty.com/v2/enqueue".to_owned()),
        pub(crate) opsgenie_api_url: UrlText = UrlText("https://api.opsgenie.com/".to_owned()),
        pub(crate) opsgenie_api_key: Secret<String> = Secret::default(),
        pub(crate) opsgenie_api_key_file: String = String::new(),
        pub(crate) wechat_api_url: UrlText = UrlText("https://qyapi.weixin.qq.com/cgi-bin/".to_owned()),
        pub(crate) wechat_api_secret: Secret<String> = Secret::default(),
        pub(crate) wechat_api_secret_file: String = String::new(),
        pub(crate) wechat_api_corp_id: String = String::new(),
        pub(crate) victorops_api_url: UrlText =
            UrlText("https://alert.victorops.com/integrations/generic/20131114/alert/".to_owned()),
        pub(crate) victorops_api_key: Secret<String> = Secret::default(),
        pub(crate) victorops_api_key_file: String = String::new(),
        pub(crate) telegram_api_url: UrlText = UrlText("https://api.telegram.org".to_owned()),
        pub(crate) telegram_bot_token: Secret<String> = Secret::default(),
        pub(crate) telegram_bot_token_file: String = String::new(),
        pub(crate) webex_api_url: UrlText = UrlText("https://webexapis.com/v1/messages".to_owned()),
        pub(crate) rocketchat_api_url: UrlText = UrlText("https://open.rocket.chat/".to_owned()),
        pub(crate) rocketchat_token: Secret<String> = Secret::default(),
        pub(crate) rocketchat_token_file: String = String::new(),
        pub(crate) rocketchat_token_id: Secret<String> = Secret::default(),
        pub(crate) rocketchat_token_id_file: String = String::new(),
        pub(crate) jira_api_url: UrlText = UrlText::default(),
        pub(crate) mattermost_webhook_url: SecretUrl = SecretUrl::default(),
        pub(crate) mattermost_webhook_url_file: String = String::new(),
    }
}

section! {
    /// A node of the routing tree.
    pub(crate) struct Route("config.plain") {
        pub(crate) receiver: String = String::new(),
        pub(crate) group_by: Option<Vec<String>> = None,
        pub(crate) match_equal "match": BTreeMap<String, String> = BTreeMap::new(),
        pub(crate) match_re: BTreeMap<String, Regex> = BTreeMap::new(),
        pub(crate) matchers: Vec<String> = Vec::new(),
        pub(crate) mute_time_intervals: Vec<String> = Vec::new(),
        pub(crate) active_time_intervals: Vec<String> = Vec::new(),
        pub(crate) continues "continue": bool = false,
        pub(crate) labels: BTreeMap<String, String> = BTreeMap::new(),
        pub(crate) routes: Vec<Route> = Vec::new(),
        pub(crate) group_wait: Option<Millis> = None,
        pub(crate) group_interval: Option<Millis> = None,
        pub(crate) repeat_interval: Option<Millis> = None,
    }
}

section! {
    /// Which alerts silence which.
    pub(crate) struct InhibitRule("config.plain") {
        pub(crate) name: String = String::new(),
        pub(crate) source_match: BTreeMap<String, String> = BTreeMap::new(),
        pub(crate) source_match_re: BTreeMap<String, Regex> = BTreeMap::new(),
        pub(crate) source_matchers: Vec<String> = Vec::new(),
        pub(crate) target_match: BTreeMap<String, String> = BTreeMap::new(),
        pub(crate) target_match_re: BTreeMap<String, Regex> = BTreeMap::new(),
        pub(crate) target_matchers: Vec<String> = Vec::new(),
        pub(crate) equal: Vec<String> = Vec::new(),
    }
}

section! {
    /// Times under a name.
    pub(crate) struct NamedIntervals("config.TimeInterval") {
        pub(crate) name: String = String::new(),
        pub(crate) time_intervals: Vec<IntervalSpec> = Vec::new(),
    }
}

section! {
    /// Who is told.
    pub(crate) struct Receiver("config.plain") {
        pub(crate) name: String = String::new(),
        pub(crate) labels: BTreeMap<String, String> = BTreeMap::new(),
        pub(crate) discord_configs: Vec<Discord> = Vec::new(),
        pub(crate) email_configs: Vec<Email> = Vec::new(),
        pub(crate) incidentio_configs: Vec<Incidentio> = Vec::new(),
        pub(crate) jira_configs: Vec<Jira> = Vec::new(),
        pub(crate) mattermost_configs: Vec<Mattermost> = Vec::new(),
        pub(crate) msteams_configs: Vec<Msteams> = Vec::new(),
        pub(crate) msteamsv2_configs: Vec<MsteamsV2> = Vec::new(),
        pub(crate) opsgenie_configs: Vec<Opsgenie> = Vec::new(),
        pub(crate) pagerduty_configs: Vec<Pagerduty> = Vec::new(),
        pub(crate) pushover_configs: Vec<Pushover> = Vec::new(),
        pub(crate) rocketchat_configs: Vec<Rocketchat> = Vec::new(),
        pub(crate) slack_configs: Vec<Slack> = Vec::new(),
        pub(crate) sns_configs: Vec<Sns> = Vec::new(),
        pub(crate) telegram_configs: Vec<Telegram> = Vec::new(),
        pub(crate) victorops_configs: Vec<Victorops> = Vec::new(),
        pub(crate) webex_configs: Vec<Webex> = Vec::new(),
        pub(crate) webhook_configs: Vec<Webhook> = Vec::new(),
        pub(crate) wechat_configs: Vec<Wechat> = Vec::new(),
    }
}

/// A text of a Jira issue: a template alone, or a [`JiraText`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct JiraTextOr(pub(crate) JiraText);

impl JiraTextOr {
    pub(crate) fn template(template: String) -> Self {
        Self(JiraText { template, ..JiraText::default() })
    }
}

impl FromYaml for JiraTextOr {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } => Some(Self::template(text.clone())),
            _ => JiraText::from_yaml(node, reader).map(Self),
        }
    }
}

impl Blank for JiraTextOr {
    fn is_blank(&self) -> bool {
        self.0.template.is_empty()
    }
}

/// A button of a Rocket.Chat message. The original spells its keys without separators; both spellings are taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct RocketchatAction {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) url: String,
    pub(crate) msg: String,
}

impl FromYaml for RocketchatAction {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "config.plain", &[], |name, node, reader| {
            match name.replace('_', "").as_str() {
                "type" => this.kind = reader.read(node),
                "text" => this.text = reader.read(node),
                "url" => this.url = reader.read(node),
                "msg" => this.msg = reader.read(node),
                // The original reads these and never sends them.
                "imageurl" | "iswebview" | "webviewheightratio" | "msginchatwindow" | "msgprocessingtype" => {
                }
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct AlertmanagerConfig {
    pub(crate) file: File,
    /// How matchers are read.
    pub(crate) mode: Mode,
    /// Directory that relative template globs start from.
    pub(crate) directory: PathBuf,
    /// The text it was read from.
    pub(crate) text: String,
}

impl AlertmanagerConfig {
    /// Reads and checks the file at `path`.
    /// # Errors
    /// See [`ConfigError`].
    pub fn load_file(path: &Path, mode: Mode) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::load(&text, path, mode)
    }

    /// Reads and checks a text; relative paths in it start from the directory of `path`.
    /// # Errors
    /// [`ConfigError::Invalid`] with everything that is wrong.
    pub fn load(text: &str, path: &Path, mode: Mode) -> Result<Self, ConfigError> {
        let root =
            wf_config::yaml::parse(text).map_err(|error| ConfigError::one(format!("yaml: {error}")))?;
        let Some(root) = root.filter(|root| !root.is_null()) else {
            return Err(ConfigError::one("no route provided in config"));
        };
        let mut reader = Reader::default();
        let mut file: File = reader.read(&root);
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let problems = reader.into_problems();
        if !problems.is_empty() {
            return Err(ConfigError::Invalid { problems });
        }
        validate::resolve(&mut file, &directory, mode).map_err(ConfigError::one)?;
        Ok(Self { file, mode, directory, text: text.to_owned() })
    }

    /// Returns the configuration with defaults, without secrets and without those defaults that old readers stumble over.
    pub fn to_yaml(&self) -> String {
        let mut file = serde_json::to_value(&self.file).unwrap_or_default();
        print::leave_out_newer_defaults(&mut file);
        print::to_yaml(&file)
    }

    /// Returns the sections that are read and not acted upon, each with what therefore does not happen.
    pub fn idle_sections(&self) -> Vec<(&'static str, &'static str)> {
        let (tracing, events) = (self.file.tracing.is_some(), self.file.event_recorder.is_some());
        let idle = [
            (tracing, ("tracing", "no traces are sent")),
            (events, ("event_recorder", "no events are recorded")),
        ];
        idle.into_iter().filter(|(is_there, _)| *is_there).map(|(_, idle)| idle).collect()
    }

    /// Returns what `check-config` tells, having read the templates as well.
    /// # Errors
    /// When a template file cannot be read or parsed.
    pub fn summary(&self) -> Result<Summary, String> {
        Templates::load(&self.file.templates, &self.directory, "").map_err(|error| error.to_string())?;
        let file = &self.file;
        Ok(Summary {
            n_inhibit_rules: file.inhibit_rules.len(),
            n_receivers: file.receivers.len(),
            n_template_globs: file.templates.len(),
        })
    }

    /// Returns the receivers of an alert with these labels, in the order they are told.
    /// # Errors
    /// When a label is not of the form `name=value`.
    pub fn receivers_for(&self, labels: &[String]) -> Result<Vec<String>, String> {
        let routes = Routes::compile(self)?;
        let found = routes.matching(&self.labels_of(labels)?);
        Ok(found.iter().filter_map(|idx| Some(routes.nodes.get(*idx)?.receiver.clone())).collect())
    }
}

/// Counts for `check-config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Inhibition rules.
    pub n_inhibit_rules: usize,
    /// Receivers.
    pub n_receivers: usize,
    /// Patterns of template files.
    pub n_template_globs: usize,
}
