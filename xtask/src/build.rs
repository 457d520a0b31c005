//! Builds the web UI, then the binary that embeds it.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::command::{exists, run};
use crate::workspace::{files, root, target_dir};

/// How the binary is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `make up` and the end-to-end tests.
    Release,
    /// What is shipped.
    Dist,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }
}

/// Builds UI and binary; returns the binary's path. Without Node the binary is built without the UI and says so.
/// # Errors
/// When a build step fails.
pub fn binary(profile: Profile) -> Result<PathBuf> {
    ui()?;
    cargo("build", &["--profile", profile.name(), "--package", "watchfire"])?;
    Ok(path(profile))
}

/// Where the binary is once it is built.
#[must_use]
pub fn path(profile: Profile) -> PathBuf {
    target_dir().join(profile.name()).join("watchfire")
}

/// Runs `cargo VERB --locked` with more arguments. In a log, where no progress is seen, it names no crates: only what is wrong.
/// # Errors
/// When it fails.
pub fn cargo(verb: &str, arguments: &[&str]) -> Result<()> {
    let quiet: &[&str] = if is_watched() { &[] } else { &["--quiet"] };
    run(&root(), "cargo", &[&[verb, "--locked"], quiet, arguments].concat(), &[])
}

/// Whether somebody sits before a terminal.
fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Installs the UI's packages and builds it, each only when its inputs changed.
/// # Errors
/// When npm or Vite fails.
pub fn ui() -> Result<()> {
    if !exists("npm") {
        say(
            "Node is missing: building without the web UI. For the UI: apt-get install nodejs npm (20.19 or later)",
        );
        return Ok(());
    }
    ui_packages()?;
    let ui = root().join("ui");
    let mut inputs = Vec::new();
    for (part, extension) in
        [("src", "ts"), ("src", "tsx"), ("src", "css"), ("src", "json"), ("public", "svg")]
    {
        inputs.extend(files(&ui.join(part), extension));
    }
    let single =
        ["index.html", "package-lock.json", "vite.config.ts", "tsconfig.json"].map(|name| ui.join(name));
    let newest = inputs.into_iter().chain(single).filter_map(|path| modified(&path)).max();
    if modified(&ui.join("dist/index.html")) >= newest {
        return Ok(());
    }
    // A list of 200 files helps nobody who reads a log.
    let quiet: &[&str] = if is_watched() { &[] } else { &["--", "--logLevel", "warn"] };
    run(&ui, "npm", &[&["run", "--silent", "build"], quiet].concat(), &[])
}

/// Runs `npm ci` unless `node_modules` already matches the lock file.
/// # Errors
/// When npm fails.
pub fn ui_packages() -> Result<()> {
    let ui = root().join("ui");
    let (lock, stamp) = (ui.join("package-lock.json"), ui.join("node_modules/.package-lock.json"));
    if modified(&stamp) >= modified(&lock) {
        return Ok(());
    }
    run(&ui, "npm", &["ci", "--no-audit", "--no-fund"], &[("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")])
}

/// Prints a line for the person at the terminal.
pub fn say(line: &str) {
    use std::io::Write;
    // A closed terminal is no reason to stop a build.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Copies `from` over `to`, making its folder.
/// # Errors
/// When a file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
