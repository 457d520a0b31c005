//! Where programs and results are, and what the caller of a bench chose.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::servers::Subject;

/// Where things are.
#[derive(Clone, Debug)]
pub struct Env {
    /// Our program.
    pub watchfire: PathBuf,
    /// Where peers were unpacked.
    pub peers: PathBuf,
    /// For results (JSON) and, below, data directories.
    pub out: PathBuf,
}

impl Env {
    /// Everything below one build folder, where `cargo xtask` puts it. `WF_BINARY` and `WF_PEERS` name others.
    pub fn of_target(target: &Path) -> Self {
        let chosen = |name, other: PathBuf| std::env::var_os(name).map_or(other, PathBuf::from);
        Self {
            watchfire: chosen("WF_BINARY", target.join("release/watchfire")),
            peers: chosen("WF_PEERS", target.join("peers")),
            out: target.join("bench"),
        }
    }

    /// Returns the path of a program of Debian's.
    pub fn peer(&self, program: &str) -> PathBuf {
        self.peers.join("usr/bin").join(program)
    }

    /// Returns the folder of this name, empty or not.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.out.join("work").join(name)
    }

    /// Returns an empty folder of this name for a data directory; what was there is removed.
    /// # Errors
    /// When the disk refuses.
    pub fn fresh_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }
}

/// Copies a folder with all it holds.
/// # Errors
/// When the disk refuses.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            copy_file(&source, &target).with_context(|| format!("copy {}", source.display()))?;
        }
    }
    Ok(())
}

/// Copies a file and when it was written: hints are bound to that, and a crash does not change it.
fn copy_file(source: &Path, target: &Path) -> std::io::Result<()> {
    fs::copy(source, target)?;
    let modified = fs::metadata(source)?.modified()?;
    fs::File::options().write(true).open(target)?.set_modified(modified)
}

/// What the caller chose: `--series 200000 --passes 2`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    chosen: BTreeMap<String, String>,
}

impl Options {
    /// Reads pairs of `--key value`.
    /// # Errors
    /// When a key lacks its value or its dashes.
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut chosen = BTreeMap::new();
        for pair in words.chunks(2) {
            match pair {
                [key, value] if key.starts_with("--") => {
                    chosen.insert(key.trim_start_matches('-').to_owned(), (*value).to_owned());
                }
                _ => bail!("`{}`: options are pairs of `--key value`", pair.join(" ")),
            }
        }
        Ok(Self { chosen })
    }

    /// Returns option `key` as a whole number, `default` when it was not given.
    /// # Errors
    /// When it is not a number.
    pub fn number(&self, key: &str, default: u64) -> Result<u64> {
        let Some(text) = self.chosen.get(key) else { return Ok(default) };
        text.replace('_', "").parse().with_context(|| format!("read --{key}"))
    }

    /// Returns option `key` as text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.chosen.get(key).map(String::as_str)
    }

    /// Returns who is measured: `--subjects watchfire,prometheus`, by default all of `default`.
    /// # Errors
    /// When a name is unknown.
    pub fn subjects(&self, default: &[Subject]) -> Result<Vec<Subject>> {
        let Some(text) = self.chosen.get("subjects") else { return Ok(default.to_vec()) };
        let find = |name: &str| Subject::ALL.into_iter().find(|subject| subject.name() == name);
        text.split(',').map(|name| find(name).with_context(|| format!("no subject {name}"))).collect()
    }

    /// Returns how often each subject is measured: `--passes`, by default twice (A B B A).
    /// # Errors
    /// When it is not a number.
    pub fn passes(&self) -> Result<usize> {
        self.passes_or(2)
    }

    /// As [`Options::passes`], with another default: for a bench of minutes whose ratio is far from its floor.
    /// # Errors
    /// When it is not a number.
    pub fn passes_or(&self, default: u64) -> Result<usize> {
        usize::try_from(self.number("passes", default)?).context("read --passes")
    }

    /// Fails when an option was given that is not in `known`, beside those every bench has.
    /// # Errors
    /// See above.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        let is_known = |key: &str| known.contains(&key) || matches!(key, "subjects" | "passes" | "record");
        match self.chosen.keys().find(|key| !is_known(key)) {
            Some(key) => bail!("no option --{key}: subjects, passes, record, {} are known", known.join(", ")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_what_the_folder_holds() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("wal")).unwrap();
        fs::write(from.join("wal/00000000"), "log").unwrap();
        copy_folder(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("wal/00000000")).unwrap(), "log");
    }

    #[test]
    fn options_are_read_and_strangers_refused() {
        let options = Options::parse(&["--series", "200_000", "--subjects", "prometheus"]).unwrap();
        assert_eq!(options.number("series", 1).unwrap(), 200_000);
        assert_eq!(options.number("scrapes", 40).unwrap(), 40);
        assert_eq!(options.subjects(&Subject::ALL).unwrap(), [Subject::Prometheus]);
        assert!(options.only(&["series"]).is_ok() && options.only(&["scrapes"]).is_err());
        assert!(Options::parse(&["--series"]).is_err() && Options::parse(&["series", "1"]).is_err());
    }
}
