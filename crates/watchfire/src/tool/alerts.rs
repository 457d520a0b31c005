//! `watchfire tool alerts`, also called `amtool`: checks of configurations, questions to a running Alertmanager.
//!
//! # Not here: `config show`, `cluster`, `template render`, `silence import` and `update`; the original's `amtool` works
//! with ours.

mod remote;

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
    /// About a configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// About alerts
    Alert {
        #[command(flatten)]
        server: remote::Server,
        #[command(subcommand)]
        command: remote::AlertCommand,
    },
    /// About silences
    Silence {
        #[command(flatten)]
        server: remote::Server,
        #[command(subcommand)]
        command: remote::SilenceCommand,
    },
}

/// Parts of a configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// About the routing tree
    Routes {
        #[command(subcommand)]
        command: RoutesCommand,
    },
}

/// What can be asked of a routing tree.
#[derive(Debug, Subcommand)]
pub(crate) enum RoutesCommand {
    /// Tell which receivers an alert with these labels reaches
    Test {
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
        AlertsCommand::Config { command: ConfigCommand::Routes { command } } => {
            let RoutesCommand::Test { config_file, expected, labels } = command;
            outcome(test_routes(config_file, expected.as_deref(), labels))
        }
        AlertsCommand::Alert { server, command } => outcome(remote::alert(server, command)),
        AlertsCommand::Silence { server, command } => outcome(remote::silence(server, command)),
    }
}

/// Prints what came out.
fn outcome(result: Result<String, String>) -> ExitCode {
    match result {
        Ok(text) => {
            if !text.is_empty() {
                say(text.trim_end());
            }
            ExitCode::SUCCESS
        }
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
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

fn test_routes(file: &Path, expected: Option<&str>, labels: &[String]) -> Result<String, String> {
    let config = AlertmanagerConfig::load_file(file, Mode::Fallback).map_err(|error| error.to_string())?;
    let receivers = config.receivers_for(labels)?.join(",");
    match expected {
        Some(expected) if expected != receivers => {
            Err(format!("expected receivers {expected} did not match resolved receivers {receivers}"))
        }
        _ => Ok(receivers),
    }
}
