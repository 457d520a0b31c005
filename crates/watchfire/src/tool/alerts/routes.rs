//! `config`: what is configured and where alerts go, by a file or by the running Alertmanager.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use wf_alertmanager::{AlertmanagerConfig, Mode};

use super::server::{Server, text_at};

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct From {
    /// Configuration file; that of the running Alertmanager unless given
    #[arg(long = "config.file", global = true)]
    file: Option<PathBuf>,
}

/// What can be asked of a routing tree.
#[derive(Debug, Subcommand)]
pub(crate) enum RoutesCommand {
    /// Draw it
    Show,
    /// Tell which receivers an alert with these labels reaches
    Test {
        /// Receivers that are expected, separated by commas; others are a failure
        #[arg(long = "verify.receivers")]
        expected: Option<String>,
        /// Draw the branches that it takes
        #[arg(long)]
        tree: bool,
        /// Labels as name=value
        labels: Vec<String>,
    },
}

pub(super) fn show_config(server: &Server) -> Result<String, String> {
    Ok(text_at(&server.get("status", &[])?, "/config/original"))
}

pub(super) fn run(server: &Server, from: &From, command: Option<&RoutesCommand>) -> Result<String, String> {
    let config = match &from.file {
        Some(path) => AlertmanagerConfig::load_file(path, Mode::Fallback),
        None => AlertmanagerConfig::load(&show_config(server)?, Path::new("-"), Mode::Fallback),
    };
    let config = config.map_err(|error| error.to_string())?;
    match command {
        None | Some(RoutesCommand::Show) => config.route_tree(None),
        Some(RoutesCommand::Test { expected, tree, labels }) => {
            let receivers = config.receivers_for(labels)?.join(",");
            let mut shown = if *tree { config.route_tree(Some(labels))? } else { String::new() };
            if let Some(expected) = expected.as_ref().filter(|expected| **expected != receivers) {
                return Err(format!(
                    "{shown}expected receivers {expected} did not match resolved receivers {receivers}"
                ));
            }
            shown.push_str(&receivers);
            Ok(shown)
        }
    }
}
