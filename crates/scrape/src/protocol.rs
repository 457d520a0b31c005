//! What we ask a target for, and which format its answer is in.
//!
//! # Source
//! `spec/prometheus-core.md` §2.

use std::fmt::Write;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use wf_exposition::Format;

use crate::config::{JobSettings, NameEscaping, NameValidation, ScrapeProtocol};
use crate::error::ScrapeError;
use crate::media_type;

/// Protobuf stands first where it has what text has not, and is left out elsewhere.
const DEFAULT_PROTOCOLS: [ScrapeProtocol; 5] = [
    ScrapeProtocol::Protobuf,
    ScrapeProtocol::OpenMetrics1_0_0,
    ScrapeProtocol::OpenMetrics0_0_1,
    ScrapeProtocol::Text1_0_0,
    ScrapeProtocol::Text0_0_4,
];

const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Exporters and proxies look for the original's name here.
const USER_AGENT: &str = concat!("Prometheus/3.14.0 (compatible; Watchfire/", env!("CARGO_PKG_VERSION"), ")");

/// Grammar of a page as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageFormat {
    /// One of the text formats.
    Text(Format),
    /// Metric families, each behind its length.
    Protobuf,
}

impl PageFormat {
    /// Text 0.0.4.
    pub(crate) const TEXT: Self = Self::Text(Format::Text);
    /// OpenMetrics.
    #[cfg(test)]
    pub(crate) const OPEN_METRICS: Self = Self::Text(Format::OpenMetrics);
}

impl ScrapeProtocol {
    fn media_type(self, escaping: &str) -> String {
        match self {
            Self::Protobuf => concat!(
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;",
                "encoding=delimited"
            )
            .to_owned(),
            Self::OpenMetrics1_0_0 => {
                format!("application/openmetrics-text;version=1.0.0;escaping={escaping}")
            }
            Self::OpenMetrics0_0_1 => "application/openmetrics-text;version=0.0.1".to_owned(),
            Self::Text1_0_0 => format!("text/plain;version=1.0.0;escaping={escaping}"),
            Self::Text0_0_4 => "text/plain;version=0.0.4".to_owned(),
        }
    }

    fn format(self) -> PageFormat {
        match self {
            Self::Protobuf => PageFormat::Protobuf,
            Self::OpenMetrics1_0_0 | Self::OpenMetrics0_0_1 => PageFormat::Text(Format::OpenMetrics),
            Self::Text1_0_0 | Self::Text0_0_4 => PageFormat::Text(Format::Text),
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
    let escaping = match (settings.name_validation, settings.name_escaping) {
        // Legacy names leave nothing to allow.
        (NameValidation::Legacy, NameEscaping::AllowUtf8) => NameEscaping::Underscores.as_str(),
        (_, escaping) => escaping.as_str(),
    };
    let wants_protobuf = settings.histograms.takes_native || settings.start_times.are_read();
    let protocols = match settings.protocols.as_slice() {
        [] if wants_protobuf => DEFAULT_PROTOCOLS.as_slice(),
        [] => DEFAULT_PROTOCOLS.get(1..).unwrap_or_default(),
        chosen => chosen,
    };
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

/// Decides the format of a page by the media type of its content type; what its parameters say means nothing here.
pub(crate) fn format_of(
    content_type: Option<&str>,
    fallback: Option<ScrapeProtocol>,
) -> Result<PageFormat, ScrapeError> {
    let media_type = content_type.and_then(media_type::parse).unwrap_or("");
    if media_type.eq_ignore_ascii_case("text/plain") {
        return Ok(PageFormat::Text(Format::Text));
    }
    if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
        return Ok(PageFormat::Text(Format::OpenMetrics));
    }
    if media_type.eq_ignore_ascii_case("application/vnd.google.protobuf") {
        return Ok(PageFormat::Protobuf);
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
    fn protobuf_is_asked_for_first_where_it_has_what_text_lacks() {
        let mut settings = JobSettings::default();
        settings.histograms.takes_native = true;
        settings.name_escaping = NameEscaping::Values;
        let headers = request_headers(&settings, settings.timeout);
        assert_eq!(
            headers[header::ACCEPT],
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=values;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=values;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
    }

    #[test]
    fn the_media_type_alone_decides_the_format() {
        let check =
            |content_type, want| assert_eq!(format_of(content_type, None).ok(), want, "{content_type:?}");
        check(Some("text/plain"), Some(PageFormat::TEXT));
        check(Some("Text/Plain; version=0.0.4; charset=utf-8"), Some(PageFormat::TEXT));
        check(Some("application/openmetrics-text; version=99"), Some(PageFormat::OPEN_METRICS));
        check(
            Some("application/vnd.google.protobuf; proto=x; encoding=delimited"),
            Some(PageFormat::Protobuf),
        );
        check(Some("application/json"), None);
        check(Some("text/html"), None);
        check(Some("text/plain; version"), None);
        check(Some(""), None);
        check(None, None);
        assert_eq!(format_of(None, Some(ScrapeProtocol::Text0_0_4)).ok(), Some(PageFormat::TEXT));
        assert_eq!(
            format_of(Some("text/html"), Some(ScrapeProtocol::OpenMetrics1_0_0)).ok(),
            Some(PageFormat::OPEN_METRICS)
        );
    }
}
