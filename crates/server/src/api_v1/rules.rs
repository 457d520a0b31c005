//! `/rules`, `/alerts` and `/alertmanagers`: what is evaluated, what is wrong, and who is told.
//!
//! # Source
//! `spec/prometheus-query.md` §4.5.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use sha2::{Digest, Sha256};
use wf_model::quote::GoQuoted;
use wf_model::{Matcher, float};
use wf_rules::{Alert, Rule, RuleGroup, RuleKind, RuleStatus};

use super::ApiState;
use super::error::ApiError;
use super::params::Params;
use super::select::{envelope, reply};
use super::status::rfc3339_ms;
use crate::json::JsonWriter;

/// Go's zero time: what was never evaluated.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Which rules are wanted.
struct Filter<'a> {
    alerting: bool,
    recording: bool,
    names: HashSet<&'a str>,
    groups: HashSet<&'a str>,
    files: HashSet<&'a str>,
    matcher_sets: Vec<Vec<Matcher>>,
    excludes_alerts: bool,
}

impl<'a> Filter<'a> {
    fn new(params: &'a Params) -> Result<Self, ApiError> {
        let kind = params.get("type").map(str::to_ascii_lowercase);
        let (alerting, recording) = match kind.as_deref() {
            None => (true, true),
            Some("alert") => (true, false),
            Some("record") => (false, true),
            Some(other) => {
                return Err(ApiError::parameter("type", format!("not supported value {}", GoQuoted(other))));
            }
        };
        let excludes_alerts = match params.get("exclude_alerts").map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "f" | "0") => false,
            Some("true" | "t" | "1") => true,
            Some(_) => {
                return Err(ApiError::parameter("exclude_alerts", "error converting exclude_alerts to bool"));
            }
        };
        let matcher_sets = params.all("match[]").map(super::parse::selector).collect::<Result<_, _>>()?;
        Ok(Self {
            alerting,
            recording,
            names: params.all("rule_name[]").collect(),
            groups: params.all("rule_group[]").collect(),
            files: params.all("file[]").collect(),
            matcher_sets,
            excludes_alerts,
        })
    }

    fn takes_group(&self, group: &RuleGroup) -> bool {
        let spec = group.spec();
        (self.groups.is_empty() || self.groups.contains(spec.group.name.as_str()))
            && (self.files.is_empty() || self.files.contains(&*spec.file))
    }

    fn takes(&self, rule: &Rule) -> bool {
        let of_kind = match rule.kind {
            RuleKind::Record => self.recording,
            RuleKind::Alert { .. } => self.alerting,
        };
        let label = |name: &str| rule.labels.get(name).map_or("", String::as_str);
        let satisfies = |set: &Vec<Matcher>| set.iter().all(|matcher| matcher.matches(label(matcher.name())));
        of_kind
            && (self.names.is_empty() || self.names.contains(rule.name.as_str()))
            && (self.matcher_sets.is_empty() || self.matcher_sets.iter().any(satisfies))
    }
}

