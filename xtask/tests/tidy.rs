//! The tidy test: fails with a list of what to mend.

use anyhow::Result;
use xtask::tidy;

fn none(violations: Result<Vec<String>>) {
    let violations = violations.expect("read the workspace");
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn imports_point_down() {
    none(tidy::layer_violations());
}

#[test]
fn files_and_functions_keep_their_form() {
    none(tidy::file_violations());
}

#[test]
fn versions_are_declared_once() {
    none(tidy::manifest_violations());
}

#[test]
fn every_dependency_is_used() {
    none(tidy::unused_dependencies());
}

#[test]
fn dependencies_are_allowed() {
    none(tidy::dependency_violations());
}
