//! `watchfire tool push metrics`: sends pages of metrics by remote write, as `promtool push metrics` does.

mod message;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use self::message::{Message, Page};
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
    /// How long the server may take to answer
    #[arg(long, default_value = "30s", value_parser = super::promql::duration)]
    timeout: Duration,
    /// Message to send
    #[arg(long = "protobuf_message", value_enum, default_value = "prometheus.WriteRequest")]
    message: Message,
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
    let api =
        Api::new(&options.url, &options.header, options.http_config.as_deref())?.within(options.timeout);
    let page = Page::read(page, &options.label, jiff::Timestamp::now().as_millisecond())?;
    let body = snap::raw::Encoder::new().compress_vec(&options.message.write(&page)).context("compress")?;
    let (media_type, version) = options.message.headers();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
    let version_name = HeaderName::from_static("x-prometheus-remote-write-version");
    headers.insert(version_name, HeaderValue::from_static(version));
    let answer = api.send(Method::POST, &api.url(&options.path), &headers, body)?;
    if !answer.status.is_success() {
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        bail!("server returned HTTP status {}: {text}", answer.status);
    }
    Ok(())
}
