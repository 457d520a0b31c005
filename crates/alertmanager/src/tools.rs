//! What `amtool` does by itself: shows the routing tree, renders templates, reads HTTP client files.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;
use wf_config::yaml::reader::Reader;
use wf_httpkit::ClientOptions;
use wf_model::Labels;

use crate::alert::PostedAlert;
use crate::config::AlertmanagerConfig;
use crate::config::section::HttpConfig;
use crate::instant::Instant;
use crate::matchers::set_text;
use crate::route::Routes;
use crate::template::data::NotedAlert;
use crate::template::{Data, Escaping, Note, NoteFunctions, Templates};

impl AlertmanagerConfig {
    /// Draws the routing tree; with labels, only the branches that an alert with them takes.
    /// # Errors
    /// When a label is written as anything but `name=value`.
    pub fn route_tree(&self, labels: Option<&[String]>) -> Result<String, String> {
        let routes = Routes::compile(self)?;
        let found = match labels {
            None => None,
            Some(labels) => Some(routes.matching(&self.labels_of(labels)?)),
        };
        let mut out = "Routing tree:\n.\n".to_owned();
        draw(&routes, 0, found.as_deref(), "", true, &mut out);
        Ok(out)
    }

    /// Reads labels as `name=value`.
    pub(crate) fn labels_of(&self, labels: &[String]) -> Result<Labels, String> {
        let mut pairs = Vec::new();
        for text in labels {
            let matcher = self.mode.parse_one(text)?;
            if matcher.op() != wf_model::MatchOp::Equal {
                return Err(format!("{text}: write a label as name=value"));
            }
            pairs.push((matcher.name().to_owned(), matcher.value().to_owned()));
        }
        Ok(Labels::from_pairs(pairs))
    }
}

/// Whether one of `found` is this node or below it.
fn leads_to(routes: &Routes, idx: usize, found: Option<&[usize]>) -> bool {
    let Some(found) = found else { return true };
    let below = || routes.nodes.get(idx).map_or(&[][..], |node| node.children()).iter();
    found.contains(&idx) || below().any(|child| leads_to(routes, *child, Some(found)))
}

fn draw(routes: &Routes, idx: usize, found: Option<&[usize]>, indent: &str, is_last: bool, out: &mut String) {
    let Some(node) = routes.nodes.get(idx) else { return };
    let own = if idx == 0 { "default-route".to_owned() } else { set_text(&node.matchers) };
    let continues = if node.continues() { "  continue: true" } else { "" };
    let corner = if is_last { "└── " } else { "├── " };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{indent}{corner}{own}{continues}  receiver: {}", node.receiver);
    let indent = format!("{indent}{}", if is_last { "    " } else { "│   " });
    let children: Vec<usize> =
        node.children().iter().copied().filter(|child| leads_to(routes, *child, found)).collect();
    for (at, child) in children.iter().enumerate() {
        draw(routes, *child, found, &indent, at + 1 == children.len(), out);
    }
}

/// Renders a template as a notification would: with the default templates, those of `globs`, and the data of a webhook
/// body, or of an example.
/// # Errors
/// Why it cannot be rendered.
pub fn render_template(
    globs: &[String],
    text: &str,
    is_html: bool,
    data: Option<&str>,
    now: Timestamp,
) -> Result<String, String> {
    let data: Json = match data {
        Some(text) => serde_json::from_str(text).map_err(|error| format!("read the data: {error}"))?,
        None => example(),
    };
    let url = data["externalURL"].as_str().unwrap_or("http://localhost:9093");
    let templates = Templates::load(globs, Path::new(""), url).map_err(|error| {
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}")
    })?;
    let note = note(&data, now)?;
    let escaping = if is_html { Escaping::Html } else { Escaping::Text };
    templates.expand(text, &Data::new(&note, &templates).value(), &NoteFunctions::new(now), escaping)
}

fn example() -> Json {
    serde_json::json!({
        "receiver": "receiver",
        "groupLabels": {"alertname": "Example"},
        "alerts": [{"status": "firing", "labels": {"alertname": "Example", "instance": "host:9100", "severity": "warning"},
            "annotations": {"summary": "An example"}, "startsAt": "2026-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph"}],
    })
}

