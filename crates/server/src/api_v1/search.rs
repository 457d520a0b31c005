//! `/search/metric_names`, `/search/label_names` and `/search/label_values`: names that editors complete from what was
//! typed so far, best first, in batches. Off unless the feature `search-api` is enabled.
//!
//! # Reading order: this file (parameters and answer), `score` (what matches, and how well).
//! # Source
//! `spec/prometheus-query.md` §4.6.

mod score;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use wf_model::{METRIC_NAME, Matcher, Metadata, TimeRange};
use wf_series::LabelQuery;

use super::ApiState;
use super::error::{ApiError, ErrorKind};
use super::params::{MAX_TIME_MS, MIN_TIME_MS, Params};
use crate::json::JsonWriter;
use crate::pulled;
use crate::query_pool::block;
use score::{Algorithm, Search};

/// Results when nobody says how many.
const LIMIT: usize = 100;
/// Results per line when nobody says how many.
const BATCH: usize = 100;
/// Most search terms.
const N_TERMS_MAX: usize = 32;

/// How results are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// As storage has them: by name.
    Unasked,
    Ascending,
    Descending,
    /// Best first.
    Score,
}

/// What was asked.
#[derive(Debug)]
struct Request {
    matcher_sets: Vec<Vec<Matcher>>,
    range: TimeRange,
    search: Search,
    order: Order,
    includes_score: bool,
    limit: usize,
    batch: usize,
}

/// A name found, and how well it matches.
#[derive(Debug, PartialEq)]
struct Found {
    name: String,
    score: f64,
}

pub(crate) async fn metric_names(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let includes_metadata = flag(&params, "include_metadata", false)?;
    answer(state, &params, METRIC_NAME.to_owned(), "name", includes_metadata).await
}

pub(crate) async fn label_values(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let label = params.get("label").map(str::to_owned);
    let label = label.ok_or_else(|| ApiError::parameter("label", "label is required"))?;
    answer(state, &params, label, "value", false).await
}

pub(crate) async fn label_names(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    answer(state, &params, String::new(), "name", false).await
}

