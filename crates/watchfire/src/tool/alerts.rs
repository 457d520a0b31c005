//! `watchfire tool alerts`: checks of Alertmanager's configuration, as `amtool` has them.
//!
//! # Not here: the commands that ask a running Alertmanager; the original's `amtool` works with ours.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use wf_alertmanager::{AlertmanagerConfig, Mode};

use crate::{complain, say};

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Check configuration files and their templates
    CheckConfig {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Tell which receivers an alert with these labels reaches
    TestRoutes {
        /// Configuration file
        #[arg(long = "config.file")]
        config_file: PathBuf,
        /// Receivers that are expected, separated by commas; others are a failure
        #[arg(long = "verify.receivers")]
        expected: Option<String>,
        /// Labels as name=value
        labels: Vec<String>,
    },
}

pub(crate) fn main(command: &AlertsCommand) -> ExitCode {
    match command {
        AlertsCommand::CheckConfig { files } => check(files),
        AlertsCommand::TestRoutes { config_file, expected, labels } => {
            match test_routes(config_file, expected.as_deref(), labels) {
                Ok(code) => code,
                Err(message) => {
                    complain(&message);
                    ExitCode::FAILURE
                }
            }
        }
    }
}

fn check(files: &[PathBuf]) -> ExitCode {
    let mut n_failed = 0;
    for file in files {
        let loaded = AlertmanagerConfig::load_file(file, Mode::Fallback).map_err(|error| error.to_string());
        match loaded.and_then(|config| config.summary()) {
            Ok(found) => say(&format!(
                "Checking '{}'  SUCCESS\nFound:\n - global config\n - route\n - {} inhibit rules\n - {} receivers\n - {} templates\n",
                file.display(),
                found.n_inhibit_rules,
                found.n_receivers,
                found.n_template_globs
            )),
            Err(error) => {
                n_failed += 1;
                say(&format!("Checking '{}'  FAILED: {error}\n", file.display()));
            }
        }
    }
    if n_failed > 0 {
        complain(&format!("failed to validate {n_failed} file(s)"));
    }
    ExitCode::from(u8::from(n_failed > 0))
}

fn test_routes(file: &Path, expected: Option<&str>, labels: &[String]) -> Result<ExitCode, String> {
    let config = AlertmanagerConfig::load_file(file, Mode::Fallback).map_err(|error| error.to_string())?;
    let receivers = config.receivers_for(labels)?.join(",");
    say(&receivers);
    match expected {
        Some(expected) if expected != receivers => {
            Err(format!("expected receivers did not match resolved receivers: {expected}"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
