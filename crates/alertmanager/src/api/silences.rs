//! `/silences` and `/silence/{id}`.

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde_json::Value as Json;
use wf_model::{MatchOp, Matcher};

use super::query::Parameters;
use super::{Answer, Manager, Refusal, json_body, read_json, text_at, texts_at, time_at};
use crate::instant::Instant;
use crate::silence::{SetError, Silence, State as Life};
use crate::template::data::pairs_json;

fn silence_json(silence: &Silence, now: Timestamp) -> Result<Json, Refusal> {
    let [matchers] = silence.matcher_sets.as_slice() else {
        let message = format!("silence {} has several matcher sets, which this API cannot show", silence.id);
        return Err(Refusal::Plain { status: StatusCode::INTERNAL_SERVER_ERROR, message });
    };
    let matcher = |matcher: &Matcher| {
        serde_json::json!({
            "isEqual": matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex),
            "isRegex": matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex),
            "name": matcher.name(),
            "value": matcher.value(),
        })
    };
    let time = |at: Timestamp| Instant::utc(at).millis();
    let mut json = serde_json::json!({
        "id": silence.id,
        "status": {"state": silence.shown_state(now).as_str()},
        "updatedAt": time(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": time(silence.ends_at),
        "matchers": matchers.iter().map(matcher).collect::<Vec<_>>(),
        "startsAt": time(silence.starts_at),
    });
    if !silence.annotations.is_empty() {
        json["annotations"] = pairs_json(&silence.annotations);
    }
    Ok(json)
}

pub(super) async fn list(State(alertmanager): Manager, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::of(query.as_deref());
    let mode = alertmanager.options().mode;
    let filter = parameters.filter(mode)?;
    let now = alertmanager.now();
    let started = std::time::Instant::now();
    let is_asked = |state: Life| match state {
        Life::Active => parameters.flag("active"),
        Life::Pending => parameters.flag("pending"),
        Life::Expired => parameters.flag("expired"),
    };
    // Matchers are compared as they are written.
    let has = |silence: &Silence, wanted: &Matcher| {
        silence.matcher_sets.iter().flatten().any(|matcher| matcher == wanted)
    };
    let mut silences = alertmanager.with_state(|state| {
        alertmanager.metrics().scanned.add(state.silences.len() as u64);
        let all = state.silences.iter();
        all.filter(|it| is_asked(it.shown_state(now)) && filter.iter().all(|wanted| has(it, wanted)))
            .cloned()
            .collect::<Vec<_>>()
    });
    let [_, metrics] = &alertmanager.metrics().snapshots;
    metrics.queries.inc();
    metrics.query_seconds.observe(started.elapsed().as_secs_f64());
    silences.sort_by(|a, b| {
        let (left, right) = (a.shown_state(now), b.shown_state(now));
        left.cmp(&right).then_with(|| match left {
            Life::Active => a.ends_at.cmp(&b.ends_at),
            Life::Pending => a.starts_at.cmp(&b.starts_at),
            Life::Expired => b.ends_at.cmp(&a.ends_at),
        })
    });
    let shown = silences.iter().map(|silence| silence_json(silence, now)).collect::<Result<Vec<_>, _>>()?;
    Ok(json_body(&Json::Array(shown)))
}

/// # Errors
/// Unless the text has the form of a UUID.
fn check_id(id: &str, place: &str) -> Result<(), Refusal> {
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    match is_uuid {
        true => Ok(()),
        false => Err(Refusal::schema(601, format!("silenceID in {place} must be of type uuid: {id:?}"))),
    }
}

pub(super) async fn get(State(alertmanager): Manager, Path(id): Path<String>) -> Answer {
    check_id(&id, "path")?;
    let now = alertmanager.now();
    let silence = alertmanager.with_state(|state| state.silences.get(&id).cloned());
    match silence {
        Some(silence) => Ok(json_body(&silence_json(&silence, now)?)),
        None => Err(Refusal::Empty(StatusCode::NOT_FOUND)),
    }
}

