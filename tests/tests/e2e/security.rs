//! Who may not: web pages of strangers, clients without a password, and clients that only keep the server waiting.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

use wf_e2e::process::{PATIENCE, Server, eventually, free_port};
use wf_e2e::skip::binary;
use wf_e2e::target::Target;
use wf_e2e::{figure, http};

use crate::setup::Site;

/// Starts a server that may be told to do everything, on an address that all its `flags` but the port fix.
fn start(site: &Site, host: &str, flags: &[String]) -> Option<(Server, u16)> {
    let binary = binary()?;
    if !site.path("prometheus.yml").exists() {
        fs::write(site.path("prometheus.yml"), "").unwrap();
    }
    let port = free_port().unwrap();
    let mut arguments = vec![
        "server".to_owned(),
        format!("--config.file={}", site.path("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", site.data().display()),
        format!("--web.listen-address={host}:{port}"),
        "--web.enable-lifecycle".to_owned(),
        "--web.enable-admin-api".to_owned(),
    ];
    arguments.extend_from_slice(flags);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Some((Server::start(&binary, &arguments, port, &site.path("log")).unwrap(), port))
}

/// Sends a request as it is and returns the status and the rest of the answer's head and body.
fn raw(port: u16, method: &str, path: &str, headers: &[(&str, String)]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n");
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

/// All that changes something when it is asked.
const CHANGES: [(&str, &str); 10] = [
    ("POST", "/-/reload"),
    ("PUT", "/-/reload"),
    ("POST", "/-/quit"),
    ("PUT", "/-/quit"),
    ("POST", "/api/v1/admin/tsdb/delete_series?match[]=up"),
    ("PUT", "/api/v1/admin/tsdb/delete_series?match[]=up"),
    ("POST", "/api/v1/admin/tsdb/clean_tombstones"),
    ("PUT", "/api/v1/admin/tsdb/clean_tombstones"),
    ("POST", "/api/v1/admin/tsdb/snapshot"),
    ("PUT", "/api/v1/admin/tsdb/snapshot"),
];

/// What browsers send along for a page of a stranger: another origin, none that may be told, another site, and a name of
/// the stranger's that now leads to us.
fn strangers(port: u16) -> Vec<Vec<(&'static str, String)>> {
    let own = format!("127.0.0.1:{port}");
    let rebound = format!("pages.evil.example:{port}");
    let form = ("Content-Type", "application/x-www-form-urlencoded".to_owned());
    vec![
        vec![("Host", own.clone()), ("Origin", "http://evil.example".to_owned()), form.clone()],
        vec![
            ("Host", own.clone()),
            ("Origin", format!("http://127.0.0.1:{}", port.wrapping_add(1))),
            form.clone(),
        ],
        vec![("Host", own.clone()), ("Origin", "null".to_owned()), ("Content-Type", "text/plain".to_owned())],
        vec![("Host", own.clone()), ("Sec-Fetch-Site", "cross-site".to_owned()), form.clone()],
        vec![
            ("Host", own),
            ("Origin", "http://evil.example".to_owned()),
            ("Content-Type", "multipart/form-data; boundary=x".to_owned()),
        ],
        vec![("Host", rebound.clone()), ("Origin", format!("http://{rebound}")), form],
    ]
}

#[test]
fn no_page_of_a_stranger_changes_anything() {
    let mut n_refused = 0;
    // The second listens beyond this machine; there a name that was made to lead here is told by being nobody's.
    for host in ["127.0.0.1", "0.0.0.0"] {
        let site = Site::new();
        let Some((server, port)) = start(&site, host, &[]) else { return };
        for (method, path) in CHANGES {
            for headers in strangers(port) {
                let (status, answer) = raw(port, method, path, &headers);
                assert_eq!(status, 403, "{host} {method} {path} {headers:?}: {answer}");
                n_refused += 1;
            }
        }
        assert!(!site.data().join("snapshots").exists());
        // Its own page, and a program, may.
        let own = ("Host", format!("127.0.0.1:{port}"));
        let page = [own.clone(), ("Origin", format!("http://127.0.0.1:{port}"))];
        assert_eq!(raw(port, "POST", "/-/reload", &page).0, 200);
        assert_eq!(raw(port, "POST", "/api/v1/admin/tsdb/snapshot", std::slice::from_ref(&own)).0, 200);
        // Nor does a rebound name read from a server that is for this machine only.
        let rebound = [("Host", format!("pages.evil.example:{port}"))];
        let want = if host == "127.0.0.1" { 403 } else { 200 };
        for path in ["/api/v1/query?query=up", "/metrics", "/", "/api/v1/status/config"] {
            assert_eq!(raw(port, "GET", path, &rebound).0, want, "{host} {path}");
        }
        // What is posted and only reads may be asked across origins.
        let other = [own, ("Origin", "http://grafana.example".to_owned())];
        assert_eq!(raw(port, "POST", "/api/v1/query?query=1", &other).0, 200);
        assert_eq!(http::get(&format!("{}/-/ready", server.base)).unwrap().status, 200);
    }
    figure("requests of strangers' pages refused", n_refused);
}

#[test]
fn every_path_wants_the_password() {
    let site = Site::new();
    let hash = bcrypt::hash("right", 4).unwrap();
    fs::write(site.path("web.yml"), format!("basic_auth_users: {{ann: '{hash}'}}\n")).unwrap();
    let flag = format!("--web.config.file={}", site.path("web.yml").display());
    // The helper that waits for readiness has no password: whoever answers at all is up.
    let Some(binary) = binary() else { return };
    fs::write(site.path("prometheus.yml"), "").unwrap();
    let port = free_port().unwrap();
    let arguments = [
        "server".to_owned(),
        format!("--config.file={}", site.path("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", site.data().display()),
        format!("--web.listen-address=0.0.0.0:{port}"),
        flag,
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = Server::start_guarded(&binary, &arguments, port, &site.path("log")).unwrap();
    let host = ("Host", format!("127.0.0.1:{port}"));
    let with = |credentials: &str| ("Authorization", format!("Basic {}", base64(credentials)));
    let paths = [
        ("GET", "/"),
        ("GET", "/-/healthy"),
        ("GET", "/-/ready"),
        ("GET", "/metrics"),
        ("GET", "/federate?match[]=up"),
        ("GET", "/version"),
        ("GET", "/api/v1/query?query=1"),
        ("POST", "/api/v1/query?query=1"),
        ("GET", "/api/v1/status/config"),
        ("GET", "/api/v1/openapi.yaml"),
        ("GET", "/api/v1/notifications/live"),
        ("GET", "/consoles/index.html"),
        ("GET", "/user/a"),
        ("GET", "/debug/pprof/profile"),
        ("GET", "/nowhere"),
        ("POST", "/-/quit"),
    ];
    for (method, path) in paths {
        for credentials in [None, Some("ann:wrong"), Some("bob:right"), Some(":"), Some("ann")] {
            let headers: Vec<_> = [host.clone()].into_iter().chain(credentials.map(with)).collect();
            let (status, answer) = raw(port, method, path, &headers);
            assert_eq!(status, 401, "{method} {path} {credentials:?}: {answer}");
            assert!(answer.to_ascii_lowercase().contains("www-authenticate: basic"), "{answer}");
        }
    }
    assert_eq!(raw(port, "GET", "/api/v1/query?query=1", &[host.clone(), with("ann:right")]).0, 200);
    assert_eq!(raw(port, "GET", "/-/healthy", &[host, with("ann:right")]).0, 200);
    assert!(!server.log_text().contains("without authentication"), "{}", server.log_text());
    assert!(
        !server.log_text().contains(&hash) && !server.log_text().contains("right"),
        "a secret is in the log"
    );
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize] as char;
            out.push(if place > three.len() { '=' } else { digit });
        }
    }
    out
}

#[test]
fn listening_beyond_the_machine_without_a_password_is_warned_of() {
    let site = Site::new();
    let Some((server, _)) = start(&site, "0.0.0.0", &[]) else { return };
    let log = server.log_text();
    assert!(log.contains("listening beyond this machine without authentication"), "{log}");
    let site = Site::new();
    let Some((server, _)) = start(&site, "127.0.0.1", &[]) else { return };
    assert!(!server.log_text().contains("without authentication"), "{}", server.log_text());
}

/// Clients of each of three kinds that keep the server waiting, besides those that do not read.
const N_SLOW_OF_A_KIND: usize = 320;
/// Clients that ask for much and do not read: more than there may be queries at a time.
const N_DEAF: usize = 40;

/// A page of many series, for answers that no socket's buffers hold. Samples have times: so one that comes too late on a busy
/// machine does not take them away.
fn page(_: u64) -> String {
    let value = "x".repeat(400);
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    (0..12_000).map(|id| format!("wide{{id=\"{id}\",filler=\"{value}\"}} 1 {now_ms}\n")).collect()
}

fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

#[test]
fn a_thousand_slow_clients_do_not_keep_a_query_waiting() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all).unwrap();
    let target = Target::page(page).unwrap();
    let site = Site::new();
    site.configure("5s", &[("wide", target.address.to_string())]);
    let Some((server, port)) = start(&site, "127.0.0.1", &[]) else { return };
    let count = || http::query(&server.base, "count(wide)", None).unwrap();
    let is_scraped = || count().first().is_some_and(|series| series["value"][1] == "12000");
    assert!(eventually(PATIENCE, is_scraped), "{}", server.log_text());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let head = format!("Host: 127.0.0.1:{port}\r\n");
    let mut clients = Vec::new();
    // Answers of six megabytes that nobody takes.
    let big = format!("GET /api/v1/query?query=wide HTTP/1.1\r\n{head}\r\n");
    clients.extend((0..N_DEAF).map(|_| connect(address, &big)));
    let silent = String::new();
    let half_a_head = format!("GET /api/v1/query?query=1 HTTP/1.1\r\n{head}X-Slow: ");
    let half_a_body = format!(
        "POST /api/v1/query HTTP/1.1\r\n{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nquery="
    );
    for text in [silent, half_a_head, half_a_body] {
        clients.extend((0..N_SLOW_OF_A_KIND).map(|_| connect(address, &text)));
    }
    assert!(clients.len() >= 1_000);
    // They stay; each of these comes over a connection of its own.
    for _ in 0..5 {
        assert_eq!(count()[0]["value"][1], "12000");
    }
    figure("slow clients beside which a query is answered", clients.len());
}

#[test]
fn who_is_silent_is_cut_after_the_read_timeout() {
    let site = Site::new();
    let Some((_server, port)) = start(&site, "127.0.0.1", &["--web.read-timeout=1s".to_owned()]) else {
        return;
    };
    for text in ["", "GET / HTTP/1.1\r\nHost: 127", "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut stream = connect(SocketAddr::from(([127, 0, 0, 1], port)), text);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        // Ends when the server closes; a reset is as good.
        let ended = stream.read_to_end(&mut rest);
        let is_timeout = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!ended.as_ref().is_err_and(is_timeout), "{text:?}: {ended:?}");
    }
}
