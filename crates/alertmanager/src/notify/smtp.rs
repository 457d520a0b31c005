//! A client of mail servers: greeting, TLS, login, one message.
//!
//! Written here because the order of login mechanisms is the server's, and CRAM-MD5 is among them.
//! Source: RFC 5321, RFC 3207, RFC 4954, RFC 2195; `spec/alertmanager-pushgateway.md` §A9.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wf_httpkit::client::TlsOptions;

use super::NotifyError;

/// Longest line of an answer.
const LINE_BYTES_MAX: u64 = 4096;
/// Most lines of an answer.
const N_LINES_MAX: usize = 100;

/// How to log in.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) secret: String,
    pub(super) identity: String,
}

/// How to reach the server.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) smarthost: &'a str,
    pub(super) hello: &'a str,
    pub(super) tls: &'a TlsOptions,
    pub(super) is_implicit_tls: bool,
    pub(super) requires_tls: bool,
    pub(super) login: &'a Login,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Hands a message over.
/// # Errors
/// All of them may pass: the server decides.
pub(super) async fn send(
    session: &Session<'_>,
    from: &str,
    to: &[String],
    text: &str,
) -> Result<(), NotifyError> {
    deliver(session, from, to, text)
        .await
        .map_err(|message| NotifyError::transient(format!("smtp: {message}")))
}

async fn deliver(session: &Session<'_>, from: &str, to: &[String], text: &str) -> Result<(), String> {
    let tcp = TcpStream::connect(session.smarthost);
    let tcp = tcp.await.map_err(|error| format!("connect to {}: {error}", session.smarthost))?;
    let mut is_secure = session.is_implicit_tls;
    let stream: Box<dyn Stream> =
        if is_secure { Box::new(secured(session, tcp).await?) } else { Box::new(tcp) };
    let mut talk = Talk { stream: BufReader::new(stream) };
    talk.answer(220).await?;
    let mut offers = talk.hello(session.hello).await?;
    if !is_secure && session.requires_tls {
        if !offers.iter().any(|offer| offer == "STARTTLS") {
            return Err(format!(
                "'require_tls' is true (default) but {:?} does not advertise the STARTTLS extension",
                session.smarthost
            ));
        }
        talk.ask("STARTTLS", 220).await?;
        // What the server sent before the handshake is not trusted.
        talk = Talk { stream: BufReader::new(Box::new(secured(session, talk.stream.into_inner()).await?)) };
        is_secure = true;
        offers = talk.hello(session.hello).await?;
    }
    let mechanisms = offers.iter().find_map(|offer| offer.strip_prefix("AUTH "));
    if let (false, Some(mechanisms)) = (session.login.username.is_empty(), mechanisms) {
        let host = session.smarthost.rsplit_once(':').map_or("", |(host, _)| host);
        let may_show = is_secure || matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        talk.log_in(mechanisms, session.login, may_show).await?;
    }
    talk.ask(&format!("MAIL FROM:<{from}>"), 250).await?;
    for receiver in to {
        talk.ask(&format!("RCPT TO:<{receiver}>"), 250).await?;
    }
    talk.ask("DATA", 354).await?;
    talk.write(&dotted(text)).await?;
    talk.answer(250).await?;
    // The message is taken: whether the farewell is heard does not matter.
    let _ = talk.ask("QUIT", 221).await;
    Ok(())
}

/// Doubles dots at the beginning of lines and ends the message.
fn dotted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for line in text.trim_end_matches("\r\n").split("\r\n") {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out + ".\r\n"
}

