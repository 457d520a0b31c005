//! What we ask a target for, and which format its answer is in.
//!
//! # Source
//! `spec/prometheus-core.md` §2. Protobuf is neither asked for nor read yet.

use std::fmt::Write;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use wf_exposition::Format;

use crate::config::{JobSettings, NameValidation, ScrapeProtocol};
use crate::error::ScrapeError;

const DEFAULT_PROTOCOLS: [ScrapeProtocol; 4] = [
    ScrapeProtocol::OpenMetrics1_0_0,
    ScrapeProtocol::OpenMetrics0_0_1,
    ScrapeProtocol::Text1_0_0,
    ScrapeProtocol::Text0_0_4,
];

const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Exporters and proxies look for the original's name here.
const USER_AGENT: &str = concat!("Prometheus/3.14.0 (compatible; Watchfire/", env!("CARGO_PKG_VERSION"), ")");

impl ScrapeProtocol {
    fn media_type(self, escaping: &str) -> String {
        match self {
            Self::OpenMetrics1_0_0 => {
                format!("application/openmetrics-text;version=1.0.0;escaping={escaping}")
            }
            Self::OpenMetrics0_0_1 => "application/openmetrics-text;version=0.0.1".to_owned(),
            Self::Text1_0_0 => format!("text/plain;version=1.0.0;escaping={escaping}"),
            Self::Text0_0_4 => "text/plain;version=0.0.4".to_owned(),
        }
    }

    fn format(self) -> Format {
        match self {
            Self::OpenMetrics1_0_0 | Self::OpenMetrics0_0_1 => Format::OpenMetrics,
            Self::Text1_0_0 | Self::Text0_0_4 => Format::Text,
        }
    }
}

/// Builds the headers of a scrape.
pub(crate) fn request_headers(settings: &JobSettings, timeout: Duration) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let encoding = if settings.enable_compression { "gzip" } else { "identity" };
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    // Both are ASCII by construction, so neither is ever left out.
    if let Ok(accept) = HeaderValue::try_from(accept(settings)) {
        headers.insert(header::ACCEPT, accept);
    }
    if let Ok(timeout) = HeaderValue::try_from(timeout_text(timeout)) {
        headers.insert(TIMEOUT_HEADER, timeout);
    }
    headers
}

fn timeout_text(timeout: Duration) -> String {
    wf_model::float::format_f(timeout.as_secs_f64())
}

fn accept(settings: &JobSettings) -> String {
    let escaping = match settings.name_validation {
        NameValidation::Utf8 => "allow-utf-8",
        NameValidation::Legacy => "underscores",
    };
    let protocols =
        if settings.protocols.is_empty() { DEFAULT_PROTOCOLS.as_slice() } else { &settings.protocols };
    let mut accept = String::new();
    let mut tenths = 6_usize;
    for protocol in protocols {
        write!(accept, "{};q=0.{tenths},", protocol.media_type(escaping))
            .expect("writing to a string cannot fail");
        tenths = tenths.saturating_sub(1);
    }
    write!(accept, "*/*;q=0.{tenths}").expect("writing to a string cannot fail");
    accept
}

/// Decides the format of a page by the media type of its content type; parameters mean nothing here.
pub(crate) fn format_of(
    content_type: Option<&str>,
    fallback: Option<ScrapeProtocol>,
) -> Result<Format, ScrapeError> {
    let media_type = content_type.and_then(|text| text.split(';').next()).unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case("text/plain") {
        return Ok(Format::Text);
    }
    if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
        return Ok(Format::OpenMetrics);
    }
    match fallback {
        Some(protocol) => Ok(protocol.format()),
        None => Err(ScrapeError::ContentType { content_type: content_type.unwrap_or("").to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_accept_header_is_the_originals() {
        let settings = JobSettings::default();
        let headers = request_headers(&settings, settings.timeout);
        assert_eq!(
            headers[header::ACCEPT],
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
        assert_eq!(headers[header::ACCEPT_ENCODING], "gzip");
        assert_eq!(headers[TIMEOUT_HEADER], "10");
        assert!(headers[header::USER_AGENT].to_str().unwrap().starts_with("Prometheus/"));
    }

    #[test]
    fn chosen_protocols_and_legacy_names_show_in_the_headers() {
        let settings = JobSettings {
            protocols: vec![ScrapeProtocol::Text1_0_0],
            name_validation: NameValidation::Legacy,
            enable_compression: false,
            timeout: Duration::from_millis(1500),
            ..JobSettings::default()
        };
        let headers = request_headers(&settings, settings.timeout);
        assert_eq!(headers[header::ACCEPT], "text/plain;version=1.0.0;escaping=underscores;q=0.6,*/*;q=0.5");
        assert_eq!(headers[header::ACCEPT_ENCODING], "identity");
        assert_eq!(headers[TIMEOUT_HEADER], "1.5");
    }

    #[test]
    fn the_media_type_alone_decides_the_format() {
        let check =
            |content_type, want| assert_eq!(format_of(content_type, None).ok(), want, "{content_type:?}");
        check(Some("text/plain"), Some(Format::Text));
        check(Some("Text/Plain; version=0.0.4; charset=utf-8"), Some(Format::Text));
        check(Some("application/openmetrics-text; version=99"), Some(Format::OpenMetrics));
        check(Some("application/json"), None);
        check(Some("text/html"), None);
        check(Some(""), None);
        check(None, None);
        assert_eq!(format_of(None, Some(ScrapeProtocol::Text0_0_4)).ok(), Some(Format::Text));
        assert_eq!(
            format_of(Some("text/html"), Some(ScrapeProtocol::OpenMetrics1_0_0)).ok(),
            Some(Format::OpenMetrics)
        );
    }
}
