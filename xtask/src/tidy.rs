//! House rules that a machine can check; `cargo test -p xtask` runs them. Limits only go down.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::{Crate, crates, files, root};

/// The five layers, ground first: a crate imports from layers below and, without a cycle, from its own.
const LAYERS: [&[&str]; 5] = [
    &["model", "series", "exposition", "gotemplate"],
    &["tsdb", "promql"],
    &["httpkit", "kubernetes", "config", "discovery", "scrape", "rules", "remote"],
    &[
        "server",
        "alertmanager",
        "pushgateway",
        "node-exporter",
        "container-exporter",
        "kube-state-metrics",
        "windows-exporter",
        "operator",
        "logstore",
        "log-agent",
        "console",
    ],
    &["watchfire"],
];

/// The layer whose crates never import each other: they meet over their public HTTP APIs.
const COMPONENTS: usize = 3;

/// Longest source file, in lines.
const MAX_FILE_LINES: usize = 700;

/// Longest function, in lines: a screen.
const MAX_FUNCTION_LINES: usize = 70;

/// Returns imports that point up, sideways between components, or in a circle.
pub fn layer_violations() -> Result<Vec<String>> {
    Ok(layer_violations_of(&crates()?))
}

fn layer_violations_of(crates: &[Crate]) -> Vec<String> {
    let layer_of = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let mut violations = Vec::new();
    for krate in crates {
        let Some(layer) = layer_of(&krate.folder) else {
            violations.push(format!("crates/{}: give it a layer in xtask/src/tidy.rs", krate.folder));
            continue;
        };
        for import in krate.imports() {
            match layer_of(&import) {
                Some(below) if below < layer || (below == layer && layer != COMPONENTS) => {}
                _ => violations.push(format!("crates/{} imports {import}: arrows point down", krate.folder)),
            }
        }
    }
    violations.extend(cycles(crates));
    violations
}

/// Removes crates without remaining imports until nothing changes; what is left imports itself.
fn cycles(crates: &[Crate]) -> Option<String> {
    let mut left: BTreeMap<&str, Vec<String>> =
        crates.iter().map(|krate| (krate.folder.as_str(), krate.imports())).collect();
    loop {
        let before = left.len();
        let names: Vec<String> = left.keys().map(|name| (*name).to_owned()).collect();
        left.retain(|_, imports| imports.iter().any(|import| names.contains(import)));
        if left.len() == before {
            break;
        }
    }
    (!left.is_empty()).then(|| format!("crates import each other in a circle: {:?}", left.keys()))
}

/// Returns source files that break a rule of form: size, module docs, `unwrap` outside of tests.
pub fn file_violations() -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for folder in ["crates", "xtask", "tests", "bench"] {
        for path in files(&root().join(folder), "rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            violations
                .extend(file_violations_of(&path, &text).into_iter().map(|what| format!("{name}: {what}")));
        }
    }
    Ok(violations)
}

fn file_violations_of(path: &Path, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let n_lines = text.lines().count();
    if n_lines > MAX_FILE_LINES {
        violations.push(format!("{n_lines} lines, at most {MAX_FILE_LINES}: find the second idea"));
    }
    if !text.starts_with("//!") {
        violations.push("starts without a module doc (`//!`)".to_owned());
    }
    if path.file_name().is_some_and(|name| name == "mod.rs") {
        violations.push("is a mod.rs: name the file after its module".to_owned());
    }
    for (line, length) in long_functions(text) {
        violations.push(format!("line {line}: a function of {length} lines, at most {MAX_FUNCTION_LINES}"));
    }
    if !is_test_file(path) {
        violations.extend(unwraps(text).map(|line| format!("line {line}: `unwrap` outside of tests")));
    }
    violations
}

fn is_test_file(path: &Path) -> bool {
    let is_test_name = |name: &str| matches!(name, "tests" | "tests.rs" | "benches" | "examples");
    path.strip_prefix(root()).unwrap_or(path).iter().any(|part| is_test_name(&part.to_string_lossy()))
}

/// Finds functions over the limit by indentation, which rustfmt makes reliable. Yields (line, length).
fn long_functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_function = |line: &str| {
        let words = line.trim_start();
        let head = words.split('(').next().unwrap_or("");
        // A method that a trait only asks for has no body.
        head.split_whitespace().any(|word| word == "fn") && !words.starts_with("//") && !words.ends_with(';')
    };
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate().filter(|(_, line)| is_function(line)) {
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let Some(length) = lines.iter().skip(start).position(|line| *line == closing) else { continue };
        if length + 1 > MAX_FUNCTION_LINES {
            found.push((start + 1, length + 1));
        }
    }
    found
}

fn unwraps(text: &str) -> impl Iterator<Item = usize> + '_ {
    let production = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    let call = concat!(".unwrap", "()");
    production
        .enumerate()
        .filter(move |(_, line)| line.contains(call) && !line.trim_start().starts_with("//"))
        .map(|(idx, _)| idx + 1)
}

