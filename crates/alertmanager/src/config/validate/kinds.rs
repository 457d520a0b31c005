//! Fallbacks and checks of each kind of receiver.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A1.1, §A9.

use std::path::Path;

use super::{Checked, add_slash, check_smarthost, either, fill_http, set};
use crate::config::receivers::{
    Discord, Email, Incidentio, Jira, Mattermost, Msteams, MsteamsV2, Opsgenie, Pagerduty, Pushover,
    Rocketchat, Slack, Sns, Telegram, Victorops, Webex, Webhook, Wechat,
};
use crate::config::section::{SecretUrl, UrlText};
use crate::config::{Global, Receiver};
use wf_httpkit::Secret;

/// Fills in and checks every configuration of `receiver`.
pub(super) fn resolve(receiver: &mut Receiver, global: &Global, directory: &Path) -> Checked {
    let r = receiver;
    macro_rules! each {
        ($($list:ident => $check:ident),* $(,)?) => {
            $(for config in &mut r.$list {
                fill_http(&mut config.http_config, global, Some(directory));
                $check(config, global)?;
            })*
        };
    }
    r.email_configs.iter_mut().try_for_each(|config| email(config, global))?;
    for config in &mut r.incidentio_configs {
        fill_http(&mut config.http_config, global, None);
        incidentio(config)?;
    }
    for config in &mut r.msteamsv2_configs {
        // Its own block without a proxy still goes through the global proxy.
        if let Some(http) = config.http_config.as_mut().filter(|http| http.0.proxy_url.is_none()) {
            http.0.proxy_url.clone_from(&global.http_config.0.proxy_url);
        }
    }
    each!(
        discord_configs => discord, jira_configs => jira, mattermost_configs => mattermost, msteams_configs => msteams,
        msteamsv2_configs => msteamsv2, opsgenie_configs => opsgenie, pagerduty_configs => pagerduty,
        pushover_configs => pushover, rocketchat_configs => rocketchat, slack_configs => slack, sns_configs => sns,
        telegram_configs => telegram, victorops_configs => victorops, webex_configs => webex,
        webhook_configs => webhook, wechat_configs => wechat,
    );
    Ok(())
}

fn refuse(is_wrong: bool, message: &str) -> Checked {
    if is_wrong { Err(message.to_owned()) } else { Ok(()) }
}

/// Takes the global value and its file when there is neither of one's own.
fn inherit(value: &mut Secret<String>, file: &mut String, global: &Secret<String>, global_file: &str) {
    if !set(value) && file.is_empty() {
        *value = global.clone();
        global_file.clone_into(file);
    }
}

fn inherit_url(value: &mut UrlText, global: &UrlText) {
    if value.0.is_empty() {
        *value = global.clone();
    }
}

fn inherit_text(value: &mut String, global: &str) {
    if value.is_empty() {
        global.clone_into(value);
    }
}

fn webhook(config: &mut Webhook, _: &Global) -> Checked {
    refuse(!set(&config.url) && config.url_file.is_empty(), "one of url or url_file must be configured")?;
    refuse(
        set(&config.url) && !config.url_file.is_empty(),
        "at most one of url & url_file must be configured",
    )?;
    let url = config.url.reveal();
    // A template is checked when it is expanded; its syntax is checked here.
    if !url.is_empty() && !url.contains("{{") && url != wf_httpkit::secret::REDACTED {
        return crate::config::section::check_url(url);
    }
    crate::template::check_syntax(url)
}

