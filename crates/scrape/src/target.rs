//! Targets: from discovered labels to something with a URL, and what is known about its scrapes.
//!
//! One that cannot be scraped because of its address or scheme is a target all the same: it is down, and says why.
//!
//! # Source
//! `spec/prometheus-core.md` §6, first and second item.

mod page_url;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use url::Url;
use wf_model::relabel::{self, Verdict};
use wf_model::{Labels, LabelsBuilder, duration};
use xxhash_rust::xxh3::xxh3_64;

use crate::config::{HistogramSettings, JobConfig};
use crate::error::ScrapeError;
use crate::metadata::FamilyMetadata;
use page_url::PageUrl;

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const SCRAPE_INTERVAL: &str = "__scrape_interval__";
const SCRAPE_TIMEOUT: &str = "__scrape_timeout__";
const PARAM_PREFIX: &str = "__param_";
const NATIVE_HISTOGRAMS: &str = "__scrape_native_histograms__";
const CONVERT_HISTOGRAMS: &str = "__convert_classic_histograms_to_nhcb__";
const CLASSIC_HISTOGRAMS: &str = "__always_scrape_classic_histograms__";
const UNIX_SOCKET: &str = "__unix_socket__";

/// Whether a target answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl Health {
    /// Returns the name as the HTTP API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What the last scrape of a target was like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetStatus {
    /// Whether it succeeded.
    pub health: Health,
    /// Why it failed, or why a part of it was not stored; empty if all is well.
    pub last_error: String,
    /// When it began, ms since the epoch; `None` before the first.
    pub last_scrape_ms: Option<i64>,
    /// How long it took.
    pub last_duration: Duration,
}

/// What changes with each scrape; it outlives changes of the target's settings.
#[derive(Debug, Default)]
pub(crate) struct TargetState {
    pub(crate) status: Mutex<TargetStatus>,
    pub(crate) metadata: ArcSwap<Vec<FamilyMetadata>>,
}

/// Something to scrape.
#[derive(Debug)]
pub(crate) struct Target {
    /// Labels before relabeling, with the job's defaults.
    pub(crate) discovered: Labels,
    /// Labels that its series get.
    pub(crate) labels: Labels,
    pub(crate) url: Url,
    /// The URL as users read it.
    pub(crate) shown_url: String,
    /// Why no scrape can succeed.
    pub(crate) problem: Option<String>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// As its job's, unless its labels say otherwise.
    pub(crate) histograms: HistogramSettings,
    /// Socket on which it is reached, instead of the address.
    pub(crate) unix_socket: Option<PathBuf>,
    pub(crate) state: Arc<TargetState>,
}

/// Tells targets of one job apart.
pub(crate) type TargetKey = (Labels, String);

impl Target {
    pub(crate) fn key(&self) -> TargetKey {
        (self.labels.clone(), self.shown_url.clone())
    }

    /// Returns the error of every scrape of a target that cannot be asked.
    pub(crate) fn unfit(&self) -> Option<ScrapeError> {
        let message = self.problem.clone()?;
        Some(ScrapeError::Request { url: self.shown_url.clone(), message })
    }

    /// Hashes what the key is made of; the same in every process, so that the schedule is too.
    pub(crate) fn hash(&self) -> u64 {
        xxh3_64(format!("{}{}", self.labels, self.shown_url).as_bytes())
    }
}

/// The targets of one job.
#[derive(Debug, Default)]
pub(crate) struct TargetSet {
    /// Unique by key, in the order given.
    pub(crate) targets: Vec<Target>,
    /// Labels of those that relabeling dropped, as many as the job wants remembered.
    pub(crate) dropped: Vec<Labels>,
    /// How many relabeling dropped.
    pub(crate) n_dropped: usize,
    /// Why others cannot be scraped.
    pub(crate) problems: Vec<String>,
}

/// Builds the targets of `job`.
pub(crate) fn build_targets(job: &JobConfig) -> TargetSet {
    let mut set = TargetSet::default();
    let mut known = HashSet::new();
    let kept_max = match job.settings.limits.n_dropped_kept_max {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    for group in &job.groups {
        for own in &group.targets {
            match build_target(job, own, &group.labels) {
                Ok(Built::Dropped(labels)) => {
                    set.n_dropped += 1;
                    if set.dropped.len() < kept_max {
                        set.dropped.push(labels);
                    }
                }
                Ok(Built::Active(target)) => {
                    if known.insert(target.key()) {
                        set.targets.push(*target);
                    }
                }
                Err(problem) => set.problems.push(format!("target {own} of job {:?}: {problem}", job.name)),
            }
        }
    }
    set
}

/// A target as discovery found it, and what relabeling makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedTarget {
    /// Labels before relabeling, with the job's defaults.
    pub discovered: Labels,
    /// Labels after relabeling, those of its URL among them and those of discovery not; empty when it is dropped.
    pub labels: Labels,
    /// Why it cannot be scraped.
    pub problem: Option<String>,
}

