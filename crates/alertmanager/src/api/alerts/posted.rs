//! Alerts as they are posted.
//!
//! Batches of thousands come every few seconds and are nearly always right: they are read straight from their bytes. What
//! cannot be read so is read again, slowly, by what knows the original's words for everything that is wrong.

use std::borrow::Cow;
use std::fmt;

use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;

use super::super::{Refusal, parse_json, text_at, texts_at, time_at};
use crate::alert::PostedAlert;
use crate::instant::Instant;

/// Reads the body of a post.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<PostedAlert<'_>>, Refusal> {
    if let Some(alerts) = read_plain(bytes) {
        return Ok(alerts);
    }
    let Json::Array(items) = parse_json(bytes)? else {
        let message = "parsing body body from \"\" failed, because it is no array of alerts";
        return Err(Refusal::coded(StatusCode::BAD_REQUEST, message));
    };
    items.iter().enumerate().map(|(idx, item)| posted(item, idx)).collect()
}

/// Reads what is right in every respect.
fn read_plain(bytes: &[u8]) -> Option<Vec<PostedAlert<'_>>> {
    let alerts: Vec<Plain<'_>> = serde_json::from_slice(bytes).ok()?;
    alerts.into_iter().map(Plain::posted).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plain<'a> {
    #[serde(borrow)]
    labels: Pairs<'a>,
    #[serde(borrow, default)]
    annotations: Option<Pairs<'a>>,
    #[serde(borrow, default)]
    starts_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    ends_at: Option<Text<'a>>,
    #[serde(borrow, default, rename = "generatorURL")]
    generator_url: Option<Text<'a>>,
}

/// A text that borrows unless something in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object of texts, in the order they came.
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(16);
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

impl<'a> Plain<'a> {
    fn posted(self) -> Option<PostedAlert<'a>> {
        let generator_url = self.generator_url.map_or(Cow::Borrowed(""), |text| text.0);
        if !generator_url.is_empty() && !is_uri(&generator_url) {
            return None;
        }
        Some(PostedAlert {
            labels: self.labels.0,
            annotations: self.annotations.map(|pairs| pairs.0).unwrap_or_default(),
            starts_at: time(self.starts_at)?,
            ends_at: time(self.ends_at)?,
            generator_url,
        })
    }
}

/// Returns a time if there is one; nothing at all when it is not plain.
fn time(text: Option<Text<'_>>) -> Option<Option<Instant>> {
    match text {
        None => Some(None),
        Some(Text(text)) if text.is_empty() || text.starts_with("0001-") => None,
        Some(Text(text)) => Instant::parse(&text).map(Some),
    }
}

/// Any URI reference: the parser of whole URLs wants a base for relative ones.
fn is_uri(text: &str) -> bool {
    is_plain_url(text)
        || !text.contains(char::is_whitespace)
            && url::Url::options()
                .base_url(url::Url::parse("http://base.invalid/").ok().as_ref())
                .parse(text)
                .is_ok()
}

/// Whether it is, at a glance, a URL of a host with a name, as Prometheus writes them.
fn is_plain_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        return false;
    };
    let Some((authority, path)) = rest.split_once('/') else { return false };
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let last = host.rsplit('.').next().unwrap_or("");
    last.starts_with(|ch: char| ch.is_ascii_alphabetic())
        // Punycode has rules of its own.
        && !host.contains("--")
        && !host.contains("..")
        && !host.starts_with(['.', '-'])
        && host.bytes().all(is_name)
        && port.parse::<u16>().is_ok()
        && path.bytes().all(|byte| byte.is_ascii_graphic())
}

fn posted(item: &Json, idx: usize) -> Result<PostedAlert<'static>, Refusal> {
    let path = format!("{idx}.");
    if item["labels"].is_null() {
        return Err(Refusal::schema(602, format!("{path}labels in body is required")));
    }
    let generator_url = text_at(item, "generatorURL", &path)?;
    if !generator_url.is_empty() && !is_uri(&generator_url) {
        let message = format!("{path}generatorURL in body must be of type uri: {generator_url:?}");
        return Err(Refusal::schema(601, message));
    }
    let pairs = |key: &str| {
        let texts = texts_at(item, key, &path)?;
        Ok(texts.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    };
    Ok(PostedAlert {
        labels: pairs("labels")?,
        annotations: pairs("annotations")?,
        starts_at: time_at(item, "startsAt", &path)?,
        ends_at: time_at(item, "endsAt", &path)?,
        generator_url: generator_url.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_bodies_are_read_as_the_slow_way_reads_them() {
        let bodies = [
            r#"[{"labels":{"b":"1","a":"\u00e9\n","b":"2"},"annotations":null,"generatorURL":"http://p.example:9090/g?x=%3C","extra":[1]}]"#,
            r#"[{"labels":{"a":"1"},"startsAt":"2026-01-01T00:00:00.5Z","endsAt":"2026-01-02T00:00:00+02:00","annotations":{"s":""}}]"#,
            "[]",
        ];
        for body in bodies {
            let plain = read_plain(body.as_bytes()).expect(body);
            let Json::Array(items) = serde_json::from_str(body).unwrap() else { panic!("{body}") };
            for (idx, (plain, item)) in plain.into_iter().zip(&items).enumerate() {
                let slow = posted(item, idx).unwrap();
                let now = jiff::Timestamp::UNIX_EPOCH;
                let done = |alert: PostedAlert<'_>| {
                    let alert = alert.complete(now, std::time::Duration::ZERO, |_| true).unwrap();
                    let mut json = String::new();
                    alert.write_head(&mut json);
                    alert.write_tail(&mut json);
                    (json, alert.starts_at, alert.ends_at)
                };
                assert_eq!(done(plain), done(slow), "{body}");
            }
        }
        for body in [
            "{}",
            "[{}]",
            r#"[{"labels":{"a":1}}]"#,
            r#"[{"labels":{"a":"1"},"startsAt":"0001-01-01T00:00:00Z"}]"#,
            r#"[{"labels":{"a":"1"},"generatorURL":"a b"}]"#,
            r#"[{"labels":{"a":"1"},"endsAt":"x"}]"#,
        ] {
            assert!(read_plain(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn urls_are_judged_at_a_glance_only_when_they_are_plain() {
        for text in ["http://p:9090/graph?g0.expr=up%3E1", "https://prometheus.example.org/x"] {
            assert!(is_plain_url(text) && is_uri(text), "{text}");
        }
        for text in ["http://10.0.0.1:9090/", "/relative", "http://[::1]/", "http://xn--a.b/"] {
            assert!(!is_plain_url(text), "{text}");
        }
        assert!(is_uri("/relative") && is_uri("http://10.0.0.1:9090/") && !is_uri("http://p:99999/"));
    }
}