fn email(config: &mut Email, global: &Global) -> Checked {
    refuse(config.to.is_empty(), "missing to address in email config")?;
    either("auth_password", set(&config.auth_password), &config.auth_password_file)?;
    either("auth_secret", set(&config.auth_secret), &config.auth_secret_file)?;
    inherit_text(&mut config.smarthost, &global.smtp_smarthost);
    refuse(config.smarthost.is_empty(), "no global SMTP smarthost set")?;
    check_smarthost(&config.smarthost)?;
    inherit_text(&mut config.from, &global.smtp_from);
    refuse(config.from.is_empty(), "no global SMTP from set")?;
    inherit_text(&mut config.hello, &global.smtp_hello);
    inherit_text(&mut config.auth_username, &global.smtp_auth_username);
    inherit_text(&mut config.auth_identity, &global.smtp_auth_identity);
    let g = global;
    inherit(
        &mut config.auth_password,
        &mut config.auth_password_file,
        &g.smtp_auth_password,
        &g.smtp_auth_password_file,
    );
    inherit(
        &mut config.auth_secret,
        &mut config.auth_secret_file,
        &g.smtp_auth_secret,
        &g.smtp_auth_secret_file,
    );
    config.require_tls = config.require_tls.or(Some(g.smtp_require_tls));
    config.force_implicit_tls = config.force_implicit_tls.or(g.smtp_force_implicit_tls);
    if config.tls_config.is_none() {
        config.tls_config.clone_from(&g.smtp_tls_config);
    }
    let mut headers = std::collections::BTreeMap::new();
    for (name, value) in &config.headers {
        let canonical = crate::notify::email::canonical_header(name);
        if headers.insert(canonical.clone(), value.clone()).is_some() {
            return Err(format!("duplicate header {canonical:?} in email config"));
        }
    }
    config.headers = headers;
    let Some(threading) = &config.threading else { return Ok(()) };
    if threading.enabled {
        let is_known = matches!(threading.thread_by_date.as_str(), "" | "daily" | "none");
        refuse(!is_known, "thread_by_date must be either daily or none")?;
        let clashes = config.headers.keys().any(|name| matches!(name.as_str(), "References" | "In-Reply-To"));
        refuse(clashes, "custom References and In-Reply-To headers cannot be combined with threading")?;
    }
    Ok(())
}

fn pagerduty(config: &mut Pagerduty, global: &Global) -> Checked {
    let (routing, service) = (set(&config.routing_key), set(&config.service_key));
    let has_routing = routing || !config.routing_key_file.is_empty();
    let has_service = service || !config.service_key_file.is_empty();
    refuse(!has_routing && !has_service, "missing service or routing key in PagerDuty config")?;
    either("routing_key", routing, &config.routing_key_file)?;
    either("service_key", service, &config.service_key_file)?;
    inherit_url(&mut config.url, &global.pagerduty_url);
    let defaults = [
        ("firing", "{{ .Alerts.Firing | toJson }}"),
        ("resolved", "{{ .Alerts.Resolved | toJson }}"),
        ("num_firing", "{{ .Alerts.Firing | len }}"),
        ("num_resolved", "{{ .Alerts.Resolved | len }}"),
    ];
    for (name, text) in defaults {
        let value = || crate::config::section::Tree(text.into());
        config.details.entry(name.to_owned()).or_insert_with(value);
    }
    inherit_text(&mut config.severity, "error");
    let client = config.client.clone();
    inherit_text(&mut config.source, &client);
    Ok(())
}

const CHAT_POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";