/// Says for each target of `job`, dropped ones among them, what becomes of it.
pub fn explain_targets(job: &JobConfig) -> Vec<ExplainedTarget> {
    let explain = |own: &Labels, group: &Labels| {
        let discovered = discovered_labels(job, own, group);
        let mut labels = LabelsBuilder::from_labels(&discovered);
        if relabel::apply(&job.settings.relabel, &mut labels) == Verdict::Drop {
            return ExplainedTarget { discovered, labels: Labels::empty(), problem: None };
        }
        if labels.get("instance").is_none() {
            let address = labels.get(ADDRESS).unwrap_or("").to_owned();
            labels.set("instance", &address);
        }
        let labels = labels.build().without(|name| name.starts_with("__meta_"));
        let problem = match build_target(job, own, group) {
            Ok(Built::Active(target)) => target.problem,
            Ok(Built::Dropped(_)) => None,
            Err(problem) => Some(problem),
        };
        ExplainedTarget { discovered, labels, problem }
    };
    let of_group = |group: &crate::config::TargetGroup| {
        group.targets.iter().map(|own| explain(own, &group.labels)).collect::<Vec<_>>()
    };
    job.groups.iter().flat_map(of_group).collect()
}

/// What relabeling made of discovered labels.
enum Built {
    Active(Box<Target>),
    Dropped(Labels),
}

fn build_target(job: &JobConfig, own: &Labels, group: &Labels) -> Result<Built, String> {
    let discovered = discovered_labels(job, own, group);
    let mut labels = LabelsBuilder::from_labels(&discovered);
    if relabel::apply(&job.settings.relabel, &mut labels) == Verdict::Drop {
        return Ok(Built::Dropped(discovered));
    }
    let address = labels.get(ADDRESS).unwrap_or("").to_owned();
    if address.is_empty() {
        return Err("no address".to_owned());
    }
    if address.contains('/') {
        return Err(format!(
            "{address:?} is not a valid hostname: write host:port, the path goes to metrics_path"
        ));
    }
    let interval = read_duration(&labels, SCRAPE_INTERVAL, "scrape interval")?;
    let timeout = read_duration(&labels, SCRAPE_TIMEOUT, "scrape timeout")?;
    if timeout > interval {
        let (timeout, interval) = (duration::format(timeout), duration::format(interval));
        return Err(format!("scrape timeout {timeout} is greater than scrape interval {interval}"));
    }
    let histograms = HistogramSettings {
        takes_native: read_bool(&labels, NATIVE_HISTOGRAMS)?,
        converts_classic: read_bool(&labels, CONVERT_HISTOGRAMS)?,
        keeps_classic: read_bool(&labels, CLASSIC_HISTOGRAMS)?,
        ..job.settings.histograms
    };
    let unix_socket = labels.get(UNIX_SOCKET).map(PathBuf::from);
    if unix_socket.as_ref().is_some_and(|path| !path.is_absolute()) {
        return Err(format!("{UNIX_SOCKET} must be an absolute path"));
    }
    let PageUrl { url, shown, problem } = PageUrl::new(&job.settings, &labels, &address)?;
    if unix_socket.is_some() && url.scheme() != "http" {
        return Err(format!("{UNIX_SOCKET}: only http is spoken on a socket, not {}", url.scheme()));
    }
    // What discovery told (`__meta_*`), what rules noted (`__tmp*`) and what has become the URL: no series gets it.
    let hidden: Vec<String> =
        labels.iter().filter(|(name, _)| name.starts_with("__")).map(|(name, _)| name.to_owned()).collect();
    for name in hidden {
        labels.remove(&name);
    }
    if labels.get("instance").is_none() {
        labels.set("instance", &address);
    }
    let labels = labels.build();
    let state = Arc::default();
    Ok(Built::Active(Box::new(Target {
        discovered,
        labels,
        url,
        shown_url: shown,
        problem,
        interval,
        timeout,
        histograms,
        unix_socket,
        state,
    })))
}