pub(super) async fn expire(State(alertmanager): Manager, Path(id): Path<String>) -> Answer {
    check_id(&id, "path")?;
    let now = alertmanager.now();
    match alertmanager.with_state(|state| state.silences.expire(&id, now)) {
        Ok(()) => {
            if alertmanager.options().logs_silences {
                tracing::info!(id, "silence expired");
            }
            Ok(StatusCode::OK.into_response())
        }
        Err(SetError::NotFound) => Err(Refusal::Empty(StatusCode::NOT_FOUND)),
        Err(error) => {
            Err(Refusal::Plain { status: StatusCode::INTERNAL_SERVER_ERROR, message: error.to_string() })
        }
    }
}

pub(super) async fn post(State(alertmanager): Manager, request: Request) -> Answer {
    let body = read_json(request).await?;
    let now = alertmanager.now();
    let silence = posted(&body)?;
    let failed = |why: &str| Refusal::bad(format!("Failed to create silence: {why}"));
    if silence.starts_at >= silence.ends_at {
        return Err(failed("start time must be before end time"));
    }
    if silence.ends_at < now {
        return Err(failed("end time can't be in the past"));
    }
    let mode = alertmanager.options().mode;
    let is_new = silence.id.is_empty();
    let result =
        alertmanager.with_state(|state| state.silences.set(silence, now, |name| mode.is_label_name(name)));
    match result {
        Ok(id) => {
            if alertmanager.options().logs_silences {
                tracing::info!(id, is_new, "silence set");
            }
            Ok(json_body(&serde_json::json!({"silenceID": id})))
        }
        Err(error @ SetError::NotFound) => {
            Err(Refusal::Plain { status: StatusCode::NOT_FOUND, message: error.to_string() })
        }
        Err(error) => Err(Refusal::bad(error.to_string())),
    }
}

fn posted(body: &Json) -> Result<Silence, Refusal> {
    for name in ["comment", "createdBy", "endsAt", "matchers", "startsAt"] {
        if body[name].is_null() {
            return Err(Refusal::schema(602, format!("{name} in body is required")));
        }
    }
    let matchers = body["matchers"].as_array().cloned().unwrap_or_default();
    if matchers.is_empty() {
        return Err(Refusal::schema(612, "matchers in body should have at least 1 items"));
    }
    let matchers =
        matchers.iter().enumerate().map(|(idx, item)| matcher(item, idx)).collect::<Result<Vec<_>, _>>()?;
    let at = |name: &str| {
        let time = time_at(body, name, "")?;
        time.map(|time| time.at).ok_or_else(|| Refusal::schema(602, format!("{name} in body is required")))
    };
    Ok(Silence {
        id: text_at(body, "id", "")?,
        matcher_sets: vec![matchers],
        starts_at: at("startsAt")?,
        ends_at: at("endsAt")?,
        updated_at: Timestamp::UNIX_EPOCH,
        created_by: text_at(body, "createdBy", "")?,
        comment: text_at(body, "comment", "")?,
        annotations: texts_at(body, "annotations", "")?,
        receiver_matcher_sets: Vec::new(),
        expires_at: Timestamp::UNIX_EPOCH,
    })
}

fn matcher(item: &Json, idx: usize) -> Result<Matcher, Refusal> {
    let path = format!("matchers.{idx}.");
    for name in ["isRegex", "name", "value"] {
        if item[name].is_null() {
            return Err(Refusal::schema(602, format!("{path}{name} in body is required")));
        }
    }
    let is_equal = item["isEqual"].as_bool().unwrap_or(true);
    let op = match (is_equal, item["isRegex"].as_bool().unwrap_or(false)) {
        (true, false) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Regex,
        (false, true) => MatchOp::NotRegex,
    };
    let (name, value) = (text_at(item, "name", &path)?, text_at(item, "value", &path)?);
    Matcher::new(op, &name, &value)
        .map_err(|error| Refusal::bad(format!("invalid silence: invalid label matcher {idx}: {error}")))
}
