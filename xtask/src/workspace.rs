//! Where things are, and which crates exist.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Returns the root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lives in the workspace root").to_owned()
}

/// Returns the build folder, honouring `CARGO_TARGET_DIR`.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A crate under `crates/`.
#[derive(Clone, Debug)]
pub struct Crate {
    /// Folder name, such as `tsdb`.
    pub folder: String,
    /// Text of its Cargo.toml.
    pub manifest: String,
}

impl Crate {
    /// Returns the folders of our crates that it depends on, outside of tests.
    pub fn imports(&self) -> Vec<String> {
        let mut imports = Vec::new();
        let mut in_dependencies = false;
        for line in self.manifest.lines().map(str::trim) {
            if line.starts_with('[') {
                in_dependencies = line == "[dependencies]";
            } else if in_dependencies && line.starts_with("wf-") {
                let name = line.split(['.', ' ', '=']).next().unwrap_or(line);
                imports.push(name.trim_start_matches("wf-").to_owned());
            }
        }
        imports
    }
}

/// Reads the manifests of all crates, sorted by folder.
pub fn crates() -> Result<Vec<Crate>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("crates")).context("list crates/")? {
        let path = entry?.path();
        let manifest_path = path.join("Cargo.toml");
        let manifest = fs::read_to_string(&manifest_path)
            .with_context(|| format!("read {}", manifest_path.display()))?;
        let folder = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push(Crate { folder, manifest });
    }
    found.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(found)
}

/// Returns every file below `folder` with this extension, skipping build output and installed packages.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules" | "dist" | ".git" | "data") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
