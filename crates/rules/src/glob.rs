//! Globs of rule files: the last part of a path may have `*`, `?` and `[a-z]`, as Go's `filepath.Glob` has them.

use std::io;
use std::path::{Path, PathBuf};

/// Returns the files that match, sorted; a path without special characters is itself, if it exists.
/// # Errors
/// When the directory cannot be read; one that does not exist holds nothing.
pub fn glob(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !is_pattern(&name) {
        return Ok(if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() });
    }
    let parent = pattern.parent().unwrap_or(Path::new(""));
    let directory = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let file = entry?.file_name();
        if matches(name.as_bytes(), file.to_string_lossy().as_bytes()) {
            found.push(parent.join(file));
        }
    }
    found.sort();
    Ok(found)
}

/// Returns whether a file name has special characters.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// Iterative with one point to return to: linear but for stars, quadratic at worst.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, from));
            at += 1;
        } else if let Some(next) = one(pattern, at, text[from]) {
            (at, from) = (next, from + 1);
        } else if let Some((behind, start)) = star {
            star = Some((behind, start + 1));
            (at, from) = (behind, start + 1);
        } else {
            return false;
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// Matches one byte; returns where the pattern goes on.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match *pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => {
            let rest = pattern.get(at + 1..)?;
            let end = at + 1 + rest.iter().skip(1).position(|byte| *byte == b']')? + 1;
            let class = pattern.get(at + 1..end)?;
            let (is_negated, class) = match class.split_first()? {
                (b'^', rest) => (true, rest),
                _ => (false, class),
            };
            (in_class(class, byte) != is_negated).then_some(end + 1)
        }
        literal => (literal == byte).then_some(at + 1),
    }
}

fn in_class(mut class: &[u8], byte: u8) -> bool {
    loop {
        match class {
            [low, b'-', high, rest @ ..] => {
                if (*low..=*high).contains(&byte) {
                    return true;
                }
                class = rest;
            }
            [one, rest @ ..] => {
                if *one == byte {
                    return true;
                }
                class = rest;
            }
            [] => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_go() {
        let check = |pattern: &str, text: &str, want: bool| {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        };
        check("*.yml", "a.yml", true);
        check("*.yml", "a.yaml", false);
        check("*.y*ml", "a.b.yaml", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[a-c]x", "bx", true);
        check("[^a-c]x", "bx", false);
        check("*", "", true);
        check("a*b*c", "a1b2b3c", true);
        check("a[", "a[", false);
    }
}
