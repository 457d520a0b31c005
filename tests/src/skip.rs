//! Tests that cannot run here say so loudly; `WF_REQUIRE=conformance,peers,python,browser,valgrind,newer-prometheus` makes that a failure.

use std::io::Write;
use std::path::PathBuf;

/// Says that a test did not run, or fails it when `kind` is required.
///
/// # Panics
/// When `WF_REQUIRE` names `kind`.
pub fn skip(kind: &str, why: &str) {
    let required = std::env::var("WF_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|entry| entry == kind), "{kind} is required, but {why}");
    print_line(&format!("SKIPPED: {kind}: {why}"));
}

/// Writes to standard error past the capture of test output.
pub fn print_line(line: &str) {
    // A test does not fail because nobody reads its remarks.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Returns the binary under test, or skips.
pub fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("WATCHFIRE_BIN")
        .map_or_else(|| workspace().join("target/release/watchfire"), PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    skip("binary", "target/release/watchfire is not built: run `make test`");
    None
}

/// Returns a peer's program such as `prometheus`, or skips.
pub fn peer(program: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("WF_PEERS").map_or_else(|| workspace().join("target/peers"), PathBuf::from);
    let path = folder.join("usr/bin").join(program);
    if path.exists() {
        return Some(path);
    }
    skip("peers", &format!("Debian's {program} is not unpacked: run `cargo xtask peers`"));
    None
}

/// Returns a Python with the packages that tests run, or skips.
pub fn python() -> Option<PathBuf> {
    let folder = std::env::var_os("WF_PEERS").map_or_else(|| workspace().join("target/peers"), PathBuf::from);
    let path = folder.join("python/bin/python");
    if path.exists() {
        return Some(path);
    }
    skip("python", "Python's packages are not installed: run `cargo xtask peers`");
    None
}

/// Returns a folder of the conformance data, or skips.
pub fn conformance(part: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("WATCHFIRE_CONFORMANCE")
        .map_or_else(|| workspace().join("../shared/conformance"), PathBuf::from)
        .join(part);
    if folder.is_dir() {
        return Some(folder);
    }
    skip("conformance", &format!("there is no conformance data for {part}"));
    None
}

/// Returns the root of the checkout.
pub fn workspace() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
