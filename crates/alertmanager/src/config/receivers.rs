//! What each kind of receiver can be told. Texts marked so in the specification are templates.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A9.

use std::collections::BTreeMap;

use wf_httpkit::Secret;

use super::section::{GoDuration, HttpConfig, Millis, SecretUrl, TlsConfig, Tree, UrlText, section};

type Text = String;
type Map = BTreeMap<String, String>;

/// Returns `{{ template "NAME" . }}`.
fn t(name: &str) -> Text {
    format!("{{{{ template \"{name}\" . }}}}")
}

fn blank() -> Text {
    Text::new()
}

fn none() -> Secret<Text> {
    Secret::default()
}

section! {
    /// `webhook_configs`
    pub(crate) struct Webhook("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) url: Secret<Text> = none(),
        pub(crate) url_file: Text = blank(),
        pub(crate) max_alerts: u64 = 0,
        pub(crate) timeout: GoDuration = GoDuration::default(),
        pub(crate) payload: Tree = Tree::default(),
    }
}

section! {
    /// `threading` of e-mails.
    pub(crate) struct Threading("config.ThreadingConfig") {
        pub(crate) enabled: bool = false,
        pub(crate) thread_by_date: Text = blank(),
    }
}

section! {
    /// `email_configs`
    pub(crate) struct Email("config.plain") {
        pub(crate) send_resolved: bool = false,
        pub(crate) to: Text = blank(),
        pub(crate) from: Text = blank(),
        pub(crate) hello: Text = blank(),
        pub(crate) smarthost: Text = blank(),
        pub(crate) auth_username: Text = blank(),
        pub(crate) auth_password: Secret<Text> = none(),
        pub(crate) auth_password_file: Text = blank(),
        pub(crate) auth_secret: Secret<Text> = none(),
        pub(crate) auth_secret_file: Text = blank(),
        pub(crate) auth_identity: Text = blank(),
        pub(crate) headers: Map = Map::new(),
        pub(crate) html: Text = t("email.default.html"),
        pub(crate) text: Text = blank(),
        pub(crate) require_tls: Option<bool> = None,
        pub(crate) tls_config: Option<TlsConfig> = None,
        pub(crate) force_implicit_tls: Option<bool> = None,
        pub(crate) threading: Option<Threading> = None,
    }
}

section! {
    /// An image of a PagerDuty event.
    pub(crate) struct PagerdutyImage("config.PagerdutyImage") {
        pub(crate) src: Text = blank(),
        pub(crate) alt: Text = blank(),
        pub(crate) href: Text = blank(),
    }
}

section! {
    /// A link of a PagerDuty event.
    pub(crate) struct PagerdutyLink("config.PagerdutyLink") {
        pub(crate) href: Text = blank(),
        pub(crate) text: Text = blank(),
    }
}

section! {
    /// `pagerduty_configs`
    pub(crate) struct Pagerduty("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) routing_key: Secret<Text> = none(),
        pub(crate) routing_key_file: Text = blank(),
        pub(crate) service_key: Secret<Text> = none(),
        pub(crate) service_key_file: Text = blank(),
        pub(crate) url: UrlText = UrlText::default(),
        pub(crate) client: Text = t("pagerduty.default.client"),
        pub(crate) client_url: Text = t("pagerduty.default.clientURL"),
        pub(crate) description: Text = t("pagerduty.default.description"),
        pub(crate) details: BTreeMap<String, Tree> = BTreeMap::new(),
        pub(crate) images: Vec<PagerdutyImage> = Vec::new(),
        pub(crate) links: Vec<PagerdutyLink> = Vec::new(),
        pub(crate) source: Text = blank(),
        pub(crate) severity: Text = blank(),
        pub(crate) class: Text = blank(),
        pub(crate) component: Text = blank(),
        pub(crate) group: Text = blank(),
        pub(crate) timeout: GoDuration = GoDuration::default(),
    }
}

