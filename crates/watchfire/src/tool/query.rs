//! `watchfire tool query`: asks a server and prints what it says, as `promtool query` does.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::Value;
use wf_model::quote::GoQuoted;

use super::analyze::{self, AnalyzeOptions};
use super::api::Api;
use crate::{complain, say};

/// What to ask.
#[derive(Debug, Subcommand)]
pub(crate) enum QueryCommand {
    /// Evaluate an expression at one time
    Instant {
        #[command(flatten)]
        to: To,
        /// Server to ask
        server: String,
        /// Expression
        expr: String,
        /// Time: RFC 3339 or seconds since the epoch [default: now]
        #[arg(long)]
        time: Option<String>,
    },
    /// Evaluate an expression over a range of time
    Range {
        #[command(flatten)]
        to: To,
        /// Server to ask
        server: String,
        /// Expression
        expr: String,
        /// Start: RFC 3339 or seconds since the epoch [default: five minutes before the end]
        #[arg(long)]
        start: Option<String>,
        /// End: RFC 3339 or seconds since the epoch [default: now]
        #[arg(long)]
        end: Option<String>,
        /// Time between two steps [default: a 250th of the range, at least 1s]
        #[arg(long, value_parser = super::promql::duration)]
        step: Option<Duration>,
    },
    /// List series
    Series {
        #[command(flatten)]
        to: To,
        /// Server to ask
        server: String,
        /// Series selector; can be repeated
        #[arg(long = "match", required = true)]
        selectors: Vec<String>,
        /// Start: RFC 3339 or seconds since the epoch
        #[arg(long)]
        start: Option<String>,
        /// End: RFC 3339 or seconds since the epoch
        #[arg(long)]
        end: Option<String>,
    },
    /// List the values of a label
    Labels {
        #[command(flatten)]
        to: To,
        /// Server to ask
        server: String,
        /// Name of the label
        name: String,
        /// Start: RFC 3339 or seconds since the epoch
        #[arg(long)]
        start: Option<String>,
        /// End: RFC 3339 or seconds since the epoch
        #[arg(long)]
        end: Option<String>,
        /// Series selector; can be repeated
        #[arg(long = "match")]
        selectors: Vec<String>,
    },
    /// Tell how many buckets of histograms are in use
    Analyze(AnalyzeOptions),
}

/// How to ask and to print.
#[derive(Debug, Args)]
pub(crate) struct To {
    /// Form of the output
    #[arg(short = 'o', long, value_enum, default_value = "promql")]
    format: Format,
    /// Header to send, name=value; can be repeated
    #[arg(long)]
    header: Vec<String>,
    /// File with credentials, TLS and the like, as an HTTP client block has them
    #[arg(long = "http.config.file")]
    http_config: Option<PathBuf>,
}

impl To {
    fn api(&self, server: &str) -> Result<Api> {
        Api::new(server, &self.header, self.http_config.as_deref())
    }
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Promql,
    /// As the API has it
    Json,
}

pub(crate) fn main(command: &QueryCommand) -> ExitCode {
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<NotBefore>() || matches!(command, QueryCommand::Analyze(_)) => {
            complain_plainly(&format!("{error:#}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            complain_plainly(&format!("query error: {}", causes.join(": ")));
            ExitCode::FAILURE
        }
    }
}

/// An error that is not one of a query.
#[derive(Debug)]
struct NotBefore;

impl std::error::Error for NotBefore {}

impl std::fmt::Display for NotBefore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("start time is not before end time")
    }
}

/// Prints an error as the original does: without our name.
fn complain_plainly(text: &str) {
    use std::io::Write;
    if writeln!(std::io::stderr(), "{text}").is_err() {
        complain(text);
    }
}

fn run(command: &QueryCommand) -> Result<()> {
    let times = |start: &Option<String>, end: &Option<String>| {
        let pair = |name: &'static str, time: &Option<String>| time.clone().map(|time| (name, time));
        pair("start", start).into_iter().chain(pair("end", end)).collect::<Vec<_>>()
    };
    let matches = |selectors: &[String]| {
        selectors.iter().map(|selector| ("match[]", selector.clone())).collect::<Vec<_>>()
    };
    match command {
        QueryCommand::Instant { to, server, expr, time } => {
            let now = seconds(jiff::Timestamp::now().as_millisecond());
            let params = [("query", expr.clone()), ("time", time.clone().unwrap_or(now))];
            let data = to.api(server)?.data(Method::POST, "/api/v1/query", &params)?;
            print_value(&data, to.format)
        }
        QueryCommand::Range { to, server, expr, start, end, step } => {
            let end_ms =
                end.as_deref().map_or_else(|| Ok(jiff::Timestamp::now().as_millisecond()), time_ms)?;
            let start_ms = start.as_deref().map_or(Ok(end_ms - 300_000), time_ms)?;
            if end_ms <= start_ms {
                return Err(NotBefore.into());
            }
            let range_s = (end_ms - start_ms) / 1000;
            let step_s =
                step.map_or_else(|| (range_s / 250).max(1).to_string(), |it| it.as_secs_f64().to_string());
            let params = [
                ("query", expr.clone()),
                ("start", seconds(start_ms)),
                ("end", seconds(end_ms)),
                ("step", step_s),
            ];
            let data = to.api(server)?.data(Method::POST, "/api/v1/query_range", &params)?;
            print_value(&data, to.format)
        }
        QueryCommand::Series { to, server, selectors, start, end } => {
            let params: Vec<_> = matches(selectors).into_iter().chain(times(start, end)).collect();
            let data = to.api(server)?.data(Method::GET, "/api/v1/series", &params)?;
            print_list(&data, to.format, |entry| show_metric(entry, false));
            Ok(())
        }
        QueryCommand::Labels { to, server, name, start, end, selectors } => {
            let params: Vec<_> = matches(selectors).into_iter().chain(times(start, end)).collect();
            let path = format!("/api/v1/label/{name}/values");
            let data = to.api(server)?.data(Method::GET, &path, &params)?;
            print_list(&data, to.format, |entry| entry.as_str().unwrap_or_default().to_owned());
            Ok(())
        }
        QueryCommand::Analyze(options) => analyze::run(options),
    }
}

