//! Rules over what a server stores: `tool rules backtest`, and `tool tsdb create-blocks-from rules`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;
use wf_model::quote::GoQuoted;
use wf_model::{Labels, LabelsBuilder, METRIC_NAME};
use wf_rules::backtest::{self, EventKind, History, Span};
use wf_rules::file::{Acceptance, load_file};
use wf_rules::{Group, Rule, RuleKind};
use wf_tsdb::tools::{backfill, blocks};

use super::api::Api;
use super::check::absent;
use super::query::{seconds, time_ms};
use crate::say;

/// Steps of one request: servers refuse more than 11 000.
const STEPS_MAX: i64 = 10_000;
/// Rule groups that name no interval are evaluated so often.
const INTERVAL: Duration = Duration::from_secs(60);
/// Samples are stored so late, at most: blocks end that long ago unless told otherwise.
const SETTLED_MS: i64 = 3 * 3_600_000;

/// Tools about rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Print when each alert of rule files would have fired and been resolved, over what a server stores
    Backtest(BacktestOptions),
}

/// Options of `rules backtest`.
#[derive(Debug, Args)]
pub(crate) struct BacktestOptions {
    /// Rule files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Server whose history is used
    #[arg(long, default_value = "http://localhost:9090")]
    url: String,
    /// Start: RFC 3339 or seconds since the epoch
    #[arg(long)]
    start: String,
    /// End: RFC 3339 or seconds since the epoch [default: now]
    #[arg(long)]
    end: Option<String>,
    /// Header to send, name=value; can be repeated
    #[arg(long)]
    header: Vec<String>,
    /// File with credentials, TLS and the like, as an HTTP client block has them
    #[arg(long = "http.config.file")]
    http_config: Option<PathBuf>,
}

/// Options of `tsdb create-blocks-from rules`.
#[derive(Debug, Args)]
pub(crate) struct FromRulesOptions {
    /// Rule files; alerting rules in them are passed over
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Server whose history is used
    #[arg(long, default_value = "http://localhost:9090")]
    url: String,
    /// Start: RFC 3339 or seconds since the epoch
    #[arg(long)]
    start: String,
    /// End: RFC 3339 or seconds since the epoch [default: three hours ago]
    #[arg(long)]
    end: Option<String>,
    /// Directory for the blocks
    #[arg(long, default_value = "data/")]
    output_dir: PathBuf,
    /// Time between two evaluations, for groups that name none
    #[arg(long, default_value = "60s", value_parser = super::promql::duration)]
    eval_interval: Duration,
    /// Header to send, name=value; can be repeated
    #[arg(long)]
    header: Vec<String>,
    /// File with credentials, TLS and the like, as an HTTP client block has them
    #[arg(long = "http.config.file")]
    http_config: Option<PathBuf>,
}

pub(crate) fn main(command: &RulesCommand) -> ExitCode {
    let RulesCommand::Backtest(options) = command;
    if let Some(code) = absent(&options.files) {
        return code;
    }
    match backtest(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

fn backtest(options: &BacktestOptions) -> Result<()> {
    let api = Api::new(&options.url, &options.header, options.http_config.as_deref())?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let range_ms = (time_ms(&options.start)?, options.end.as_deref().map_or(Ok(now_ms), time_ms)?);
    anyhow::ensure!(range_ms.0 <= range_ms.1, "start time is not before end time");
    let (mut n_rules, mut n_fired) = (0, 0);
    for (group, rule) in rules_of(&options.files)? {
        if rule.kind == RuleKind::Record {
            continue;
        }
        n_rules += 1;
        let span = span(range_ms, group.interval.unwrap_or(INTERVAL));
        let history = history(&api, &rule, span).with_context(|| format!("rule {}", rule.name))?;
        for event in backtest::run(&rule, &history, span).with_context(|| format!("rule {}", rule.name))? {
            let lasted = Duration::from_millis(u64::try_from(event.at_ms - event.since_ms).unwrap_or(0));
            let (what, lasted) = match event.kind {
                EventKind::Fired => {
                    ("fired   ", format!("pending for {}", wf_model::duration::format(lasted)))
                }
                EventKind::Resolved => {
                    ("resolved", format!("firing for {}", wf_model::duration::format(lasted)))
                }
            };
            n_fired += usize::from(event.kind == EventKind::Fired);
            say(&format!("{} {what} {} value={} ({lasted})", shown(event.at_ms), event.labels, event.value));
        }
    }
    say(&format!("{n_rules} alerting rules, {n_fired} alerts fired"));
    Ok(())
}

fn shown(time_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(time_ms).map_or_else(|_| time_ms.to_string(), |time| time.to_string())
}

/// Evaluations lie on multiples of the interval, as the server's would on its own grid.
fn span((start_ms, end_ms): (i64, i64), interval: Duration) -> Span {
    let step_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    Span { start_ms: start_ms - start_ms.rem_euclid(step_ms), end_ms, step_ms }
}

fn rules_of(files: &[PathBuf]) -> Result<Vec<(Group, Rule)>> {
    let mut all = Vec::new();
    for file in files {
        for group in load_file(file, Acceptance::default())? {
            all.extend(group.rules.clone().into_iter().map(|rule| (group.clone(), rule)));
        }
    }
    Ok(all)
}

/// Asks for the whole history of a rule's expression, in pieces that servers take.
fn history(api: &Api, rule: &Rule, span: Span) -> Result<Vec<History>> {
    let mut by_labels: std::collections::BTreeMap<Labels, Vec<(i64, f64)>> =
        std::collections::BTreeMap::new();
    let mut start_ms = span.start_ms;
    while start_ms <= span.end_ms {
        let end_ms = span.end_ms.min(start_ms.saturating_add(span.step_ms.saturating_mul(STEPS_MAX)));
        let params = [
            ("query", rule.text.clone()),
            ("start", seconds(start_ms)),
            ("end", seconds(end_ms)),
            ("step", wf_model::float::format_f(span.step_ms as f64 / 1000.0)),
        ];
        let data = api.data(Method::POST, "/api/v1/query_range", &params)?;
        for series in data["result"].as_array().into_iter().flatten() {
            let samples = by_labels.entry(labels(&series["metric"])).or_default();
            samples.extend(series["values"].as_array().into_iter().flatten().filter_map(sample));
        }
        // The end of a piece may be a step of its own: the next begins behind it.
        start_ms += ((end_ms - start_ms) / span.step_ms + 1) * span.step_ms;
    }
    Ok(by_labels.into_iter().map(|(labels, samples)| History { labels, samples }).collect())
}

fn labels(metric: &Value) -> Labels {
    let pairs = metric.as_object().into_iter().flatten();
    Labels::from_pairs(pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))))
}

