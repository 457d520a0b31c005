//! File patterns: `*`, `?` and `[…]`, in the last part of a path.
//!
//! # Source: `spec/prometheus-core.md` §3 (`rule_files`, `scrape_config_files`) and §4 (`file_sd_configs`).

use std::io;
use std::path::{Path, PathBuf};

/// Returns whether stars stand in the last segment of the path only.
pub fn has_stars_in_last_segment_only(pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((_, rest)) => !rest.contains('/') && !rest.contains('*'),
        None => true,
    }
}

/// Returns the files that match, sorted; a pattern without wildcards matches the file if it exists.
/// # Errors
/// When the folder exists and cannot be read.
pub fn files(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = pattern.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    if !name.contains(['*', '?', '[']) {
        return Ok(if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() });
    }
    let folder = pattern.parent().unwrap_or(Path::new(""));
    let readable = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match std::fs::read_dir(readable) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let file_name = entry?.file_name();
        let is_match = file_name.to_str().is_some_and(|known| matches(name.as_bytes(), known.as_bytes()));
        if is_match {
            found.push(folder.join(&file_name));
        }
    }
    found.sort();
    Ok(found)
}

/// Matches by remembering the last star: linear in practice, at worst the product of both lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(at), name.get(seen)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((at + 1, seen));
                at += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => Some(1),
            (Some(b'['), Some(byte)) => class(pattern.get(at..).unwrap_or_default(), *byte),
            (Some(b'\\'), Some(byte)) => (pattern.get(at + 1) == Some(byte)).then_some(2),
            (Some(wanted), Some(byte)) if wanted == byte => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(n_pattern), _) => (at, seen) = (at + n_pattern, seen + 1),
            (None, Some((after, from))) if from < name.len() => {
                (at, seen) = (after, from + 1);
                star = Some((after, from + 1));
            }
            _ => return false,
        }
    }
}

/// Returns the length of the class that `pattern` begins with if it holds `byte`.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|inner| *inner == b']')? + 2;
    let inner = pattern.get(1..end)?;
    let (is_negated, inner) = match inner.split_first() {
        Some((b'^', rest)) => (true, rest),
        _ => (false, inner),
    };
    let mut is_in = false;
    let mut rest = inner;
    while let Some((&low, after)) = rest.split_first() {
        if let [b'-', high, after @ ..] = after {
            is_in |= (low..=*high).contains(&byte);
            rest = after;
        } else {
            is_in |= low == byte;
            rest = after;
        }
    }
    (is_in != is_negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        let check = |pattern: &str, name: &str, want: bool| {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), want, "{pattern} {name}");
        };
        check("*.yml", "a.yml", true);
        check("*.yml", "a.yaml", false);
        check("a*b*c", "aXbXbc", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[a-c]x", "bx", true);
        check("[^a-c]x", "bx", false);
        check("*", "", true);
        check("a\\*", "a*", true);
        check("plain", "plain", true);
    }

    #[test]
    fn a_star_stands_in_the_last_segment() {
        let check = |pattern: &str, want: bool| assert_eq!(has_stars_in_last_segment_only(pattern), want);
        check("my/*.rules", true);
        check("my/*/rule", false);
        check("my/rule", true);
        check("a/**", false);
    }
}
