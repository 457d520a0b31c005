//! Alerts as the API shows them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::Frame;
use jiff::tz::TimeZone;

use super::Status;
use crate::alert::{Alert, Filed};
use crate::instant::Instant;
use crate::route::Routes;

/// An alert with what is thought of it.
pub(super) struct ShownAlert<'a> {
    pub(super) alert: &'a Alert,
    pub(super) status: &'a Status,
    pub(super) muted_by: &'a [String],
    pub(super) zone: &'a TimeZone,
}

impl ShownAlert<'_> {
    /// Writes it; receivers are JSON already.
    pub(super) fn write<'r>(&self, out: &mut String, receivers: impl Iterator<Item = &'r str>) {
        let alert = self.alert;
        alert.write_head(out);
        out.push_str(",\"endsAt\":\"");
        alert.ends_at.write_millis(out);
        out.push_str("\",\"fingerprint\":\"");
        write_fingerprint(out, alert.fingerprint);
        out.push_str("\",\"receivers\":[");
        for (idx, receiver) in receivers.enumerate() {
            if idx > 0 {
                out.push(',');
            }
            out.push_str(receiver);
        }
        out.push_str("],\"startsAt\":\"");
        alert.starts_at.write_millis(out);
        out.push_str("\",\"status\":");
        self.write_status(out);
        out.push_str(",\"updatedAt\":\"");
        let offset = self.zone.to_offset(alert.updated_at);
        Instant { at: alert.updated_at, offset }.write_millis(out);
        out.push('"');
        alert.write_tail(out);
    }

    fn write_status(&self, out: &mut String) {
        let status = self.status;
        out.push_str("{\"inhibitedBy\":[");
        if let Some((_, source)) = status.inhibited_by {
            out.push('"');
            write_fingerprint(out, source);
            out.push('"');
        }
        out.push_str("],\"mutedBy\":");
        write_texts(out, self.muted_by);
        out.push_str(",\"silencedBy\":");
        write_texts(out, &status.silenced_by);
        let is_active =
            status.inhibited_by.is_none() && status.silenced_by.is_empty() && self.muted_by.is_empty();
        out.push_str(",\"state\":\"");
        out.push_str(if is_active { "active" } else { "suppressed" });
        out.push_str("\"}");
    }
}

fn write_texts(out: &mut String, texts: &[String]) {
    out.push('[');
    for (idx, text) in texts.iter().enumerate() {
        if idx > 0 {
            out.push(',');
        }
        crate::json::write_string(out, text);
    }
    out.push(']');
}

fn write_fingerprint(out: &mut String, fingerprint: u64) {
    for byte in fingerprint.to_be_bytes() {
        for digit in [byte >> 4, byte & 0xf] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

/// An alert of a list.
pub(super) struct Row {
    pub(super) alert: Arc<Alert>,
    pub(super) filed: Arc<Filed>,
    pub(super) status: Status,
}

/// A list of alerts, written while it is sent: the state is not held, and memory does not grow with the list.
pub(super) struct AlertList {
    routes: Arc<Routes>,
    rows: std::vec::IntoIter<Row>,
    zone: TimeZone,
    begin: &'static str,
    is_over: bool,
}

/// About how much is written at a time.
const CHUNK_BYTES: usize = 64 << 10;

impl AlertList {
    pub(super) fn new(routes: Arc<Routes>, rows: Vec<Row>) -> Self {
        Self { routes, rows: rows.into_iter(), zone: TimeZone::system(), begin: "[", is_over: false }
    }

    /// Puts the alerts into order of fingerprints.
    pub(super) fn sort(&mut self) {
        let mut rows: Vec<Row> = std::mem::take(&mut self.rows).collect();
        rows.sort_unstable_by_key(|row| row.alert.fingerprint);
        self.rows = rows.into_iter();
    }

    pub(super) fn into_body(self) -> Body {
        Body::new(self)
    }

    fn next_chunk(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        let mut chunk = String::with_capacity(CHUNK_BYTES + (8 << 10));
        while chunk.len() < CHUNK_BYTES {
            chunk.push_str(std::mem::replace(&mut self.begin, ","));
            let Some(row) = self.rows.next() else {
                // What would separate it from the next ends it.
                chunk.truncate(chunk.len() - usize::from(chunk.ends_with(',')));
                chunk.push_str("]\n");
                self.is_over = true;
                break;
            };
            let nodes = &self.routes.nodes;
            let receivers =
                row.filed.groups.iter().filter_map(|group| Some(&*nodes.get(group.route)?.receiver_json));
            let shown =
                ShownAlert { alert: &row.alert, status: &row.status, muted_by: &[], zone: &self.zone };
            shown.write(&mut chunk, receivers);
        }
        Some(chunk)
    }
}

impl HttpBody for AlertList {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next_chunk().map(|chunk| Ok(Frame::data(Bytes::from(chunk)))))
    }
}