/// The target's own labels win over the group's, which win over the job's defaults.
fn discovered_labels(job: &JobConfig, own: &Labels, group: &Labels) -> Labels {
    let settings = &job.settings;
    let mut labels = LabelsBuilder::default();
    labels.set("job", &job.name);
    labels.set(SCRAPE_INTERVAL, &duration::format(settings.interval));
    labels.set(SCRAPE_TIMEOUT, &duration::format(settings.timeout));
    labels.set(METRICS_PATH, &settings.metrics_path);
    labels.set(SCHEME, &settings.scheme);
    for (name, is_on) in [
        (NATIVE_HISTOGRAMS, settings.histograms.takes_native),
        (CONVERT_HISTOGRAMS, settings.histograms.converts_classic),
        (CLASSIC_HISTOGRAMS, settings.histograms.keeps_classic),
    ] {
        labels.set(name, if is_on { "true" } else { "false" });
    }
    for (name, values) in &settings.params {
        labels.set(&format!("{PARAM_PREFIX}{name}"), values.first().map_or("", String::as_str));
    }
    for (name, value) in group.iter().chain(own.iter()) {
        labels.set(name, value);
    }
    labels.build()
}

fn read_duration(labels: &LabelsBuilder, name: &str, what: &str) -> Result<Duration, String> {
    let text = labels.get(name).unwrap_or("");
    let read = duration::parse(text).map_err(|error| format!("{what}: {error}"))?;
    if read.is_zero() { Err(format!("{what} cannot be 0")) } else { Ok(read) }
}

/// Reads a truth value as Go spells it; an absent one is false.
fn read_bool(labels: &LabelsBuilder, name: &str) -> Result<bool, String> {
    match labels.get(name).unwrap_or("false") {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => Err(format!("{name} is {other:?}: write true or false")),
    }
}

#[cfg(test)]
mod tests {
    use wf_model::NameScheme;
    use wf_model::relabel::{Action, Rule, RuleSpec};

    use super::*;
    use crate::config::{JobSettings, TargetGroup};

    fn job(groups: Vec<TargetGroup>) -> JobConfig {
        JobConfig { name: "node".to_owned(), settings: JobSettings::default(), groups }
    }

