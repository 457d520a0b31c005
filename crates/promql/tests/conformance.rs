//! Runs the scripts of the conformance data, and those of `PROMQLTEST_DIR`.

#[path = "conformance/mutations.rs"]
mod mutations;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use wf_promql::script;

/// Evaluations of the conformance data that pass today. These are all of them; it stays so.
const FLOOR: usize = 1470;

/// Returns the folder of the conformance scripts, or says loudly that they are missing.
fn conformance() -> Option<PathBuf> {
    let folder = env::var_os("WATCHFIRE_CONFORMANCE")
        .map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
            PathBuf::from,
        )
        .join("promql");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = env::var("WF_REQUIRE").unwrap_or_default();
    assert!(
        !required.contains("conformance"),
        "conformance is required, but its promql scripts are not there"
    );
    // Past the capture of test output: a skip is seen.
    let _ = writeln!(std::io::stderr(), "SKIPPED: conformance: there are no promql scripts");
    None
}

/// Returns the scripts of a folder, in order.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut scripts: Vec<PathBuf> = fs::read_dir(folder)
        .expect("list scripts")
        .map(|entry| entry.expect("list scripts").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "test"))
        .collect();
    scripts.sort();
    scripts
}

/// Runs every script of a folder; returns how many evaluations passed and what failed.
fn run_all(folder: &Path) -> (usize, Vec<String>) {
    let (mut passed, mut failed) = (0, Vec::new());
    for path in scripts(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let report = script::run(&fs::read_to_string(&path).expect("read script"));
        passed += report.passed;
        failed.extend(
            report.failed.iter().map(|failure| format!("{name}:{}: {}", failure.line, failure.message)),
        );
    }
    (passed, failed)
}

#[test]
fn the_conformance_scripts_pass_as_before() {
    let Some(folder) = conformance() else { return };
    let (passed, failed) = run_all(&folder);
    for failure in &failed {
        println!("{failure}");
    }
    println!("{passed} passed, {} failed", failed.len());
    assert!(passed >= FLOOR, "{passed} passed, {FLOOR} did before");
}

#[test]
fn further_scripts_all_pass() {
    let Some(folder) = env::var_os("PROMQLTEST_DIR") else { return };
    let (passed, failed) = run_all(Path::new(&folder));
    assert!(failed.is_empty() && passed > 0, "{passed} passed, failed:\n{}", failed.join("\n"));
}
