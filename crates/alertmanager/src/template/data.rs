//! What templates are given: the group, its alerts, and their labels with the methods of the original.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map as JsonMap, Value as Json};
use wf_gotemplate::{Map, Object, Value};
use wf_model::Labels;

use super::Templates;
use super::time::GoTime;
use crate::alert::Alert;
use crate::instant::Instant;

type Pairs = BTreeMap<String, String>;

/// An alert as it was when its group was flushed.
#[derive(Clone, Debug)]
pub(crate) struct NotedAlert {
    pub(crate) alert: Arc<Alert>,
    pub(crate) is_resolved: bool,
}

impl NotedAlert {
    pub(crate) fn status(&self) -> &'static str {
        if self.is_resolved { "resolved" } else { "firing" }
    }

    /// The end as receivers see it: none while it fires.
    fn ends_at(&self) -> Option<Instant> {
        self.is_resolved.then_some(self.alert.ends_at)
    }

    /// As webhooks and `toJson` have it.
    pub(crate) fn to_json(&self) -> Json {
        let mut object = JsonMap::new();
        let alert = &self.alert;
        object.insert("status".to_owned(), self.status().into());
        object.insert("labels".to_owned(), pairs_json(&pairs_of(&alert.labels)));
        object.insert("annotations".to_owned(), pairs_json(&annotations_of(alert)));
        object.insert("startsAt".to_owned(), alert.starts_at.nanos().into());
        let end = self.ends_at().map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), Instant::nanos);
        object.insert("endsAt".to_owned(), end.into());
        object.insert("generatorURL".to_owned(), alert.generator_url.to_string().into());
        object.insert("fingerprint".to_owned(), format!("{:016x}", alert.fingerprint).into());
        Json::Object(object)
    }
}

/// Returns a mapping with its keys in order.
pub(crate) fn pairs_json(pairs: &Pairs) -> Json {
    Json::Object(pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect())
}

fn pairs_of(labels: &Labels) -> Pairs {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn annotations_of(alert: &Alert) -> Pairs {
    alert.annotations.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// One notification about a group.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) receiver: String,
    pub(crate) group_key: String,
    pub(crate) group_labels: Labels,
    pub(crate) route_labels: Pairs,
    pub(crate) alerts: Vec<NotedAlert>,
    /// Why it is sent now.
    pub(crate) reason: &'static str,
    /// Time of the flush.
    pub(crate) now: Timestamp,
    /// How often it is repeated: until when the log remembers it.
    pub(crate) repeat_interval: std::time::Duration,
}

impl Note {
    pub(crate) fn has_firing(&self) -> bool {
        self.alerts.iter().any(|alert| !alert.is_resolved)
    }

    pub(crate) fn status(&self) -> &'static str {
        if self.has_firing() { "firing" } else { "resolved" }
    }

    /// Lower-case hexadecimal SHA-256 of the group key: how receivers know an incident again.
    pub(crate) fn key_hash(&self) -> String {
        use sha2::{Digest, Sha256};
        Sha256::digest(self.group_key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The data of a notification.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) receiver: String,
    pub(crate) status: &'static str,
    pub(crate) alerts: Vec<NotedAlert>,
    pub(crate) reason: &'static str,
    pub(crate) group_labels: Pairs,
    pub(crate) common_labels: Pairs,
    pub(crate) common_annotations: Pairs,
    pub(crate) route_labels: Pairs,
    pub(crate) external_url: Arc<str>,
}

impl Data {
    pub(crate) fn new(note: &Note, templates: &Templates) -> Self {
        let labels = note.alerts.iter().map(|alert| pairs_of(&alert.alert.labels));
        let annotations = note.alerts.iter().map(|alert| annotations_of(&alert.alert));
        Self {
            receiver: quote_meta(&note.receiver),
            status: note.status(),
            alerts: note.alerts.clone(),
            reason: note.reason,
            group_labels: pairs_of(&note.group_labels),
            common_labels: common(labels),
            common_annotations: common(annotations),
            route_labels: note.route_labels.clone(),
            external_url: Arc::clone(&templates.external_url),
        }
    }

    /// As templates see it.
    pub(crate) fn value(&self) -> Value {
        Value::object(self.clone())
    }
}

/// Puts a backslash before what means something in a regular expression.
fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        if "\\.+*?()|[]{}^$".contains(ch) {
            out.push('\\');
        }
        out.push(ch);
    }
    out
}

