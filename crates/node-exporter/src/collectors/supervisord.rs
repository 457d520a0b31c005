//! `supervisord`: processes of supervisord.
//!
//! # Source
//! XML-RPC of supervisord: `supervisor.getAllProcessInfo`; states of "Process States" in its manual.

use std::io::{Error, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, counter, gauge};
use crate::config::{Config, FlagError};
use crate::context::Context;

const PATIENCE: Duration = Duration::from_secs(5);

/// Thousands of processes need less.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

const CALL: &str = "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.getAllProcessInfo</methodName><params/></methodCall>";

/// Starting, running, stopping.
const UP: [i64; 3] = [10, 20, 40];

/// The collector.
#[derive(Debug)]
pub struct Supervisord {
    server: Server,
}

/// Where the server listens.
#[derive(Debug, PartialEq)]
enum Server {
    Unix(String),
    Tcp { address: String, path: String, user: Option<String> },
}

impl Server {
    fn parse(url: &str) -> Option<Self> {
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Some(Self::Unix(path.to_owned())).filter(|_| path.starts_with('/'));
        }
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, "/".to_owned()),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { host.to_owned() } else { format!("{host}:80") };
        (!host.is_empty()).then_some(Self::Tcp { address, path, user })
    }

    /// Posts the call and returns the body of the answer.
    fn ask(&self) -> std::io::Result<String> {
        match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                post(stream, "localhost", "/RPC2", None)
            }
            Self::Tcp { address, path, user } => {
                let resolved = address.to_socket_addrs()?.next();
                let resolved = resolved.ok_or_else(|| Error::other("the server has no address"))?;
                let stream = TcpStream::connect_timeout(&resolved, PATIENCE)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                post(stream, address, path, user.as_deref())
            }
        }
    }
}

/// Version 1.0, so that the answer ends with the connection and comes in one piece.
fn post(
    mut stream: impl Read + Write,
    host: &str,
    path: &str,
    user: Option<&str>,
) -> std::io::Result<String> {
    let authorization =
        user.map(|user| format!("Authorization: Basic {}\r\n", STANDARD.encode(user))).unwrap_or_default();
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: text/xml\r\n{authorization}Content-Length: {}\r\n\r\n",
        CALL.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(CALL.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| Error::other("the answer is no HTTP"))?;
    let status = head.split_ascii_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        return Err(Error::other(format!("the answer is HTTP {status}")));
    }
    Ok(body.to_owned())
}

impl Supervisord {
    /// Takes where the server is.
    /// # Errors
    /// When the address is none.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let url = &config.supervisord_url;
        let server = Server::parse(url).ok_or_else(|| FlagError::BadValue {
            flag: "--collector.supervisord.url".to_owned(),
            // It may hold a password.
            value: url.rsplit_once('@').map_or(url.as_str(), |(_, host)| host).to_owned(),
            wanted: "an address such as http://localhost:9001/RPC2 or unix:///run/supervisor.sock",
        })?;
        Ok(Self { server })
    }
}

impl Collector for Supervisord {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let failed = |source| CollectError::Read { path: "supervisord's address".to_owned(), source };
        let answer = self.server.ask().map_err(failed)?;
        let processes =
            processes(&answer).ok_or_else(|| CollectError::parse("supervisord", answer.as_bytes()))?;
        let mut up = gauge("node_supervisord_up", "Whether the process is up.");
        let mut state = gauge("node_supervisord_state", "State of the process.");
        let mut exit = gauge("node_supervisord_exit_status", "Exit status of the process.");
        let mut start = counter("node_supervisord_start_time_seconds", "When the process started.");
        for process in &processes {
            let labels = [("group", process.text("group")), ("name", process.text("name"))];
            let number = |name: &str| process.text(name).parse::<i64>().unwrap_or(0);
            let is_up = UP.contains(&number("state"));
            up.push(&labels, f64::from(u8::from(is_up)));
            state.push(&labels, number("state") as f64);
            exit.push(&labels, number("exitstatus") as f64);
            if is_up {
                start.push(&labels, number("start") as f64);
            }
        }
        out.extend([up, state, exit, start]);
        Ok(())
    }
}

/// Members of a structure of XML-RPC: name and value as text.
#[derive(Debug, Default, PartialEq)]
struct Process {
    members: Vec<(String, String)>,
}