fn slack(config: &mut Slack, global: &Global) -> Checked {
    either("api_url", set(&config.api_url.0), &config.api_url_file)?;
    either("app_token", set(&config.app_token), &config.app_token_file)?;
    let has_token = |token: &Secret<String>, file: &str| set(token) || !file.is_empty();
    let has_url = set(&config.api_url.0) || !config.api_url_file.is_empty();
    let own_token = has_token(&config.app_token, &config.app_token_file);
    inherit_url(&mut config.app_url, &global.slack_app_url);
    let api_url = config.api_url.0.reveal();
    let is_masked = api_url == wf_httpkit::secret::REDACTED;
    let url_is_app = is_masked || *api_url == config.app_url.0;
    refuse(
        own_token && has_url && !url_is_app,
        "at most one of app_token/app_token_file & api_url/api_url_file must be configured",
    )?;
    if config.update_message && !is_masked && api_url != CHAT_POST_MESSAGE {
        return Err(format!(
            "update_message can only be used with bot tokens. api_url must be set to {CHAT_POST_MESSAGE}"
        ));
    }
    if !has_url && !own_token {
        if has_token(&global.slack_app_token, &global.slack_app_token_file) {
            config.app_token = global.slack_app_token.clone();
            config.app_token_file.clone_from(&global.slack_app_token_file);
        } else {
            config.api_url = global.slack_api_url.clone();
            config.api_url_file.clone_from(&global.slack_api_url_file);
        }
    }
    let is_reached = set(&config.api_url.0)
        || !config.api_url_file.is_empty()
        || has_token(&config.app_token, &config.app_token_file);
    refuse(!is_reached, "no Slack API URL nor App token set either inline or in a file")?;
    for field in &config.fields {
        refuse(field.title.is_empty(), "missing title in Slack field configuration")?;
        refuse(field.value.is_empty(), "missing value in Slack field configuration")?;
    }
    for action in &config.actions {
        refuse(action.kind.is_empty(), "missing type in Slack action configuration")?;
        refuse(action.text.is_empty(), "missing text in Slack action configuration")?;
        refuse(
            action.url.is_empty() && action.name.is_empty(),
            "missing name or url in Slack action configuration",
        )?;
        let confirm = action.confirm.as_ref();
        refuse(
            confirm.is_some_and(|confirm| confirm.text.is_empty()),
            "missing text in Slack confirmation configuration",
        )?;
    }
    Ok(())
}

fn opsgenie(config: &mut Opsgenie, global: &Global) -> Checked {
    either("api_key", set(&config.api_key), &config.api_key_file)?;
    for responder in &config.responders {
        let is_named =
            [&responder.id, &responder.name, &responder.username].iter().any(|text| !text.is_empty());
        let shown =
            format!("{{{} {} {} {}}}", responder.id, responder.name, responder.username, responder.kind);
        let wrong = |what: &str| format!("opsGenieConfig responder {shown} {what}");
        refuse(!is_named, &wrong("has to have at least one of id, username or name specified"))?;
        crate::template::check_syntax(&responder.kind)
            .map_err(|error| wrong(&format!("type is not a valid template: {error}")))?;
        let kind = responder.kind.to_lowercase();
        let is_known = matches!(kind.as_str(), "team" | "teams" | "user" | "escalation" | "schedule");
        refuse(
            !is_known && !kind.contains("{{"),
            &wrong("type does not match valid options ^(team|teams|user|escalation|schedule)$"),
        )?;
    }
    inherit_url(&mut config.api_url, &global.opsgenie_api_url);
    add_slash(&mut config.api_url.0);
    // The global key fills an empty one even beside a file of one's own, and then wins: as the original does.
    let has_global = set(&global.opsgenie_api_key) || !global.opsgenie_api_key_file.is_empty();
    let has_own = set(&config.api_key) || !config.api_key_file.is_empty();
    refuse(!has_own && !has_global, "no global OpsGenie API Key set either inline or in a file")?;
    if !set(&config.api_key) {
        config.api_key = global.opsgenie_api_key.clone();
    }
    if !has_own {
        config.api_key_file.clone_from(&global.opsgenie_api_key_file);
    }
    Ok(())
}

/// Keys of an incident that the receiver sets itself.
const VICTOROPS_RESERVED: [&str; 7] = [
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
];

fn victorops(config: &mut Victorops, global: &Global) -> Checked {
    refuse(config.routing_key.is_empty(), "missing Routing key in VictorOps config")?;
    either("api_key", set(&config.api_key), &config.api_key_file)?;
    if let Some(name) = VICTOROPS_RESERVED.iter().find(|name| config.custom_fields.contains_key(**name)) {
        return Err(format!(
            "victorOps config contains custom field {name} which cannot be used as it conflicts with the fixed/static fields"
        ));
    }
    inherit_url(&mut config.api_url, &global.victorops_api_url);
    add_slash(&mut config.api_url.0);
    let has_global = set(&global.victorops_api_key) || !global.victorops_api_key_file.is_empty();
    let has_own = set(&config.api_key) || !config.api_key_file.is_empty();
    refuse(!has_own && !has_global, "no global VictorOps API Key set")?;
    if !set(&config.api_key) {
        config.api_key = global.victorops_api_key.clone();
    }
    if !has_own {
        config.api_key_file.clone_from(&global.victorops_api_key_file);
    }
    Ok(())
}

