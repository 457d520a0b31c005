//! What the original takes for a URL where it reads one.
//!
//! # Source
//! RFC 3986, with the liberties and the words of Go's `net/url`.

use wf_model::quote::GoQuoted;

/// Finds what is wrong with a URL; one without a scheme is relative, and fine.
pub(crate) fn check(text: &str) -> Result<(), String> {
    problem(text).map_or(Ok(()), |problem| Err(format!("parse {}: {problem}", GoQuoted(text))))
}

fn problem(text: &str) -> Option<String> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Some("net/url: invalid control character in URL".to_owned());
    }
    let text = text.split('#').next().unwrap_or("");
    let scheme = text.find(|ch: char| !ch.is_ascii_alphanumeric() && !matches!(ch, '+' | '-' | '.'));
    let rest = match scheme.map(|end| text.split_at(end)) {
        Some(("", rest)) if rest.starts_with(':') => return Some("missing protocol scheme".to_owned()),
        Some((scheme, rest)) if scheme.starts_with(|ch: char| ch.is_ascii_alphabetic()) => {
            rest.strip_prefix(':').ok_or(text)
        }
        _ => Err(text),
    };
    if let Err(relative) = rest {
        let first = relative.split('/').next().unwrap_or("");
        if first.contains(':') {
            return Some("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let rest = rest.unwrap_or_else(|relative| relative).split('?').next().unwrap_or("");
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    authority_problem(authority).or_else(|| escape_problem(path))
}

fn authority_problem(authority: &str) -> Option<String> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match host.strip_prefix('[') {
        Some(inside) => match inside.split_once(']') {
            Some((_, port)) => port,
            None => return Some("missing ']' in host".to_owned()),
        },
        None => host.rfind(':').map_or("", |at| host.split_at(at).1),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if (!port.is_empty() && !port.starts_with(':')) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!("invalid port {} after host", GoQuoted(port)));
    }
    let bad =
        host.chars().find(|ch| matches!(ch, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'));
    bad.map(|ch| format!("invalid character {} in host name", GoQuoted(&ch.to_string())))
        .or_else(|| escape_problem(authority))
}

fn escape_problem(text: &str) -> Option<String> {
    text.split('%').skip(1).find_map(|after| {
        let shown: String = after.chars().take(2).collect();
        let is_escape = shown.len() == 2 && shown.bytes().all(|byte| byte.is_ascii_hexdigit());
        (!is_escape).then(|| format!("invalid URL escape {}", GoQuoted(&format!("%{shown}"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_judged_in_the_words_of_the_original() {
        let fine = [
            "http://h:80/a?b=%zz#c",
            "h",
            "/a:b",
            "http://[::1]:80/",
            "http://u:p@h/",
            "http://h:/",
            "",
            "unix:///run/x.sock",
            "http://h/a%20b",
        ];
        for text in fine {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let check = |text: &str, want: &str| {
            assert_eq!(check(text), Err(format!("parse {}: {want}", GoQuoted(text))), "{text}");
        };
        check("ht tp://a", "first path segment in URL cannot contain colon");
        check("1:2", "first path segment in URL cannot contain colon");
        check("://a", "missing protocol scheme");
        check("http://a b/", "invalid character \" \" in host name");
        check("http://a:b/", "invalid port \":b\" after host");
        check("http://[::1/", "missing ']' in host");
        check("http://a/%zz", "invalid URL escape \"%zz\"");
        check("http://a/%2", "invalid URL escape \"%2\"");
        check("http://a\t/", "net/url: invalid control character in URL");
    }
}
