//! Patterns of file names: `*`, `?` and `[a-z]` in any part of a path.

use std::path::{Path, PathBuf};

/// Returns the files that match `pattern`, sorted; a pattern without matches gives none.
/// # Errors
/// When the pattern's brackets do not close.
pub(crate) fn expand(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, ()> {
    let full = directory.join(pattern);
    let mut found = vec![PathBuf::new()];
    for part in full.components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?', '[']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let pattern: Vec<char> = name.chars().collect();
        let mut next = Vec::new();
        for folder in &found {
            let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            for entry in std::fs::read_dir(here).into_iter().flatten().flatten() {
                let text: Vec<char> = entry.file_name().to_string_lossy().chars().collect();
                if matches(&pattern, &text)? {
                    next.push(folder.join(entry.file_name()));
                }
            }
        }
        next.sort();
        found = next;
    }
    found.retain(|path| path.exists());
    Ok(found)
}

fn matches(pattern: &[char], text: &[char]) -> Result<bool, ()> {
    let Some((first, rest)) = pattern.split_first() else { return Ok(text.is_empty()) };
    match first {
        '*' => {
            for skipped in 0..=text.len() {
                if matches(rest, text.get(skipped..).unwrap_or_default())? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        '[' => {
            let end = rest.iter().position(|ch| *ch == ']').ok_or(())?;
            let (class, after) =
                (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default());
            let Some((ch, tail)) = text.split_first() else { return Ok(false) };
            Ok(in_class(class, *ch) && matches(after, tail)?)
        }
        first => match text.split_first() {
            Some((ch, tail)) if *first == '?' || first == ch => matches(rest, tail),
            _ => Ok(false),
        },
    }
}

fn in_class(class: &[char], ch: char) -> bool {
    let (is_negated, class) = match class.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, class),
    };
    let mut is_in = false;
    let mut rest = class;
    while let Some((first, tail)) = rest.split_first() {
        (is_in, rest) = match tail {
            ['-', last, after @ ..] => (is_in || (*first..=*last).contains(&ch), after),
            tail => (is_in || *first == ch, tail),
        };
    }
    is_in != is_negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_parts_of_paths() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.tmpl", "b.tmpl", "c.txt"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = expand(folder.path(), pattern).unwrap();
            found.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names("*.tmpl"), ["a.tmpl", "b.tmpl"]);
        assert_eq!(names("[b-z].t?*"), ["b.tmpl", "c.txt"]);
        assert_eq!(names("c.txt"), ["c.txt"]);
        assert!(names("none*").is_empty() && names("none").is_empty());
        assert!(expand(folder.path(), "[a").is_err());
    }
}
