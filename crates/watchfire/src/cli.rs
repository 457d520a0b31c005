//! The command line: which role, and its options under the original's spellings.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::agent::AgentOptions;
use crate::exporter::ExporterOptions;
use crate::logging::LogOptions;
use crate::server::ServerOptions;
use crate::tool::promql::PromqlCommand;
use crate::tool::tsdb::TsdbCommand;
use crate::top::TopOptions;

/// What the program was asked to be.
pub(crate) enum Invocation {
    /// Print this and end.
    Version(String),
    /// Run these arguments.
    Command(Vec<OsString>),
}

/// Names of links, and the role behind each.
const LINKS: [(&str, &str); 4] = [
    ("prometheus", "server"),
    ("node_exporter", "node-exporter"),
    ("cadvisor", "container-exporter"),
    ("promtool", "tool"),
];

#[derive(Debug, Parser)]
#[command(
    name = "watchfire",
    about = "Watches hosts, applications and clusters: one program, many roles",
    version
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The roles.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch this machine: exporter, server and UI in one process, no configuration needed
    Up(UpOptions),
    /// The metrics server, with Prometheus's flags and configuration file
    Server(Box<ServerOptions>),
    /// The host exporter, with `node_exporter`'s flags
    NodeExporter(ExporterOptions),
    /// The container exporter, with cAdvisor's flags
    ContainerExporter(ExporterOptions),
    /// Host and container exporter in one process, for one pod on each node
    Agent(AgentOptions),
    /// Show this host and its containers in the terminal, live, without a server
    Top(TopOptions),
    /// Checks and tests
    Tool(ToolOptions),
}

/// Options of `up`.
#[derive(Debug, Args)]
pub(crate) struct UpOptions {
    /// Configuration file; without it this machine is watched every 5 s
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Data directory
    #[arg(long, default_value = "data")]
    pub(crate) data: PathBuf,
    /// Address of UI and API
    #[arg(long, default_value = "127.0.0.1:9090")]
    pub(crate) listen: String,
    /// Address of the host exporter
    #[arg(long, default_value = "127.0.0.1:9100")]
    pub(crate) exporter_listen: String,
    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// Options of `tool`.
#[derive(Debug, Args)]
pub(crate) struct ToolOptions {
    /// The original wants this before some of its tools; ours need no leave
    #[arg(long, global = true, hide = true)]
    pub(crate) experimental: bool,
    /// As the original's: queries are always read with all features
    #[arg(long = "enable-feature", global = true, hide = true, value_delimiter = ',')]
    pub(crate) features: Vec<String>,
    #[command(subcommand)]
    pub(crate) command: ToolCommand,
}

/// The tools.
#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// About queries
    Promql {
        #[command(subcommand)]
        command: PromqlCommand,
    },
    /// About data directories
    Tsdb {
        #[command(subcommand)]
        command: TsdbCommand,
    },
    /// Check files
    Check {
        #[command(subcommand)]
        command: CheckCommand,
    },
    /// About configuration files
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

/// Tools about configuration files.
#[derive(Debug, Subcommand)]
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

/// Tools that check files.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// Check configuration files
    Config {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Check rule files
    Rules {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Turns the process's arguments into those of a role: a link's name stands for its role.
pub(crate) fn arguments_for(arguments: &[OsString]) -> Invocation {
    let called =
        arguments.first().map(Path::new).and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or("");
    let link = LINKS.iter().find(|(name, _)| *name == called);
    if arguments.iter().skip(1).any(|argument| argument == "--version" || argument == "-V") {
        return Invocation::Version(version(link.map_or("watchfire", |(name, _)| name)));
    }
    let mut out = vec![OsString::from("watchfire")];
    out.extend(link.map(|(_, role)| OsString::from(*role)));
    out.extend(arguments.iter().skip(1).cloned());
    Invocation::Command(out)
}

/// Parses, or ends the process with usage and exit code 2 (0 for `--help`).
pub(crate) fn parse(arguments: Vec<OsString>) -> Command {
    Cli::parse_from(arguments).command
}

/// Version text in the form that the original prints under its own name.
pub(crate) fn version(program: &str) -> String {
    let own = env!("CARGO_PKG_VERSION");
    let is_prometheus = matches!(program, "prometheus" | "promtool");
    let version = if is_prometheus { wf_server::PROMETHEUS_VERSION } else { own };
    let revision = crate::server::build_info().revision;
    format!(
        "{program}, version {version} (branch: main, revision: {revision})\n  watchfire:        {own}\n  platform:         {}/{}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Vec<String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        match arguments_for(&words) {
            Invocation::Version(text) => vec![text.lines().next().unwrap_or("").to_owned()],
            Invocation::Command(arguments) => {
                arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
            }
        }
    }

    #[test]
    fn a_link_stands_for_its_role() {
        assert_eq!(arguments(&["/usr/bin/prometheus", "--a"]), ["watchfire", "server", "--a"]);
        assert_eq!(arguments(&["node_exporter"]), ["watchfire", "node-exporter"]);
        assert_eq!(arguments(&["./watchfire", "up"]), ["watchfire", "up"]);
        assert!(
            arguments(&["prometheus", "--version"])[0].starts_with("prometheus, version 3.14.0 (branch: ")
        );
        assert!(arguments(&["watchfire", "--version"])[0].starts_with("watchfire, version 0."));
    }

    #[test]
    fn the_definition_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