fn pushover(config: &mut Pushover, _: &Global) -> Checked {
    let has = |value: &Secret<String>, file: &str| set(value) || !file.is_empty();
    refuse(
        !has(&config.user_key, &config.user_key_file),
        "one of user_key or user_key_file must be configured",
    )?;
    refuse(!has(&config.token, &config.token_file), "one of token or token_file must be configured")?;
    either("user_key", set(&config.user_key), &config.user_key_file)?;
    either("token", set(&config.token), &config.token_file)?;
    refuse(config.html && config.monospace, "at most one of monospace & html must be configured")
}

fn wechat(config: &mut Wechat, global: &Global) -> Checked {
    either("api_secret", set(&config.api_secret), &config.api_secret_file)?;
    inherit(
        &mut config.api_secret,
        &mut config.api_secret_file,
        &global.wechat_api_secret,
        &global.wechat_api_secret_file,
    );
    refuse(
        !set(&config.api_secret) && config.api_secret_file.is_empty(),
        "no global Wechat Api Secret set either inline or in a file",
    )?;
    inherit_text(&mut config.corp_id, &global.wechat_api_corp_id);
    refuse(config.corp_id.is_empty(), "no global Wechat CorpID set")?;
    inherit_url(&mut config.api_url, &global.wechat_api_url);
    add_slash(&mut config.api_url.0);
    inherit_text(&mut config.message_type, "text");
    let message_type = &config.message_type;
    refuse(
        !matches!(message_type.as_str(), "text" | "markdown"),
        &format!("weChat message type {message_type:?} does not match valid options ^(text|markdown)$"),
    )
}

fn telegram(config: &mut Telegram, global: &Global) -> Checked {
    either("bot_token", set(&config.bot_token), &config.bot_token_file)?;
    let g = global;
    inherit(
        &mut config.bot_token,
        &mut config.bot_token_file,
        &g.telegram_bot_token,
        &g.telegram_bot_token_file,
    );
    refuse(
        !set(&config.bot_token) && config.bot_token_file.is_empty(),
        "missing bot_token or bot_token_file on telegram_config",
    )?;
    refuse(
        config.chat_id == 0 && config.chat_id_file.is_empty(),
        "missing chat_id or chat_id_file on telegram_config",
    )?;
    refuse(
        config.chat_id != 0 && !config.chat_id_file.is_empty(),
        "at most one of chat_id & chat_id_file must be configured",
    )?;
    inherit_url(&mut config.api_url, &g.telegram_api_url);
    refuse(
        !matches!(config.parse_mode.as_str(), "" | "Markdown" | "MarkdownV2" | "HTML"),
        "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string",
    )
}

fn sns(config: &mut Sns, _: &Global) -> Checked {
    let targets = [&config.target_arn, &config.topic_arn, &config.phone_number];
    refuse(
        targets.iter().filter(|target| !target.is_empty()).count() != 1,
        "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config",
    )?;
    let keys = (config.sigv4.access_key.is_empty(), !set(&config.sigv4.secret_key));
    refuse(
        keys.0 != keys.1,
        "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SNS config",
    )
}

fn webex(config: &mut Webex, global: &Global) -> Checked {
    refuse(config.room_id.is_empty(), "missing room_id on webex_config")?;
    let http = config.http_config.as_ref();
    refuse(
        http.is_none_or(|http| http.0.authorization.is_none()),
        "missing webex_configs.http_config.authorization",
    )?;
    inherit_url(&mut config.api_url, &global.webex_api_url);
    Ok(())
}