async fn secured<S: Stream>(
    session: &Session<'_>,
    stream: S,
) -> Result<tokio_rustls::client::TlsStream<S>, String> {
    let config = wf_httpkit::client::tls_client_config(session.tls).map_err(|error| error.to_string())?;
    let host = session.smarthost.rsplit_once(':').map_or(session.smarthost, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = session.tls.server_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(host);
    let name = ServerName::try_from(name.to_owned()).map_err(|error| format!("tls server name: {error}"))?;
    let connector = TlsConnector::from(Arc::new(config));
    connector
        .connect(name, stream)
        .await
        .map_err(|error| format!("tls handshake with {}: {error}", session.smarthost))
}

/// A conversation.
struct Talk {
    stream: BufReader<Box<dyn Stream>>,
}

impl Talk {
    async fn write(&mut self, text: &str) -> Result<(), String> {
        let result = async {
            self.stream.get_mut().write_all(text.as_bytes()).await?;
            self.stream.get_mut().flush().await
        };
        result.await.map_err(|error| format!("write: {error}"))
    }

    async fn ask(&mut self, command: &str, wanted: u16) -> Result<Vec<String>, String> {
        self.write(&format!("{command}\r\n")).await?;
        // Only the verb is told: the rest may be a secret.
        let verb = command.split(' ').next().unwrap_or("");
        self.answer(wanted).await.map_err(|error| format!("{verb}: {error}"))
    }

    /// Reads an answer, all its lines, and wants this code, or its kin for receivers (251 for 250).
    async fn answer(&mut self, wanted: u16) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut self.stream).take(LINE_BYTES_MAX);
            limited.read_until(b'\n', &mut line).await.map_err(|error| format!("read: {error}"))?;
            if !line.ends_with(b"\n") {
                return Err("the server closed the connection, or answers too long a line".to_owned());
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let code = line
                .get(..3)
                .and_then(|code| code.parse::<u16>().ok())
                .ok_or_else(|| format!("bad answer {line:?}"))?;
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if is_last && code / 10 == wanted / 10 {
                return Ok(lines);
            }
            if is_last || lines.len() > N_LINES_MAX {
                return Err(format!("{code} {}", lines.join(" ")));
            }
        }
    }

    /// Returns what the server offers.
    async fn hello(&mut self, name: &str) -> Result<Vec<String>, String> {
        match self.ask(&format!("EHLO {name}"), 250).await {
            Ok(lines) => Ok(lines.into_iter().skip(1).map(|line| line.to_uppercase()).collect()),
            Err(_) => self.ask(&format!("HELO {name}"), 250).await.map(|_| Vec::new()),
        }
    }

    /// Logs in with the first mechanism of the server's list that can be used.
    async fn log_in(&mut self, mechanisms: &str, login: &Login, may_show: bool) -> Result<(), String> {
        for mechanism in mechanisms.split_whitespace() {
            match mechanism {
                "CRAM-MD5" if !login.secret.is_empty() => return self.cram_md5(login).await,
                "PLAIN" if !login.password.is_empty() => {
                    if !may_show {
                        return Err("unencrypted connection: AUTH PLAIN would show the password".to_owned());
                    }
                    let Login { identity, username, password, .. } = login;
                    let plain = STANDARD.encode(format!("{identity}\0{username}\0{password}"));
                    return self.ask(&format!("AUTH PLAIN {plain}"), 235).await.map(drop);
                }
                "LOGIN" if !login.password.is_empty() => {
                    self.ask("AUTH LOGIN", 334).await?;
                    self.ask(&STANDARD.encode(&login.username), 334)
                        .await
                        .map_err(|_| "AUTH LOGIN: username refused".to_owned())?;
                    let answer = self.ask(&STANDARD.encode(&login.password), 235).await;
                    return answer.map(drop).map_err(|_| "AUTH LOGIN: password refused".to_owned());
                }
                _ => {}
            }
        }
        Err(format!("unknown auth mechanism, or nothing set for one of: {mechanisms}"))
    }

    async fn cram_md5(&mut self, login: &Login) -> Result<(), String> {
        let challenge = self.ask("AUTH CRAM-MD5", 334).await?.pop().unwrap_or_default();
        let challenge = STANDARD.decode(challenge.trim()).map_err(|error| format!("challenge: {error}"))?;
        let digest = hmac(login.secret.as_bytes(), &challenge, 64, |bytes| {
            use md5::Digest;
            md5::Md5::digest(bytes).to_vec()
        });
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let answer = self.ask(&STANDARD.encode(format!("{} {digest}", login.username)), 235).await;
        answer.map(drop).map_err(|_| "AUTH CRAM-MD5: refused".to_owned())
    }
}

