//! `/targets` and what is below, `/scrape_pools` and `/metadata`: what is scraped and what it says about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use url::Url;
use wf_model::relabel::{self, RuleSpec, Step, Verdict};
use wf_model::{Labels, Matcher, Metadata, duration};
use wf_scrape::{DroppedTarget, TargetSnapshot};

use super::ApiState;
use super::error::ApiError;
use super::params::Params;
use super::select::{envelope, reply};
use super::status::rfc3339_ms;
use crate::json::JsonWriter;

/// Go's zero time: a target that was never scraped.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(crate) async fn targets(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let wanted = params.get("state").unwrap_or("any").to_ascii_lowercase();
    let pool = params.get("scrapePool");
    let is_wanted = |job: &str| pool.is_none_or(|pool| pool == job);
    let shows_active = matches!(wanted.as_str(), "any" | "active");
    let shows_dropped = matches!(wanted.as_str(), "any" | "dropped");
    let snapshot = state.scrape()?.targets();
    let active = snapshot.active.iter().filter(|target| shows_active && is_wanted(&target.job));
    let dropped = snapshot.dropped.iter().filter(|target| shows_dropped && is_wanted(&target.job));
    let counts = snapshot.n_dropped.iter().filter(|(job, _)| shows_dropped && is_wanted(job));
    Ok(reply(envelope(false, |json| {
        let external = Url::parse(&state.facts().external_url).ok();
        json.raw(r#"{"activeTargets":"#)
            .list(active, |json, target| write_target(json, target, external.as_ref()));
        json.raw(r#","droppedTargets":"#).list(dropped, write_dropped);
        json.raw(r#","droppedTargetCounts":{"#);
        for (idx, (job, count)) in counts.enumerate() {
            json.item(idx == 0).key(job).integer(*count as u64);
        }
        json.raw("}}");
    })))
}

fn write_target(json: &mut JsonWriter, target: &TargetSnapshot, external: Option<&Url>) {
    let status = &target.status;
    json.raw(r#"{"discoveredLabels":"#).labels(&target.discovered_labels);
    json.raw(r#","labels":"#).labels(&target.labels);
    let last_scrape = status.last_scrape_ms.map_or_else(|| NEVER.to_owned(), rfc3339_ms);
    let global_url = global_url(&target.url, external);
    let texts = [
        ("scrapePool", target.job.as_str()),
        ("scrapeUrl", &target.url),
        ("globalUrl", &global_url),
        ("lastError", &status.last_error),
        ("lastScrape", &last_scrape),
        ("health", status.health.as_str()),
        ("scrapeInterval", &duration::format(target.interval)),
        ("scrapeTimeout", &duration::format(target.timeout)),
    ];
    for (name, text) in texts {
        json.raw(",").key(name).string(text);
    }
    json.raw(r#","lastScrapeDuration":"#).seconds(status.last_duration).raw("}");
}

fn write_dropped(json: &mut JsonWriter, target: &DroppedTarget) {
    json.raw(r#"{"discoveredLabels":"#).labels(&target.discovered_labels);
    json.raw(r#","scrapePool":"#).string(&target.job).raw("}");
}

/// Shows what each target relabeling rule of a job does to a label set.
pub(crate) async fn relabel_steps(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let required = |name: &str| {
        params.get(name).ok_or_else(|| ApiError::bad_data(format!("no {name} parameter provided")))
    };
    let (pool, text) = (required("scrapePool")?, required("labels")?);
    let labels: BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|error| ApiError::bad_data(format!("error parsing labels: {error}")))?;
    if labels.contains_key("") {
        return Err(ApiError::bad_data("error parsing labels: a label name is empty"));
    }
    let loaded = state.loaded_config();
    let job = loaded.config.scrape_configs.iter().find(|job| job.job_name == pool);
    let job = job.ok_or_else(|| {
        ApiError::bad_data(format!("error getting scrape config: unknown scrape pool {pool:?}"))
    })?;
    let steps = relabel::trace(&job.relabel, &Labels::from_pairs(labels));
    Ok(reply(envelope(false, |json| {
        json.raw(r#"{"steps":"#).list(steps.iter(), write_step).raw("}");
    })))
}

/// What drops has no output.
fn write_step(json: &mut JsonWriter, step: &Step<'_>) {
    let is_kept = step.verdict == Verdict::Keep;
    let output = if is_kept { step.after.clone() } else { Labels::empty() };
    json.raw(r#"{"rule":"#);
    write_rule(json, step.rule.spec());
    json.raw(r#","output":"#).labels(&output);
    json.raw(r#","keep":"#).boolean(is_kept).raw("}");
}

/// Empty fields are left out, as in the original.
fn write_rule(json: &mut JsonWriter, spec: &RuleSpec) {
    json.raw(r#"{"action":"#).string(spec.action.as_str());
    json.raw(r#","regex":"#).string(&spec.regex);
    if !spec.source_labels.is_empty() {
        json.raw(r#","sourceLabels":"#).strings(&spec.source_labels);
    }
    if spec.modulus > 0 {
        json.raw(r#","modulus":"#).integer(spec.modulus);
    }
    let texts = [
        ("separator", &spec.separator),
        ("targetLabel", &spec.target_label),
        ("replacement", &spec.replacement),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        json.raw(",").key(name).string(text);
    }
    json.raw("}");
}

/// A target on this machine is reached from outside under the server's external name.
fn global_url(url: &str, external: Option<&Url>) -> String {
    let is_local = |url: &Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let Some(host) = external.and_then(Url::host_str) else { return url.to_owned() };
    let Some(mut global) = Url::parse(url).ok().filter(is_local) else { return url.to_owned() };
    // A host that came out of a URL fits into another.
    if global.set_host(Some(host)).is_ok() { global.to_string() } else { url.to_owned() }
}

pub(crate) async fn target_metadata(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let limit = params.signed_count("limit")?.unwrap_or(usize::MAX);
    let matchers = match params.get("match_target") {
        Some(text) => super::parse::selector_of("match_target", text)?,
        None => Vec::new(),
    };
    let metric = params.get("metric");
    let all = state.scrape()?.metadata();
    let matching = all.iter().filter(|target| {
        matchers
            .iter()
            .all(|matcher: &Matcher| matcher.matches(target.labels.get(matcher.name()).unwrap_or("")))
    });
    let entries = matching.flat_map(|target| target.families.iter().map(move |family| (target, family)));
    let entries =
        entries.filter(|(_, family)| metric.is_none_or(|metric| metric == &*family.name)).take(limit);
    Ok(reply(envelope(false, |json| {
        json.list(entries, |json, (target, family)| {
            json.raw(r#"{"target":"#).labels(&target.labels);
            if metric.is_none() {
                json.raw(r#","metric":"#).string(&family.name);
            }
            json.raw(",");
            write_metadata(json, &family.metadata);
            json.raw("}");
        });
    })))
}

pub(crate) async fn scrape_pools(State(state): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let loaded = state.loaded_config();
    let pools: BTreeSet<&str> =
        loaded.config.scrape_configs.iter().map(|job| job.job_name.as_str()).collect();
    Ok(reply(envelope(false, |json| {
        json.raw(r#"{"scrapePools":"#).strings(pools).raw("}");
    })))
}

/// Answers the configuration of one scrape pool, its secrets hidden.
pub(crate) async fn scrape_pool_config(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let name = params.get("scrapePool");
    let name = name.ok_or_else(|| ApiError::bad_data("no scrapePool parameter provided"))?;
    let loaded = state.loaded_config();
    let job = loaded.config.scrape_configs.iter().find(|job| job.job_name == name);
    let job = job.ok_or_else(|| {
        ApiError::bad_data(format!("error getting scrape config: unknown scrape pool {name:?}"))
    })?;
    Ok(reply(envelope(false, |json| {
        let yaml = wf_config::print::job_to_yaml(job, &loaded.config.global);
        json.raw(r#"{"yaml":"#).string(&yaml).raw("}");
    })))
}

pub(crate) async fn metadata(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let limit = params.signed_count("limit")?.unwrap_or(usize::MAX);
    let limit_per_metric = params.signed_count("limit_per_metric")?.unwrap_or(usize::MAX);
    let metric = params.get("metric");
    let all = state.scrape()?.metadata();
    let mut by_name: BTreeMap<&str, Vec<&Metadata>> = BTreeMap::new();
    for family in all.iter().flat_map(|target| target.families.iter()) {
        if metric.is_some_and(|metric| metric != &*family.name) {
            continue;
        }
        let known = by_name.entry(&family.name).or_default();
        if known.len() < limit_per_metric && !known.contains(&&family.metadata) {
            known.push(&family.metadata);
        }
    }
    Ok(reply(envelope(false, |json| {
        json.raw("{");
        for (idx, (name, entries)) in by_name.iter().take(limit).enumerate() {
            json.item(idx == 0).key(name).list(entries, |json, metadata| {
                json.raw("{");
                write_metadata(json, metadata);
                json.raw("}");
            });
        }
        json.raw("}");
    })))
}

fn write_metadata(json: &mut JsonWriter, metadata: &Metadata) {
    json.raw(r#""type":"#).string(metadata.kind.as_str());
    json.raw(r#","help":"#).string(&metadata.help);
    json.raw(r#","unit":"#).string(&metadata.unit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_target_gets_the_external_host_in_its_global_url() {
        let external = Url::parse("http://watch.example:9090/").ok();
        let check = |url: &str, want: &str| assert_eq!(global_url(url, external.as_ref()), want);
        check("http://127.0.0.1:9100/metrics", "http://watch.example:9100/metrics");
        check("http://localhost:9100/metrics", "http://watch.example:9100/metrics");
        check("http://db:9100/metrics", "http://db:9100/metrics");
        assert_eq!(global_url("http://127.0.0.1:1/m", None), "http://127.0.0.1:1/m");
    }
}