section! {
    /// A field of an attachment.
    pub(crate) struct Field("config.plain") {
        pub(crate) title: Text = blank(),
        pub(crate) value: Text = blank(),
        pub(crate) short: Option<bool> = None,
    }
}

section! {
    /// What Slack asks before it acts.
    pub(crate) struct SlackConfirm("config.plain") {
        pub(crate) text: Text = blank(),
        pub(crate) title: Text = blank(),
        pub(crate) ok_text: Text = blank(),
        pub(crate) dismiss_text: Text = blank(),
    }
}

section! {
    /// A button of a Slack message.
    pub(crate) struct SlackAction("config.plain") {
        pub(crate) kind "type": Text = blank(),
        pub(crate) text: Text = blank(),
        pub(crate) url: Text = blank(),
        pub(crate) style: Text = blank(),
        pub(crate) name: Text = blank(),
        pub(crate) value: Text = blank(),
        pub(crate) confirm: Option<SlackConfirm> = None,
    }
}

section! {
    /// `slack_configs`
    pub(crate) struct Slack("config.plain") {
        pub(crate) send_resolved: bool = false,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) api_url: SecretUrl = SecretUrl::default(),
        pub(crate) api_url_file: Text = blank(),
        pub(crate) app_token: Secret<Text> = none(),
        pub(crate) app_token_file: Text = blank(),
        pub(crate) app_url: UrlText = UrlText::default(),
        pub(crate) channel: Text = blank(),
        pub(crate) username: Text = t("slack.default.username"),
        pub(crate) color: Text = t("slack.default.color"),
        pub(crate) title: Text = t("slack.default.title"),
        pub(crate) title_link: Text = t("slack.default.titlelink"),
        pub(crate) pretext: Text = t("slack.default.pretext"),
        pub(crate) text: Text = t("slack.default.text"),
        pub(crate) fields: Vec<Field> = Vec::new(),
        pub(crate) short_fields: bool = false,
        pub(crate) footer: Text = t("slack.default.footer"),
        pub(crate) fallback: Text = t("slack.default.fallback"),
        pub(crate) callback_id: Text = t("slack.default.callbackid"),
        pub(crate) icon_emoji: Text = t("slack.default.iconemoji"),
        pub(crate) icon_url: Text = t("slack.default.iconurl"),
        pub(crate) image_url: Text = blank(),
        pub(crate) thumb_url: Text = blank(),
        pub(crate) link_names: bool = false,
        pub(crate) mrkdwn_in: Vec<String> = Vec::new(),
        pub(crate) actions: Vec<SlackAction> = Vec::new(),
        pub(crate) message_text: Text = blank(),
        pub(crate) update_message: bool = false,
        pub(crate) timeout: GoDuration = GoDuration::default(),
    }
}

section! {
    /// Whom OpsGenie tells.
    pub(crate) struct OpsgenieResponder("config.plain") {
        pub(crate) id: Text = blank(),
        pub(crate) name: Text = blank(),
        pub(crate) username: Text = blank(),
        pub(crate) kind "type": Text = blank(),
    }
}

section! {
    /// `opsgenie_configs`
    pub(crate) struct Opsgenie("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) api_key: Secret<Text> = none(),
        pub(crate) api_key_file: Text = blank(),
        pub(crate) api_url: UrlText = UrlText::default(),
        pub(crate) message: Text = t("opsgenie.default.message"),
        pub(crate) description: Text = t("opsgenie.default.description"),
        pub(crate) source: Text = t("opsgenie.default.source"),
        pub(crate) details: Map = Map::new(),
        pub(crate) entity: Text = blank(),
        pub(crate) responders: Vec<OpsgenieResponder> = Vec::new(),
        pub(crate) actions: Text = blank(),
        pub(crate) tags: Text = blank(),
        pub(crate) note: Text = blank(),
        pub(crate) priority: Text = blank(),
        pub(crate) update_alerts: bool = false,
    }
}

