//! Request parameters: URL query and form body, and their forms of time, duration and number.
//!
//! # Source
//! `spec/prometheus-query.md` §4.1.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::{Method, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use wf_model::quote::GoQuoted;

use super::error::ApiError;

/// Largest form body, as in Go.
const BODY_BYTES_MAX: usize = 10 << 20;

/// Smallest time the original's client prints for "since ever".
const MIN_TIME: &str = "-292273086-05-16T16:47:06Z";
/// Largest time the original's client prints for "for ever".
const MAX_TIME: &str = "292277025-08-18T07:12:54.999999999Z";
/// What they stand for, ms: far outside of any sample, with room for lookback arithmetic.
pub(crate) const MIN_TIME_MS: i64 = -9_223_309_901_257_974_000 / 1000 * 1000;
/// See [`MIN_TIME_MS`].
pub(crate) const MAX_TIME_MS: i64 = 9_223_309_901_257_974_999;

/// Decoded parameters of one request; those of the body come first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Decodes `a=1&b=2`. As in Go, pairs with a semicolon or a broken escape are left out.
    pub(crate) fn parse(query: &str) -> Self {
        let whole = query.split('&').filter(|pair| !pair.contains(';') && is_escaped_well(pair));
        let pairs = whole.flat_map(|pair| url::form_urlencoded::parse(pair.as_bytes()).into_owned());
        Self { pairs: pairs.collect() }
    }

    /// Returns the first value of `name`; an empty one is as good as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let first = self.pairs.iter().find(|(key, _)| key == name);
        first.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns all names and values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns all values of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads an optional time.
    pub(crate) fn time_or(&self, name: &str, default_ms: i64) -> Result<i64, ApiError> {
        let Some(text) = self.get(name) else { return Ok(default_ms) };
        parse_time(text)
            .map_err(|cause| ApiError::parameter(name, format!("Invalid time value for '{name}': {cause}")))
    }

    /// Reads a required time.
    pub(crate) fn time(&self, name: &str) -> Result<i64, ApiError> {
        parse_time(self.get(name).unwrap_or("")).map_err(|cause| ApiError::parameter(name, cause))
    }

    /// Reads an optional duration.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<f64>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        parse_duration(text).map(Some).map_err(|cause| ApiError::parameter(name, cause))
    }

    /// Reads `limit`: 0 is none.
    pub(crate) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let name = "limit";
        let Some(text) = self.get(name) else { return Ok(None) };
        let number: i64 = text.parse().map_err(|_| {
            ApiError::parameter(name, format!("strconv.Atoi: parsing {}: invalid syntax", GoQuoted(text)))
        })?;
        let number = usize::try_from(number)
            .map_err(|_| ApiError::parameter(name, format!("{name} must be non-negative")))?;
        Ok((number > 0).then_some(number))
    }

    /// Reads an optional count of the metadata endpoints, whose "none" may be negative too; they have words of their
    /// own for what is no number.
    pub(crate) fn signed_count(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number: i64 = text.parse().map_err(|_| ApiError::bad_data(format!("{name} must be a number")))?;
        Ok(usize::try_from(number).ok().filter(|number| *number > 0))
    }
}

impl<S: Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let from_url = Self::parse(parts.uri.query().unwrap_or(""));
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or("").trim();
        let is_form = media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if parts.method != Method::POST || !is_form {
            return Ok(from_url);
        }
        let mut params = Self::parse(&read_body(body).await?);
        params.pairs.extend(from_url.pairs);
        Ok(params)
    }
}

fn is_escaped_well(pair: &str) -> bool {
    let is_hex = |digit: Option<&u8>| digit.is_some_and(u8::is_ascii_hexdigit);
    pair.as_bytes()
        .split(|byte| *byte == b'%')
        .skip(1)
        .all(|behind| is_hex(behind.first()) && is_hex(behind.get(1)))
}

async fn read_body(body: Body) -> Result<String, ApiError> {
    let collected = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| {
        let cause = if error.is::<LengthLimitError>() {
            format!("body is larger than {BODY_BYTES_MAX} bytes")
        } else {
            error.to_string()
        };
        ApiError::bad_data(format!("error parsing form values: {cause}"))
    })?;
    Ok(String::from_utf8_lossy(&collected.to_bytes()).into_owned())
}

