//! The query log: a line of JSON for every query that was evaluated, in the original's form.
//!
//! ```text
//! {"time","level","source","msg","params":{"end","query","start","step"},"error"?,"stats",
//!  "spanID","traceID","httpRequest":{"clientIP","method","path"}}
//! ```
//! # Source
//! `spec/prometheus-query.md` §2.2.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::extract::{ConnectInfo, FromRequestParts, OriginalUri};
use http::request::Parts;
use wf_promql::engine::QueryStats;

use crate::api_v1::encode::write_stats;
use crate::json::JsonWriter;

/// The log; off until it is given a file.
#[derive(Debug, Default)]
pub(crate) struct QueryLog {
    file: ArcSwapOption<File>,
}

impl QueryLog {
    /// Opens the file for appending; an old one of the same name goes on. A reload opens it again, so that a file that
    /// was moved away is let go.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Option<Arc<File>>> {
        let Some(path) = path else { return Ok(None) };
        OpenOptions::new().append(true).create(true).open(path).map(|file| Some(Arc::new(file)))
    }

    /// Logs to `file` from now on.
    pub(crate) fn use_file(&self, file: Option<Arc<File>>) {
        self.file.store(file);
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.file.load().is_some()
    }

    /// Appends a line with one write, so that lines of several queries do not mix.
    pub(crate) fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        let Some(file) = self.file.load_full() else { return Ok(()) };
        (&*file).write_all(entry.line().as_bytes())
    }
}

/// Who asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) client_ip: String,
    pub(crate) method: String,
    pub(crate) path: String,
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let path = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
        Ok(Self {
            client_ip: peer.map_or_else(String::new, |ConnectInfo(peer)| peer.ip().to_string()),
            method: parts.method.to_string(),
            path: path.path().to_owned(),
        })
    }
}

/// What is logged about a query.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) now_ms: i64,
    pub(crate) query: &'a str,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    /// 0 for an instant query.
    pub(crate) step_ms: i64,
    pub(crate) error: Option<String>,
    pub(crate) stats: &'a QueryStats,
    pub(crate) queued: Duration,
    pub(crate) origin: &'a Origin,
}

impl Entry<'_> {
    fn line(&self) -> String {
        let mut json = JsonWriter::collecting();
        json.raw(r#"{"time":"#).string(&rfc3339_millis(self.now_ms));
        json.raw(r#","level":"INFO","source":"query_log.rs","msg":"promql query logged","params":{"end":"#);
        json.string(&rfc3339_millis(self.end_ms)).raw(r#","query":"#).string(self.query);
        json.raw(r#","start":"#).string(&rfc3339_millis(self.start_ms));
        json.raw(r#","step":"#).integer(self.step_ms / 1000).raw("}");
        if let Some(error) = &self.error {
            json.raw(r#","error":"#).string(error);
        }
        json.raw(r#","stats":"#);
        write_stats(&mut json, self.stats, self.queued);
        // There is no tracing: these are what the original writes without it.
        json.raw(r#","spanID":"0000000000000000","traceID":"00000000000000000000000000000000""#);
        json.raw(r#","httpRequest":{"clientIP":"#).string(&self.origin.client_ip);
        json.raw(r#","method":"#).string(&self.origin.method);
        json.raw(r#","path":"#).string(&self.origin.path).raw("}}\n");
        json.finish()
    }
}

/// Always three decimals, unlike elsewhere.
fn rfc3339_millis(time_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(time_ms);
    time.map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_originals_form() {
        let stats = QueryStats::default();
        let origin = Origin {
            client_ip: "127.0.0.1".into(),
            method: "GET".into(),
            path: "/api/v1/query_range".into(),
        };
        let entry = Entry {
            now_ms: 1_581_173_990_387,
            query: "up == \"0\"",
            start_ms: 1_581_170_390_368,
            end_ms: 1_581_173_990_000,
            step_ms: 5_000,
            error: Some("query timed out in expression evaluation".into()),
            stats: &stats,
            queued: Duration::from_millis(5),
            origin: &origin,
        };
        let want = concat!(
            r#"{"time":"2020-02-08T14:59:50.387Z","level":"INFO","source":"query_log.rs","msg":"promql query logged","#,
            r#""params":{"end":"2020-02-08T14:59:50.000Z","query":"up == \"0\"","start":"2020-02-08T13:59:50.368Z","step":5},"#,
            r#""error":"query timed out in expression evaluation","#,
            r#""stats":{"timings":{"evalTotalTime":0,"resultSortTime":0,"queryPreparationTime":0,"innerEvalTime":0,"#,
            r#""execQueueTime":0.005,"execTotalTime":0.005},"samples":{"totalQueryableSamples":0,"samplesRead":0,"peakSamples":0}},"#,
            r#""spanID":"0000000000000000","traceID":"00000000000000000000000000000000","#,
            r#""httpRequest":{"clientIP":"127.0.0.1","method":"GET","path":"/api/v1/query_range"}}"#,
            "\n"
        );
        assert_eq!(entry.line(), want);
    }
}