section! {
    /// `victorops_configs`
    pub(crate) struct Victorops("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) api_key: Secret<Text> = none(),
        pub(crate) api_key_file: Text = blank(),
        pub(crate) api_url: UrlText = UrlText::default(),
        pub(crate) routing_key: Text = blank(),
        pub(crate) message_type: Text = "CRITICAL".to_owned(),
        pub(crate) state_message: Text = t("victorops.default.state_message"),
        pub(crate) entity_display_name: Text = t("victorops.default.entity_display_name"),
        pub(crate) monitoring_tool: Text = t("victorops.default.monitoring_tool"),
        pub(crate) custom_fields: Map = Map::new(),
    }
}

section! {
    /// `pushover_configs`
    pub(crate) struct Pushover("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) user_key: Secret<Text> = none(),
        pub(crate) user_key_file: Text = blank(),
        pub(crate) token: Secret<Text> = none(),
        pub(crate) token_file: Text = blank(),
        pub(crate) title: Text = t("pushover.default.title"),
        pub(crate) message: Text = t("pushover.default.message"),
        pub(crate) url: Text = t("pushover.default.url"),
        pub(crate) url_title: Text = blank(),
        pub(crate) device: Text = blank(),
        pub(crate) sound: Text = blank(),
        pub(crate) priority: Text = "{{ if eq .Status \"firing\" }}2{{ else }}0{{ end }}".to_owned(),
        pub(crate) retry: GoDuration = GoDuration(std::time::Duration::from_secs(60)),
        pub(crate) expire: GoDuration = GoDuration(std::time::Duration::from_secs(3600)),
        pub(crate) ttl: GoDuration = GoDuration::default(),
        pub(crate) html: bool = false,
        pub(crate) monospace: bool = false,
    }
}

section! {
    /// `wechat_configs`
    pub(crate) struct Wechat("config.plain") {
        pub(crate) send_resolved: bool = false,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) api_secret: Secret<Text> = none(),
        pub(crate) api_secret_file: Text = blank(),
        pub(crate) corp_id: Text = blank(),
        pub(crate) api_url: UrlText = UrlText::default(),
        pub(crate) message: Text = t("wechat.default.message"),
        pub(crate) message_type: Text = blank(),
        pub(crate) to_user: Text = t("wechat.default.to_user"),
        pub(crate) to_party: Text = t("wechat.default.to_party"),
        pub(crate) to_tag: Text = t("wechat.default.to_tag"),
        pub(crate) agent_id: Text = t("wechat.default.agent_id"),
    }
}

section! {
    /// `telegram_configs`
    pub(crate) struct Telegram("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) api_url: UrlText = UrlText::default(),
        pub(crate) bot_token: Secret<Text> = none(),
        pub(crate) bot_token_file: Text = blank(),
        pub(crate) chat_id: i64 = 0,
        pub(crate) chat_id_file: Text = blank(),
        pub(crate) message_thread_id: i64 = 0,
        pub(crate) message: Text = t("telegram.default.message"),
        pub(crate) disable_notifications: bool = false,
        pub(crate) parse_mode: Text = "HTML".to_owned(),
    }
}

section! {
    /// How requests to AWS are signed.
    pub(crate) struct Sigv4("config.plain") {
        pub(crate) region: Text = blank(),
        pub(crate) access_key: Text = blank(),
        pub(crate) secret_key: Secret<Text> = none(),
        pub(crate) profile: Text = blank(),
        pub(crate) role_arn: Text = blank(),
        pub(crate) external_id: Text = blank(),
    }
}

section! {
    /// `sns_configs`
    pub(crate) struct Sns("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) api_url: Text = blank(),
        pub(crate) sigv4: Sigv4 = Sigv4::default(),
        pub(crate) topic_arn: Text = blank(),
        pub(crate) phone_number: Text = blank(),
        pub(crate) target_arn: Text = blank(),
        pub(crate) subject: Text = t("sns.default.subject"),
        pub(crate) message: Text = t("sns.default.message"),
        pub(crate) attributes: Map = Map::new(),
        pub(crate) use_aws_http_client: bool = false,
    }
}

