//! `email_configs`: a message of two forms, handed to a mail server.

use std::fmt::Write;

use jiff::Timestamp;

use super::smtp::{self, Login, Session};
use super::{Context, Memory, NotifyError, secret};
use crate::config::receivers::Email;
use crate::instant::Instant;

/// Returns a header's name as mail has it: `message-id` is `Message-Id`.
pub(crate) fn canonical_header(name: &str) -> String {
    let part = |part: &str| {
        let mut chars = part.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(chars.map(|ch| ch.to_ascii_lowercase())).collect::<String>()
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

pub(super) async fn tell(config: &Email, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    let message = compose(config, ctx)?;
    let retried = |error: NotifyError| NotifyError { retries: true, ..error };
    let login = Login {
        username: config.auth_username.clone(),
        password: secret(&config.auth_password, &config.auth_password_file, "auth_password")
            .await
            .map_err(retried)?,
        secret: untrimmed_secret(config).await.map_err(retried)?,
        identity: config.auth_identity.clone(),
    };
    let tls = config.tls_config.clone().unwrap_or_default().0;
    let session = Session {
        smarthost: &config.smarthost,
        hello: &config.hello,
        tls: &tls,
        is_implicit_tls: config.force_implicit_tls.unwrap_or_else(|| config.smarthost.ends_with(":465")),
        requires_tls: config.require_tls.unwrap_or(true),
        login: &login,
    };
    smtp::send(&session, &message.from, &message.to, &message.text).await?;
    Ok(Memory::new())
}

/// The secret of CRAM-MD5 is taken from its file as it is.
async fn untrimmed_secret(config: &Email) -> Result<String, NotifyError> {
    match config.auth_secret_file.as_str() {
        "" => Ok(config.auth_secret.reveal().clone()),
        file => tokio::fs::read_to_string(file)
            .await
            .map_err(|error| NotifyError::permanent(format!("read auth_secret from {file}: {error}"))),
    }
}

/// A message with its envelope.
#[derive(Debug)]
struct Message {
    from: String,
    to: Vec<String>,
    text: String,
}

fn compose(config: &Email, ctx: &Context<'_>) -> Result<Message, NotifyError> {
    let (from, to) = (ctx.text(&config.from)?, ctx.text(&config.to)?);
    let senders =
        addresses(&from).map_err(|why| NotifyError::permanent(format!("parse 'from' addresses: {why}")))?;
    let [sender] = senders.as_slice() else {
        return Err(NotifyError::permanent(format!(
            "must be exactly one 'from' address (got: {})",
            senders.len()
        )));
    };
    let receivers =
        addresses(&to).map_err(|why| NotifyError::permanent(format!("parse 'to' addresses: {why}")))?;
    let mut headers = std::collections::BTreeMap::from([
        ("Subject".to_owned(), "{{ template \"email.default.subject\" . }}".to_owned()),
        ("To".to_owned(), config.to.clone()),
        ("From".to_owned(), config.from.clone()),
    ]);
    headers.extend(config.headers.clone());
    let mut text = String::new();
    for (name, value) in &headers {
        line(&mut text, name, &encoded_word(&ctx.text(value)?));
    }
    let now = Timestamp::now();
    let host = hostname();
    if !headers.contains_key("Message-Id") {
        line(&mut text, "Message-Id", &format!("<{}.{}@{host}>", now.as_nanosecond(), fastrand::u64(..)));
    }
    if let Some(threading) = config.threading.as_ref().filter(|threading| threading.enabled) {
        let hash = ctx.note.key_hash();
        let date = match threading.thread_by_date.as_str() {
            "none" => String::new(),
            _ => Instant::local(ctx.note.now).nanos().get(..10).unwrap_or_default().to_owned(),
        };
        let id = format!("<alert-{}-{date}@alertmanager>", hash.get(..16).unwrap_or_default());
        line(&mut text, "References", &id);
        line(&mut text, "In-Reply-To", &id);
    }
    let boundary = format!("{:032x}", fastrand::u128(..));
    line(&mut text, "Date", &now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string());
    line(&mut text, "Content-Type", &format!("multipart/alternative;  boundary={boundary}"));
    line(&mut text, "MIME-Version", "1.0");
    text.push_str("\r\n");
    if !config.text.is_empty() {
        part(&mut text, &boundary, "text/plain", &ctx.text(&config.text)?);
    }
    if !config.html.is_empty() {
        part(&mut text, &boundary, "text/html", &ctx.html(&config.html)?);
    }
    // Writing to a string cannot fail.
    let _ = write!(text, "--{boundary}--\r\n");
    Ok(Message { from: sender.clone(), to: receivers, text })
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

fn line(out: &mut String, name: &str, value: &str) {
    // A value with a line break would begin a header of its own.
    let value: String = value.chars().map(|ch| if matches!(ch, '\r' | '\n') { ' ' } else { ch }).collect();
    // Writing to a string cannot fail.
    let _ = write!(out, "{name}: {value}\r\n");
}

fn part(out: &mut String, boundary: &str, kind: &str, body: &str) {
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "--{boundary}\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: {kind}; charset=UTF-8\r\n\r\n{}\r\n",
        quoted_printable(body)
    );
}

/// Encodes a header's text when it is more than printable ASCII (RFC 2047, `Q`).
fn encoded_word(text: &str) -> String {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t') {
        return text.to_owned();
    }
    const WORD_MAX: usize = 75 - "=?utf-8?q?".len() - "?=".len();
    let mut words = vec![String::new()];
    for ch in text.chars() {
        let mut encoded = String::new();
        for byte in ch.encode_utf8(&mut [0; 4]).bytes() {
            match byte {
                b' ' => encoded.push('_'),
                b'!'..=b'~' if !matches!(byte, b'=' | b'?' | b'_') => encoded.push(char::from(byte)),
                byte => drop(write!(encoded, "={byte:02X}")),
            }
        }
        if words.last().is_some_and(|word| word.len() + encoded.len() > WORD_MAX) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push_str(&encoded);
        }
    }
    let words: Vec<String> = words.iter().map(|word| format!("=?utf-8?q?{word}?=")).collect();
    words.join(" ")
}

