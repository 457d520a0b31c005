//! `watchfire tool alerts`, also called `amtool`: checks of configurations, questions to a running Alertmanager.
//!
//! # Reading order: this file (commands), `server` (whom to ask), `alert`, `silence`, `routes`.

mod alert;
mod routes;
mod server;
mod silence;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use wf_alertmanager::{AlertmanagerConfig, Mode};

use crate::{complain, say};
use server::Server;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Check configuration files and their templates; standard input without files
    CheckConfig {
        /// Files
        files: Vec<PathBuf>,
    },
    /// About a configuration: that of the running Alertmanager unless told otherwise
    Config {
        #[command(flatten)]
        server: Box<Server>,
        #[command(subcommand)]
        command: Option<ConfigCommand>,
    },
    /// List alerts, or add one
    #[command(args_conflicts_with_subcommands = true)]
    Alert {
        #[command(subcommand)]
        command: Option<alert::AlertCommand>,
        #[command(flatten)]
        query: Box<alert::Query>,
        #[command(flatten)]
        server: Box<Server>,
    },
    /// List silences, or make, change, import and end them
    #[command(args_conflicts_with_subcommands = true)]
    Silence {
        #[command(subcommand)]
        command: Option<silence::SilenceCommand>,
        #[command(flatten)]
        query: Box<silence::Query>,
        #[command(flatten)]
        server: Box<Server>,
    },
    /// Show the members of the cluster
    Cluster {
        #[command(flatten)]
        server: Box<Server>,
        #[command(subcommand)]
        command: Option<ShowCommand>,
    },
    /// About templates
    Template {
        #[command(flatten)]
        server: Box<Server>,
        #[command(subcommand)]
        command: TemplateCommand,
    },
    /// Tell why an alert was told about, or why not
    Why {
        /// Matchers; a bare first word is the alert's name
        #[arg(required = true)]
        matchers: Vec<String>,
        #[command(flatten)]
        server: Box<Server>,
    },
    /// Send a test notification to a receiver, now and once
    TestReceiver {
        /// Its name
        receiver: String,
        #[command(flatten)]
        server: Box<Server>,
    },
}

/// Parts of a configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show it
    Show,
    /// About the routing tree
    Routes {
        #[command(flatten)]
        from: routes::From,
        #[command(subcommand)]
        command: Option<routes::RoutesCommand>,
    },
}

/// The only thing to do.
#[derive(Debug, Subcommand)]
pub(crate) enum ShowCommand {
    /// Show them
    Show,
}

/// What can be done with templates.
#[derive(Debug, Subcommand)]
pub(crate) enum TemplateCommand {
    /// Render a template
    Render(Render),
}

/// What is rendered.
#[derive(Debug, Args)]
pub(crate) struct Render {
    /// Files of templates; repeatable
    #[arg(long = "template.glob")]
    globs: Vec<String>,
    /// The text to render, such as '{{ template "slack.default.title" . }}'
    #[arg(long = "template.text")]
    text: String,
    /// Whether the output is HTML
    #[arg(long = "template.type", value_enum, default_value_t)]
    kind: TemplateKind,
    /// File with the data, as a webhook gets it; an example unless given
    #[arg(long = "template.data")]
    data: Option<PathBuf>,
}

/// What a template makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum TemplateKind {
    #[default]
    Text,
    Html,
}

pub(crate) fn main(command: &AlertsCommand) -> ExitCode {
    match command {
        AlertsCommand::CheckConfig { files } => check(files),
        AlertsCommand::Config { server, command } => match command {
            None | Some(ConfigCommand::Show) => outcome(routes::show_config(server)),
            Some(ConfigCommand::Routes { from, command }) => {
                outcome(routes::run(server, from, command.as_ref()))
            }
        },
        AlertsCommand::Alert { server, query, command } => match command {
            None => outcome(alert::list(server, query)),
            Some(command) => outcome(alert::run(server, command)),
        },
        AlertsCommand::Silence { server, query, command } => match command {
            None => outcome(silence::list(server, query)),
            Some(command) => outcome(silence::run(server, command)),
        },
        AlertsCommand::Cluster { server, .. } => outcome(server.cluster()),
        AlertsCommand::Template { command: TemplateCommand::Render(render), .. } => outcome(rendered(render)),
        AlertsCommand::Why { matchers, server } => outcome(alert::why(server, matchers)),
        AlertsCommand::TestReceiver { receiver, server } => outcome(alert::test_receiver(server, receiver)),
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

fn rendered(render: &Render) -> Result<String, String> {
    let data = match &render.data {
        None => None,
        Some(path) => {
            Some(std::fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))?)
        }
    };
    let is_html = render.kind == TemplateKind::Html;
    let now = jiff::Timestamp::now();
    wf_alertmanager::render_template(&render.globs, &render.text, is_html, data.as_deref(), now)
}

fn check(files: &[PathBuf]) -> ExitCode {
    let mut n_failed = 0;
    let stdin = [PathBuf::from("-")];
    for file in if files.is_empty() { &stdin } else { files } {
        let loaded = if file.as_os_str() == "-" {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string());
            read.and_then(|_| {
                AlertmanagerConfig::load(&text, file, Mode::Fallback).map_err(|error| error.to_string())
            })
        } else {
            AlertmanagerConfig::load_file(file, Mode::Fallback).map_err(|error| error.to_string())
        };
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