/// Reads a webhook body back.
fn note(data: &Json, now: Timestamp) -> Result<Note, String> {
    let texts = |value: &Json| -> Vec<(String, String)> {
        let entries = value.as_object().into_iter().flatten();
        entries.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    };
    let mut alerts = Vec::new();
    for alert in data["alerts"].as_array().into_iter().flatten() {
        let time = |key: &str| {
            let text = alert[key].as_str().filter(|text| !text.is_empty() && !text.starts_with("0001-"));
            text.map(|text| Instant::parse(text).ok_or_else(|| format!("{key}: {text:?} is no time")))
                .transpose()
        };
        let pairs = |key: &str| {
            texts(&alert[key]).into_iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        let starts_at = time("startsAt")?;
        let posted = PostedAlert {
            labels: pairs("labels"),
            annotations: pairs("annotations"),
            starts_at,
            // Whether it fires is said by its status.
            ends_at: time("endsAt")?.or(starts_at),
            generator_url: alert["generatorURL"].as_str().unwrap_or_default().into(),
        };
        let complete = posted.complete(now, Duration::from_secs(300), |_| true)?;
        let is_resolved = alert["status"] == "resolved";
        alerts.push(NotedAlert { alert: Arc::new(complete), is_resolved });
    }
    Ok(Note {
        receiver: data["receiver"].as_str().unwrap_or_default().to_owned(),
        group_key: data["groupKey"].as_str().unwrap_or_default().to_owned(),
        group_labels: Labels::from_pairs(texts(&data["groupLabels"])),
        route_labels: texts(&data["routeLabels"]).into_iter().collect(),
        alerts,
        reason: "unknown",
        now,
        repeat_interval: Duration::ZERO,
    })
}

/// Formats a time as Go does: `2006-01-02 15:04:05 MST` and the like.
pub fn format_time(layout: &str, at: Timestamp) -> String {
    crate::template::format_time(layout, at)
}

/// Reads a file of HTTP client options, the text of which is given; relative paths start from the directory of `path`.
/// # Errors
/// Everything that is wrong with it.
pub fn http_options(text: &str, path: &Path) -> Result<ClientOptions, String> {
    let root = wf_config::yaml::parse(text).map_err(|error| format!("yaml: {error}"))?;
    let mut reader = Reader::default();
    let options = root.map(|root| reader.read::<HttpConfig>(&root)).unwrap_or_default();
    let problems = reader.into_problems();
    if !problems.is_empty() {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err(format!("{}: {}", path.display(), problems.join("; ")));
    }
    let mut options = options.0;
    options.resolve_paths(path.parent().unwrap_or(Path::new("")));
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matchers::Mode;

    #[test]
    fn the_tree_is_drawn_whole_or_as_far_as_an_alert_takes_it() {
        let text = "route: {receiver: a, routes: [{matchers: [x=1], receiver: b, continue: true, routes: [{matchers: [y=1]}]}, {matchers: [z=1]}]}\n\
                    receivers: [{name: a}, {name: b}]\n";
        let config = AlertmanagerConfig::load(text, Path::new("x.yml"), Mode::Fallback).unwrap();
        let whole = "Routing tree:\n.\n└── default-route  receiver: a\n    \
                     ├── {x=\"1\"}  continue: true  receiver: b\n    │   └── {y=\"1\"}  receiver: b\n    \
                     └── {z=\"1\"}  receiver: a\n";
        assert_eq!(config.route_tree(None).unwrap(), whole);
        let part = config.route_tree(Some(&["x=1".to_owned()])).unwrap();
        assert_eq!(
            part,
            "Routing tree:\n.\n└── default-route  receiver: a\n    └── {x=\"1\"}  continue: true  receiver: b\n"
        );
        assert!(config.route_tree(Some(&["x!=1".to_owned()])).is_err());
    }

    #[test]
    fn templates_are_rendered_with_given_data_or_an_example() {
        let now = Timestamp::UNIX_EPOCH;
        let render = |text: &str, data: Option<&str>| render_template(&[], text, false, data, now);
        let subject = "{{ template \"__subject\" . }}";
        assert_eq!(render(subject, None).unwrap(), "[FIRING:1] Example (host:9100 warning)");
        let data =
            r#"{"alerts": [{"status": "resolved", "labels": {"a": "<x>"}}], "groupLabels": {"a": "<x>"}}"#;
        assert_eq!(render(subject, Some(data)).unwrap(), "[RESOLVED] <x> ");
        assert_eq!(
            render_template(&[], "{{ .CommonLabels.a }}", true, Some(data), now).unwrap(),
            "&lt;x&gt;"
        );
        assert!(render("{{ nope }}", None).is_err() && render("x", Some("{")).is_err());
        assert_eq!(format_time("2006-01-02 15:04", now), "1970-01-01 00:00");
    }

    #[test]
    fn client_files_are_read_strictly() {
        let options =
            http_options("basic_auth: {username: u, password_file: p}\n", Path::new("/etc/x/http.yml"));
        assert_eq!(options.unwrap().basic_auth.unwrap().password_file.unwrap(), Path::new("/etc/x/p"));
        assert!(http_options("nope: 1\n", Path::new("x")).is_err());
    }
}