/// Returns the pairs that are in all of them.
fn common(mut sets: impl Iterator<Item = Pairs>) -> Pairs {
    let Some(mut first) = sets.next() else { return Pairs::new() };
    for set in sets {
        first.retain(|name, value| set.get(name) == Some(value));
    }
    first
}

macro_rules! object_basics {
    ($name:literal) => {
        fn type_name(&self) -> &str {
            $name
        }

        fn as_any(&self) -> &dyn Any {
            self
        }
    };
}

impl Object for Data {
    object_basics!("*template.Data");

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Receiver" => Value::text(&self.receiver),
            "Status" => Value::text(self.status),
            "Alerts" => Value::object(Alerts(self.alerts.clone())),
            "NotificationReason" => Value::text(self.reason),
            "GroupLabels" => Value::object(Kv(self.group_labels.clone())),
            "CommonLabels" => Value::object(Kv(self.common_labels.clone())),
            "CommonAnnotations" => Value::object(Kv(self.common_annotations.clone())),
            "RouteLabels" => Value::object(Kv(self.route_labels.clone())),
            "ExternalURL" => Value::text(&self.external_url),
            _ => return None,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |name: &str| self.field(name).unwrap_or_default();
        let names = ["Receiver", "Status", "Alerts", "NotificationReason", "GroupLabels", "CommonLabels"];
        let rest = ["CommonAnnotations", "RouteLabels", "ExternalURL"];
        let shown: Vec<String> = names.iter().chain(&rest).map(|name| show(name).to_string()).collect();
        write!(f, "&{{{}}}", shown.join(" "))
    }
}

/// A list of alerts.
#[derive(Clone, Debug)]
pub(crate) struct Alerts(pub(crate) Vec<NotedAlert>);

impl Object for Alerts {
    object_basics!("template.Alerts");

    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let wants_resolved = match (name, args) {
            ("Firing", []) => false,
            ("Resolved", []) => true,
            _ => return None,
        };
        let kept = self.0.iter().filter(|alert| alert.is_resolved == wants_resolved).cloned().collect();
        Some(Ok(Value::object(Self(kept))))
    }

    fn elements(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|alert| Value::object(alert.clone())).collect())
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Value::list(self.elements().unwrap_or_default()))
    }
}

impl Object for NotedAlert {
    object_basics!("template.Alert");

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Status" => Value::text(self.status()),
            "Labels" => Value::object(Kv(pairs_of(&self.alert.labels))),
            "Annotations" => Value::object(Kv(annotations_of(&self.alert))),
            "StartsAt" => Value::object(GoTime(Some(self.alert.starts_at))),
            "EndsAt" => Value::object(GoTime(self.ends_at())),
            "GeneratorURL" => Value::text(&self.alert.generator_url),
            "Fingerprint" => Value::text(format!("{:016x}", self.alert.fingerprint)),
            _ => return None,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["Status", "Labels", "Annotations", "StartsAt", "EndsAt", "GeneratorURL", "Fingerprint"];
        let shown: Vec<String> =
            names.iter().map(|name| self.field(name).unwrap_or_default().to_string()).collect();
        write!(f, "{{{}}}", shown.join(" "))
    }
}

/// Labels or annotations.
#[derive(Clone, Debug)]
pub(crate) struct Kv(pub(crate) Pairs);

