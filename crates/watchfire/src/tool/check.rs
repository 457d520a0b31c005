//! `watchfire tool check`: files, servers and pages, as `promtool check` does.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::{HeaderMap, Method};
use wf_exposition::lint;
use wf_httpkit::server::WebPolicy;
use wf_rules::file::{Acceptance, load, load_file};
use wf_rules::{Group, Rule, RuleFileError};

use super::api::Api;
use super::check_config::{self, ConfigOptions};
use super::service_discovery::{self, DiscoveryOptions};
use crate::say;

/// Exit code for findings that are to be fatal.
const FINDINGS: u8 = 3;
/// Most bytes read from standard input.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// Tools that check.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// Check configuration files and what they refer to
    Config(ConfigOptions),
    /// Show what a job discovers, and what relabeling makes of it
    ServiceDiscovery(DiscoveryOptions),
    /// Check files with TLS, users and headers of a listener
    WebConfig {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Check rule files; standard input without any
    Rules(RulesOptions),
    /// Check a page of metrics on standard input for consistency
    Metrics {
        /// Print how many series each metric has
        #[arg(long)]
        extended: bool,
        /// What to look for: all, or none
        #[arg(long, default_value = "all", value_parser = ["all", "none"])]
        lint: String,
    },
    /// Ask a server whether it is healthy
    Healthy(ServerOptions),
    /// Ask a server whether it is ready
    Ready(ServerOptions),
}

/// Options of `check rules`.
#[derive(Debug, Args)]
pub(crate) struct RulesOptions {
    /// Files
    files: Vec<PathBuf>,
    /// What to look for beyond errors: duplicate-rules, all or none
    #[arg(long, default_value = "duplicate-rules", value_delimiter = ',')]
    lint: Vec<String>,
    /// End with exit code 3 when there are findings
    #[arg(long)]
    lint_fatal: bool,
    /// Pass over keys that nobody knows
    #[arg(long)]
    ignore_unknown_fields: bool,
}

/// A server to ask.
#[derive(Debug, Args)]
pub(crate) struct ServerOptions {
    /// The server
    #[arg(long, default_value = "http://localhost:9090")]
    url: String,
    /// File with credentials, TLS and the like, as an HTTP client block has them
    #[arg(long = "http.config.file")]
    http_config: Option<PathBuf>,
}

pub(crate) fn main(command: &CheckCommand) -> ExitCode {
    match command {
        CheckCommand::Config(options) => check_config::main(options),
        CheckCommand::ServiceDiscovery(options) => service_discovery::main(options),
        CheckCommand::WebConfig { files } => web_configs(files),
        CheckCommand::Rules(options) => rules(options),
        CheckCommand::Metrics { extended, lint } => metrics(*extended, lint == "all"),
        CheckCommand::Healthy(options) => ask(options, "/-/healthy"),
        CheckCommand::Ready(options) => ask(options, "/-/ready"),
    }
}

/// Prints a line to standard error, as the original does: without our name.
pub(super) fn complain(text: &str) {
    // There is nobody to tell that nobody can be told.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Returns the exit code for files that do not exist, in the original's words.
pub(super) fn absent(files: &[PathBuf]) -> Option<ExitCode> {
    let absent = files.iter().find(|file| !file.is_file())?;
    complain(&format!("promtool: error: path '{}' does not exist, try --help", absent.display()));
    Some(ExitCode::FAILURE)
}

/// Reads what a listener would read, certificates included.
fn web_configs(files: &[PathBuf]) -> ExitCode {
    if let Some(code) = absent(files) {
        return code;
    }
    let mut is_good = true;
    for file in files {
        match WebPolicy::load(file, wf_config::read_web) {
            Ok(_) => complain(&format!("{} SUCCESS", file.display())),
            Err(error) => {
                is_good = false;
                complain(&format!("{} FAILED: {:#}", file.display(), anyhow::Error::from(error)));
            }
        }
    }
    ExitCode::from(u8::from(!is_good))
}

fn rules(options: &RulesOptions) -> ExitCode {
    if let Some(code) = absent(&options.files) {
        return code;
    }
    let acceptance =
        Acceptance { ignores_unknown_fields: options.ignore_unknown_fields, ..Acceptance::default() };
    let looks_for_duplicates = looks_for(&options.lint, "duplicate-rules");
    let check = |loaded| RulesCheck { loaded, indent: "" }.report(looks_for_duplicates);
    let mut worst = Outcome::Good;
    if options.files.is_empty() {
        say("Checking standard input");
        let mut text = String::new();
        let read = std::io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut text);
        let path = Path::new("(stdin)");
        let loaded = match read {
            Ok(_) => load(&text, path, acceptance),
            Err(source) => Err(RuleFileError::Read { path: path.to_owned(), source }),
        };
        worst = check(loaded);
    }
    for file in &options.files {
        say(&format!("Checking {}", file.display()));
        worst = worst.max(check(load_file(file, acceptance)));
    }
    worst.code(options.lint_fatal)
}