/// Reads a time: RFC 3339 or seconds since the epoch.
pub(super) fn time_ms(text: &str) -> Result<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range of times saturates")]
    let of_seconds = text.parse::<f64>().ok().map(|seconds| (seconds * 1000.0).round() as i64);
    let parsed =
        of_seconds.or_else(|| text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond()));
    parsed.ok_or_else(|| anyhow!("cannot parse \"{text}\" to a valid timestamp"))
}

/// Writes a time as the API reads it.
pub(super) fn seconds(time_ms: i64) -> String {
    wf_model::float::format_f(time_ms as f64 / 1000.0)
}

fn print_list(data: &Value, format: Format, show: impl Fn(&Value) -> String) {
    match format {
        Format::Json => say(&data.to_string()),
        Format::Promql => data.as_array().into_iter().flatten().for_each(|entry| say(&show(entry))),
    }
}

fn print_value(data: &Value, format: Format) -> Result<()> {
    let result = data.get("result").ok_or_else(|| anyhow!("the answer has no result"))?;
    if format == Format::Json {
        say(&result.to_string());
        return Ok(());
    }
    let list = || result.as_array().into_iter().flatten();
    let text = match data.get("resultType").and_then(Value::as_str).unwrap_or_default() {
        "scalar" => format!("scalar: {}", show_sample(result)),
        "string" => result.get(1).and_then(Value::as_str).unwrap_or_default().to_owned(),
        "vector" => {
            let one = |entry: &Value| {
                let sample = entry.get("value").or_else(|| entry.get("histogram")).unwrap_or(&Value::Null);
                format!("{} => {}", show_metric(&entry["metric"], true), show_sample(sample))
            };
            list().map(one).collect::<Vec<_>>().join("\n")
        }
        _ => list().map(show_series).collect::<Vec<_>>().join("\n"),
    };
    say(&text);
    Ok(())
}

fn show_series(entry: &Value) -> String {
    let samples =
        ["values", "histograms"].into_iter().flat_map(|name| entry[name].as_array().into_iter().flatten());
    let lines: Vec<String> = samples.map(show_sample).collect();
    format!("{} =>\n{}", show_metric(&entry["metric"], true), lines.join("\n"))
}

/// `value @[time]`
fn show_sample(pair: &Value) -> String {
    let time = pair.get(0).and_then(Value::as_f64).unwrap_or_default();
    let value = match pair.get(1) {
        Some(Value::String(value)) => value.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    format!("{value} @[{}]", wf_model::float::format_f(time))
}

/// A label set, its name in front if that is wanted.
pub(super) fn show_metric(metric: &Value, name_first: bool) -> String {
    let Some(labels) = metric.as_object() else { return "{}".to_owned() };
    let is_name = |name: &str| name_first && name == wf_model::METRIC_NAME;
    let mut shown: Vec<String> = labels
        .iter()
        .filter(|(name, _)| !is_name(name))
        .map(|(name, value)| format!("{name}={}", GoQuoted(value.as_str().unwrap_or_default())))
        .collect();
    shown.sort();
    let name = if name_first { labels.get(wf_model::METRIC_NAME).and_then(Value::as_str) } else { None };
    match (name, shown.is_empty()) {
        (Some(name), true) => name.to_owned(),
        (name, _) => format!("{}{{{}}}", name.unwrap_or_default(), shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_sets_are_shown_as_the_original_shows_them() {
        let metric = json!({"__name__": "up", "job": "a\"b", "instance": "x"});
        assert_eq!(show_metric(&metric, true), r#"up{instance="x", job="a\"b"}"#);
        assert_eq!(show_metric(&metric, false), r#"{__name__="up", instance="x", job="a\"b"}"#);
        assert_eq!(show_metric(&json!({"__name__": "up"}), true), "up");
        assert_eq!(show_metric(&json!({}), true), "{}");
        assert_eq!(show_sample(&json!([1_435_781_430.781, "1"])), "1 @[1435781430.781]");
        assert_eq!(show_sample(&json!([60, "NaN"])), "NaN @[60]");
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        assert_eq!(time_ms("1.5").unwrap(), 1_500);
        assert_eq!(time_ms("2015-06-03T13:21:58.555Z").unwrap(), 1_433_337_718_555);
        assert!(time_ms("soon").is_err());
    }
}