/// Encodes a body in lines of at most 76 characters (RFC 2045).
fn quoted_printable(text: &str) -> String {
    const LINE_MAX: usize = 75;
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (idx, line) in text.split('\n').enumerate() {
        if idx > 0 {
            out.push_str("\r\n");
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut length = 0;
        for (at, byte) in line.bytes().enumerate() {
            let is_last = at + 1 == line.len();
            let is_plain =
                matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && !is_last);
            let width = if is_plain { 1 } else { 3 };
            if length + width > LINE_MAX {
                out.push_str("=\r\n");
                length = 0;
            }
            length += width;
            match is_plain {
                true => out.push(char::from(byte)),
                false => drop(write!(out, "={byte:02X}")),
            }
        }
    }
    out
}

/// Returns the bare addresses of a list such as `Ops <ops@example.org>, me@example.org`.
fn addresses(list: &str) -> Result<Vec<String>, String> {
    let (mut parts, mut current, mut is_quoted) = (Vec::new(), String::new(), false);
    for ch in list.chars() {
        match ch {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => parts.push(std::mem::take(&mut current)),
            ch => current.push(ch),
        }
    }
    parts.push(current);
    parts.iter().map(|part| bare_address(part)).collect()
}

fn bare_address(part: &str) -> Result<String, String> {
    let part = part.trim();
    let address = match part.rsplit_once('<') {
        Some((_, rest)) => {
            rest.strip_suffix('>').ok_or_else(|| format!("unclosed angle-addr in {part:?}"))?
        }
        None => part,
    };
    let is_fine = |ch: char| !ch.is_whitespace() && !ch.is_control() && !matches!(ch, '<' | '>');
    match address.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() && address.chars().all(is_fine) => {
            Ok(address.to_owned())
        }
        _ => Err(format!("{part:?} is no address: write name@domain")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_lists() {
        assert_eq!(
            addresses("\"Ops, all\" <ops@example.org>, me@example.org").unwrap(),
            ["ops@example.org", "me@example.org"]
        );
        for bad in ["", "x", "<a@b", "a b@c", "a@b,", "a@b\r\nRCPT"] {
            assert!(addresses(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn texts_are_encoded_for_mail() {
        assert_eq!(encoded_word("plain text"), "plain text");
        assert_eq!(encoded_word("é?_ x"), "=?utf-8?q?=C3=A9=3F=5F_x?=");
        assert!(encoded_word(&"é".repeat(40)).split(' ').all(|word| word.len() <= 75));
        assert_eq!(quoted_printable("a=b \r\né"), "a=3Db=20\r\n=C3=A9");
        assert!(quoted_printable(&"x".repeat(200)).lines().all(|line| line.len() <= 76));
        assert_eq!(canonical_header("x-my-HEADER"), "X-My-Header");
    }
}