impl Process {
    fn text(&self, name: &str) -> &str {
        self.members.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Reads the structures of an answer, which holds an array of them. None for a fault and for what is no answer.
fn processes(xml: &str) -> Option<Vec<Process>> {
    if !xml.contains("<methodResponse>") || xml.contains("<fault>") {
        return None;
    }
    let (mut processes, mut process) = (Vec::new(), Process::default());
    let (mut name, mut text) = (String::new(), String::new());
    for piece in xml.split('<').skip(1) {
        let (tag, behind) = piece.split_once('>')?;
        match tag {
            "/name" => name = std::mem::take(&mut text),
            // The value of a member may have a type around it or not; the structure itself is a value too.
            "/value" if !name.is_empty() => {
                process.members.push((std::mem::take(&mut name), unescaped(&std::mem::take(&mut text))));
            }
            "/struct" => processes.push(std::mem::take(&mut process)),
            _ => {}
        }
        // Text behind an end is only space between elements.
        if !tag.starts_with('/') {
            behind.clone_into(&mut text);
        }
    }
    Some(processes)
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// As supervisord 4 answers, spaces included.
    const ANSWER: &str = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n\
        <value><struct>\n<member>\n<name>name</name>\n<value><string>a&amp;b</string></value>\n</member>\n\
        <member>\n<name>group</name>\n<value><string>web</string></value>\n</member>\n\
        <member>\n<name>start</name>\n<value><int>1700000000</int></value>\n</member>\n\
        <member>\n<name>state</name>\n<value><int>20</int></value>\n</member>\n\
        <member>\n<name>spawnerr</name>\n<value><string></string></value>\n</member>\n\
        <member>\n<name>exitstatus</name>\n<value><int>0</int></value>\n</member>\n</struct></value>\n\
        <value><struct>\n<member>\n<name>name</name>\n<value>job</value>\n</member>\n\
        <member>\n<name>group</name>\n<value>job</value>\n</member>\n\
        <member>\n<name>state</name>\n<value><int>100</int></value>\n</member>\n\
        <member>\n<name>start</name>\n<value><int>1600000000</int></value>\n</member>\n\
        <member>\n<name>exitstatus</name>\n<value><int>3</int></value>\n</member>\n</struct></value>\n\
        </data></array></value>\n</param>\n</params>\n</methodResponse>\n";

    #[test]
    fn processes_are_read_from_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("supervisor.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                stream.read_line(&mut head).unwrap();
            }
            let mut body = vec![0; CALL.len()];
            stream.read_exact(&mut body).unwrap();
            let answer = format!("HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n{ANSWER}");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            head
        });
        let config = Config { supervisord_url: format!("unix://{}", socket.display()), ..Config::default() };
        let mut families = Vec::new();
        Supervisord::new(&config).unwrap().collect(&mut Context::new(config.paths), &mut families).unwrap();
        assert!(server.join().unwrap().starts_with("POST /RPC2 HTTP/1.0\r\n"));
        let mut page = String::new();
        wf_exposition::text::write_page(&mut page, &families);
        for line in [
            r#"node_supervisord_up{group="web",name="a&b"} 1"#,
            r#"node_supervisord_up{group="job",name="job"} 0"#,
            r#"node_supervisord_state{group="job",name="job"} 100"#,
            r#"node_supervisord_exit_status{group="job",name="job"} 3"#,
            r#"node_supervisord_start_time_seconds{group="web",name="a&b"} 1.7e+09"#,
        ] {
            assert!(page.contains(line), "{line} in\n{page}");
        }
        assert_eq!(page.matches("node_supervisord_start_time_seconds{").count(), 1);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert_eq!(processes("<html>not found</html>"), None);
        assert_eq!(processes("<methodResponse><fault></fault></methodResponse>"), None);
        assert_eq!(processes("<methodResponse><par"), None);
    }

    #[test]
    fn addresses_are_read_or_refused() {
        let tcp = |address: &str, path: &str, user: Option<&str>| {
            Some(Server::Tcp {
                address: address.to_owned(),
                path: path.to_owned(),
                user: user.map(str::to_owned),
            })
        };
        assert_eq!(Server::parse("http://localhost:9001/RPC2"), tcp("localhost:9001", "/RPC2", None));
        assert_eq!(Server::parse("http://u:p@host/RPC2"), tcp("host:80", "/RPC2", Some("u:p")));
        assert_eq!(Server::parse("unix:///run/s.sock"), Some(Server::Unix("/run/s.sock".to_owned())));
        assert_eq!(Server::parse("https://host/RPC2"), None);
    }
}
