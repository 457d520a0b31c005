//! `/series`, `/labels` and `/label/{name}/values`: what exists, without samples.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use wf_model::{Labels, Matcher, TimeRange};
use wf_series::{LabelQuery, LabelValues, SelectRequest, Selection, SeriesSource};

use super::ApiState;
use super::encode::write_remarks;
use super::error::{ApiError, ErrorKind};
use super::params::{MAX_TIME_MS, MIN_TIME_MS, Params};
use crate::json::{CHUNK_BYTES, JsonWriter};
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
    let limit = scope.limit;
    let listing = block(move || {
        let mut listing = Listing::new(state.source()?, scope)?;
        Ok(if listing.n_max() <= N_SERIES_SORTED { Ok(listing.sorted()?) } else { Err(listing) })
    });
    match listing.await? {
        Ok((found, is_cut)) => Ok(pulled::list(found, is_cut, |json, labels| {
            json.labels(labels);
        })),
        Err(listing) => {
            let body =
                pulled::blocking(LongList { listing, limit, n_written: 0, is_over: false }, LongList::next);
            Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
        }
    }
}

/// So few series are listed in the order of their labels. More come as storage has them: nothing but their numbers is held.
const N_SERIES_SORTED: usize = 1_000;

/// An answer to `/series` that is written as it is taken.
struct LongList {
    listing: Listing,
    limit: Option<usize>,
    n_written: usize,
    is_over: bool,
}

impl LongList {
    /// Returns the next chunk, empty at the end.
    fn next(&mut self) -> Result<Vec<u8>, ApiError> {
        let mut json = JsonWriter::collecting_chunk();
        if self.n_written == 0 && !self.is_over {
            json.raw(r#"{"status":"success","data":["#);
        }
        while !self.is_over && json.n_bytes() < CHUNK_BYTES {
            match self.listing.next()? {
                Some(labels) if self.limit.is_none_or(|limit| self.n_written < limit) => {
                    json.item(self.n_written == 0).labels(&labels);
                    self.n_written += 1;
                }
                beyond => {
                    self.is_over = true;
                    json.raw("]");
                    write_cut(&mut json, beyond.is_some());
                    json.raw("}");
                }
            }
        }
        Ok(json.into_bytes())
    }
}

/// The series that satisfy any of the matcher sets, each once.
struct Listing {
    found: Vec<(Vec<Matcher>, Arc<dyn Selection>)>,
    limit: Option<usize>,
    /// The set that is being read, and the series in it.
    set: usize,
    series: usize,
}

impl Listing {
    fn new(source: &dyn SeriesSource, scope: Scope) -> Result<Self, ApiError> {
        let mut found = Vec::with_capacity(scope.matcher_sets.len());
        for matchers in scope.matcher_sets {
            let selection = source.select(&SelectRequest { matchers: &matchers, range: scope.range })?;
            found.push((matchers, selection));
        }
        Ok(Self { found, limit: scope.limit, set: 0, series: 0 })
    }

    /// Returns how many series are listed at most.
    fn n_max(&self) -> usize {
        let n_found = self.found.iter().map(|(_, selection)| selection.len()).sum();
        self.limit.map_or(n_found, |limit| limit.min(n_found))
    }

    /// Returns the next series, in the order of storage.
    fn next(&mut self) -> Result<Option<Labels>, ApiError> {
        while let Some((_, selection)) = self.found.get(self.set) {
            if self.series == selection.len() {
                (self.set, self.series) = (self.set + 1, 0);
                continue;
            }
            let labels = selection.labels(self.series);
            self.series += 1;
            if labels.is_empty() {
                let message = "the answer took longer than old series are kept for it; repeat the request";
                return Err(ApiError::new(ErrorKind::Internal, message));
            }
            let is_known = |(matchers, _): &(Vec<Matcher>, _)| satisfies(&labels, matchers);
            if !self.found.iter().take(self.set).any(is_known) {
                return Ok(Some(labels));
            }
        }
        Ok(None)
    }

    /// Returns what is left, sorted, and whether the limit cut it.
    fn sorted(&mut self) -> Result<(Vec<Labels>, bool), ApiError> {
        let mut found = BTreeSet::new();
        while let Some(labels) = self.next()? {
            found.insert(labels);
            // One more than asked for proves that something is cut.
            if self.limit.is_some_and(|limit| found.len() > limit) {
                found.pop_last();
                return Ok((found.into_iter().collect(), true));
            }
        }
        Ok((found.into_iter().collect(), false))
    }
}

/// Returns whether a series satisfies all matchers.
pub(crate) fn satisfies(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or("")))
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
        let mut values = state.source()?.each_label_value(&name, &query)?;
        let first = values.by_ref().take(N_VALUES_AT_ONCE).collect::<Result<Vec<_>, _>>()?;
        Ok((first, values))
    });
    let (first, rest) = values.await?;
    if first.len() < N_VALUES_AT_ONCE {
        return Ok(strings(first, limit));
    }
    let values = Box::new(first.into_iter().map(Ok).chain(rest));
    let list = LongValues { values, n_left: limit.unwrap_or(usize::MAX), has_begun: false, is_over: false };
    let body = pulled::blocking(list, LongValues::next);
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// So many values are read before the answer begins; more are read as they are taken.
const N_VALUES_AT_ONCE: usize = 1_000;

/// An answer of values that is written as it is taken.
struct LongValues {
    values: LabelValues,
    /// Before the limit.
    n_left: usize,
    has_begun: bool,
    is_over: bool,
}

impl LongValues {
    /// Returns the next chunk, empty at the end.
    fn next(&mut self) -> Result<Vec<u8>, ApiError> {
        let mut json = JsonWriter::collecting_chunk();
        while !self.is_over && json.n_bytes() < CHUNK_BYTES {
            let value = self.values.next().transpose()?;
            if !self.has_begun {
                json.raw(r#"{"status":"success","data":["#);
            }
            match value {
                Some(value) if self.n_left > 0 => {
                    json.item(!self.has_begun).string(&value);
                    self.n_left -= 1;
                }
                beyond => {
                    self.is_over = true;
                    json.raw("]");
                    write_cut(&mut json, beyond.is_some());
                    json.raw("}");
                }
            }
            self.has_begun = true;
        }
        Ok(json.into_bytes())
    }
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