fn sample(pair: &Value) -> Option<(i64, f64)> {
    let seconds = pair.get(0)?.as_f64()?;
    let value = pair.get(1)?.as_str()?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        other => other.parse().ok()?,
    };
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range of times saturates")]
    Some(((seconds * 1000.0).round() as i64, value))
}

/// Evaluates recording rules over the past and makes blocks of the results.
pub(super) fn create_blocks(options: &FromRulesOptions) -> Result<()> {
    let api = Api::new(&options.url, &options.header, options.http_config.as_deref())?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let end_ms = options.end.as_deref().map_or(Ok(now_ms - SETTLED_MS), time_ms)?;
    let start_ms = time_ms(&options.start)?;
    anyhow::ensure!(start_ms < end_ms, "start time is not before end time");
    let page = tempfile(&options.output_dir)?;
    let written = write_page(&api, options, (start_ms, end_ms), &page.0)?;
    if written == 0 {
        say("no samples: nothing was written");
        return Ok(());
    }
    let request = backfill::Request { block_ms_max: backfill::BLOCK_MS, labels: &[], now_ms };
    let mut heading = blocks::Heading::Shown;
    backfill::create_blocks(&page.0, &options.output_dir, request, &mut |block| {
        let shown = std::mem::replace(&mut heading, blocks::Heading::Hidden);
        blocks::write_blocks(
            &mut std::io::stdout().lock(),
            &[Arc::clone(block)],
            shown,
            blocks::Numbers::Plain,
        )
    })?;
    Ok(())
}

/// A file that goes with us.
struct Page(PathBuf);

impl Drop for Page {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            crate::complain(&format!("remove {}: {error}", self.0.display()));
        }
    }
}

fn tempfile(dir: &Path) -> Result<Page> {
    std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let path = dir.join(format!("rules-{}.om.tmp", std::process::id()));
    std::fs::File::create_new(&path).with_context(|| format!("create {}", path.display()))?;
    Ok(Page(path))
}

/// Writes what recording rules give as OpenMetrics; returns how many samples that is.
fn write_page(api: &Api, options: &FromRulesOptions, range_ms: (i64, i64), path: &Path) -> Result<usize> {
    let file = std::fs::File::create(path).with_context(|| format!("write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    let mut n_samples = 0;
    for (group, rule) in rules_of(&options.files)? {
        if rule.kind != RuleKind::Record {
            continue;
        }
        say(&format!("processing rule {} of group {}", rule.name, group.name));
        let span = span(range_ms, group.interval.unwrap_or(options.eval_interval));
        for series in history(api, &rule, span).with_context(|| format!("rule {}", rule.name))? {
            let mut builder = LabelsBuilder::from_labels(&series.labels);
            builder.remove(METRIC_NAME);
            for (name, value) in &rule.labels {
                builder.set(name, value);
            }
            let labels = builder.build();
            let pairs = labels.iter().map(|(name, value)| format!("{name}={}", GoQuoted(value)));
            let series_text = format!("{}{{{}}}", rule.name, pairs.collect::<Vec<_>>().join(","));
            for (time_ms, value) in &series.samples {
                let value = wf_model::float::format_g(*value);
                writeln!(out, "{series_text} {value} {}", seconds(*time_ms))?;
                n_samples += 1;
            }
        }
    }
    writeln!(out, "# EOF")?;
    out.into_inner().map_err(|error| anyhow!("write {}: {error}", path.display()))?;
    Ok(n_samples)
}
