//! Templates of labels and annotations, as rules know them.

mod functions;
mod text;
mod time;

use std::sync::Arc;

use wf_gotemplate::{Limits, Map, TemplateSet, Value};
use wf_model::{FloatHistogram, Labels};

pub use functions::{QueryFn, RuleFunctions};
pub(crate) use text::url_query;

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
    AlertText::new(alert, text).parsed.map(drop)
}

/// A text of an alert, parsed once for many expansions.
#[derive(Clone, Debug)]
pub struct AlertText {
    text: String,
    name: String,
    /// `None` for a text without actions.
    parsed: Result<Option<TemplateSet>, String>,
}

impl AlertText {
    /// Parses a text of the alert `alert`; what is wrong with it comes out at expansion.
    pub fn new(alert: &str, text: &str) -> Self {
        let name = template_name(alert);
        let parse = || {
            let functions = RuleFunctions { query: &|_| Ok(Vec::new()), external_url: "", now_ms: 0 };
            let mut set = TemplateSet::default();
            set.add(&name, &format!("{VARIABLES}{text}"), &functions)
                .map_err(|error| format!("error parsing template {name}: {error}"))?;
            Ok(Some(set))
        };
        let parsed = if text.contains("{{") { parse() } else { Ok(None) };
        Self { text: text.to_owned(), name, parsed }
    }

    /// Expands it.
    /// # Errors
    /// What went wrong, in the words of the original.
    pub fn expand(&self, subject: Subject<'_>, functions: &RuleFunctions<'_>) -> Result<String, String> {
        let Some(set) = self.parsed.as_ref().map_err(String::clone)? else {
            return Ok(self.text.clone());
        };
        let external = subject.external_labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let value = subject.histogram.map_or(Value::Float(subject.value), |it| Value::text(it.to_string()));
        let entries = [
            ("Labels".into(), Value::strings(subject.labels.iter())),
            ("ExternalLabels".into(), Value::strings(external)),
            ("ExternalURL".into(), Value::text(functions.external_url)),
            ("Value".into(), value),
        ];
        let data = Value::Map(Arc::new(Map { entries: entries.into(), absent: Value::Nil }));
        set.execute(&self.name, &data, functions, Limits::default())
            .map_err(|error| format!("error executing template {}: {error}", self.name))
    }
}

/// What a text of an alert is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Labels of the sample.
    pub labels: &'a Labels,
    /// Value of the sample.
    pub value: f64,
    /// Value of the sample, when it is a native histogram.
    pub histogram: Option<&'a FloatHistogram>,
    /// Labels of this server.
    pub external_labels: &'a [(String, String)],
}

#[cfg(test)]
mod tests;