/// Reads a time, in ms: seconds as a float, or RFC 3339.
pub(crate) fn parse_time(text: &str) -> Result<i64, String> {
    let cannot = || format!("cannot parse {} to a valid timestamp", GoQuoted(text));
    if let Some(seconds) = parse_go_float(text) {
        // Rounded as the original does: the fraction alone, so that large times keep their milliseconds.
        let (whole, fraction) = (seconds.trunc(), (seconds.fract() * 1000.0).round());
        let ms = whole * 1000.0 + fraction;
        if !ms.is_finite() || ms.abs() > MAX_TIME_MS as f64 {
            return Err(cannot());
        }
        #[expect(clippy::cast_possible_truncation, reason = "inside the range of i64, checked above")]
        return Ok(ms as i64);
    }
    match text {
        MIN_TIME => Ok(MIN_TIME_MS),
        MAX_TIME => Ok(MAX_TIME_MS),
        _ if text.contains(['T', 't']) => {
            text.parse::<jiff::Timestamp>().map(|time| time.as_millisecond()).map_err(|_| cannot())
        }
        _ => Err(cannot()),
    }
}

/// Reads a duration, in seconds: a float, or Prometheus's `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<f64, String> {
    if let Some(seconds) = parse_go_float(text) {
        // Go counts nanoseconds in an i64.
        if seconds.is_nan() || (seconds * 1e9).abs() > i64::MAX as f64 {
            return Err(format!("cannot parse {} to a valid duration. It overflows int64", GoQuoted(text)));
        }
        return Ok(seconds);
    }
    wf_model::duration::parse(text)
        .map(|duration| duration.as_secs_f64())
        .map_err(|_| format!("cannot parse {} to a valid duration", GoQuoted(text)))
}

/// Reads what Go's `ParseFloat` reads; Rust's parser differs in the spelling of infinity only.
fn parse_go_float(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Returns a non-negative number of seconds as a duration.
pub(crate) fn to_duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        let check = |text: &str, want: i64| assert_eq!(parse_time(text), Ok(want), "{text}");
        check("0", 0);
        check("1.5", 1_500);
        check("123.123", 123_123);
        check("123.1239", 123_124);
        check("-1.5", -1_500);
        check("1e3", 1_000_000);
        check("1543578564.705", 1_543_578_564_705);
        check("2015-06-03T13:21:58.555Z", 1_433_337_718_555);
        check("2015-06-03T14:21:58.555+01:00", 1_433_337_718_555);
        check(MIN_TIME, MIN_TIME_MS);
        check(MAX_TIME, MAX_TIME_MS);
        for text in ["", "30s", "2015-06-03", "yesterday", "Inf", "NaN", "1e300"] {
            let want = format!("cannot parse \"{text}\" to a valid timestamp");
            assert_eq!(parse_time(text), Err(want));
        }
    }

    #[test]
    fn durations_are_seconds_or_units() {
        let check = |text: &str, want: f64| assert_eq!(parse_duration(text), Ok(want), "{text}");
        check("1", 1.0);
        check("0.25", 0.25);
        check("-5", -5.0);
        check("5m", 300.0);
        check("1h30m", 5400.0);
        let overflow = "cannot parse \"148966367200.372\" to a valid duration. It overflows int64";
        assert_eq!(parse_duration("148966367200.372"), Err(overflow.to_owned()));
        assert_eq!(parse_duration("1x"), Err("cannot parse \"1x\" to a valid duration".to_owned()));
    }

    #[test]
    fn a_limit_is_a_whole_number_and_zero_is_none() {
        let check = |query: &str| Params::parse(query).limit();
        assert_eq!(check("").unwrap(), None);
        assert_eq!(check("limit=0").unwrap(), None);
        assert_eq!(check("limit=7").unwrap(), Some(7));
        assert_eq!(
            check("limit=-1").unwrap_err().message,
            "invalid parameter \"limit\": limit must be non-negative"
        );
        assert!(check("limit=x").unwrap_err().message.starts_with("invalid parameter \"limit\""));
    }

    #[test]
    fn names_and_values_are_decoded() {
        let params = Params::parse("match%5B%5D=up&match[]=a%7Bb%3D%22c+d%22%7D&empty=");
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["up", "a{b=\"c d\"}"]);
        assert_eq!(params.get("empty"), None);
        let params = Params::parse("a=1;b=2&c=%zz&d=%4&e=%41%&f=%41&g=1%2B1&&=x");
        assert_eq!(params.pairs().collect::<Vec<_>>(), [("f", "A"), ("g", "1+1"), ("", "x")]);
    }
}
