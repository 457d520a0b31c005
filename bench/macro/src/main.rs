//! `wf-macrobench`: see the library's page.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use wf_macrobench::report::with_section;
use wf_macrobench::sim::process::serve_until_stdin_ends;
use wf_macrobench::{Env, Options, benches};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(code) => code,
        Err(error) => {
            // Without an error stream there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[&str]) -> Result<ExitCode> {
    match words {
        ["list"] => {
            let lines = benches::ALL.iter().map(|bench| format!("{}\t{}\n", bench.name, bench.about));
            print(&lines.collect::<String>()).map(|()| ExitCode::SUCCESS)
        }
        ["run", name, options @ ..] => run(name, &Options::parse(options)?),
        ["simulate", spec] => serve_until_stdin_ends(&spec.parse()?).map(|()| ExitCode::SUCCESS),
        [benches::FILL_LOG, dir, n_series, n_rounds] => {
            let (n_series, n_rounds) = (n_series.parse()?, n_rounds.parse()?);
            benches::fill_log(dir.as_ref(), n_series, n_rounds).map(|()| ExitCode::SUCCESS)
        }
        _ => bail!("usage: wf-macrobench list | run NAME [--key value …] | simulate SPEC"),
    }
}

/// Runs a bench; fails when a floor is missed. `--record PAGE` puts the table into a page such as docs/benchmarks.md.
fn run(name: &str, options: &Options) -> Result<ExitCode> {
    let bench = benches::find(name).with_context(|| format!("no bench {name}: see `wf-macrobench list`"))?;
    let env = Env::of_target(&target_folder()?);
    let report = (bench.run)(&env, options).with_context(|| format!("run bench {name}"))?;
    print(&report.markdown())?;
    let path = env.out.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&report.json()).context("write the report")?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    if let Some(page) = options.text("record") {
        let before = fs::read_to_string(page).with_context(|| format!("read {page}"))?;
        let after = with_section(&before, name, &report.markdown());
        fs::write(page, after).with_context(|| format!("write {page}"))?;
    }
    let has_failed = report.verdicts().iter().any(|verdict| verdict.starts_with("FAIL"));
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The build folder this program lies in: `target/release/wf-macrobench`.
fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("find this program")?;
    program.ancestors().nth(2).map(PathBuf::from).context("this program lies in no build folder")
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("print the answer")
}
