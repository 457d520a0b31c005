//! Texts: titles, hosts, and what goes into URLs.

use std::net::IpAddr;

/// Puts the first letter of each word in upper case and leaves the rest.
pub(super) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_start = true;
    for ch in text.chars() {
        if is_start {
            out.extend(ch.to_uppercase());
        } else {
            out.push(ch);
        }
        is_start = !(ch.is_alphanumeric() || matches!(ch, '_' | '\''));
    }
    out
}

/// Splits `host:port` and `[host]:port`; `None` when it is neither.
fn host_and_port(address: &str) -> Option<(&str, &str)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return after.strip_prefix(':').map(|port| (host, port));
    }
    address.rsplit_once(':').filter(|(host, _)| !host.contains(':'))
}

/// `foo.example.com:12345` becomes `foo.example.com`; what has no port stays.
pub(super) fn strip_port(address: &str) -> String {
    host_and_port(address).map_or(address, |(host, _)| host).to_owned()
}

/// `foo.example.com:12345` becomes `foo:12345`; addresses stay.
pub(super) fn strip_domain(address: &str) -> String {
    let (host, port) = host_and_port(address).map_or((address, None), |(host, port)| (host, Some(port)));
    if host.parse::<IpAddr>().is_ok() {
        return address.to_owned();
    }
    let host = host.split('.').next().unwrap_or(host);
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Escapes as a form does: space becomes `+`.
pub(crate) fn url_query(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
