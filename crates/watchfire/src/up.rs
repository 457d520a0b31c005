//! `watchfire up`: this machine, watched, without a word of configuration.

use std::process::ExitCode;

use crate::cli::UpOptions;

pub(crate) fn main(options: &UpOptions) -> ExitCode {
    crate::logging::start(options.log);
    crate::complain("not wired yet");
    ExitCode::FAILURE
}