pub(crate) async fn rules(State(state): State<Arc<ApiState>>, params: Params) -> Result<Response, ApiError> {
    let filter = Filter::new(&params)?;
    let (limit, token) = page(&params)?;
    let all = state.rules()?.manager.groups();
    let mut wanted: Vec<(&RuleGroup, Vec<(&Rule, RuleStatus)>)> = Vec::new();
    for group in all.iter().filter(|group| filter.takes_group(group)) {
        let rules: Vec<_> = group.rules().filter(|(rule, _)| filter.takes(rule)).collect();
        if !rules.is_empty() {
            wanted.push((group, rules));
        }
    }
    if let Some(token) = token {
        let start = wanted.iter().position(|(group, _)| token_of(group) == token).ok_or_else(|| {
            let cause = "invalid group_next_token: the group is not there any more, begin again without it";
            ApiError::parameter("group_next_token", cause)
        })?;
        wanted.drain(..start);
    }
    let next = limit.and_then(|limit| wanted.get(limit)).map(|(group, _)| token_of(group));
    wanted.truncate(limit.unwrap_or(usize::MAX));
    Ok(reply(envelope(false, |json| {
        json.raw(r#"{"groups":"#)
            .list(wanted.iter(), |json, (group, rules)| write_group(json, group, rules, &filter));
        if let Some(next) = &next {
            json.raw(r#","groupNextToken":"#).string(next);
        }
        json.raw("}");
    })))
}

/// Reads how many groups are wanted, and with which to begin.
fn page(params: &Params) -> Result<(Option<usize>, Option<&str>), ApiError> {
    let token = params.get("group_next_token");
    let Some(text) = params.get("group_limit") else {
        return match token {
            None => Ok((None, None)),
            Some(_) => Err(ApiError::parameter(
                "group_limit",
                "group_limit needs to be present in order to paginate over the groups",
            )),
        };
    };
    let limit = text.parse().map_err(|_| {
        ApiError::parameter(
            "group_limit",
            format!("group_limit needs to be a valid number: {}", GoQuoted(text)),
        )
    })?;
    let limit: i64 = limit;
    match usize::try_from(limit) {
        Ok(limit) if limit > 0 => Ok((Some(limit), token)),
        _ => Err(ApiError::parameter("group_limit", "group_limit needs to be greater than 0")),
    }
}

fn token_of(group: &RuleGroup) -> String {
    Sha256::digest(group.key()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn time(time_ms: Option<i64>) -> String {
    time_ms.map_or_else(|| NEVER.to_owned(), rfc3339_ms)
}

fn write_group(json: &mut JsonWriter, group: &RuleGroup, rules: &[(&Rule, RuleStatus)], filter: &Filter<'_>) {
    let (spec, status) = (group.spec(), group.status());
    json.raw(r#"{"name":"#).string(&spec.group.name).raw(r#","file":"#).string(&spec.file);
    json.raw(r#","rules":"#).list(rules.iter(), |json, (rule, status)| match &rule.kind {
        RuleKind::Record => write_recording(json, rule, status),
        RuleKind::Alert { .. } => write_alerting(json, rule, status, filter.excludes_alerts),
    });
    json.raw(r#","interval":"#).seconds(spec.interval);
    json.raw(r#","limit":"#).integer(spec.group.limit as u64);
    json.raw(r#","evaluationTime":"#).seconds(status.duration);
    json.raw(r#","lastEvaluation":"#).string(&time(status.evaluated_ms)).raw("}");
}

fn write_alerting(json: &mut JsonWriter, rule: &Rule, status: &RuleStatus, excludes_alerts: bool) {
    let RuleKind::Alert { hold_for, keep_firing_for, annotations } = &rule.kind else { return };
    json.raw(r#"{"state":"#).string(status.state.map_or("unknown", wf_rules::AlertState::as_str));
    json.raw(r#","name":"#).string(&rule.name);
    json.raw(r#","query":"#).string(&rule.expr.to_string());
    json.raw(r#","duration":"#).seconds(*hold_for);
    json.raw(r#","keepFiringFor":"#).seconds(*keep_firing_for);
    json.raw(r#","labels":"#);
    write_texts(json, &rule.labels);
    json.raw(r#","annotations":"#);
    write_texts(json, annotations);
    json.raw(r#","alerts":"#);
    if excludes_alerts {
        json.raw("null");
    } else {
        json.list(status.alerts.iter(), write_alert);
    }
    write_outcome(json, status, "alerting");
}

fn write_recording(json: &mut JsonWriter, rule: &Rule, status: &RuleStatus) {
    json.raw(r#"{"name":"#).string(&rule.name);
    json.raw(r#","query":"#).string(&rule.expr.to_string());
    if !rule.labels.is_empty() {
        json.raw(r#","labels":"#);
        write_texts(json, &rule.labels);
    }
    write_outcome(json, status, "recording");
}

fn write_outcome(json: &mut JsonWriter, status: &RuleStatus, kind: &str) {
    json.raw(r#","health":"#).string(status.health.as_str());
    if let Some(error) = &status.last_error {
        json.raw(r#","lastError":"#).string(error);
    }
    json.raw(r#","evaluationTime":"#).seconds(status.duration);
    json.raw(r#","lastEvaluation":"#).string(&time(status.evaluated_ms));
    json.raw(r#","type":"#).string(kind).raw("}");
}

fn write_texts(json: &mut JsonWriter, texts: &BTreeMap<String, String>) {
    json.raw("{");
    for (idx, (name, text)) in texts.iter().enumerate() {
        json.item(idx == 0).key(name).string(text);
    }
    json.raw("}");
}

fn write_alert(json: &mut JsonWriter, alert: &Alert) {
    json.raw(r#"{"labels":"#).labels(&alert.labels);
    json.raw(r#","annotations":"#);
    write_texts(json, &alert.annotations);
    json.raw(r#","state":"#).string(alert.state.as_str());
    json.raw(r#","activeAt":"#).string(&rfc3339_ms(alert.active_at_ms));
    if let Some(since_ms) = alert.keep_firing_since_ms {
        json.raw(r#","keepFiringSince":"#).string(&rfc3339_ms(since_ms));
    }
    json.raw(r#","value":"#).string(&float::format_e(alert.value)).raw("}");
}

pub(crate) async fn alerts(State(state): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let groups = state.rules()?.manager.groups();
    let rules = groups.iter().flat_map(|group| group.rules());
    let alerts: Vec<Alert> = rules.flat_map(|(_, status)| status.alerts).collect();
    Ok(reply(envelope(false, |json| {
        json.raw(r#"{"alerts":"#).list(alerts.iter(), write_alert).raw("}");
    })))
}

pub(crate) async fn alertmanagers(State(state): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let found = state.rules()?.notifier.alertmanagers();
    let write = |json: &mut JsonWriter, url: &String| {
        json.raw(r#"{"url":"#).string(url).raw("}");
    };
    Ok(reply(envelope(false, |json| {
        json.raw(r#"{"activeAlertmanagers":"#).list(found.active.iter(), write);
        json.raw(r#","droppedAlertmanagers":"#).list(found.dropped.iter(), write).raw("}");
    })))
}
