//! `watchfire tool`: checks and tests.

pub(crate) mod alerts;
pub(crate) mod promql;
pub(crate) mod relabel;
pub(crate) mod tsdb;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{CheckCommand, ConfigCommand, ToolCommand, ToolOptions};
use crate::say;

pub(crate) fn main(options: &ToolOptions) -> ExitCode {
    match &options.command {
        ToolCommand::Promql { command } => promql::main(command),
        ToolCommand::Alerts { command } => alerts::main(command),
        ToolCommand::Tsdb { command } => tsdb::main(command),
        ToolCommand::Relabel(options) => relabel::main(options),
        ToolCommand::Config { command: ConfigCommand::Explain { file, expand_secrets } } => {
            explain_config(file, wf_config::LoadOptions { expands_secrets: *expand_secrets })
        }
        ToolCommand::Check { command: CheckCommand::Config { files } } => check_configs(files),
        ToolCommand::Check { command: CheckCommand::Rules { files } } => check_rules(files),
    }
}

fn check_configs(files: &[PathBuf]) -> ExitCode {
    let mut is_good = true;
    for file in files {
        match wf_config::load_file(file) {
            Ok(config) => {
                for warning in config.warnings() {
                    say(&format!("{}: WARNING: {warning}", file.display()));
                }
                say(&format!("{}: SUCCESS", file.display()));
            }
            Err(error) => {
                is_good = false;
                say(&format!("{}: FAILED: {:#}", file.display(), anyhow::Error::from(error)));
            }
        }
    }
    ExitCode::from(u8::from(!is_good))
}

/// Shows a field a line: its path, its value and its origin.
fn explain_config(file: &Path, options: wf_config::LoadOptions) -> ExitCode {
    match wf_config::explain::explain_file(file, options) {
        Ok(fields) => {
            for field in fields {
                say(&format!("{}: {}  # {}", field.path, field.value, field.origin));
            }
            ExitCode::SUCCESS
        }
        Err(error) => crate::fail(&error.into()),
    }
}

fn check_rules(files: &[PathBuf]) -> ExitCode {
    let mut is_good = true;
    for file in files {
        say(&format!("Checking {}", file.display()));
        match wf_rules::file::load_file(file, wf_rules::file::Acceptance::default()) {
            Ok(groups) => {
                let n_rules: usize = groups.iter().map(|group| group.rules.len()).sum();
                say(&format!("  SUCCESS: {n_rules} rules found\n"));
            }
            Err(error) => {
                is_good = false;
                say(&format!("  FAILED:\n{:#}\n", anyhow::Error::from(error)));
            }
        }
    }
    ExitCode::from(u8::from(!is_good))
}