section! {
    /// `webex_configs`
    pub(crate) struct Webex("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) api_url: UrlText = UrlText::default(),
        pub(crate) message: Text = t("webex.default.message"),
        pub(crate) room_id: Text = blank(),
    }
}

section! {
    /// `discord_configs`
    pub(crate) struct Discord("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) webhook_url: SecretUrl = SecretUrl::default(),
        pub(crate) webhook_url_file: Text = blank(),
        pub(crate) content: Text = t("discord.default.content"),
        pub(crate) title: Text = t("discord.default.title"),
        pub(crate) message: Text = t("discord.default.message"),
        pub(crate) username: Text = blank(),
        pub(crate) avatar_url: Text = blank(),
    }
}

section! {
    /// `msteams_configs`
    pub(crate) struct Msteams("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) webhook_url: SecretUrl = SecretUrl::default(),
        pub(crate) webhook_url_file: Text = blank(),
        pub(crate) title: Text = t("msteams.default.title"),
        pub(crate) summary: Text = t("msteams.default.summary"),
        pub(crate) text: Text = t("msteams.default.text"),
    }
}

section! {
    /// `msteamsv2_configs`
    pub(crate) struct MsteamsV2("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) webhook_url: SecretUrl = SecretUrl::default(),
        pub(crate) webhook_url_file: Text = blank(),
        pub(crate) title: Text = t("msteamsv2.default.title"),
        pub(crate) text: Text = t("msteamsv2.default.text"),
    }
}

section! {
    /// A template of a Jira issue, and whether it is written again on updates.
    pub(crate) struct JiraText("config.plain") {
        pub(crate) template: Text = blank(),
        pub(crate) enable_update: bool = true,
    }
}

section! {
    /// `jira_configs`
    pub(crate) struct Jira("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) api_url: UrlText = UrlText::default(),
        pub(crate) api_type: Text = "auto".to_owned(),
        pub(crate) project: Text = blank(),
        pub(crate) summary: super::JiraTextOr = super::JiraTextOr::template(t("jira.default.summary")),
        pub(crate) description: super::JiraTextOr = super::JiraTextOr::template(t("jira.default.description")),
        pub(crate) labels: Vec<String> = Vec::new(),
        pub(crate) priority: Text = t("jira.default.priority"),
        pub(crate) issue_type: Text = blank(),
        pub(crate) reopen_transition: Text = blank(),
        pub(crate) resolve_transition: Text = blank(),
        pub(crate) wont_fix_resolution: Text = blank(),
        pub(crate) reopen_duration: Millis = Millis::default(),
        pub(crate) fields: BTreeMap<String, Tree> = BTreeMap::new(),
    }
}

section! {
    /// A field of a Rocket.Chat attachment.
    pub(crate) struct RocketchatField("config.plain") {
        pub(crate) short: Option<bool> = None,
        pub(crate) title: Text = blank(),
        pub(crate) value: Text = blank(),
    }
}

section! {
    /// `rocketchat_configs`
    pub(crate) struct Rocketchat("config.plain") {
        pub(crate) send_resolved: bool = false,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) api_url: UrlText = UrlText::default(),
        pub(crate) token_id: Secret<Text> = none(),
        pub(crate) token_id_file: Text = blank(),
        pub(crate) token: Secret<Text> = none(),
        pub(crate) token_file: Text = blank(),
        pub(crate) channel: Text = blank(),
        pub(crate) color: Text = "{{ if eq .Status \"firing\" }}red{{ else }}green{{ end }}".to_owned(),
        pub(crate) title: Text = t("rocketchat.default.title"),
        pub(crate) title_link: Text = t("rocketchat.default.titlelink"),
        pub(crate) text: Text = t("rocketchat.default.text"),
        pub(crate) fields: Vec<RocketchatField> = Vec::new(),
        pub(crate) short_fields: bool = false,
        pub(crate) emoji: Text = t("rocketchat.default.emoji"),
        pub(crate) icon_url: Text = t("rocketchat.default.iconurl"),
        pub(crate) image_url: Text = blank(),
        pub(crate) thumb_url: Text = blank(),
        pub(crate) link_names: bool = false,
        pub(crate) actions: Vec<super::RocketchatAction> = Vec::new(),
    }
}

