//! `watchfire tool promql explain`: the plan of a query, from a server, over a data directory, or over nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use http::HeaderMap;
use url::Url;
use wf_httpkit::client::{ClientOptions, HttpClient};
use wf_promql::engine::{Engine, EngineOptions, Features, QueryOptions, RangeSpan, When};
use wf_promql::explain;
use wf_series::SeriesSource;
use wf_series::memory::MemoryStorage;
use wf_server::query_json;
use wf_tsdb::{Tsdb, TsdbOptions};

use super::{Output, read};
use crate::say;

/// Largest answer of a server.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Options of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainOptions {
    /// The query; `-` reads standard input
    query: String,
    /// Ask this server, such as http://127.0.0.1:9090
    #[arg(long, conflicts_with = "data")]
    url: Option<Url>,
    /// Read this data directory; no server may be using it
    #[arg(long)]
    data: Option<PathBuf>,
    /// Run the query, and tell what each part cost
    #[arg(long)]
    analyze: bool,
    /// Evaluation time, seconds since 1970; default: now
    #[arg(long, conflicts_with_all = ["start", "end", "step"])]
    time: Option<f64>,
    /// First step of a range query, seconds since 1970
    #[arg(long, requires_all = ["end", "step"])]
    start: Option<f64>,
    /// End of a range query, seconds since 1970
    #[arg(long, requires = "start")]
    end: Option<f64>,
    /// Step of a range query, seconds
    #[arg(long, requires = "start", value_parser = positive)]
    step: Option<f64>,
    /// How to print the plan
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    /// How long a server may take
    #[arg(long, default_value = "2m", value_parser = super::duration)]
    timeout: Duration,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 => Ok(seconds),
        Ok(_) => Err("more than 0 is needed".to_owned()),
        Err(error) => Err(format!("{error}")),
    }
}

pub(super) fn main(options: &ExplainOptions) -> Result<()> {
    let query = read(&options.query)?;
    let shown = match &options.url {
        Some(url) => ask(options, url, &query)?,
        None => explained_here(options, &query)?,
    };
    say(shown.trim_end());
    Ok(())
}

/// Asks a server.
fn ask(options: &ExplainOptions, base: &Url, query: &str) -> Result<String> {
    let mut url = base.clone();
    let path = format!("{}/api/v1/query_explain", base.path().trim_end_matches('/'));
    url.set_path(&path);
    url.query_pairs_mut().append_pair("query", query).append_pair("analyze", &options.analyze.to_string());
    let times =
        [("time", options.time), ("start", options.start), ("end", options.end), ("step", options.step)];
    for (name, value) in times {
        if let Some(seconds) = value {
            url.query_pairs_mut().append_pair(name, &seconds.to_string());
        }
    }
    crate::server::prepare();
    let body = crate::server::runtime()?.block_on(fetch(&url, options.timeout))?;
    let answer: serde_json::Value = serde_json::from_slice(&body)
        .with_context(|| format!("read the answer of {base}: is it a Watchfire server?"))?;
    if let Some(error) = answer["error"].as_str() {
        return Err(anyhow!("{base}: {error}"));
    }
    match options.output {
        Output::Json => Ok(answer["data"].to_string()),
        Output::Text => {
            let text = answer["data"]["text"].as_str();
            text.map(str::to_owned)
                .with_context(|| format!("{base} has no query_explain: is it a Watchfire server?"))
        }
    }
}

async fn fetch(url: &Url, timeout: Duration) -> Result<Vec<u8>> {
    let client = HttpClient::new(&ClientOptions::default())?;
    let response = client.get(url, &HeaderMap::new(), Instant::now() + timeout).await?;
    let mut body = Vec::new();
    response.into_body().read_into(&mut body, ANSWER_BYTES_MAX).await?;
    Ok(body)
}

/// Plans or runs the query in this process.
fn explained_here(options: &ExplainOptions, query: &str) -> Result<String> {
    let now_ms = (crate::server::system_clock())();
    let storage = match &options.data {
        Some(path) if !path.is_dir() => return Err(anyhow!("{} is no directory", path.display())),
        Some(path) => Storage::Data(
            Tsdb::open(path, TsdbOptions::default(), now_ms).context("open the data directory")?,
        ),
        None => Storage::Nothing(MemoryStorage::new()),
    };
    let explained = explain_over(storage.source(), options, query, now_ms);
    if let Storage::Data(tsdb) = storage {
        tsdb.close().context("close the data directory")?;
    }
    explained
}

enum Storage {
    Data(Arc<Tsdb>),
    Nothing(MemoryStorage),
}

impl Storage {
    fn source(&self) -> &dyn SeriesSource {
        match self {
            Self::Data(tsdb) => tsdb.as_ref(),
            Self::Nothing(storage) => storage,
        }
    }
}

fn explain_over(
    source: &dyn SeriesSource,
    options: &ExplainOptions,
    query: &str,
    now_ms: i64,
) -> Result<String> {
    let engine = Engine::new(EngineOptions { features: Features::SCRIPT_SUITE, ..EngineOptions::default() });
    let prepared = engine.prepare(query)?;
    let when = when(options, now_ms);
    let started = Instant::now();
    let settings = QueryOptions {
        trace: options.analyze,
        clock: Some(Arc::new(move || started.elapsed())),
        ..QueryOptions::default()
    };
    if !options.analyze {
        let plan = engine.plan(source, &prepared, when, &settings)?;
        return Ok(match options.output {
            Output::Text => explain::text(&plan),
            Output::Json => query_json::plan(&plan, None),
        });
    }
    let stats = match when {
        When::Instant(time_ms) => engine.instant_prepared(source, &prepared, time_ms, &settings)?,
        When::Range(span) => engine.range_prepared(source, &prepared, span, &settings)?,
    }
    .stats;
    let plan = stats.plan.clone().context("the engine made no plan")?;
    Ok(match options.output {
        Output::Text => explain::text(&plan),
        Output::Json => query_json::plan(&plan, Some(&stats)),
    })
}

fn when(options: &ExplainOptions, now_ms: i64) -> When {
    match (options.start, options.end, options.step) {
        (Some(start), Some(end), Some(step)) => {
            When::Range(RangeSpan { start_ms: ms(start), end_ms: ms(end), step_ms: ms(step).max(1) })
        }
        _ => When::Instant(options.time.map_or(now_ms, ms)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "beyond i64 the nearest end is as good: a conversion of floats saturates"
)]
fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
