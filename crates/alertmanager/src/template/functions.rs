//! The functions that notification templates call beside the language's own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use wf_gotemplate::html::{Safe, SafeKind};
use wf_gotemplate::numbers::{humanize_duration, number};
use wf_gotemplate::{Functions, GoDuration, Map, Value};
use wf_model::regex::SearchRegex;

use super::time::{GoTime, time_of};
use super::{Escaping, Templates, data};
use crate::instant::Instant;

const NAMES: &[&str] = &[
    "toUpper",
    "toLower",
    "title",
    "trimSpace",
    "join",
    "match",
    "reReplaceAll",
    "safeHtml",
    "safeUrl",
    "urlUnescape",
    "stringSlice",
    "date",
    "tz",
    "now",
    "since",
    "humanizeDuration",
    "toDate",
    "mustToDate",
    "toJson",
    "base64encode",
    "base64decode",
    "list",
    "append",
    "dict",
    "routeLabels",
];

/// Knows the names, for parsing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known;

impl Functions for Known {
    fn knows(&self, name: &str) -> bool {
        NAMES.contains(&name)
    }

    fn call(&self, name: &str, _args: &[Value]) -> Result<Value, String> {
        Err(format!("{name} is only parsed here"))
    }
}

/// The functions with what they need to know.
pub(crate) struct NoteFunctions<'a> {
    now: Timestamp,
    route: Option<RouteScope<'a>>,
}

/// The labels of a route while one of them is expanded.
struct RouteScope<'a> {
    labels: &'a BTreeMap<String, String>,
    templates: &'a Templates,
    data: &'a Value,
    /// Labels that wait for the one that is being expanded.
    path: Vec<String>,
}

impl fmt::Debug for NoteFunctions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteFunctions").field("now", &self.now).finish_non_exhaustive()
    }
}

impl<'a> NoteFunctions<'a> {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { now, route: None }
    }

    /// Makes `routeLabels` expand the labels of a route, of which `name` is being expanded.
    pub(super) fn within(
        self,
        labels: &'a BTreeMap<String, String>,
        templates: &'a Templates,
        data: &'a Value,
        name: &str,
    ) -> Self {
        Self { route: Some(RouteScope { labels, templates, data, path: vec![name.to_owned()] }), ..self }
    }

    fn route_label(&self, name: &str) -> Result<String, String> {
        let Some(scope) = &self.route else { return Ok(String::new()) };
        let Some(text) = scope.labels.get(name) else { return Ok(String::new()) };
        if scope.path.iter().any(|waiting| waiting == name) {
            return Err(format!(
                "route labels name each other in a circle: {} -> {name}",
                scope.path.join(" -> ")
            ));
        }
        let mut path = scope.path.clone();
        path.push(name.to_owned());
        let (labels, templates, data) = (scope.labels, scope.templates, scope.data);
        let inner =
            NoteFunctions { now: self.now, route: Some(RouteScope { labels, templates, data, path }) };
        templates.expand(text, data, &inner, Escaping::Text)
    }
}

impl Functions for NoteFunctions<'_> {
    fn knows(&self, name: &str) -> bool {
        NAMES.contains(&name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        if let Some(result) = of_texts(name, args).or_else(|| of_times(name, args, self.now)) {
            return result;
        }
        Ok(match (name, args) {
            ("routeLabels", [label]) => {
                // Outside of route labels the data has them expanded.
                Value::text(self.route_label(&label.to_string())?)
            }
            ("join", [separator, list]) => {
                let items = list.elements().ok_or("join needs a list")?;
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                Value::text(items.join(&separator.to_string()))
            }
            ("stringSlice" | "list", items) => Value::list(items.to_vec()),
            ("append", [list, items @ ..]) => {
                let mut all = list.elements().ok_or("append needs a list")?;
                all.extend(items.iter().cloned());
                Value::list(all)
            }
            ("dict", pairs) if pairs.len() % 2 == 0 => {
                let pairs = pairs.chunks_exact(2);
                let entries =
                    pairs.filter_map(|pair| Some((pair.first()?.to_string().into(), pair.get(1)?.clone())));
                Value::Map(Arc::new(Map { entries: entries.collect(), absent: Value::Nil }))
            }
            ("dict", _) => return Err("dict needs keys and values in pairs".to_owned()),
            ("toJson", [value]) => Value::text(crate::json::to_text(&data::to_json(value))),
            ("humanizeDuration", [value]) => Value::text(humanize_duration(number(value)?)),
            (name, args) => {
                return Err(format!("wrong number or type of args for {name}: got {}", args.len()));
            }
        })
    }
}

