//! `watchfire tool promql`: about queries.
//!
//! `format` and `label-matchers` keep the contract of the original's `promtool promql`: the query goes to standard
//! output, an error to standard error with exit code 1. Lint findings end with 3 when they are to be fatal.

mod explain;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{Subcommand, ValueEnum};
use wf_model::{MatchOp, Matcher};
use wf_promql::ast::{Expr, ExprKind};
use wf_promql::edit;
use wf_promql::lint::{Knowledge, Severity, lint};
use wf_promql::parser::{ParseOptions, line_and_column, parse, parse_leniently};
use wf_promql::printer::pretty;
use wf_promql::script::{self, Failure, Report};
use wf_server::query_json;

use crate::{complain, say};

/// Exit code for findings, with `--lint-fatal`.
const FINDINGS: u8 = 3;

/// Longest query read from standard input.
const QUERY_BYTES_MAX: u64 = 1 << 20;

/// Tools about queries.
#[derive(Debug, Subcommand)]
pub(crate) enum PromqlCommand {
    /// Print a query in its canonical form, over several lines when it is long
    Format {
        /// The query; `-` reads standard input
        query: String,
    },
    /// Print the syntax tree of a query
    Parse {
        /// The query; `-` reads standard input
        query: String,
        /// How to print it
        #[arg(short, long, value_enum, default_value = "text")]
        output: Output,
    },
    /// Show the plan of a query: what each part is expected to cost, and with --analyze what it cost
    Explain(explain::ExplainOptions),
    /// Say what is suspicious about queries
    Lint {
        /// The queries; `-` reads one from standard input
        #[arg(required = true)]
        queries: Vec<String>,
        /// How to print findings
        #[arg(short, long, value_enum, default_value = "text")]
        output: Output,
        /// End with exit code 3 when there are findings
        #[arg(long)]
        lint_fatal: bool,
        /// Only warnings: what is wrong for all data that keep the naming conventions
        #[arg(long)]
        warnings_only: bool,
        /// Time between two samples, to find windows that are too short
        #[arg(long, value_parser = duration)]
        scrape_interval: Option<Duration>,
    },
    /// Change the label matchers of all selectors of a query
    LabelMatchers {
        #[command(subcommand)]
        command: LabelMatchersCommand,
    },
    /// Run test scripts; exit 0 only if every evaluation passed
    Test {
        /// Script files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// How to change label matchers.
#[derive(Debug, Subcommand)]
pub(crate) enum LabelMatchersCommand {
    /// Set a matcher in every selector
    Set {
        /// Type of the matcher: =, !=, =~ or !~
        #[arg(short = 't', long = "type", default_value = "=", value_parser = match_op)]
        op: MatchOp,
        /// The query
        query: String,
        /// Name of the label
        name: String,
        /// Value or pattern
        value: String,
    },
    /// Delete the matchers of a label from every selector
    Delete {
        /// The query
        query: String,
        /// Name of the label
        name: String,
    },
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// For programs, as the API has it
    Json,
}

fn match_op(text: &str) -> Result<MatchOp, String> {
    let all = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
    all.into_iter().find(|op| op.as_str() == text).ok_or_else(|| "use =, !=, =~ or !~".to_owned())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    wf_model::duration::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn main(command: &PromqlCommand) -> ExitCode {
    let outcome = match command {
        PromqlCommand::Format { query } => format(query),
        PromqlCommand::Parse { query, output } => print_tree(query, *output),
        PromqlCommand::Explain(options) => explain::main(options),
        PromqlCommand::Lint { queries, output, lint_fatal, warnings_only, scrape_interval } => {
            let options = LintOptions {
                output: *output,
                warnings_only: *warnings_only,
                scrape_interval_ms: scrape_interval.map_or(0, wf_promql::ast::duration_ms),
            };
            return lint_all(queries, &options, *lint_fatal);
        }
        PromqlCommand::LabelMatchers { command } => label_matchers(command),
        PromqlCommand::Test { files } => return test_scripts(files),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Takes the query of the command line, or reads it from standard input.
fn read(query: &str) -> Result<String> {
    if query != "-" {
        return Ok(query.to_owned());
    }
    let mut text = String::new();
    let mut limited = std::io::stdin().take(QUERY_BYTES_MAX + 1);
    limited.read_to_string(&mut text).context("read the query from standard input")?;
    if text.len() as u64 > QUERY_BYTES_MAX {
        return Err(anyhow!("the query is longer than {QUERY_BYTES_MAX} bytes"));
    }
    // The last line's end is no part of the query.
    text.truncate(text.trim_end().len());
    Ok(text)
}

fn parsed(query: &str) -> Result<Expr> {
    Ok(parse(query, &ParseOptions::all())?)
}

fn format(query: &str) -> Result<()> {
    say(&pretty(&parsed(&read(query)?)?));
    Ok(())
}

fn print_tree(query: &str, output: Output) -> Result<()> {
    let expr = parsed(&read(query)?)?;
    match output {
        Output::Json => say(&query_json::tree(&expr)),
        Output::Text => {
            let mut text = String::new();
            write_tree(&mut text, &expr, 0);
            say(text.trim_end());
        }
    }
    Ok(())
}

/// Writes a node a line, children indented: what it is, where it stands, what it yields.
fn write_tree(text: &mut String, expr: &Expr, level: usize) {
    let kind = match &expr.kind {
        ExprKind::Number(_) => "number".to_owned(),
        ExprKind::String(_) => "string".to_owned(),
        ExprKind::Selector(_) => "selector".to_owned(),
        ExprKind::Range(_) => "range selector".to_owned(),
        ExprKind::Subquery(_) => "subquery".to_owned(),
        ExprKind::Paren(_) => "parentheses".to_owned(),
        ExprKind::Unary(..) => "sign".to_owned(),
        ExprKind::Binary(binary) => format!("operator {}", binary.op.as_str()),
        ExprKind::Aggregate(aggregate) => format!("aggregation {}", aggregate.op.as_str()),
        ExprKind::Call(call) => format!("function {}", call.function.name),
    };
    let place = format!("{}..{}", expr.pos.start, expr.pos.end);
    let indent = "  ".repeat(level);
    text.push_str(&format!("{indent}{kind}  [{place}]  {:?}  {expr}\n", expr.value_type()));
    for child in expr.children() {
        write_tree(text, child, level + 1);
    }
}

struct LintOptions {
    output: Output,
    warnings_only: bool,
    scrape_interval_ms: i64,
}

fn lint_all(queries: &[String], options: &LintOptions, is_fatal: bool) -> ExitCode {
    let (mut n_wrong, mut n_findings) = (0, 0);
    for query in queries {
        match read(query) {
            Ok(query) => {
                let (wrong, findings) = lint_one(&query, options);
                n_wrong += wrong;
                n_findings += findings;
            }
            Err(error) => {
                complain(&format!("{error:#}"));
                n_wrong += 1;
            }
        }
    }
    match (n_wrong, n_findings) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) if is_fatal => ExitCode::from(FINDINGS),
        (0, _) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Prints what is wrong or suspicious; returns how many of each there are.
fn lint_one(query: &str, options: &LintOptions) -> (usize, usize) {
    let lenient = parse_leniently(query, &ParseOptions::all());
    let mut findings = Vec::new();
    if let Some(expr) = lenient.expr.filter(|_| lenient.errors.is_empty()) {
        let knowledge = Knowledge { scrape_interval_ms: options.scrape_interval_ms, ..Knowledge::default() };
        findings = lint(&expr, &knowledge);
        findings.retain(|finding| !options.warnings_only || finding.severity == Severity::Warning);
    }
    match options.output {
        Output::Json => say(&query_json::findings(query, &lenient.errors, &findings)),
        Output::Text => {
            lenient.errors.iter().for_each(|error| say(&error.to_string()));
            for finding in &findings {
                let (line, column) = line_and_column(query, finding.pos.start);
                say(&format!("{line}:{column}: {finding}"));
            }
        }
    }
    (lenient.errors.len(), findings.len())
}

fn label_matchers(command: &LabelMatchersCommand) -> Result<()> {
    let expr = match command {
        LabelMatchersCommand::Set { op, query, name, value } => {
            let mut expr = parsed(query)?;
            edit::set_matcher(&mut expr, &Matcher::new(*op, name, value)?);
            expr
        }
        LabelMatchersCommand::Delete { query, name } => {
            let mut expr = parsed(query)?;
            edit::delete_matchers(&mut expr, name).map_err(|pos| {
                let (line, column) = line_and_column(query, pos.start);
                anyhow!("{line}:{column}: without {name} this selector would select everything")
            })?;
            expr
        }
    };
    say(&pretty(&expr));
    Ok(())
}

fn test_scripts(files: &[PathBuf]) -> ExitCode {
    let (mut n_passed, mut n_failed) = (0, 0);
    for file in files {
        let report = match std::fs::read_to_string(file) {
            Ok(text) => script::run(&text),
            Err(error) => Report {
                passed: 0,
                failed: vec![Failure { line: 1, message: format!("cannot be read: {error}") }],
            },
        };
        for failure in &report.failed {
            say(&format!("{}:{}: {}", file.display(), failure.line, failure.message));
        }
        n_passed += report.passed;
        n_failed += report.failed.len();
    }
    say(&format!("{n_passed} passed, {n_failed} failed"));
    ExitCode::from(u8::from(n_failed > 0))
}