fn webhook_url(kind: &str, url: &SecretUrl, file: &str) -> Checked {
    let message = |text: &str| format!("{text} on {kind}");
    refuse(!set(&url.0) && file.is_empty(), &message("missing webhook_url or webhook_url_file"))?;
    refuse(
        set(&url.0) && !file.is_empty(),
        &message("at most one of webhook_url & webhook_url_file must be configured"),
    )
}

fn discord(config: &mut Discord, _: &Global) -> Checked {
    webhook_url("discord_config", &config.webhook_url, &config.webhook_url_file)
}

fn msteams(config: &mut Msteams, _: &Global) -> Checked {
    webhook_url("msteams_config", &config.webhook_url, &config.webhook_url_file)
}

fn msteamsv2(config: &mut MsteamsV2, _: &Global) -> Checked {
    webhook_url("msteamsv2_config", &config.webhook_url, &config.webhook_url_file)
}

fn mattermost(config: &mut Mattermost, global: &Global) -> Checked {
    let g = global;
    inherit(
        &mut config.webhook_url.0,
        &mut config.webhook_url_file,
        &g.mattermost_webhook_url.0,
        &g.mattermost_webhook_url_file,
    );
    webhook_url("mattermost_config", &config.webhook_url, &config.webhook_url_file)?;
    let Some(priority) = &mut config.priority else { return Ok(()) };
    let kind = priority.priority.to_lowercase();
    priority.priority =
        if matches!(kind.as_str(), "urgent" | "important") { kind } else { "standard".to_owned() };
    refuse(
        priority.requested_ack && priority.priority == "standard",
        "mattermost: requested_ack needs priority urgent or important",
    )?;
    refuse(
        priority.persistent_notifications && priority.priority != "urgent",
        "mattermost: persistent_notifications needs priority urgent",
    )
}

fn jira(config: &mut Jira, global: &Global) -> Checked {
    inherit_url(&mut config.api_url, &global.jira_api_url);
    refuse(config.api_url.0.is_empty(), "no global Jira Cloud URL set")?;
    refuse(config.project.is_empty(), "missing project in jira_config")?;
    refuse(config.issue_type.is_empty(), "missing issue_type in jira_config")?;
    refuse(
        !matches!(config.api_type.as_str(), "auto" | "cloud" | "datacenter"),
        "unknown api_type on jira_config, must be cloud, datacenter or auto",
    )
}

fn rocketchat(config: &mut Rocketchat, global: &Global) -> Checked {
    either("token", set(&config.token), &config.token_file)?;
    either("token_id", set(&config.token_id), &config.token_id_file)?;
    let g = global;
    inherit(&mut config.token, &mut config.token_file, &g.rocketchat_token, &g.rocketchat_token_file);
    inherit(
        &mut config.token_id,
        &mut config.token_id_file,
        &g.rocketchat_token_id,
        &g.rocketchat_token_id_file,
    );
    refuse(
        !set(&config.token_id) && config.token_id_file.is_empty(),
        "no global Rocketchat TokenID set either inline or in a file",
    )?;
    refuse(
        !set(&config.token) && config.token_file.is_empty(),
        "no global Rocketchat Token set either inline or in a file",
    )?;
    inherit_url(&mut config.api_url, &g.rocketchat_api_url);
    Ok(())
}

fn incidentio(config: &mut Incidentio) -> Checked {
    refuse(
        config.url.0.is_empty() && config.url_file.is_empty(),
        "one of url or url_file must be configured",
    )?;
    refuse(
        !config.url.0.is_empty() && !config.url_file.is_empty(),
        "at most one of url & url_file must be configured",
    )?;
    either("alert_source_token", set(&config.alert_source_token), &config.alert_source_token_file)?;
    let has_token = set(&config.alert_source_token) || !config.alert_source_token_file.is_empty();
    let has_auth = config.http_config.as_ref().is_some_and(|http| http.0.authorization.is_some());
    refuse(has_token && has_auth, "cannot specify alert_source_token when using http_config.authorization")?;
    refuse(
        !has_token && !has_auth,
        "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be configured",
    )
}
