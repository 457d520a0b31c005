//! Templates of labels and annotations, as rules know them.

mod functions;
mod numbers;
mod text;
mod time;

use std::sync::Arc;

use wf_gotemplate::{Limits, Map, TemplateSet, Value};
use wf_model::Labels;

pub use functions::{QueryFn, RuleFunctions};

/// What every text begins with: variables that people write instead of fields.
const VARIABLES: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// Name of the template of an alert's texts, as errors show it.
fn template_name(alert: &str) -> String {
    format!("__alert_{alert}")
}

/// Parses a text of the alert `alert`, without executing it.
/// # Errors
/// What is wrong, in the words of the original.
pub fn check(alert: &str, text: &str) -> Result<(), String> {
    let functions = RuleFunctions { query: &|_| Ok(Vec::new()), external_url: "", now_ms: 0 };
    parsed(alert, text, &functions).map(drop)
}

fn parsed(alert: &str, text: &str, functions: &RuleFunctions<'_>) -> Result<TemplateSet, String> {
    let name = template_name(alert);
    let mut set = TemplateSet::default();
    set.add(&name, &format!("{VARIABLES}{text}"), functions)
        .map_err(|error| format!("error parsing template {name}: {error}"))?;
    Ok(set)
}

/// What a text of an alert is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Name of the alert.
    pub alert: &'a str,
    /// Labels of the sample.
    pub labels: &'a Labels,
    /// Value of the sample.
    pub value: f64,
    /// Labels of this server.
    pub external_labels: &'a [(String, String)],
}

/// Expands a text.
/// # Errors
/// What went wrong, in the words of the original.
pub fn expand(text: &str, subject: Subject<'_>, functions: &RuleFunctions<'_>) -> Result<String, String> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let set = parsed(subject.alert, text, functions)?;
    let external = subject.external_labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let entries = [
        ("Labels".into(), Value::strings(subject.labels.iter())),
        ("ExternalLabels".into(), Value::strings(external)),
        ("ExternalURL".into(), Value::text(functions.external_url)),
        ("Value".into(), Value::Float(subject.value)),
    ];
    let data = Value::Map(Arc::new(Map { entries: entries.into(), absent: Value::Nil }));
    let name = template_name(subject.alert);
    set.execute(&name, &data, functions, Limits::default())
        .map_err(|error| format!("error executing template {name}: {error}"))
}

#[cfg(test)]
mod tests;