section! {
    /// The priority of a Mattermost post.
    pub(crate) struct MattermostPriority("config.plain") {
        pub(crate) priority: Text = blank(),
        pub(crate) requested_ack: bool = false,
        pub(crate) persistent_notifications: bool = false,
    }
}

section! {
    /// Properties of a Mattermost post.
    pub(crate) struct MattermostProps("config.plain") {
        pub(crate) card: Text = blank(),
    }
}

section! {
    /// An attachment of a Mattermost post.
    pub(crate) struct MattermostAttachment("config.plain") {
        pub(crate) fallback: Text = blank(),
        pub(crate) color: Text = blank(),
        pub(crate) pretext: Text = blank(),
        pub(crate) text: Text = blank(),
        pub(crate) author_name: Text = blank(),
        pub(crate) author_link: Text = blank(),
        pub(crate) author_icon: Text = blank(),
        pub(crate) title: Text = blank(),
        pub(crate) title_link: Text = blank(),
        pub(crate) fields: Vec<Field> = Vec::new(),
        pub(crate) thumb_url: Text = blank(),
        pub(crate) footer: Text = blank(),
        pub(crate) footer_icon: Text = blank(),
        pub(crate) image_url: Text = blank(),
    }
}

section! {
    /// `mattermost_configs`
    pub(crate) struct Mattermost("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) webhook_url: SecretUrl = SecretUrl::default(),
        pub(crate) webhook_url_file: Text = blank(),
        pub(crate) channel: Text = blank(),
        pub(crate) username: Text = t("mattermost.default.username"),
        pub(crate) icon_url: Text = blank(),
        pub(crate) icon_emoji: Text = blank(),
        pub(crate) kind "type": Text = blank(),
        pub(crate) text: Text = t("mattermost.default.text"),
        pub(crate) fallback: Text = t("mattermost.default.fallback"),
        pub(crate) color: Text = t("mattermost.default.color"),
        pub(crate) pretext: Text = blank(),
        pub(crate) author_name: Text = blank(),
        pub(crate) author_link: Text = blank(),
        pub(crate) author_icon: Text = blank(),
        pub(crate) title: Text = t("mattermost.default.title"),
        pub(crate) title_link: Text = t("mattermost.default.titlelink"),
        pub(crate) fields: Vec<Field> = Vec::new(),
        pub(crate) thumb_url: Text = blank(),
        pub(crate) footer: Text = blank(),
        pub(crate) footer_icon: Text = blank(),
        pub(crate) image_url: Text = blank(),
        pub(crate) attachments: Vec<MattermostAttachment> = Vec::new(),
        pub(crate) props: Option<MattermostProps> = None,
        pub(crate) priority: Option<MattermostPriority> = None,
    }
}

section! {
    /// `incidentio_configs`
    pub(crate) struct Incidentio("config.plain") {
        pub(crate) send_resolved: bool = true,
        pub(crate) http_config: Option<HttpConfig> = None,
        pub(crate) url: UrlText = UrlText::default(),
        pub(crate) url_file: Text = blank(),
        pub(crate) alert_source_token: Secret<Text> = none(),
        pub(crate) alert_source_token_file: Text = blank(),
        pub(crate) max_alerts: u64 = 0,
        pub(crate) timeout: GoDuration = GoDuration::default(),
    }
}
