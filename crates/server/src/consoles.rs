//! `/consoles/…` and `/user/…`: pages made of templates, and files, from directories that the operator chose.
//!
//! # Invariants
//! - Only regular files below the directory are read, whatever the path says and wherever links lead.
//! # Source
//! `spec/prometheus-query.md` §5.5 (functions and variables of templates).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Path as UrlPath, State};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use wf_gotemplate::html::{Safe, SafeKind};
use wf_gotemplate::{Functions, Limits, Map, TemplateSet, Value};
use wf_model::Labels;
use wf_promql::engine::{QueryOptions, QueryValue, SampleValue};
use wf_rules::template::RuleFunctions;

use crate::api_v1::error::{ApiError, ErrorKind};
use crate::api_v1::params::Params;
use crate::query_pool::block;
use crate::state::ServerState;

/// Variables that templates of consoles write instead of fields.
const VARIABLES: &str = "{{$rawParams := .RawParams}}{{$params := .Params}}{{$path := .Path}}\
{{$externalLabels := .ExternalLabels}}";

/// Largest template or file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Templates calling `tmpl` calling templates.
const DEPTH_MAX: u32 = 20;

/// Answers a console: the template at that path, expanded.
pub(crate) async fn console(
    State(state): State<Arc<ServerState>>,
    UrlPath(path): UrlPath<String>,
    params: Params,
) -> Response {
    let options = state.engine().options().clone();
    let slot = match state.query_pool().slot(options.timeout).await {
        Ok(slot) => slot,
        Err(error) => return refuse(&error),
    };
    let expanded = block(move || {
        let _slot = slot;
        let templates = &state.facts().console_templates;
        let Some(file) = find(templates, &path) else { return Ok(None) };
        expand(&state, &file, &path, &params).map(Some)
    });
    match expanded.await {
        Ok(Some(page)) => Html(page).into_response(),
        Ok(None) => not_found(),
        Err(error) => refuse(&error),
    }
}

