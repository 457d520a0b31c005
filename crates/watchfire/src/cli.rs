//! The command line: which role, and its options under the original's spellings.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::agent::AgentOptions;
use crate::alertmanager::AlertmanagerOptions;
use crate::exporters::ExporterOptions;
use crate::logging::LogOptions;
use crate::server::ServerOptions;
use crate::tool::alerts::AlertsCommand;
use crate::tool::check::CheckCommand;
use crate::tool::config::ConfigCommand;
use crate::tool::debug::DebugCommand;
use crate::tool::history::RulesCommand;
use crate::tool::promql::PromqlCommand;
use crate::tool::push::PushCommand;
use crate::tool::query::QueryCommand;
use crate::tool::relabel::RelabelOptions;
use crate::tool::test_rules::TestRulesOptions;
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
const LINKS: [(&str, &str); 6] = [
    ("prometheus", "server"),
    ("alertmanager", "alertmanager"),
    ("amtool", "tool alerts"),
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
    /// Routes, groups, silences and sends alerts, with Alertmanager's flags and configuration file
    Alertmanager(Box<AlertmanagerOptions>),
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
    /// Show what each relabeling rule of a job does to a label set
    Relabel(RelabelOptions),
    /// Check files, pages and servers
    Check {
        #[command(subcommand)]
        command: CheckCommand,
    },
    /// Checks of Alertmanager's configuration, and questions to a running one: `amtool`
    Alerts {
        #[command(subcommand)]
        command: AlertsCommand,
    },
    /// About configuration files
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Ask a server
    Query {
        #[command(subcommand)]
        command: QueryCommand,
    },
    /// Run unit tests
    Test {
        #[command(subcommand)]
        command: TestCommand,
    },
    /// Pack what a server says about itself
    Debug {
        #[command(subcommand)]
        command: DebugCommand,
    },
    /// Send metrics to a server
    Push {
        #[command(subcommand)]
        command: PushCommand,
    },
    /// About rules over stored history
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
}

/// Unit tests.
#[derive(Debug, Subcommand)]
pub(crate) enum TestCommand {
    /// Of rules
    Rules(TestRulesOptions),
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
    out.extend(link.into_iter().flat_map(|(_, role)| role.split(' ').map(OsString::from)));
    out.extend(arguments.iter().skip(1).cloned());
    Invocation::Command(out)
}

/// Parses, or ends the process with usage and exit code 2 (0 for `--help`); tools end with 1, as the original's.
pub(crate) fn parse(arguments: Vec<OsString>) -> Command {
    let is_tool = arguments.get(1).is_some_and(|role| role == "tool");
    match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.command,
        Err(error) if is_tool && error.use_stderr() => {
            // Whoever closed standard error does not want to know.
            let _ = error.print();
            std::process::exit(1)
        }
        Err(error) => error.exit(),
    }
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
        assert_eq!(arguments(&["amtool", "alert"]), ["watchfire", "tool", "alerts", "alert"]);
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
