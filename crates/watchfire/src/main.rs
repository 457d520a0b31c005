//! One binary, many roles: the component is chosen by the first argument or by the name the program is called by.
//!
//! # Reading order: this file, `cli`, then a module per role (`up`, `server`, `alertmanager`, `exporters`, `exporter`, `container_exporter`,
//! `agent`, `tool`).
//! # Not here: any logic of a component. This crate parses flags and wires parts.

mod agent;
mod alertmanager;
mod cli;
mod container_exporter;
mod exporter;
mod exporters;
mod footprint;
mod init_system;
mod limits;
mod logging;
mod memory;
mod not_yet;
mod server;
mod sockets;
mod tool;
mod top;
mod ui;
mod up;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let arguments = match cli::arguments_for(&arguments) {
        cli::Invocation::Version(text) => {
            say(&text);
            return ExitCode::SUCCESS;
        }
        cli::Invocation::Command(arguments) => arguments,
    };
    let is_server = arguments.get(1).is_some_and(|role| role == "server");
    if let Some(flag) = not_yet::find(&arguments).filter(|_| is_server) {
        complain(&format!("flag {flag} has no effect yet: remove it"));
        return ExitCode::from(2);
    }
    // Before the command line of all roles is built, which costs more memory than an exporter needs.
    match arguments.get(1).and_then(|role| role.to_str()) {
        Some("node-exporter") => return exporter::main(&flags_of(&arguments)),
        Some("container-exporter") => return container_exporter::main(&flags_of(&arguments)),
        _ => {}
    }
    match cli::parse(arguments) {
        cli::Command::Up(options) => up::main(&options),
        cli::Command::Server(options) => server::main(&options),
        cli::Command::Alertmanager(options) => alertmanager::main(&options),
        cli::Command::NodeExporter(options) => exporter::main(&options),
        cli::Command::ContainerExporter(options) => container_exporter::main(&options),
        cli::Command::Agent(options) => agent::main(&options),
        cli::Command::Top(options) => top::main(&options),
        cli::Command::Tool(options) => tool::main(&options),
    }
}

/// What follows the role. What is not UTF-8 is shown as well as it can be: no flag contains it.
fn flags_of(arguments: &[OsString]) -> exporters::ExporterOptions {
    let flags = arguments.iter().skip(2).map(|flag| flag.to_string_lossy().into_owned());
    exporters::ExporterOptions { flags: flags.collect() }
}

/// Prints a line for whoever called; a closed pipe is theirs to know.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints an error in front of everything else there is: the log may not have begun.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "watchfire: error: {text}");
}

/// Prints an error with its causes and returns the exit code for `error`: 2 for a configuration or command line that
/// cannot be used, as the original, 1 for the rest.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    let is_config = error.chain().any(|cause| {
        cause.is::<wf_config::ConfigError>()
            || matches!(
                cause.downcast_ref::<wf_server::ServerError>(),
                Some(
                    wf_server::ServerError::Config(_)
                        | wf_server::ServerError::Cors(_)
                        | wf_server::ServerError::Rules(_)
                )
            )
    });
    complain(&format!("{error:#}"));
    ExitCode::from(if is_config { 2 } else { 1 })
}