/// Searches the values of `label`, or names of labels when it is empty.
async fn answer(
    state: Arc<ApiState>,
    params: &Params,
    label: String,
    key: &'static str,
    includes_metadata: bool,
) -> Result<Response, ApiError> {
    if !state.facts().is_search_enabled {
        return Err(ApiError::new(
            ErrorKind::Unavailable,
            "search API is disabled: --enable-feature=search-api",
        ));
    }
    let request = request(params, state.facts().search_limit_max)?;
    let (batch, includes_score) = (request.batch, request.includes_score);
    let metadata = if includes_metadata { known_metadata(&state)? } else { BTreeMap::new() };
    let (found, has_more) = block(move || {
        let query = LabelQuery { matcher_sets: &request.matcher_sets, range: request.range };
        let source = state.source()?;
        let names = if label.is_empty() {
            source.label_names(&query)?
        } else {
            source.label_values(&label, &query)?
        };
        Ok(request.choose(names))
    })
    .await?;
    let (mut found, mut is_over) = (found.into_iter(), false);
    let body = pulled::body(move || {
        if is_over {
            return None;
        }
        let mut json = JsonWriter::collecting();
        if found.len() == 0 {
            is_over = true;
            json.raw(r#"{"status":"success","has_more":"#).boolean(has_more).raw("}\n");
        } else {
            json.raw(r#"{"results":"#).list(found.by_ref().take(batch), |json, one| {
                json.raw("{").key(key).string(&one.name);
                if includes_score {
                    json.raw(r#","score":"#).raw(&wf_model::float::format_g(one.score));
                }
                if let Some(known) = metadata.get(&one.name) {
                    json.raw(r#","type":"#).string(known.kind.as_str());
                    json.raw(r#","help":"#).string(&known.help).raw(r#","unit":"#).string(&known.unit);
                }
                json.raw("}");
            });
            json.raw("}\n");
        }
        Some(json.into_bytes())
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson; charset=utf-8")], body).into_response())
}

/// Returns what scraped targets say about metrics; of those that disagree the first.
fn known_metadata(state: &ApiState) -> Result<BTreeMap<String, Metadata>, ApiError> {
    let mut known = BTreeMap::new();
    for target in state.scrape()?.metadata() {
        for family in target.families.iter() {
            known.entry(family.name.to_string()).or_insert_with(|| family.metadata.clone());
        }
    }
    Ok(known)
}

impl Request {
    /// Returns the best that match, and whether there are more.
    fn choose(&self, names: Vec<String>) -> (Vec<Found>, bool) {
        let score = |name: String| Some(Found { score: self.search.score(&name)?, name });
        let mut found: Vec<Found> = names.into_iter().filter_map(score).collect();
        match self.order {
            Order::Unasked | Order::Ascending => {}
            Order::Descending => found.reverse(),
            Order::Score => {
                found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.name.cmp(&b.name)));
            }
        }
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        (found, has_more)
    }
}

fn request(params: &Params, limit_max: usize) -> Result<Request, ApiError> {
    let terms: Vec<String> =
        params.all("search[]").filter(|term| !term.is_empty()).map(str::to_owned).collect();
    if terms.len() > N_TERMS_MAX {
        return Err(ApiError::parameter("search[]", format!("at most {N_TERMS_MAX} terms are allowed")));
    }
    let threshold = count(params, "fuzz_threshold", 0)?;
    if threshold > 100 {
        return Err(ApiError::parameter("fuzz_threshold", "must be between 0 and 100"));
    }
    let algorithm = match params.get("fuzz_alg") {
        None | Some("subsequence") => Algorithm::Subsequence,
        Some("jarowinkler") => Algorithm::JaroWinkler,
        Some(other) => return Err(choice("fuzz_alg", other, "subsequence or jarowinkler")),
    };
    let order = order(params, terms.is_empty())?;
    let limit = count(params, "limit", LIMIT)?;
    if limit > limit_max {
        let cause = format!("limit must not exceed {limit_max} (--web.search.max-limit)");
        return Err(ApiError::parameter("limit", cause));
    }
    let start_ms = params.time_or("start", MIN_TIME_MS)?;
    let end_ms = params.time_or("end", MAX_TIME_MS)?;
    if end_ms < start_ms {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 100")]
    let threshold = threshold as f64 / 100.0;
    let is_case_sensitive = flag(params, "case_sensitive", true)?;
    Ok(Request {
        matcher_sets: params.all("match[]").map(super::parse::selector).collect::<Result<_, _>>()?,
        range: TimeRange { start_ms, end_ms },
        search: Search::new(terms, threshold, algorithm, is_case_sensitive),
        order,
        includes_score: flag(params, "include_score", false)?,
        // None asked for is as many as there may be.
        limit: if limit == 0 { limit_max } else { limit },
        batch: match count(params, "batch_size", BATCH)? {
            0 => BATCH,
            batch => batch,
        },
    })
}

fn order(params: &Params, has_no_terms: bool) -> Result<Order, ApiError> {
    let descends = match params.get("sort_dir") {
        None | Some("asc") => false,
        Some("dsc") => true,
        Some(other) => return Err(choice("sort_dir", other, "asc or dsc")),
    };
    match params.get("sort_by") {
        None if params.get("sort_dir").is_some() => {
            Err(ApiError::parameter("sort_dir", "needs sort_by=alpha"))
        }
        None => Ok(Order::Unasked),
        Some("alpha") => Ok(if descends { Order::Descending } else { Order::Ascending }),
        Some("score") if has_no_terms => Err(ApiError::parameter("sort_by", "score needs search[]")),
        Some("score") if params.get("sort_dir").is_some() => {
            Err(ApiError::parameter("sort_dir", "goes with sort_by=alpha only"))
        }
        Some("score") => Ok(Order::Score),
        Some(other) => Err(choice("sort_by", other, "alpha or score")),
    }
}

fn choice(name: &str, value: &str, choices: &str) -> ApiError {
    ApiError::parameter(name, format!("{} is not one of {choices}", wf_model::quote::GoQuoted(value)))
}

fn count(params: &Params, name: &str, default: usize) -> Result<usize, ApiError> {
    let Some(text) = params.get(name) else { return Ok(default) };
    text.parse().map_err(|_| ApiError::parameter(name, "must be a whole number that is not negative"))
}

fn flag(params: &Params, name: &str, default: bool) -> Result<bool, ApiError> {
    match params.get(name) {
        None => Ok(default),
        Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(choice(name, other, "true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str, names: &[&str]) -> (Vec<String>, bool) {
        let request = request(&Params::parse(query), 10_000).unwrap();
        let (found, has_more) = request.choose(names.iter().map(|name| (*name).to_owned()).collect());
        (found.into_iter().map(|one| one.name).collect(), has_more)
    }

    #[test]
    fn any_term_will_do_and_the_best_come_first() {
        let names = ["go_threads", "http_requests_total", "node_http", "requests"];
        assert_eq!(found("", &names).0, names);
        assert_eq!(found("search[]=http", &names).0, ["http_requests_total", "node_http"]);
        assert_eq!(found("search[]=http&search[]=thr&sort_by=alpha&sort_dir=dsc", &names).0.len(), 3);
        assert_eq!(found("search[]=requests&sort_by=score", &names).0, ["requests", "http_requests_total"]);
        assert_eq!(found("limit=2", &names), (vec!["go_threads".into(), "http_requests_total".into()], true));
        assert_eq!(found("search[]=HTTP", &names).0.len(), 0);
        assert_eq!(found("search[]=HTTP&case_sensitive=false", &names).0.len(), 2);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let check = |query: &str, name: &str| {
            let message = request(&Params::parse(query), 1_000).unwrap_err().message;
            assert!(message.starts_with(&format!("invalid parameter \"{name}\": ")), "{message}");
        };
        check("limit=1001", "limit");
        check("limit=-1", "limit");
        check("sort_by=score", "sort_by");
        check("sort_by=size", "sort_by");
        check("sort_dir=asc", "sort_dir");
        check("sort_by=score&search[]=a&sort_dir=asc", "sort_dir");
        check("fuzz_threshold=101", "fuzz_threshold");
        check("fuzz_alg=soundex", "fuzz_alg");
        check("include_score=maybe", "include_score");
        check("start=2&end=1", "end");
        check(&"search[]=a&".repeat(33), "search[]");
    }
}
