//! Fills in what the global section says and refuses what cannot work.
//!
//! The first thing wrong is told, in the words of the original.

mod kinds;

use std::collections::BTreeSet;
use std::path::Path;

use wf_httpkit::Secret;

use super::section::{HttpConfig, Regex};
use super::telemetry::{EventRecorder, Tracing};
use super::{File, Global, InhibitRule, Receiver, Route};
use crate::matchers::Mode;

type Checked = Result<(), String>;

/// Resolves the file in place.
pub(super) fn resolve(file: &mut File, directory: &Path, mode: Mode) -> Checked {
    file.global.http_config.0.resolve_paths(directory);
    check_global(&file.global)?;
    let global = &mut file.global;
    for url in [&mut global.opsgenie_api_url, &mut global.wechat_api_url, &mut global.victorops_api_url] {
        add_slash(&mut url.0);
    }
    let mut names = BTreeSet::new();
    for receiver in &mut file.receivers {
        if receiver.name.is_empty() {
            return Err("missing name in receiver".to_owned());
        }
        if !names.insert(receiver.name.clone()) {
            return Err(format!("notification config name {:?} is not unique", receiver.name));
        }
        label_receiver(receiver, mode)?;
        kinds::resolve(receiver, &file.global, directory)?;
    }
    let Some(root) = &mut file.route else { return Err("no routes provided".to_owned()) };
    check_root(root)?;
    let intervals = interval_names(&file.mute_time_intervals, &file.time_intervals)?;
    check_route(root, &names, &intervals, mode)?;
    file.inhibit_rules.iter().try_for_each(|rule| check_inhibit_rule(rule, mode))?;
    file.tracing.as_ref().map_or(Ok(()), Tracing::check)?;
    file.event_recorder.as_ref().map_or(Ok(()), EventRecorder::check)
}

/// At most one of a value and the file that holds it.
fn either(name: &str, value: bool, file: &str) -> Checked {
    match value && !file.is_empty() {
        true => Err(format!("at most one of {name} & {name}_file must be configured")),
        false => Ok(()),
    }
}

fn set(secret: &Secret<String>) -> bool {
    !secret.reveal().is_empty()
}

fn check_global(global: &Global) -> Checked {
    let g = global;
    either("smtp_auth_password", set(&g.smtp_auth_password), &g.smtp_auth_password_file)?;
    either("smtp_auth_secret", set(&g.smtp_auth_secret), &g.smtp_auth_secret_file)?;
    either("slack_app_token", set(&g.slack_app_token), &g.slack_app_token_file)?;
    either("slack_api_url", set(&g.slack_api_url.0), &g.slack_api_url_file)?;
    either("opsgenie_api_key", set(&g.opsgenie_api_key), &g.opsgenie_api_key_file)?;
    either("wechat_api_secret", set(&g.wechat_api_secret), &g.wechat_api_secret_file)?;
    either("victorops_api_key", set(&g.victorops_api_key), &g.victorops_api_key_file)?;
    either("telegram_bot_token", set(&g.telegram_bot_token), &g.telegram_bot_token_file)?;
    either("rocketchat_token", set(&g.rocketchat_token), &g.rocketchat_token_file)?;
    either("rocketchat_token_id", set(&g.rocketchat_token_id), &g.rocketchat_token_id_file)?;
    either("mattermost_webhook_url", set(&g.mattermost_webhook_url.0), &g.mattermost_webhook_url_file)?;
    let has_token = set(&g.slack_app_token) || !g.slack_app_token_file.is_empty();
    // What the status API prints is read again: a masked URL may be either.
    let api_url = g.slack_api_url.0.reveal();
    let has_url =
        !api_url.is_empty() && *api_url != g.slack_app_url.0 && api_url != wf_httpkit::secret::REDACTED;
    if has_token && (has_url || !g.slack_api_url_file.is_empty()) {
        return Err(
            "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file \
                    must be configured"
                .to_owned(),
        );
    }
    if !g.smtp_smarthost.is_empty() {
        check_smarthost(&g.smtp_smarthost)?;
    }
    g.http_config.0.validate().map_err(|error| error.to_string())
}

/// `host:port`; the port is mandatory.
fn check_smarthost(text: &str) -> Checked {
    match text.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() => Ok(()),
        Some(_) => Err(format!("address {text}: port cannot be empty")),
        None => Err(format!("address {text}: missing port in address")),
    }
}

fn add_slash(url: &mut String) {
    if !url.is_empty() && !url.ends_with('/') {
        url.push('/');
    }
}

