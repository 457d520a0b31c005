//! Templates of notifications: what they are given, what they can call, and those that are there without being asked for.
//!
//! # Reading order: this file, `data` (alerts and label sets as templates see them), `functions`, `time`.
//! Source: `spec/alertmanager-pushgateway.md` §A10.

pub(crate) mod data;
mod functions;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wf_gotemplate::{Limits, TemplateSet, Value};

pub(crate) use data::{Data, Note};
pub(crate) use functions::NoteFunctions;

/// The templates that receivers use unless told otherwise, and their HTML.
const DEFAULTS: [(&str, &str); 2] = [
    ("default.tmpl", include_str!("template/default.tmpl")),
    ("email.tmpl", include_str!("template/email.tmpl")),
];

/// Why templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("read template file {path}")]
    Read { path: String, source: std::io::Error },
    #[error("{0}")]
    Parse(#[from] wf_gotemplate::ParseError),
    #[error("bad pattern {0:?} for template files")]
    Pattern(String),
}

/// All templates of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Templates {
    set: TemplateSet,
    /// Where this Alertmanager is reached.
    pub(crate) external_url: Arc<str>,
}

impl Templates {
    /// Loads the default templates and the files that `globs` name; relative ones start from `directory`.
    pub(crate) fn load(
        globs: &[String],
        directory: &Path,
        external_url: &str,
    ) -> Result<Self, TemplateError> {
        let mut set = TemplateSet::default();
        for (name, text) in DEFAULTS {
            set.add(name, text, &functions::Known)?;
        }
        for glob in globs {
            for path in
                crate::glob::expand(directory, glob).map_err(|()| TemplateError::Pattern(glob.clone()))?
            {
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let text = std::fs::read_to_string(&path)
                    .map_err(|source| TemplateError::Read { path: path.display().to_string(), source })?;
                set.add(&name, &text, &functions::Known)?;
            }
        }
        Ok(Self { set, external_url: external_url.trim_end_matches('/').into() })
    }

    /// Expands `text`.
    /// # Errors
    /// Why it cannot be parsed or executed, worded as the original's.
    pub(crate) fn expand(
        &self,
        text: &str,
        data: &Value,
        functions: &NoteFunctions<'_>,
        escaping: Escaping,
    ) -> Result<String, String> {
        if text.is_empty() || !text.contains("{{") {
            return Ok(text.to_owned());
        }
        // Definitions of this text stay in this clone.
        let mut set = self.set.clone();
        set.add("", text, &functions::Known).map_err(|error| error.to_string())?;
        let executed = match escaping {
            Escaping::Text => set.execute("", data, functions, Limits::default()),
            Escaping::Html => set.execute_html("", data, functions, Limits::default()),
        };
        executed.map_err(|error| error.to_string())
    }
}

/// How what actions print is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escaping {
    Text,
    Html,
}

/// Writes a time by an example of Go's, in the zone of this machine.
pub(crate) fn format_time(layout: &str, at: jiff::Timestamp) -> String {
    time::GoTime(Some(crate::instant::Instant::local(at))).format(layout)
}

/// Parses without executing.
pub(crate) fn check_syntax(text: &str) -> Result<(), String> {
    TemplateSet::default().add("", text, &functions::Known).map_err(|error| error.to_string())
}

/// Expands the labels of a route; they may name each other through `routeLabels`, and those that do so in a circle
/// are left out.
pub(crate) fn route_labels(
    labels: &BTreeMap<String, String>,
    templates: &Templates,
    note: &Note,
) -> BTreeMap<String, String> {
    let mut expanded = BTreeMap::new();
    let data = Data::new(note, templates).value();
    for (name, text) in labels {
        let functions = NoteFunctions::new(note.now).within(labels, templates, &data, name);
        match templates.expand(text, &data, &functions, Escaping::Text) {
            Ok(value) => drop(expanded.insert(name.clone(), value)),
            Err(error) => {
                tracing::error!(label = %name, %error, "a route label cannot be expanded and is left out");
            }
        }
    }
    expanded
}
