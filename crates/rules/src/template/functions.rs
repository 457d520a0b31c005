//! The functions that templates of rules call beside the language's own.

use std::fmt;
use std::sync::Arc;

use wf_gotemplate::numbers::{four_digits, humanize, humanize_1024, humanize_duration, number};
use wf_gotemplate::{Functions, GoDuration, Map, Value};
use wf_model::Labels;
use wf_model::regex::SearchRegex;

use super::text::{strip_domain, strip_port, title, url_query};
use super::time::GoTime;

/// Label of a sample that holds a text instead of a number.
const TEXT_LABEL: &str = "__value__";

/// Names of all of them.
const NAMES: &[&str] = &[
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "sortByLabel",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "toDuration",
    "now",
    "parseDuration",
    "title",
    "toUpper",
    "toLower",
    "stripPort",
    "stripDomain",
    "match",
    "reReplaceAll",
    "urlQueryEscape",
    "graphLink",
    "tableLink",
    "args",
    "safeHtml",
    "externalURL",
    "pathPrefix",
];

/// Evaluates a query: labels and value of each sample, or why not.
pub type QueryFn<'a> = dyn Fn(&str) -> Result<Vec<(Labels, f64)>, String> + 'a;

/// What the functions know.
pub struct RuleFunctions<'a> {
    /// Evaluates a query at the time of the evaluation.
    pub query: &'a QueryFn<'a>,
    /// Address under which others reach this server.
    pub external_url: &'a str,
    /// Time of the evaluation, ms.
    pub now_ms: i64,
}

impl fmt::Debug for RuleFunctions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleFunctions").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}

impl Functions for RuleFunctions<'_> {
    fn knows(&self, name: &str) -> bool {
        NAMES.contains(&name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        if let Some(result) = of_samples(name, args).or_else(|| of_numbers(name, args)) {
            return result;
        }
        if let Some(result) = of_texts(name, args) {
            return result;
        }
        Ok(match (name, args) {
            ("query", [Value::Text(query)]) => samples((self.query)(query)?),
            #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
            ("now", []) => Value::Float(self.now_ms as f64 / 1000.0),
            ("args", args) => Value::Map(Arc::new(Map {
                entries: args
                    .iter()
                    .enumerate()
                    .map(|(at, arg)| (format!("arg{at}").into(), arg.clone()))
                    .collect(),
                absent: Value::Nil,
            })),
            ("externalURL", []) => Value::text(self.external_url),
            ("pathPrefix", []) => Value::text(path_of(self.external_url)),
            (name, args) => {
                return Err(format!("wrong number or type of args for {name}: got {}", args.len()));
            }
        })
    }
}

/// A list of samples as templates see it.
fn samples(found: Vec<(Labels, f64)>) -> Value {
    Value::list(found.into_iter().map(|(labels, value)| {
        let entries =
            [("Labels".into(), Value::strings(labels.iter())), ("Value".into(), Value::Float(value))];
        Value::Map(Arc::new(Map { entries: entries.into(), absent: Value::Nil }))
    }))
}

fn label_of(sample: &Value, name: &str) -> Value {
    sample.entry("Labels").and_then(|labels| labels.entry(name)).unwrap_or_else(|| Value::text(""))
}

fn of_samples(name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let result = match (name, args) {
        ("first", [list]) => match list.elements().unwrap_or_default().first() {
            Some(first) => Ok(first.clone()),
            None => Err("first() called on vector with no elements".to_owned()),
        },
        ("label", [Value::Text(label), sample]) => Ok(label_of(sample, label)),
        ("value", [sample]) => Ok(sample.entry("Value").unwrap_or_default()),
        ("strvalue", [sample]) => Ok(label_of(sample, TEXT_LABEL)),
        ("sortByLabel", [Value::Text(label), list]) => {
            let mut sorted = list.elements().unwrap_or_default();
            let key = |sample: &Value| label_of(sample, label).as_text().unwrap_or_default().to_owned();
            sorted.sort_by_cached_key(key);
            Ok(Value::list(sorted))
        }
        _ => return None,
    };
    Some(result)
}

fn of_numbers(name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let [arg] = args else { return None };
    let shown = |show: fn(f64) -> String| number(arg).map(|value| Value::Text(show(value).into()));
    Some(match name {
        "humanize" => shown(humanize),
        "humanize1024" => shown(humanize_1024),
        "humanizeDuration" => shown(humanize_duration),
        "humanizePercentage" => shown(|value| four_digits(value * 100.0) + "%"),
        "humanizeTimestamp" => number(arg).and_then(|seconds| match seconds.is_finite() {
            true => GoTime::from_seconds(seconds).map(|time| Value::Text(time.to_string().into())),
            false => Ok(Value::Text(four_digits(seconds).into())),
        }),
        "toTime" => number(arg).and_then(GoTime::from_seconds).map(Value::object),
        "toDuration" => number(arg).map(|seconds| Value::object(GoDuration::from_seconds(seconds))),
        "parseDuration" => match arg.as_text() {
            Some(text) => parse_duration(text).map(Value::Float),
            None => Err(format!("wrong type for value; expected string; got {}", arg.type_name())),
        },
        _ => return None,
    })
}

/// Durations as configurations write them, negative ones too, in seconds.
fn parse_duration(text: &str) -> Result<f64, String> {
    let (sign, magnitude) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    wf_model::duration::parse(magnitude)
        .map(|duration| sign * duration.as_secs_f64())
        .map_err(|error| error.to_string())
}

fn of_texts(name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let texts: Option<Vec<&str>> = args.iter().map(Value::as_text).collect();
    let regex = |pattern: &str| SearchRegex::new(pattern).map_err(|error| error.to_string());
    let text = |text: String| Ok(Value::Text(text.into()));
    Some(match (name, texts?.as_slice()) {
        ("title", [it]) => text(title(it)),
        ("toUpper", [it]) => text(it.to_uppercase()),
        ("toLower", [it]) => text(it.to_lowercase()),
        ("stripPort", [it]) => text(strip_port(it)),
        ("stripDomain", [it]) => text(strip_domain(it)),
        ("match", [pattern, it]) => regex(pattern).map(|regex| Value::Bool(regex.is_match(it))),
        ("reReplaceAll", [pattern, template, it]) => {
            // The original compiles this one in other words than that of `match`.
            let named = |error| format!("regexp: Compile({}): {error}", backquoted(pattern));
            regex(pattern).map_err(named).map(|regex| Value::Text(regex.replace_all(it, template).into()))
        }
        ("urlQueryEscape", [it]) => text(url_query(it)),
        ("graphLink", [it]) => text(format!("/graph?g0.expr={}&g0.tab=0", url_query(it))),
        ("tableLink", [it]) => text(format!("/graph?g0.expr={}&g0.tab=1", url_query(it))),
        ("safeHtml", [it]) => text((*it).to_owned()),
        _ => return None,
    })
}

/// Quotes as Go's regexp package does: raw where that is possible.
fn backquoted(text: &str) -> String {
    let is_raw = text.chars().all(|ch| ch != '`' && (ch == '\t' || !ch.is_control()) && ch != '\u{feff}');
    if is_raw { format!("`{text}`") } else { wf_model::quote::GoQuoted(text).to_string() }
}

/// Returns the path of a URL without a slash at its end.
fn path_of(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find('/').and_then(|at| after_scheme.get(at..)).unwrap_or_default();
    path.trim_end_matches('/')
}