fn label_receiver(receiver: &mut Receiver, mode: Mode) -> Checked {
    if let Some(name) = receiver.labels.keys().find(|name| !mode.is_label_name(name)) {
        return Err(format!("invalid label name {name:?} in receiver {:?}", receiver.name));
    }
    if receiver.labels.get("name").is_some_and(|name| *name != receiver.name) {
        return Err(format!("label \"name\" of receiver {:?} must be its name", receiver.name));
    }
    receiver.labels.insert("name".to_owned(), receiver.name.clone());
    Ok(())
}

fn check_root(root: &Route) -> Checked {
    let matches = root.match_equal.len() + root.match_re.len() + root.matchers.len();
    let refused = [
        (root.receiver.is_empty(), "root route must specify a default receiver"),
        (matches > 0, "root route must not have any matchers"),
        (!root.mute_time_intervals.is_empty(), "root route must not have any mute time intervals"),
        (!root.active_time_intervals.is_empty(), "root route must not have any active time intervals"),
        (root.continues, "cannot have continue in root route"),
    ];
    match refused.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, message)) => Err(message.to_owned()),
        None => Ok(()),
    }
}

fn interval_names(
    mute: &[super::NamedIntervals],
    others: &[super::NamedIntervals],
) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    for entry in mute.iter().chain(others) {
        if entry.name.is_empty() {
            return Err("missing name in time interval".to_owned());
        }
        if !names.insert(entry.name.clone()) {
            return Err(format!("time interval {:?} is not unique", entry.name));
        }
    }
    Ok(names)
}

fn check_route(
    route: &Route,
    receivers: &BTreeSet<String>,
    intervals: &BTreeSet<String>,
    mode: Mode,
) -> Checked {
    if !route.receiver.is_empty() && !receivers.contains(&route.receiver) {
        return Err(format!("undefined receiver {:?} used in route", route.receiver));
    }
    check_group_by(route.group_by.as_deref().unwrap_or_default(), mode)?;
    for (interval, name) in
        [(route.group_interval, "group_interval"), (route.repeat_interval, "repeat_interval")]
    {
        if interval.is_some_and(|interval| interval.0.is_zero()) {
            return Err(format!("{name} cannot be zero"));
        }
    }
    check_matchers(&route.match_equal.keys().collect::<Vec<_>>(), &route.match_re, &route.matchers, mode)?;
    if let Some(name) = route.labels.keys().find(|name| !mode.is_label_name(name)) {
        return Err(format!("invalid label name {name:?} in route labels"));
    }
    for name in route.mute_time_intervals.iter().chain(&route.active_time_intervals) {
        if !intervals.contains(name) {
            return Err(format!("undefined time interval {name:?} used in route"));
        }
    }
    route.routes.iter().try_for_each(|child| check_route(child, receivers, intervals, mode))
}

fn check_group_by(names: &[String], mode: Mode) -> Checked {
    let mut known = BTreeSet::new();
    for name in names {
        if name == "..." {
            if names.len() > 1 {
                return Err("cannot have wildcard group_by (`...`) and other other labels at the same time"
                    .to_owned());
            }
        } else if !mode.is_label_name(name) {
            return Err(format!("invalid label name {name:?} in group_by list"));
        }
        if !known.insert(name) {
            return Err(format!("duplicated label {name:?} in group_by"));
        }
    }
    Ok(())
}

fn check_matchers(
    equal: &[&String],
    regexes: &std::collections::BTreeMap<String, Regex>,
    matchers: &[String],
    mode: Mode,
) -> Checked {
    for name in equal.iter().copied().chain(regexes.keys()) {
        if !wf_model::labels::is_legacy_label_name(name) {
            return Err(format!("invalid label name {name:?}"));
        }
    }
    matchers.iter().try_for_each(|text| mode.parse(text).map(drop))
}

fn check_inhibit_rule(rule: &InhibitRule, mode: Mode) -> Checked {
    check_matchers(
        &rule.source_match.keys().collect::<Vec<_>>(),
        &rule.source_match_re,
        &rule.source_matchers,
        mode,
    )?;
    check_matchers(
        &rule.target_match.keys().collect::<Vec<_>>(),
        &rule.target_match_re,
        &rule.target_matchers,
        mode,
    )?;
    match rule.equal.iter().find(|name| !mode.is_label_name(name)) {
        Some(name) => Err(format!("invalid label name {name:?} in equal list")),
        None => Ok(()),
    }
}

/// A receiver's own client options, or the global ones.
fn fill_http(own: &mut Option<HttpConfig>, global: &Global, directory: Option<&Path>) {
    match own {
        None => *own = Some(global.http_config.clone()),
        Some(own) => {
            if let Some(directory) = directory {
                own.0.resolve_paths(directory);
            }
        }
    }
}
