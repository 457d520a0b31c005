//! `watchfire tool`: checks and tests.

use std::path::PathBuf;
use std::process::ExitCode;

use wf_promql::script::{self, Failure, Report};

use crate::cli::{CheckCommand, PromqlCommand, ToolCommand, ToolOptions};
use crate::say;

pub(crate) fn main(options: &ToolOptions) -> ExitCode {
    match &options.command {
        ToolCommand::Promql { command: PromqlCommand::Test { files } } => test_scripts(files),
        ToolCommand::Check { command: CheckCommand::Config { files } } => check_configs(files),
    }
}

fn check_configs(files: &[PathBuf]) -> ExitCode {
    let mut is_good = true;
    for file in files {
        match wf_config::load_file(file) {
            Ok(_) => say(&format!("{}: SUCCESS", file.display())),
            Err(error) => {
                is_good = false;
                say(&format!("{}: FAILED: {:#}", file.display(), anyhow::Error::from(error)));
            }
        }
    }
    ExitCode::from(u8::from(!is_good))
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