    #[test]
    fn a_plain_address_becomes_a_target() {
        let set = build_targets(&job(vec![TargetGroup::of_addresses(
            ["localhost:9100", "[::1]:9100", "localhost:9100"],
            Labels::from_pairs([("zone", "a")]),
        )]));
        assert_eq!(set.targets.len(), 2, "targets are unique");
        let target = &set.targets[0];
        assert_eq!(target.labels.to_string(), r#"{instance="localhost:9100", job="node", zone="a"}"#);
        assert_eq!(target.url.as_str(), "http://localhost:9100/metrics");
        assert_eq!(
            target.discovered.to_string(),
            r#"{__address__="localhost:9100", __always_scrape_classic_histograms__="false", __convert_classic_histograms_to_nhcb__="false", __metrics_path__="/metrics", __scheme__="http", __scrape_interval__="1m", __scrape_native_histograms__="false", __scrape_timeout__="10s", job="node", zone="a"}"#
        );
        assert_eq!(set.targets[1].url.as_str(), "http://[::1]:9100/metrics");
        assert_eq!(set.targets[1].labels.get("instance"), Some("[::1]:9100"));
    }

    #[test]
    fn labels_of_a_target_override_those_of_its_group_and_job() {
        let own = Labels::from_pairs([
            ("__address__", "a:1"),
            ("__scheme__", "https"),
            ("__metrics_path__", "/probe"),
            ("__scrape_interval__", "5s"),
            ("__scrape_timeout__", "1s"),
            ("__param_module", "http"),
            ("__param_target", "x y"),
            ("job", "own"),
            ("instance", "i"),
        ]);
        let mut job =
            job(vec![TargetGroup { targets: vec![own], labels: Labels::from_pairs([("job", "group")]) }]);
        job.settings.params = vec![("module".to_owned(), vec!["icmp".to_owned(), "second".to_owned()])];
        let target = &build_targets(&job).targets[0];
        assert_eq!(target.labels.to_string(), r#"{instance="i", job="own"}"#);
        assert_eq!(target.url.as_str(), "https://a:1/probe?module=http&module=second&target=x+y");
        assert_eq!((target.interval, target.timeout), (Duration::from_secs(5), Duration::from_secs(1)));
    }

    fn rule(action: Action, source: &str, regex: &str, target: &str, replacement: &str) -> Rule {
        let spec = RuleSpec {
            source_labels: if source.is_empty() { Vec::new() } else { vec![source.to_owned()] },
            regex: regex.to_owned(),
            target_label: target.to_owned(),
            replacement: replacement.to_owned(),
            action,
            ..RuleSpec::default()
        };
        Rule::new(spec, NameScheme::Utf8).unwrap()
    }

    #[test]
    fn relabeling_decides_what_is_scraped_where_and_how() {
        let own = Labels::from_pairs([("__address__", "http://h:1/x"), ("__meta_zone", "a"), ("path", "/p")]);
        let mut job = job(vec![TargetGroup { targets: vec![own], labels: Labels::empty() }]);
        job.settings.relabel = vec![
            rule(Action::Replace, "__address__", "(.*)://([^/]+)(/.*)", "__tmp", "$1"),
            rule(Action::Replace, "__address__", "(.*)://([^/]+)(/.*)", "__address__", "$2"),
            rule(Action::Replace, "__tmp", "http", "__scheme__", "https"),
            rule(Action::Replace, "path", "(.*)", "__metrics_path__", "$1"),
            rule(Action::Replace, "__meta_zone", "(.*)", "__param_zone", "$1"),
            rule(Action::LabelMap, "", "__meta_(.*)", "", "$1"),
            rule(Action::LabelDrop, "", "path", "", "$1"),
            rule(Action::Replace, "", "(.*)", "__scrape_interval__", "30s"),
        ];
        let set = build_targets(&job);
        let target = &set.targets[0];
        assert_eq!(target.labels.to_string(), r#"{instance="h:1", job="node", zone="a"}"#);
        assert_eq!(target.url.as_str(), "https://h:1/p?zone=a");
        assert_eq!(target.interval, Duration::from_secs(30));
        assert_eq!(target.discovered.get("__address__"), Some("http://h:1/x"));
        job.settings.relabel = vec![rule(Action::LabelDrop, "", "__address__", "", "$1")];
        assert!(build_targets(&job).problems[0].ends_with("no address"));
    }

    #[test]
    fn labels_of_a_target_decide_over_its_histograms_and_socket() {
        let own = Labels::from_pairs([
            ("__address__", "a:1"),
            ("__scrape_native_histograms__", "T"),
            ("__unix_socket__", "/run/a.sock"),
        ]);
        let mut job = job(vec![TargetGroup { targets: vec![own], labels: Labels::empty() }]);
        job.settings.histograms.keeps_classic = true;
        job.settings.histograms.n_buckets_max = 7;
        let target = &build_targets(&job).targets[0];
        let want = HistogramSettings { takes_native: true, ..job.settings.histograms };
        assert_eq!((target.histograms, target.labels.len()), (want, 2));
        assert_eq!(target.unix_socket.as_deref(), Some(std::path::Path::new("/run/a.sock")));
    }

    #[test]
    fn dropped_targets_are_all_counted_and_some_kept() {
        let mut job = job(vec![TargetGroup::of_addresses(["a:1", "b:1", "c:1", "d:1"], Labels::empty())]);
        job.settings.relabel = vec![rule(Action::Drop, "__address__", "[abc]:1", "", "$1")];
        let set = build_targets(&job);
        assert_eq!((set.targets.len(), set.dropped.len(), set.n_dropped), (1, 3, 3));
        job.settings.limits.n_dropped_kept_max = 2;
        let set = build_targets(&job);
        assert_eq!((set.targets.len(), set.dropped.len(), set.n_dropped), (1, 2, 3));
        assert_eq!(set.dropped[0].get("__address__"), Some("a:1"));
    }

    #[test]
    fn what_cannot_be_asked_is_a_target_that_is_down() {
        let set = build_targets(&job(vec![TargetGroup::of_addresses(["a b", "a"], Labels::empty())]));
        assert!(set.problems.is_empty());
        let error = set.targets[0].unfit().unwrap().to_string();
        assert!(error.starts_with(r#"Get "http://a b/metrics": "a b": "#), "{error}");
        assert!(set.targets[1].unfit().is_none());
    }

    #[test]
    fn what_cannot_be_scraped_is_named() {
        let check = |labels: &[(&str, &str)], want: &str| {
            let group = TargetGroup {
                targets: vec![Labels::from_pairs(labels.iter().copied())],
                labels: Labels::empty(),
            };
            let set = build_targets(&job(vec![group]));
            assert!(set.targets.is_empty() && set.problems[0].contains(want), "{:?}", set.problems);
        };
        check(&[("a", "b")], "no address");
        check(&[("__address__", "http://a/metrics")], "is not a valid hostname");
        check(&[("__address__", "a"), ("__scrape_native_histograms__", "yes")], "write true or false");
        check(&[("__address__", "a"), ("__unix_socket__", "run/a.sock")], "must be an absolute path");
        check(&[("__address__", "a"), ("__scrape_interval__", "x")], "scrape interval: not a valid duration");
        check(&[("__address__", "a"), ("__scrape_interval__", "0s")], "scrape interval cannot be 0");
        check(
            &[("__address__", "a"), ("__scrape_timeout__", "2m")],
            "scrape timeout 2m is greater than scrape interval 1m",
        );
    }
}
