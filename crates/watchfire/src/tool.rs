//! `watchfire tool`: checks, tests and questions, with `promtool`'s commands.

pub(crate) mod alerts;
mod analyze;
mod api;
pub(crate) mod check;
mod check_config;
pub(crate) mod config;
pub(crate) mod debug;
pub(crate) mod history;
pub(crate) mod promql;
pub(crate) mod push;
pub(crate) mod query;
pub(crate) mod relabel;
mod service_discovery;
pub(crate) mod test_rules;
pub(crate) mod tsdb;

use std::process::ExitCode;

use crate::cli::{TestCommand, ToolCommand, ToolOptions};

pub(crate) fn main(options: &ToolOptions) -> ExitCode {
    match &options.command {
        ToolCommand::Promql { command } => promql::main(command),
        ToolCommand::Alerts { command } => alerts::main(command),
        ToolCommand::Tsdb { command } => tsdb::main(command),
        ToolCommand::Relabel(options) => relabel::main(options),
        ToolCommand::Config { command } => config::main(command),
        ToolCommand::Check { command } => check::main(command),
        ToolCommand::Query { command } => query::main(command),
        ToolCommand::Test { command: TestCommand::Rules(options) } => test_rules::main(options),
        ToolCommand::Rules { command } => history::main(command),
        ToolCommand::Debug { command } => debug::main(command),
        ToolCommand::Push { command } => push::main(command),
    }
}