/// HMAC over a hash with blocks of `block` bytes (RFC 2104).
pub(super) fn hmac(key: &[u8], message: &[u8], block: usize, hash: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut padded = if key.len() > block { hash(key) } else { key.to_vec() };
    padded.resize(block, 0);
    let with = |pad: u8| padded.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let inner = hash(&[with(0x36), message.to_vec()].concat());
    hash(&[with(0x5c), inner].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_with_a_dot_get_another() {
        assert_eq!(dotted("a\r\n.b\r\n\r\n"), "a\r\n..b\r\n.\r\n");
    }

    /// Plays a server: greets, and answers each line that it reads with the next of `answers`.
    async fn server(answers: &'static [&'static str]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.get_mut().write_all(b"220 hello\r\n").await.unwrap();
            let (mut heard, mut answers) = (Vec::new(), answers.iter());
            let mut is_data = false;
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap() == 0 {
                    return heard;
                }
                heard.push(line.trim_end().to_owned());
                if is_data && line != ".\r\n" {
                    continue;
                }
                is_data = line == "DATA\r\n";
                let Some(answer) = answers.next() else { return heard };
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (address, task)
    }

    fn session<'a>(
        smarthost: &'a str,
        login: &'a Login,
        tls: &'a TlsOptions,
        requires_tls: bool,
    ) -> Session<'a> {
        Session { smarthost, hello: "me", tls, is_implicit_tls: false, requires_tls, login }
    }

    /// The secret and the challenge of RFC 2195.
    fn login() -> Login {
        let secret = "tanstaaftanstaaf".to_owned();
        Login { username: "tim".to_owned(), password: "p".to_owned(), secret, identity: String::new() }
    }

    #[tokio::test]
    async fn cram_md5_answers_as_in_its_rfc() {
        let (address, heard) = server(&[
            "250-hi\r\n250 AUTH XOAUTH CRAM-MD5 PLAIN\r\n",
            "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n",
            "235 in\r\n",
            "250 from\r\n",
            "251 to\r\n",
            "354 go\r\n",
            "250 taken\r\n",
            "221 bye\r\n",
        ])
        .await;
        let (login, tls) = (login(), TlsOptions::default());
        send(&session(&address, &login, &tls, false), "a@b", &["c@d".to_owned()], "S: x\r\n\r\n.y\r\n")
            .await
            .unwrap();
        let heard = heard.await.unwrap();
        let want = [
            "EHLO me",
            "AUTH CRAM-MD5",
            "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw",
            "MAIL FROM:<a@b>",
            "RCPT TO:<c@d>",
            "DATA",
            "S: x",
            "",
            "..y",
            ".",
            "QUIT",
        ];
        assert_eq!(heard, want);
    }

    #[tokio::test]
    async fn a_server_without_tls_or_with_a_refusal_is_tried_again() {
        let (login, tls) = (login(), TlsOptions::default());
        let (address, _heard) = server(&["250 hi\r\n"]).await;
        let error = send(&session(&address, &login, &tls, true), "a@b", &[], "x").await.unwrap_err();
        assert!(
            error.retries && error.message.contains("does not advertise the STARTTLS extension"),
            "{error}"
        );
        let (address, _heard) = server(&["250 hi\r\n", "550 no such sender\r\n"]).await;
        let error = send(&session(&address, &login, &tls, false), "a@b", &[], "x").await.unwrap_err();
        assert!(error.retries && error.message == "smtp: MAIL: 550 no such sender", "{error}");
    }
}
