//! `watchfire tool check config`: a configuration and the files it refers to, as `promtool check config` looks at them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use wf_config::{Config, ScrapeConfig};
use wf_httpkit::ClientOptions;
use wf_model::duration;
use wf_rules::file::{Acceptance, load_file};

use super::check::{Outcome, RulesCheck, absent, complain, looks_for};
use crate::say;

/// Options of `check config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigOptions {
    /// Files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Pass over the files that they refer to
    #[arg(long)]
    syntax_only: bool,
    /// What to look for beyond errors: duplicate-rules, too-long-scrape-interval, all or none
    #[arg(long, default_value = "duplicate-rules", value_delimiter = ',')]
    lint: Vec<String>,
    /// End with exit code 3 when there are findings
    #[arg(long)]
    lint_fatal: bool,
    /// Pass over keys of rule files that nobody knows
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Refuse what a server in agent mode would refuse
    #[arg(long)]
    agent: bool,
    /// How far back the server's queries look for a sample: scrapes must be closer together
    #[arg(long = "query.lookback-delta", default_value = "5m", value_parser = super::promql::duration)]
    lookback: Duration,
}

pub(crate) fn main(options: &ConfigOptions) -> ExitCode {
    if let Some(code) = absent(&options.files) {
        return code;
    }
    let mut worst = Outcome::Good;
    for file in &options.files {
        say(&format!("Checking {}", file.display()));
        let checked = check(file, options);
        let rule_files = match checked {
            Ok((rule_files, outcome)) => {
                worst = worst.max(outcome);
                if !rule_files.is_empty() {
                    say(&format!("  SUCCESS: {} rule files found", rule_files.len()));
                }
                say(&format!(" SUCCESS: {} is valid prometheus config file syntax", file.display()));
                rule_files
            }
            Err(error) => {
                complain(&format!("  FAILED: {error:#}"));
                worst = Outcome::Bad;
                Vec::new()
            }
        };
        say("");
        let acceptance =
            Acceptance { ignores_unknown_fields: options.ignore_unknown_fields, ..Acceptance::default() };
        for file in rule_files {
            say(&format!("Checking {}", file.display()));
            let check = RulesCheck { loaded: load_file(&file, acceptance), indent: "     " };
            worst = worst.max(check.report(looks_for(&options.lint, "duplicate-rules")));
        }
    }
    worst.code(options.lint_fatal)
}

/// Checks one file; returns the rule files it names, and whether something about it is odd.
fn check(file: &Path, options: &ConfigOptions) -> Result<(Vec<PathBuf>, Outcome)> {
    let config = wf_config::load_file(file)?;
    if options.agent {
        refuse_in_agent(&config)?;
    }
    for warning in config.warnings() {
        say(&format!("  WARNING: {warning}"));
    }
    let mut rule_files = Vec::new();
    if !options.syntax_only {
        for pattern in &config.rule_files {
            let found = wf_rules::glob(pattern).with_context(|| format!("find {}", pattern.display()))?;
            // A pattern may find nothing; a name must not.
            let is_name = !wf_rules::is_pattern(&pattern.to_string_lossy());
            ensure!(!(found.is_empty() && is_name), "{pattern:?} does not point to an existing file");
            rule_files.extend(found);
        }
        config.scrape_configs.iter().try_for_each(references)?;
    }
    Ok((rule_files, intervals(&config, options)))
}

fn refuse_in_agent(config: &Config) -> Result<()> {
    let is_used = [
        ("alerting", !config.alerting.alertmanagers.is_empty() || !config.alerting.relabel.is_empty()),
        ("rule_files", !config.rule_files.is_empty()),
        ("remote_read", !config.remote_read.is_empty()),
    ];
    match is_used.into_iter().find(|(_, is_used)| *is_used) {
        Some((field, _)) => bail!("field {field} is not allowed in agent mode"),
        None => Ok(()),
    }
}

/// Checks the files that a job reads before its first scrape.
fn references(job: &ScrapeConfig) -> Result<()> {
    let ClientOptions { authorization, bearer_token_file, tls_config, .. } = &job.client;
    let token = authorization.as_ref().and_then(|it| it.credentials_file.as_ref());
    if let Some(path) = token.or(bearer_token_file.as_ref()) {
        ensure!(
            path.is_file(),
            "error checking authorization credentials or bearer token file {path:?}: no such file"
        );
    }
    for (what, path) in [("cert", &tls_config.cert_file), ("key", &tls_config.key_file)] {
        let missing = path.as_ref().filter(|path| !path.is_file());
        if let Some(path) = missing {
            bail!("error checking client {what} file {path:?}: no such file");
        }
    }
    for source in job.sources.iter().filter(|source| source.mechanism.name == "file") {
        for pattern in source.section.texts("files") {
            let found =
                wf_config::glob::files(Path::new(&pattern)).with_context(|| format!("find {pattern}"))?;
            if found.is_empty() && !wf_rules::is_pattern(&pattern) {
                let job = &job.job_name;
                say(&format!("  WARNING: file {pattern:?} for file_sd in scrape job {job:?} does not exist"));
            }
            for path in found {
                let checked = wf_discovery::check_file(&path);
                checked.map_err(anyhow::Error::msg).with_context(|| format!("checking SD file {path:?}"))?;
            }
        }
    }
    Ok(())
}

/// Looks for jobs whose samples are so far apart that queries do not find them.
fn intervals(config: &Config, options: &ConfigOptions) -> Outcome {
    if !looks_for(&options.lint, "too-long-scrape-interval") {
        return Outcome::Good;
    }
    let mut outcome = Outcome::Good;
    for job in config.scrape_configs.iter().filter(|job| job.scrape_interval >= options.lookback) {
        let (name, interval) = (&job.job_name, duration::format(job.scrape_interval));
        complain(&format!(
            "  FAILED: lint error long scrape interval found. Data point will be marked as stale. Job: {name}. Interval: {interval}"
        ));
        outcome = Outcome::Suspicious;
    }
    outcome
}