/// Answers a file of `--web.user-assets`.
pub(crate) async fn user_asset(
    State(state): State<Arc<ServerState>>,
    UrlPath(path): UrlPath<String>,
) -> Response {
    let read = block(move || {
        let Some(file) = find(&state.facts().user_assets, &path) else { return Ok(None) };
        Ok(fs::read(&file).ok().map(|bytes| (media_type(&file), bytes)))
    });
    match read.await {
        Ok(Some((kind, bytes))) => ([(CONTENT_TYPE, kind)], bytes).into_response(),
        Ok(None) => not_found(),
        Err(error) => refuse(&error),
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

fn refuse(error: &ApiError) -> Response {
    (error.kind.status(), format!("{}\n", error.message)).into_response()
}

/// Returns the regular file of that path below a directory; an empty one has none.
fn find(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if folder.as_os_str().is_empty() || !is_plain || path.as_os_str().is_empty() {
        return None;
    }
    // Links may lead to other names in the folder, as those of mounted ConfigMaps do, but not out of it.
    let (root, file) = (folder.canonicalize().ok()?, folder.join(path).canonicalize().ok()?);
    let is_file = fs::metadata(&file).is_ok_and(|info| info.is_file() && info.len() <= FILE_BYTES_MAX);
    (file.starts_with(root) && is_file).then_some(file)
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or("") {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" | "lib" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn expand(state: &ServerState, file: &Path, path: &str, params: &Params) -> Result<String, ApiError> {
    let failed = |message: String| ApiError::new(ErrorKind::Internal, message);
    let read = |file: &Path| {
        fs::read_to_string(file).map_err(|error| failed(format!("read {}: {error}", file.display())))
    };
    let query = |text: &str| query(state, text);
    let facts = state.facts();
    let rules = RuleFunctions { query: &query, external_url: &facts.external_url, now_ms: state.now_ms() };
    let mut set = TemplateSet::default();
    for library in libraries(&facts.console_libraries) {
        let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let empty = TemplateSet::default();
        let functions = ConsoleFunctions { rules: &rules, set: &empty, depth: Cell::new(0) };
        let parsed = set.add(&name, &read(&library)?, &functions);
        parsed.map_err(|error| failed(format!("error parsing template {name}: {error}")))?;
    }
    let name = format!("__console_{path}");
    let empty = TemplateSet::default();
    let functions = ConsoleFunctions { rules: &rules, set: &empty, depth: Cell::new(0) };
    set.add(&name, &format!("{VARIABLES}{}", read(file)?), &functions)
        .map_err(|error| failed(format!("error parsing template {name}: {error}")))?;
    let functions = ConsoleFunctions { rules: &rules, set: &set, depth: Cell::new(0) };
    set.execute_html(&name, &data(state, path, params), &functions, Limits::default())
        .map_err(|error| failed(format!("error executing template {name}: {error}")))
}

/// The files `*.lib` of a directory, by name.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_library =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "lib") && path.is_file();
    let mut found: Vec<PathBuf> = entries.filter(is_library).collect();
    found.sort();
    found
}

/// What a template of a console is about.
fn data(state: &ServerState, path: &str, params: &Params) -> Value {
    let mut raw: BTreeMap<Arc<str>, Vec<Value>> = BTreeMap::new();
    for (name, value) in params.pairs() {
        raw.entry(name.into()).or_default().push(Value::text(value));
    }
    let first =
        raw.iter().map(|(name, values)| (Arc::clone(name), values.first().cloned().unwrap_or_default()));
    let first = Map { entries: first.collect(), absent: Value::text("") };
    let lists = raw.into_iter().map(|(name, values)| (name, Value::list(values))).collect();
    let lists = Map { entries: lists, absent: Value::list([]) };
    let loaded = state.loaded_config();
    let entries = [
        ("RawParams".into(), Value::Map(Arc::new(lists))),
        ("Params".into(), Value::Map(Arc::new(first))),
        ("Path".into(), Value::text(path.trim_start_matches('/'))),
        ("ExternalLabels".into(), Value::strings(loaded.config.global.external_labels.iter())),
    ];
    Value::Map(Arc::new(Map { entries: entries.into(), absent: Value::Nil }))
}

fn query(state: &ServerState, text: &str) -> Result<Vec<(Labels, f64)>, String> {
    let source = state.source().map_err(|error| error.message)?;
    let result = state.engine().instant(source, text, state.now_ms(), &QueryOptions::default());
    match result.map_err(|error| error.to_string())?.value {
        QueryValue::Vector(samples) => Ok(samples
            .into_iter()
            .map(|sample| match sample.value {
                SampleValue::Float(value) => (sample.labels, value),
                SampleValue::Histogram(histogram) => (sample.labels, histogram.sum),
            })
            .collect()),
        QueryValue::Scalar { value, .. } => Ok(vec![(Labels::empty(), value)]),
        QueryValue::String { .. } | QueryValue::Matrix(_) => {
            Err("query result is not a vector or scalar".to_owned())
        }
    }
}

/// The functions of rules, and those that pages have beside them.
struct ConsoleFunctions<'a> {
    rules: &'a RuleFunctions<'a>,
    set: &'a TemplateSet,
    depth: Cell<u32>,
}

impl Functions for ConsoleFunctions<'_> {
    fn knows(&self, name: &str) -> bool {
        name == "tmpl" || self.rules.knows(name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let safe = |text: String| Value::object(Safe { kind: SafeKind::Html, text });
        match (name, args) {
            ("safeHtml", [Value::Text(text)]) => Ok(safe((**text).to_owned())),
            ("tmpl", [Value::Text(template), data]) => {
                if self.depth.get() >= DEPTH_MAX {
                    return Err(format!("templates call each other {DEPTH_MAX} deep"));
                }
                self.depth.set(self.depth.get() + 1);
                let expanded = self.set.execute_html(template, data, self, Limits::default());
                self.depth.set(self.depth.get() - 1);
                expanded.map(safe).map_err(|error| error.to_string())
            }
            ("tmpl", _) => Err(format!("wrong number or type of args for tmpl: got {}", args.len())),
            _ => self.rules.call(name, args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_folder_are_found() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let folder = outside.path().join("inner");
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(folder.join("deep/a.html"), "x").unwrap();
        std::os::unix::fs::symlink("deep/a.html", folder.join("link.html")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.join("leak")).unwrap();
        let check = |path: &str, want: bool| assert_eq!(find(&folder, path).is_some(), want, "{path}");
        check("deep/a.html", true);
        check("link.html", true);
        for path in
            ["", ".", "deep", "nope", "leak", "../secret", "deep/../../secret", "/etc/passwd", "deep/\0"]
        {
            check(path, false);
        }
        assert_eq!(find(Path::new(""), "Cargo.toml"), None);
    }
}