fn of_texts(name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let texts: Option<Vec<&str>> = args.iter().map(Value::as_text).collect();
    let regex = |pattern: &str| SearchRegex::new(pattern).map_err(|error| error.to_string());
    let text = |text: String| Ok(Value::Text(text.into()));
    let safe = |kind, text: &str| Ok(Value::object(Safe { kind, text: text.to_owned() }));
    Some(match (name, texts?.as_slice()) {
        ("toUpper", [it]) => text(it.to_uppercase()),
        ("toLower", [it]) => text(it.to_lowercase()),
        ("title", [it]) => text(title(it)),
        ("trimSpace", [it]) => text(it.trim().to_owned()),
        ("match", [pattern, it]) => regex(pattern).map(|regex| Value::Bool(regex.is_match(it))),
        ("reReplaceAll", [pattern, template, it]) => {
            regex(pattern).map(|regex| Value::Text(regex.replace_all(it, template).into()))
        }
        ("safeHtml", [it]) => safe(SafeKind::Html, it),
        ("safeUrl", [it]) => safe(SafeKind::Url, it),
        ("urlUnescape", [it]) => unescape(it).map(|it| Value::Text(it.into())),
        ("base64encode", [it]) => text(URL_SAFE.encode(it)),
        ("base64decode", [it]) => match URL_SAFE.decode(it) {
            Ok(bytes) => text(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => Err(format!("illegal base64 data: {error}")),
        },
        _ => return None,
    })
}

/// Puts the first letter of each word in upper case and the others in lower case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_start = true;
    for ch in text.chars() {
        match is_start {
            true => out.extend(ch.to_uppercase()),
            false => out.extend(ch.to_lowercase()),
        }
        is_start = !(ch.is_alphanumeric() || matches!(ch, '_' | '\''));
    }
    out
}

/// Undoes the encoding of forms.
fn unescape(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next(), bytes.next()]
                    .map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
                let [Some(high), Some(low)] = digits else {
                    return Err(format!("invalid URL escape in {text:?}"));
                };
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            }
            byte => out.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn of_times(name: &str, args: &[Value], now: Timestamp) -> Option<Result<Value, String>> {
    let zero = || Value::object(GoTime(None));
    Some(match (name, args) {
        ("now", []) => Ok(Value::object(GoTime(Some(Instant::local(now))))),
        ("since", [time]) => time_of(time).map(|time| {
            let early = time.0.map_or(Timestamp::UNIX_EPOCH, |instant| instant.at);
            let nanos = now.as_nanosecond() - early.as_nanosecond();
            Value::object(GoDuration(i64::try_from(nanos).unwrap_or(i64::MAX)))
        }),
        ("date", [layout, time]) => time_of(time).map(|time| Value::text(time.format(&layout.to_string()))),
        ("tz", [zone, time]) => match TimeZone::get(&zone.to_string()) {
            Ok(zone) => time_of(time).map(|time| Value::object(time.within(&zone))),
            Err(error) => Err(format!("unknown time zone {zone}: {error}")),
        },
        ("toDate", [layout, text]) => {
            Ok(GoTime::parse(&layout.to_string(), &text.to_string()).map_or_else(|_| zero(), Value::object))
        }
        ("mustToDate", [layout, text]) => {
            GoTime::parse(&layout.to_string(), &text.to_string()).map(Value::object)
        }
        _ => return None,
    })
}
