//! `watchfire tool check service-discovery`: what a job discovers, and what relabeling makes of it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Map, Value, json};
use wf_server::{DiscoveredOnce, discover_once};

use super::check::{absent, complain};

/// Options of `check service-discovery`.
#[derive(Debug, Args)]
pub(crate) struct DiscoveryOptions {
    /// Configuration file
    config: PathBuf,
    /// Name of the scrape job
    job: String,
    /// Longest wait for what is to be discovered
    #[arg(long, default_value = "30s", value_parser = super::promql::duration)]
    timeout: Duration,
}

pub(crate) fn main(options: &DiscoveryOptions) -> ExitCode {
    if let Some(code) = absent(std::slice::from_ref(&options.config)) {
        return code;
    }
    match run(options) {
        Ok(Some(found)) => {
            for (mechanism, why) in &found.silent {
                let why = why.as_deref().unwrap_or("nothing was told in time");
                complain(&format!("{mechanism}: {why}"));
            }
            print(&found);
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &DiscoveryOptions) -> Result<Option<DiscoveredOnce>> {
    let config = wf_config::load_file(&options.config).context("Cannot load config")?;
    let Some(job) = config.scrape_configs.iter().find(|job| job.job_name == options.job) else {
        complain(&format!("Job {} not found. Select one of:", options.job));
        config.scrape_configs.iter().for_each(|job| complain(&format!("\t{}", job.job_name)));
        return Ok(None);
    };
    crate::server::prepare();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(discover_once(job, options.timeout)).map(Some).context("Could not create new discoverer")
}

/// Prints the targets in the original's form, which escapes what could be markup.
fn print(found: &DiscoveredOnce) {
    let object = |labels: &wf_model::Labels| {
        let pairs = labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let target = |target: &wf_server::ExplainedTarget| {
        let mut shown =
            json!({ "discoveredLabels": object(&target.discovered), "labels": object(&target.labels) });
        if let Some(problem) = &target.problem {
            shown["error"] = Value::from(problem.as_str());
        }
        shown
    };
    let targets: Vec<Value> = found.targets.iter().map(target).collect();
    let text = if targets.is_empty() { "[]".to_owned() } else { format!("{:#}", Value::from(targets)) };
    let escaped = text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    // The original ends without a line break.
    let _ = write!(std::io::stdout(), "{escaped}");
}