/// Returns whether findings of a kind are wanted: `--lint` names it, or all.
pub(super) fn looks_for(lint: &[String], kind: &str) -> bool {
    lint.iter().any(|lint| lint == "all" || lint == kind)
}

/// How a check went, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// Nothing was found.
    Good,
    /// Something is odd.
    Suspicious,
    /// It cannot be used.
    Bad,
}

impl Outcome {
    pub(super) fn code(self, are_findings_fatal: bool) -> ExitCode {
        match self {
            Self::Suspicious if are_findings_fatal => ExitCode::from(FINDINGS),
            Self::Good | Self::Suspicious => ExitCode::SUCCESS,
            Self::Bad => ExitCode::FAILURE,
        }
    }
}

/// A rule file that was read.
pub(super) struct RulesCheck {
    pub(super) loaded: Result<Vec<Group>, RuleFileError>,
    /// Stands before errors.
    pub(super) indent: &'static str,
}

impl RulesCheck {
    /// Prints what is to be said about it.
    pub(super) fn report(self, looks_for_duplicates: bool) -> Outcome {
        let failed = |text: &str| complain(&format!("  FAILED:\n{}{text}", self.indent));
        let outcome = match self.loaded {
            Err(error) => {
                failed(&format!("{:#}", anyhow::Error::from(error)));
                Outcome::Bad
            }
            Ok(groups) => match duplicates(&groups).filter(|_| looks_for_duplicates) {
                Some(finding) => {
                    failed(&format!("lint error {finding}"));
                    Outcome::Suspicious
                }
                None => {
                    let n_rules: usize = groups.iter().map(|group| group.rules.len()).sum();
                    say(&format!("  SUCCESS: {n_rules} rules found"));
                    Outcome::Good
                }
            },
        };
        say("");
        outcome
    }
}

/// Describes rules of the same name and labels.
fn duplicates(groups: &[Group]) -> Option<String> {
    let mut counts: BTreeMap<(&str, &BTreeMap<String, String>), usize> = BTreeMap::new();
    for Rule { name, labels, .. } in groups.iter().flat_map(|group| &group.rules) {
        *counts.entry((name, labels)).or_default() += 1;
    }
    // Named once, however often they stand there.
    let twice: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 1).map(|(rule, _)| rule).collect();
    if twice.is_empty() {
        return None;
    }
    let mut text = format!("{} duplicate rule(s) found.\n", twice.len());
    for (name, labels) in twice {
        text.push_str(&format!("Metric: {name}\nLabel(s):\n"));
        labels.iter().for_each(|(name, value)| text.push_str(&format!("\t{name}: {value}\n")));
    }
    text.push_str("Might cause inconsistency while recording expressions");
    Some(text)
}

fn metrics(is_extended: bool, lints: bool) -> ExitCode {
    let mut page = Vec::new();
    if let Err(error) = std::io::stdin().take(INPUT_BYTES_MAX).read_to_end(&mut page) {
        complain(&format!("error while linting: {error}"));
        return ExitCode::FAILURE;
    }
    let read = match lint::read(&page) {
        Ok(read) => read,
        Err(error) => {
            complain(&format!(
                "error while linting: text format parsing error in line {}: {error}",
                error.line
            ));
            return ExitCode::FAILURE;
        }
    };
    let findings = if lints { read.lint() } else { Vec::new() };
    findings.iter().for_each(|finding| complain(&format!("{} {}", finding.metric, finding.text)));
    if !findings.is_empty() {
        return ExitCode::from(FINDINGS);
    }
    if is_extended {
        cardinality(&read.series_counts());
    }
    ExitCode::SUCCESS
}

/// Prints a table with the share of each metric, the largest first.
fn cardinality(counts: &[(String, usize)]) {
    let mut counts = counts.to_vec();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let share = |count: usize| format!("{:.2}%", count as f64 / total.max(1) as f64 * 100.0);
    let mut rows = vec![["Metric".to_owned(), "Cardinality".to_owned(), "Percentage".to_owned()]];
    rows.extend(counts.into_iter().map(|(name, count)| [name, count.to_string(), share(count)]));
    rows.push(["Total".to_owned(), total.to_string(), "100%".to_owned()]);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0) + 4;
    let widths = [width(0), width(1), width(2)];
    for [name, count, share] in &rows {
        say(&format!("{name:<0$}{count:<1$}{share:<2$}", widths[0], widths[1], widths[2]));
    }
}

fn ask(options: &ServerOptions, path: &str) -> ExitCode {
    let asked = Api::new(&options.url, &[], options.http_config.as_deref()).and_then(|api| {
        let answer = api.send(Method::GET, &api.url(path), &HeaderMap::new(), Vec::new())?;
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        anyhow::ensure!(
            answer.status.is_success(),
            "check failed: URL={}, status={}",
            api.url(path),
            answer.status.as_u16()
        );
        Ok(text)
    });
    match asked {
        Ok(text) => {
            complain(&format!("  SUCCESS: {text}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("  FAILED: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
