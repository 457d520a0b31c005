//! What the integration tests share: finding data, unpacking archives, reading pages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Returns a folder of conformance data, or none, loudly, where it is absent.
pub(crate) fn conformance(folder: &str) -> Option<PathBuf> {
    // Beside the project, or beside the directory that holds its working trees.
    let ancestors = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(3);
    let beside = ancestors.map(|dir| dir.join("shared/conformance")).find(|path| path.is_dir());
    let named = std::env::var_os("WATCHFIRE_CONFORMANCE").map(PathBuf::from);
    let root = named.or(beside).unwrap_or_else(|| PathBuf::from("../shared/conformance"));
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    skip("conformance", &path.display().to_string());
    None
}

/// Says that a test was skipped, or fails where it is required.
pub(crate) fn skip(what: &str, why: &str) {
    let required = std::env::var("WF_REQUIRE").unwrap_or_default();
    assert!(!required.contains(what), "{what} is required: {why}");
    say(&format!("SKIPPED: {what}: {why}"));
}

/// Writes a line that the test harness does not keep to itself, as it does with a macro's.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Unpacks a ttar archive: `Directory: P`, or `Path: P` with `Lines: N` and N lines or `SymlinkTo: T`.
pub(crate) fn unpack(archive: &Path, into: &Path) {
    let text = fs::read_to_string(archive).unwrap();
    let mut lines = text.lines();
    let mut path = PathBuf::new();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("Directory: ") {
            fs::create_dir_all(into.join(name)).unwrap();
        } else if let Some(name) = line.strip_prefix("Path: ") {
            path = into.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        } else if let Some(target) = line.strip_prefix("SymlinkTo: ") {
            symlink(target, &path).unwrap();
        } else if let Some(count) = line.strip_prefix("Lines: ") {
            let count: usize = count.parse().unwrap();
            fs::write(&path, content(&mut lines, count)).unwrap();
        }
    }
}

fn content<'a>(lines: &mut impl Iterator<Item = &'a str>, count: usize) -> String {
    let mut content = String::new();
    for _ in 0..count {
        let line = lines.next().unwrap().replace("NULLBYTE", "\0");
        match line.strip_suffix("EOF") {
            Some(rest) => content.push_str(rest),
            None => content.extend([&*line, "\n"]),
        }
    }
    content
}

/// A page taken apart: types of families and values of series.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) samples: BTreeMap<String, f64>,
}

impl Page {
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines() {
            if let Some(declaration) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declaration.split_once(' ').unwrap();
                page.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') && !line.is_empty() {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let value = value.replace("Inf", "inf").parse().unwrap();
                assert!(page.samples.insert(series.to_owned(), value).is_none(), "{series} twice");
            }
        }
        page
    }

    pub(crate) fn families(&self) -> BTreeSet<&str> {
        self.types.keys().map(String::as_str).collect()
    }
}

/// Name of the family of a series line.
pub(crate) fn name_of(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}
