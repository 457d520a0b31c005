//! `cargo xtask VERB`: see `make help`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use xtask::build::{self, Profile, say};
use xtask::instructions::{self, Mode};
use xtask::suite::{self, Form};
use xtask::workspace::root;
use xtask::{bench, install, peers, show};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["up", rest @ ..] => up(rest),
        ["ui"] => build::ui(),
        ["dist"] => build::binary(Profile::Dist).map(|path| say(&path.display().to_string())),
        ["install"] => install::install(),
        ["peers"] => peers::fetch().and_then(|()| peers::fetch_python()),
        ["test"] => suite::run(Form::Short),
        ["soak"] => suite::run(Form::Long),
        ["instructions"] => instructions::check(Mode::Check),
        ["instructions", "--update"] => instructions::check(Mode::Update),
        ["bench"] => bench::list(),
        ["bench", "paths"] => instructions::check(Mode::Bench),
        ["bench", name, options @ ..] => bench::run(name, options),
        ["show", name] => show::run(name),
        _ => bail!(
            "usage: cargo xtask up [ARGS…] | ui | dist | install | peers | test | soak | instructions [--update] | bench [NAME [--key value …]] | show NAME"
        ),
    }
}

/// Builds and becomes `watchfire up`.
fn up(arguments: &[&str]) -> Result<()> {
    let binary = build::binary(Profile::Release)?;
    Err(Command::new(binary).arg("up").args(arguments).current_dir(root()).exec().into())
}
