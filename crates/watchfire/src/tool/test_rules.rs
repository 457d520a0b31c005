//! `watchfire tool test rules`: unit tests of rules, as `promtool test rules`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use wf_model::regex::SearchRegex;
use wf_promql::engine::{EngineOptions, Features};
use wf_rules::unit_test::{FileOutcome, Options, run_file};

use super::check::{absent, complain};
use crate::say;

/// Options of `test rules`.
#[derive(Debug, Args)]
pub(crate) struct TestRulesOptions {
    /// Files with unit tests
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Run only tests whose name matches this expression; can be repeated
    #[arg(long)]
    run: Vec<String>,
    /// Pass over keys that nobody knows
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Write the outcome as JUnit XML to this file
    #[arg(long)]
    junit: Option<PathBuf>,
}

pub(crate) fn main(options: &TestRulesOptions) -> ExitCode {
    if let Some(code) = absent(&options.files) {
        return code;
    }
    let mut names = Vec::with_capacity(options.run.len());
    for pattern in &options.run {
        match SearchRegex::new(pattern) {
            Ok(regex) => names.push(regex),
            Err(error) => {
                complain(&format!("promtool: error: --run: {error}, try --help"));
                return ExitCode::FAILURE;
            }
        }
    }
    let wants = |name: &str| names.is_empty() || names.iter().any(|regex| regex.is_match(name));
    let features = Features { experimental_functions: true, ..Features::default() };
    let engine = EngineOptions { features, ..EngineOptions::default() };
    let run = Options { ignores_unknown_fields: options.ignore_unknown_fields, engine };
    let mut outcomes = Vec::with_capacity(options.files.len());
    for file in &options.files {
        say(&format!("Unit Testing:  {}", file.display()));
        let outcome = run_file(file, &run, &wants);
        report(&outcome);
        outcomes.push((file.as_path(), outcome));
    }
    if let Some(path) = &options.junit
        && let Err(error) = std::fs::write(path, junit(&outcomes))
    {
        complain(&format!("write {}: {error}", path.display()));
        return ExitCode::FAILURE;
    }
    let is_good = outcomes.iter().all(|(_, outcome)| is_good(outcome));
    ExitCode::from(u8::from(!is_good))
}

type Tested = Result<FileOutcome, Vec<String>>;

fn is_good(outcome: &Tested) -> bool {
    outcome.as_ref().is_ok_and(|outcome| outcome.groups.iter().all(|group| group.errors.is_empty()))
}

fn report(outcome: &Tested) {
    if let Ok(outcome) = outcome {
        outcome
            .unmatched
            .iter()
            .for_each(|pattern| complain(&format!("  WARNING: no file match pattern {pattern}")));
    }
    let errors: Vec<&String> = match outcome {
        Ok(outcome) => outcome.groups.iter().flat_map(|group| &group.errors).collect(),
        Err(errors) => errors.iter().collect(),
    };
    if errors.is_empty() {
        say("  SUCCESS");
    } else {
        complain("  FAILED:");
    }
    for error in errors {
        complain(error);
        say("");
    }
    say("");
}

/// Writes outcomes as JUnit XML: a suite per file, a case per group of tests.
fn junit(outcomes: &[(&Path, Tested)]) -> String {
    let mut text = String::from("<testsuites>\n");
    for (file, outcome) in outcomes {
        let cases: Vec<(&str, &[String])> = match outcome {
            Ok(outcome) => {
                outcome.groups.iter().map(|group| (group.name.as_str(), group.errors.as_slice())).collect()
            }
            Err(errors) => vec![("", errors.as_slice())],
        };
        let n_failures: usize = cases.iter().filter(|(_, errors)| !errors.is_empty()).count();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{n_failures}\" errors=\"0\">",
            escaped(&file.display().to_string()),
            cases.len()
        );
        for (name, errors) in cases {
            let _ = writeln!(text, "    <testcase name=\"{}\">", escaped(name));
            errors.iter().for_each(|error| {
                let _ = writeln!(text, "      <failure>{}</failure>", escaped(error));
            });
            text.push_str("    </testcase>\n");
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