/// Returns dependencies whose version or source is not declared once, in the workspace.
pub fn manifest_violations() -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for krate in crates()? {
        let own =
            krate.manifest.lines().filter(|line| line.contains("version = \"") || line.contains("git = "));
        violations
            .extend(own.map(|line| format!("crates/{}: `{line}` belongs into the workspace", krate.folder)));
        let expected =
            if krate.folder == "watchfire" { "watchfire".into() } else { format!("wf-{}", krate.folder) };
        if !krate.manifest.contains(&format!("name = \"{expected}\"")) {
            violations.push(format!("crates/{}: package shall be named {expected}", krate.folder));
        }
    }
    Ok(violations)
}

/// Returns dependencies that a crate declares and its sources never name, and those that only the workspace declares.
pub fn unused_dependencies() -> Result<Vec<String>> {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).context("read Cargo.toml")?;
    let table = workspace.split("[workspace.dependencies]").nth(1).unwrap_or("");
    let table = table.split("\n[").next().unwrap_or("");
    let declared = table.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.to_owned());
    let mut unasked: BTreeSet<String> = declared.collect();
    let mut violations = Vec::new();
    for manifest in files(&root(), "toml").iter().filter(|path| path.ends_with("Cargo.toml")) {
        let folder = manifest.parent().unwrap_or(manifest);
        if folder == root() {
            continue;
        }
        let text = fs::read_to_string(manifest).with_context(|| format!("read {}", manifest.display()))?;
        let sources: String =
            files(folder, "rs").iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
        let dependencies = text.split("dependencies]").skip(1).collect::<String>();
        let names = dependencies.lines().filter(|line| line.contains("workspace = true"));
        for name in names.filter_map(|line| line.split(['.', ' ']).next()) {
            unasked.remove(name);
            if !sources.contains(&name.replace('-', "_")) {
                violations.push(format!("{}: {name} is not used", folder.display()));
            }
        }
    }
    violations.extend(unasked.iter().map(|name| format!("Cargo.toml: no crate asks for {name}")));
    Ok(violations)
}

/// Returns linked packages whose licence `deny.toml` does not allow, or that it bans, or that come from elsewhere
/// than the registry. (`make audit` asks cargo-deny the same and more; this needs no installation.)
pub fn dependency_violations() -> Result<Vec<String>> {
    let deny = fs::read_to_string(root().join("deny.toml")).context("read deny.toml")?;
    let quoted = |section: &str| -> Vec<String> {
        let body = deny.split(section).nth(1).unwrap_or("");
        let body = body.split("\n]").next().unwrap_or("");
        body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let (allowed, banned) = (quoted("\nallow = ["), quoted("\ndeny = ["));
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform"])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(root())
        .output()
        .context("run cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("parse cargo metadata")?;
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let (name, source) = (package["name"].as_str().unwrap_or(""), package["source"].as_str());
        let license = package["license"].as_str().unwrap_or("none declared");
        if banned.iter().any(|entry| entry == name) {
            violations.push(format!("{name} is banned by deny.toml"));
        }
        if !license_is_allowed(license, &allowed) {
            violations.push(format!("{name}: licence {license} is not in deny.toml"));
        }
        if source.is_some_and(|source| !source.starts_with("registry+") && !source.starts_with("sparse+")) {
            violations.push(format!("{name}: comes from {}", source.unwrap_or("")));
        }
    }
    Ok(violations)
}

/// Evaluates an SPDX expression: all operands of AND, one operand of OR.
fn license_is_allowed(expression: &str, allowed: &[String]) -> bool {
    let bare = expression.replace(['(', ')'], "").replace('/', " OR ");
    bare.split(" AND ")
        .all(|part| part.split(" OR ").any(|id| allowed.iter().any(|entry| entry == id.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn krate(folder: &str, imports: &[&str]) -> Crate {
        let lines: String = imports.iter().map(|name| format!("wf-{name}.workspace = true\n")).collect();
        Crate { folder: folder.to_owned(), manifest: format!("[dependencies]\n{lines}") }
    }

    #[test]
    fn an_upward_import_is_refused() {
        assert!(layer_violations_of(&[krate("model", &[]), krate("tsdb", &["model"])]).is_empty());
        assert_eq!(layer_violations_of(&[krate("model", &["tsdb"]), krate("tsdb", &[])]).len(), 1);
        assert_eq!(
            layer_violations_of(&[krate("server", &["node-exporter"]), krate("node-exporter", &[])]).len(),
            1
        );
    }

    #[test]
    fn a_circle_is_refused() {
        assert_eq!(layer_violations_of(&[krate("tsdb", &["promql"]), krate("promql", &["tsdb"])]).len(), 1);
    }

    #[test]
    fn a_long_function_is_found() {
        let body = "    let x = 1;\n".repeat(MAX_FUNCTION_LINES);
        assert_eq!(long_functions(&format!("fn long() {{\n{body}}}\n")), [(1, MAX_FUNCTION_LINES + 2)]);
        assert!(long_functions("fn short() {\n}\n").is_empty());
        assert!(long_functions(&format!("fn asked_for();\n{body}}}\n")).is_empty());
    }

    #[test]
    fn licence_expressions_are_read() {
        let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned()];
        assert!(license_is_allowed("MIT OR GPL-3.0", &allowed));
        assert!(license_is_allowed("MIT/Apache-2.0", &allowed));
        assert!(!license_is_allowed("MIT AND GPL-3.0", &allowed));
    }
}