impl Kv {
    fn sorted(&self) -> PairList {
        let mut list: Vec<(String, String)> = self.0.clone().into_iter().collect();
        // The alert's name comes first; the rest is sorted already.
        if let Some(at) = list.iter().position(|(name, _)| name == "alertname") {
            let pair = list.remove(at);
            list.insert(0, pair);
        }
        PairList(list)
    }
}

impl Object for Kv {
    object_basics!("template.KV");

    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        Some(Ok(match (name, args) {
            ("SortedPairs", []) => Value::object(self.sorted()),
            ("Remove", [names]) => {
                let gone: Vec<String> =
                    names.elements().unwrap_or_default().iter().map(ToString::to_string).collect();
                let kept = self.0.iter().filter(|(name, _)| !gone.contains(name));
                Value::object(Self(kept.map(|(name, value)| (name.clone(), value.clone())).collect()))
            }
            ("Names", []) => self.sorted().names(),
            ("Values", []) => self.sorted().values(),
            ("String", []) => Value::text(self.sorted().text()),
            _ => return None,
        }))
    }

    fn entries(&self) -> Option<Vec<(Arc<str>, Value)>> {
        Some(self.0.iter().map(|(name, value)| (name.as_str().into(), Value::text(value))).collect())
    }

    fn absent(&self) -> Value {
        Value::text("")
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sorted().text())
    }
}

/// Pairs in the order they are shown.
#[derive(Clone, Debug)]
struct PairList(Vec<(String, String)>);

impl PairList {
    fn names(&self) -> Value {
        Value::object(Names(self.0.iter().map(|(name, _)| name.clone()).collect()))
    }

    fn values(&self) -> Value {
        Value::object(Names(self.0.iter().map(|(_, value)| value.clone()).collect()))
    }

    fn text(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(", ")
    }
}

impl Object for PairList {
    object_basics!("template.Pairs");

    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        Some(Ok(match (name, args) {
            ("Names", []) => self.names(),
            ("Values", []) => self.values(),
            ("String", []) => Value::text(self.text()),
            _ => return None,
        }))
    }

    fn elements(&self) -> Option<Vec<Value>> {
        let pair = |(name, value): &(String, String)| {
            let entries = [("Name".into(), Value::text(name)), ("Value".into(), Value::text(value))];
            Value::Map(Arc::new(Map { entries: entries.into(), absent: Value::Nil }))
        };
        Some(self.0.iter().map(pair).collect())
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Names, or values, that can be joined.
#[derive(Clone, Debug)]
struct Names(Vec<String>);

impl Object for Names {
    object_basics!("template.Names");

    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match (name, args) {
            ("Join", [separator]) => Some(Ok(Value::text(self.0.join(&separator.to_string())))),
            _ => None,
        }
    }

    fn elements(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(Value::text).collect())
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0.join(" "))
    }
}

/// As `toJson` has a value.
pub(crate) fn to_json(value: &Value) -> Json {
    if let Value::Object(object) = value {
        let any = object.as_any();
        if let Some(alert) = any.downcast_ref::<NotedAlert>() {
            return alert.to_json();
        }
        if let Some(time) = any.downcast_ref::<GoTime>() {
            return time.0.map_or_else(|| "0001-01-01T00:00:00Z".into(), |at| at.nanos().into());
        }
        if let Some(duration) = any.downcast_ref::<wf_gotemplate::GoDuration>() {
            return duration.0.into();
        }
    }
    match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Float(value) => serde_json::Number::from_f64(*value).map_or(Json::Null, Json::Number),
        value => match (value.as_text(), value.elements(), value.entries()) {
            (Some(text), _, _) => text.into(),
            (None, Some(items), _) => items.iter().map(to_json).collect(),
            (None, None, Some(entries)) => {
                Json::Object(entries.iter().map(|(key, item)| (key.to_string(), to_json(item))).collect())
            }
            (None, None, None) => value.to_string().into(),
        },
    }
}
