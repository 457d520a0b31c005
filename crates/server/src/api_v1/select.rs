//! `/series`, `/labels` and `/label/{name}/values`: what exists, without samples.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use wf_model::{Labels, Matcher, TimeRange};
use wf_series::{LabelQuery, SelectRequest, SeriesSource};

use super::ApiState;
use super::encode::write_remarks;
use super::error::ApiError;
use super::params::{MAX_TIME_MS, MIN_TIME_MS, Params};
use crate::json::JsonWriter;
use crate::pulled;
use crate::query_pool::block;

/// The warning of an answer that was cut.
pub(crate) const TRUNCATED: &str = "results truncated due to limit";

/// What the three endpoints have in common.
struct Scope {
    matcher_sets: Vec<Vec<Matcher>>,
    range: TimeRange,
    limit: Option<usize>,
}

fn scope(params: &Params) -> Result<Scope, ApiError> {
    let limit = params.limit()?;
    let start_ms = params.time_or("start", MIN_TIME_MS)?;
    let end_ms = params.time_or("end", MAX_TIME_MS)?;
    let matcher_sets = params.all("match[]").map(super::parse::selector).collect::<Result<_, _>>()?;
    Ok(Scope { matcher_sets, range: TimeRange { start_ms, end_ms }, limit })
}

impl Scope {
    /// Whether no time fits: then nothing is found, which is no error in the original.
    fn is_empty(&self) -> bool {
        self.range.end_ms < self.range.start_ms
    }
}

pub(crate) async fn series(State(state): State<Arc<ApiState>>, params: Params) -> Result<Response, ApiError> {
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let scope = scope(&params)?;
    if scope.is_empty() {
        return Ok(strings(Vec::new(), None));
    }
    let found = block(move || {
        let (found, is_cut) = find_series(state.source()?, &scope)?;
        Ok((found.into_iter().collect(), is_cut))
    });
    let (found, is_cut): (Vec<Labels>, bool) = found.await?;
    Ok(pulled::list(found, is_cut, |json, labels| {
        json.labels(labels);
    }))
}

fn find_series(source: &dyn SeriesSource, scope: &Scope) -> Result<(BTreeSet<Labels>, bool), ApiError> {
    let mut found = BTreeSet::new();
    for matchers in &scope.matcher_sets {
        let selection = source.select(&SelectRequest { matchers, range: scope.range })?;
        for idx in 0..selection.len() {
            found.insert(selection.labels(idx));
            // One more than asked for proves that something is cut.
            if scope.limit.is_some_and(|limit| found.len() > limit) {
                found.pop_last();
                return Ok((found, true));
            }
        }
    }
    Ok((found, false))
}

pub(crate) async fn labels(State(state): State<Arc<ApiState>>, params: Params) -> Result<Response, ApiError> {
    let scope = scope(&params)?;
    if scope.is_empty() {
        return Ok(strings(Vec::new(), None));
    }
    let limit = scope.limit;
    let names = block(move || {
        let query = LabelQuery { matcher_sets: &scope.matcher_sets, range: scope.range };
        Ok(state.source()?.label_names(&query)?)
    });
    Ok(strings(names.await?, limit))
}

pub(crate) async fn label_values(
    State(state): State<Arc<ApiState>>,
    name: Result<Path<String>, PathRejection>,
    params: Params,
) -> Result<Response, ApiError> {
    // Refused by the extractor when it is not UTF-8.
    let name = name.map(|Path(name)| unescape(&name)).unwrap_or_default();
    if name.is_empty() {
        return Err(ApiError::bad_data("invalid label name: it is empty or not UTF-8"));
    }
    let scope = scope(&params)?;
    if scope.is_empty() {
        return Ok(strings(Vec::new(), None));
    }
    let limit = scope.limit;
    let values = block(move || {
        let query = LabelQuery { matcher_sets: &scope.matcher_sets, range: scope.range };
        Ok(state.source()?.label_values(&name, &query)?)
    });
    Ok(strings(values.await?, limit))
}

/// Undoes the `U__` escaping of names that are no identifiers: `_2e_` is a dot, `__` an underscore. What is not
/// escaped properly is taken as it is.
fn unescape(name: &str) -> String {
    let decode = |escaped: &str| -> Option<String> {
        let mut out = String::new();
        let mut rest = escaped;
        while let Some((before, after)) = rest.split_once('_') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('_') {
                out.push('_');
                rest = after;
                continue;
            }
            let (hex, after) = after.split_once('_')?;
            out.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    };
    name.strip_prefix("U__").and_then(decode).unwrap_or_else(|| name.to_owned())
}

fn strings(mut values: Vec<String>, limit: Option<usize>) -> Response {
    let is_cut = limit.is_some_and(|limit| values.len() > limit);
    values.truncate(limit.unwrap_or(usize::MAX));
    pulled::list(values, is_cut, |json, value| {
        json.string(value);
    })
}

/// Writes a successful answer around `data`.
pub(crate) fn envelope(is_cut: bool, data: impl FnOnce(&mut JsonWriter)) -> String {
    let mut json = JsonWriter::collecting();
    json.raw(r#"{"status":"success","data":"#);
    data(&mut json);
    write_cut(&mut json, is_cut);
    json.raw("}");
    json.finish()
}

/// Writes the warning of an answer that was cut, if it was.
pub(crate) fn write_cut(json: &mut JsonWriter, is_cut: bool) {
    write_remarks(json, "warnings", if is_cut { &[TRUNCATED] } else { &[] });
}

/// Answers with JSON text.
pub(crate) fn reply(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_label_names_are_decoded() {
        let check = |name: &str, want: &str| assert_eq!(unescape(name), want);
        check("job", "job");
        check("U__http_2e_status", "http.status");
        check("U__a__b", "a_b");
        check("U__b_c3_", "bÃ");
        check("U__broken_zz_", "U__broken_zz_");
        check("U__open_2e", "U__open_2e");
    }
}
