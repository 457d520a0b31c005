//! Unit tests of rules: made-up series in, evaluated under a clock of their own, alerts and values compared.
//!
//! # Reading order: `file` (what is typed), this file (running a group of tests), `compare`, `show`.
//! # Source: `spec/prometheus-query.md` §7.1.

mod compare;
mod file;
mod show;
#[cfg(test)]
mod tests;
mod until;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wf_gotemplate::GoDuration;
use wf_httpkit::Registry;
use wf_model::{Labels, TimeRange};
use wf_promql::engine::{Engine, EngineOptions, QueryOptions};
use wf_promql::script;
use wf_series::memory::MemoryStorage;
use wf_series::{SampleColumns, SelectRequest, SeriesSource};

use self::file::{TestFile, TestGroup};
use self::until::Until;
use crate::alerting::AlertState;
use crate::environment::{AlertReceiver, AlertTimes, Environment, OutgoingAlert};
use crate::file::{Acceptance, load_file};
use crate::group::{GroupSpec, Past, RuleGroup};
use crate::metrics::RuleMetrics;
use crate::sandbox::Sandbox;
use crate::shared::SharedMemory;

/// How tests are run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether keys that nobody knows are passed over.
    pub ignores_unknown_fields: bool,
    /// How queries are evaluated.
    pub engine: EngineOptions,
}

/// What became of one group of tests.
#[derive(Clone, Debug)]
pub struct GroupOutcome {
    /// Its name; may be empty.
    pub name: String,
    /// What failed, ready to be shown; empty for a group that passed.
    pub errors: Vec<String>,
}

/// What became of a file.
#[derive(Clone, Debug, Default)]
pub struct FileOutcome {
    /// Patterns of rule files that match nothing.
    pub unmatched: Vec<String>,
    /// Its groups of tests, those that were run.
    pub groups: Vec<GroupOutcome>,
}

/// Runs the tests of a file whose group names `wants` likes.
/// # Errors
/// Everything that is wrong with the file itself, or with the files it names.
pub fn run_file(
    path: &Path,
    options: &Options,
    wants: &dyn Fn(&str) -> bool,
) -> Result<FileOutcome, Vec<String>> {
    let text =
        std::fs::read_to_string(path).map_err(|error| vec![format!("open {}: {error}", path.display())])?;
    let file = file::parse(&text, options.ignores_unknown_fields)?;
    let mut outcome = FileOutcome::default();
    let groups = rule_groups(&file, path, options, &mut outcome.unmatched)?;
    for test in file.tests.iter().filter(|test| wants(&test.name)) {
        let errors = Run::new(&file, test, &groups, options).map(|run| run.run());
        let errors = errors.unwrap_or_else(|error| vec![error]);
        outcome.groups.push(GroupOutcome { name: test.name.clone(), errors });
    }
    Ok(outcome)
}

fn rule_groups(
    file: &TestFile,
    path: &Path,
    options: &Options,
    unmatched: &mut Vec<String>,
) -> Result<Vec<GroupSpec>, Vec<String>> {
    let acceptance =
        Acceptance { ignores_unknown_fields: options.ignores_unknown_fields, ..Acceptance::default() };
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut specs = Vec::new();
    for pattern in &file.rule_files {
        let found =
            crate::glob(&directory.join(pattern)).map_err(|error| vec![format!("{pattern}: {error}")])?;
        if found.is_empty() {
            unmatched.push(pattern.clone());
        }
        for path in found {
            let groups = load_file(&path, acceptance).map_err(|error| vec![error.to_string()])?;
            let name: Arc<str> = path.to_string_lossy().into();
            specs.extend(groups.into_iter().map(|group| GroupSpec {
                file: Arc::clone(&name),
                interval: group.interval.unwrap_or(file.evaluation_interval),
                query_offset: group.query_offset.unwrap_or_default(),
                group,
            }));
        }
    }
    for (idx, name) in file.group_eval_order.iter().enumerate() {
        if file.group_eval_order.iter().skip(idx + 1).any(|other| other == name) {
            return Err(vec![format!("group name repeated in evaluation order: {name}")]);
        }
    }
    let rank = |spec: &GroupSpec| file.group_eval_order.iter().position(|name| *name == spec.group.name);
    specs.sort_by_key(|spec| rank(spec).unwrap_or(0));
    Ok(specs)
}

/// Nobody is told.
struct Nobody;

impl AlertReceiver for Nobody {
    fn receive(&self, _: Vec<OutgoingAlert>) {}
}

/// Labels and annotations of an alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShownAlert {
    pub(crate) labels: Labels,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A group of tests under way.
struct Run<'a> {
    file: &'a TestFile,
    test: &'a TestGroup,
    groups: Vec<RuleGroup>,
    storage: Arc<Until>,
    env: Environment,
}

