//! `watchfire tool push metrics`: sends pages of metrics by remote write, as `promtool push metrics` does.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use wf_exposition::{Entry, Format, Parser};
use wf_model::LabelsBuilder;

use super::api::Api;
use super::check::{absent, complain};
use crate::say;

/// Most bytes of a page.
const PAGE_BYTES_MAX: u64 = 256 << 20;

/// What to push.
#[derive(Debug, Subcommand)]
pub(crate) enum PushCommand {
    /// Pages of metrics in the text format
    Metrics(Options),
}

/// Options of `push metrics`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Server that takes remote write
    url: String,
    /// Pages; standard input without any
    files: Vec<PathBuf>,
    /// Label that every series gets, name=value; can be repeated
    #[arg(long, default_value = "job=promtool")]
    label: Vec<String>,
    /// Header to send, name=value; can be repeated
    #[arg(long)]
    header: Vec<String>,
    /// File with credentials, TLS and the like, as an HTTP client block has them
    #[arg(long = "http.config.file")]
    http_config: Option<PathBuf>,
    /// Path of remote write on the server
    #[arg(long = "remote-write.path", default_value = "/api/v1/write")]
    path: String,
}

pub(crate) fn main(command: &PushCommand) -> ExitCode {
    let PushCommand::Metrics(options) = command;
    if let Some(code) = absent(&options.files) {
        return code;
    }
    let mut is_good = true;
    let mut note = |outcome: Result<()>, done: &str| match outcome {
        Ok(()) => say(&format!("  SUCCESS: {done} pushed to remote write.")),
        Err(error) => {
            complain(&format!("  FAILED: {error:#}"));
            is_good = false;
        }
    };
    if options.files.is_empty() {
        say("Parsing standard input");
        let mut page = Vec::new();
        let read =
            std::io::stdin().take(PAGE_BYTES_MAX).read_to_end(&mut page).context("read standard input");
        note(read.and_then(|_| push(options, &page)), "metrics");
    }
    for file in &options.files {
        let shown = file.display();
        say(&format!("Parsing input from metric file {shown}"));
        let page = std::fs::read(file).with_context(|| format!("read {shown}"));
        note(page.and_then(|page| push(options, &page)), &format!("metric file {shown}"));
    }
    ExitCode::from(u8::from(!is_good))
}

fn push(options: &Options, page: &[u8]) -> Result<()> {
    let api = Api::new(&options.url, &options.header, options.http_config.as_deref())?;
    let message = write_request(page, &options.label, jiff::Timestamp::now().as_millisecond())?;
    let body = snap::raw::Encoder::new().compress_vec(&message).context("compress")?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
    let version = HeaderName::from_static("x-prometheus-remote-write-version");
    headers.insert(version, HeaderValue::from_static("0.1.0"));
    let answer = api.send(Method::POST, &api.url(&options.path), &headers, body)?;
    if !answer.status.is_success() {
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        bail!("server returned HTTP status {}: {text}", answer.status);
    }
    Ok(())
}

/// Writes a page as the message of remote write version 1: a series per sample.
fn write_request(page: &[u8], labels: &[String], now_ms: i64) -> Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut parser = Parser::new(Format::Text, page);
    loop {
        let entry = parser.next_entry().context("text format parsing error")?;
        let sample = match entry {
            Entry::Eof => return Ok(message),
            Entry::Sample(sample) => sample,
            Entry::Help(..) | Entry::Type(..) | Entry::Unit(..) | Entry::Comment => continue,
        };
        let mut builder = LabelsBuilder::default();
        for (name, value) in sample.series.labels() {
            builder.set(&name, &value);
        }
        for label in labels {
            let Some((name, value)) = label.split_once('=') else {
                bail!("expected KEY=VALUE got '{label}'")
            };
            builder.set(name, value);
        }
        let mut series = Vec::new();
        for (name, value) in builder.build().iter() {
            let mut pair = Vec::new();
            put_bytes(&mut pair, 1, name.as_bytes());
            put_bytes(&mut pair, 2, value.as_bytes());
            put_bytes(&mut series, 1, &pair);
        }
        let mut point = vec![0x09];
        point.extend_from_slice(&sample.value.to_le_bytes());
        point.push(0x10);
        put_varint(&mut point, sample.timestamp_ms.unwrap_or(now_ms).cast_unsigned());
        put_bytes(&mut series, 2, &point);
        put_bytes(&mut message, 1, &series);
    }
}

/// Writes a field of bytes; field numbers here are below 16.
fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_the_message_of_remote_write() {
        let message = write_request(b"a{b=\"c\"} 1\n", &["job=x".to_owned()], 300).unwrap();
        let mut want = vec![0x0a, 51, 0x0a, 13, 0x0a, 8];
        want.extend(b"__name__\x12\x01a");
        want.extend(b"\x0a\x06\x0a\x01b\x12\x01c\x0a\x08\x0a\x03job\x12\x01x");
        want.extend([0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02]);
        want[1] = u8::try_from(want.len() - 2).unwrap();
        assert_eq!(message, want);
        assert!(write_request(b"a{", &[], 0).is_err());
    }
}
