//! `watchfire tool config`: what a configuration file means.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::say;

/// Tools about configuration files.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show the effective value of every field, and where it comes from
    Explain {
        /// Configuration file
        file: PathBuf,
        /// Let ${env:NAME} and ${file:PATH} in secrets stand for what they name
        #[arg(long = "config.expand-secrets")]
        expand_secrets: bool,
    },
}

pub(crate) fn main(command: &ConfigCommand) -> ExitCode {
    match command {
        ConfigCommand::Explain { file, expand_secrets } => {
            let options = wf_config::LoadOptions::default();
            explain(file, wf_config::LoadOptions { expands_secrets: *expand_secrets, ..options })
        }
    }
}

/// Shows a field a line: its path, its value and its origin.
fn explain(file: &Path, options: wf_config::LoadOptions) -> ExitCode {
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