impl<'a> Run<'a> {
    fn new(
        file: &'a TestFile,
        test: &'a TestGroup,
        groups: &[GroupSpec],
        options: &Options,
    ) -> Result<Self, String> {
        let storage = Arc::new(Until::new(Sandbox::new(input(file, test)?)));
        let step_ms = millis(file.evaluation_interval);
        let engine = EngineOptions { default_subquery_step_ms: step_ms, ..options.engine.clone() };
        let env = Environment {
            engine: Engine::new(engine),
            source: Arc::clone(&storage) as _,
            sink: Arc::clone(&storage) as _,
            receiver: Arc::new(Nobody),
            external_url: test.external_url.as_str().into(),
            external_labels: test.external_labels.clone().into_iter().collect(),
            times: AlertTimes::default(),
            n_concurrent: 1,
            shared: SharedMemory::default(),
            clock: Arc::new(|| Duration::ZERO),
            metrics: RuleMetrics::new(&Registry::new()),
        };
        let groups = groups.iter().map(|spec| RuleGroup::new(spec.clone(), Past::None)).collect();
        Ok(Self { file, test, groups, storage, env })
    }

    fn run(&self) -> Vec<String> {
        let mut errors = Vec::new();
        let step_ms = millis(self.file.evaluation_interval).max(1);
        let (start_ms, last_ms) =
            (self.test.start_ms, self.test.start_ms + millis(self.test.last_eval_time()));
        let mut at_ms = start_ms;
        while at_ms <= last_ms {
            self.storage.set_now(at_ms);
            let broken = self.evaluate(at_ms);
            if !broken.is_empty() {
                return broken;
            }
            self.check_alerts(at_ms - start_ms, step_ms, &mut errors);
            at_ms += step_ms;
        }
        for case in &self.test.values {
            let time_ms = start_ms + millis(case.eval_time);
            let found =
                self.env.engine.instant(self.storage.as_ref(), &case.expr, time_ms, &QueryOptions::default());
            errors.extend(compare::values(case, found.map(|result| result.value), self.file.is_fuzzy));
        }
        errors
    }

    /// Evaluates all groups; returns what failed.
    fn evaluate(&self, at_ms: i64) -> Vec<String> {
        let mut broken = Vec::new();
        for group in &self.groups {
            group.evaluate(at_ms, &self.env);
            for (rule, status) in group.rules() {
                if let Some(error) = status.last_error {
                    let time = GoDuration(at_ms.saturating_mul(1_000_000));
                    broken.push(format!("    rule: {}, time: {time}, err: {error}", rule.name));
                }
            }
        }
        broken
    }

    /// Compares the alerts of this evaluation for all cases whose time comes before the next.
    fn check_alerts(&self, elapsed_ms: i64, step_ms: i64, errors: &mut Vec<String>) {
        let is_now = |time: Duration| (elapsed_ms..elapsed_ms + step_ms).contains(&millis(time));
        for case in self.test.alerts.iter().filter(|case| is_now(case.eval_time)) {
            let found = self.firing(&case.alertname);
            errors.extend(compare::alerts(case, found, &self.test.name));
        }
    }

    /// Alerts of this name that fire.
    fn firing(&self, name: &str) -> Vec<ShownAlert> {
        let rules = self.groups.iter().flat_map(RuleGroup::rules).filter(|(rule, _)| rule.name == name);
        let alerts = rules.flat_map(|(_, status)| status.alerts);
        let firing = alerts.filter(|alert| alert.state == AlertState::Firing);
        firing.map(|alert| ShownAlert { labels: alert.labels, annotations: alert.annotations }).collect()
    }
}

/// Makes the series that a group of tests begins with, at their times.
fn input(file: &TestFile, test: &TestGroup) -> Result<MemoryStorage, String> {
    let interval = test.interval.unwrap_or(file.evaluation_interval);
    let mut text = format!("load {}\n", wf_model::duration::format(interval));
    for series in &test.input_series {
        // A line each: a script ends a series at the end of its line.
        let line = format!("{} {}", series.series, series.values);
        text.push_str("  ");
        text.push_str(&line.replace(['\n', '\r'], " "));
        text.push('\n');
    }
    let loaded = script::load(&text).map_err(|failure| failure.message)?;
    if test.start_ms == 0 { Ok(loaded) } else { shifted(&loaded, test.start_ms) }
}

fn shifted(loaded: &MemoryStorage, by_ms: i64) -> Result<MemoryStorage, String> {
    let storage = MemoryStorage::new();
    let all = SelectRequest { matchers: &[], range: TimeRange::ALL };
    let selection = loaded.select(&all).map_err(|error| error.to_string())?;
    for idx in 0..selection.len() {
        let mut samples = SampleColumns::default();
        selection.read(idx, TimeRange::ALL, &mut samples).map_err(|error| error.to_string())?;
        samples.times_ms.iter_mut().for_each(|time_ms| *time_ms += by_ms);
        samples
            .start_times_ms
            .iter_mut()
            .filter(|time_ms| **time_ms != 0)
            .for_each(|time_ms| *time_ms += by_ms);
        storage.insert(selection.labels(idx), samples);
    }
    Ok(storage)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
