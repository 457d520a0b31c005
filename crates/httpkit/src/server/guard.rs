//! Keeps web pages of strangers away from servers on this machine and on the user's network.
//!
//! A browser will send requests to `localhost` for any page the user visits. Two tricks matter: a page may post to us
//! (cross-site request forgery: its `Origin` is not our `Host`), and a page may rebind its own name to 127.0.0.1 and
//! then read our answers (DNS rebinding: `Host` is the stranger's name). On a listener for this machine only local names are
//! answered. On a wider one anybody may read who reaches it, but a page may change state only under a name that no stranger
//! can own: an address, this machine's name, one of a private network, or one that was allowed.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Ends of names that nobody can register.
const PRIVATE_SUFFIXES: [&str; 8] =
    [".localhost", ".local", ".lan", ".internal", ".intranet", ".home.arpa", ".svc", ".test"];

/// Which hosts and origins are trusted beside the obvious ones.
#[derive(Clone, Debug, Default)]
pub struct GuardOptions {
    /// Host names under which a loopback listener may be asked too, such as the external URL's, without port.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may change state, such as `https://grafana.example`.
    pub trusted_origins: Vec<String>,
    /// Ends of paths that only read although they are posted to, such as `/api/v1/query`.
    pub read_only_posts: Vec<&'static str>,
}

/// The rules of one listener.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    options: GuardOptions,
    is_loopback: bool,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Guard {
    pub(super) fn new(options: GuardOptions, listener: SocketAddr) -> Self {
        Self { options, is_loopback: listener.ip().is_loopback() }
    }

    pub(super) fn check(&self, request: &Request<Body>) -> Result<(), Refusal> {
        let host = host_of(request)?;
        if self.is_loopback && !host.is_empty() && !self.is_local(host) {
            let message = format!(
                "host {host:?} is not served here: this listener is for this machine only; \
                 ask it as localhost, or allow the name (external URL)\n"
            );
            return Err(Refusal { status: StatusCode::FORBIDDEN, message });
        }
        if changes_state(request.method()) && !self.is_read_only_post(request) {
            self.check_origin(request.headers(), host)?;
        }
        Ok(())
    }

    fn check_origin(&self, headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
        let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let refuse = |from: &str| {
            let message = format!("requests that change state are not taken from web pages of {from:?}\n");
            Err(Refusal { status: StatusCode::FORBIDDEN, message })
        };
        match text(&ORIGIN) {
            // No browser, or one that judges same-origin itself.
            None if text(&SEC_FETCH_SITE) == Some("cross-site") => refuse("another site"),
            None => Ok(()),
            Some(origin) if self.options.trusted_origins.iter().any(|trusted| trusted == origin) => Ok(()),
            Some(_) if self.may_be_a_strangers(host) => {
                let message = format!(
                    "pages under {host:?} may not change state: anybody could have made that name lead here; allow it \
                     (external URL)\n"
                );
                Err(Refusal { status: StatusCode::FORBIDDEN, message })
            }
            Some(origin) => match origin.split_once("://") {
                Some((_, authority)) if authority.eq_ignore_ascii_case(host) => Ok(()),
                _ => refuse(origin),
            },
        }
    }

    fn is_local(&self, host: &str) -> bool {
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || name.ends_with(".localhost")
            || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            || self.options.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name))
    }

    /// Whether a stranger could own the name: it has dots, is no address, and nobody vouches for it.
    fn may_be_a_strangers(&self, host: &str) -> bool {
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let is_public = name.contains('.')
            && bare.parse::<IpAddr>().is_err()
            && !PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        let is_this_machine = || {
            let own = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
            name == own
        };
        is_public && !self.is_local(host) && !is_this_machine()
    }

    fn is_read_only_post(&self, request: &Request<Body>) -> bool {
        let path = request.uri().path();
        request.method() == Method::POST && self.options.read_only_posts.iter().any(|end| path.ends_with(end))
    }
}

fn changes_state(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Returns the host the client asked for, with port; empty when it named none, which no browser does.
fn host_of(request: &Request<Body>) -> Result<&str, Refusal> {
    if let Some(authority) = request.uri().authority() {
        return Ok(authority.as_str());
    }
    let Some(host) = request.headers().get(HOST) else { return Ok("") };
    let message = "the Host header is not text\n".to_owned();
    host.to_str().map_err(|_| Refusal { status: StatusCode::BAD_REQUEST, message })
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The last colon of a bare IPv6 address is not a port's; in brackets it is when it follows them.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(listener: &str, method: &str, headers: &[(&str, &str)]) -> bool {
        let options = GuardOptions {
            allowed_hosts: vec!["watch.example".to_owned()],
            trusted_origins: vec!["https://grafana.example".to_owned()],
            read_only_posts: vec!["/api/v1/query"],
        };
        let guard = Guard::new(options, listener.parse().unwrap());
        let mut request = Request::builder().method(method).uri("/-/reload");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        guard.check(&request.body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn a_loopback_listener_answers_only_to_local_names() {
        let check = |host: &str, want: bool| {
            assert_eq!(is_allowed("127.0.0.1:9090", "GET", &[("host", host)]), want, "{host}");
        };
        check("localhost:9090", true);
        check("LOCALHOST", true);
        check("127.0.0.1:9090", true);
        check("127.8.8.8", true);
        check("[::1]:9090", true);
        check("[::1]", true);
        check("ui.localhost:1", true);
        check("watch.example:443", true);
        check("evil.example:9090", false);
        check("localhost.evil.example", false);
        check("192.168.1.2:9090", false);
        check("127.0.0.1.evil.example", false);
        assert!(is_allowed("127.0.0.1:9090", "GET", &[]), "a client without Host is no browser");
        assert!(is_allowed("10.0.0.1:9090", "GET", &[("host", "anything.example")]));
    }

    #[test]
    fn state_is_changed_only_from_our_own_pages() {
        let check = |method: &str, headers: &[(&str, &str)], want: bool| {
            let host = [("host", "watch.example:9090")];
            let all: Vec<_> = host.iter().chain(headers).copied().collect();
            assert_eq!(is_allowed("10.0.0.1:9090", method, &all), want, "{method} {headers:?}");
        };
        check("POST", &[], true);
        check("POST", &[("origin", "http://watch.example:9090")], true);
        check("POST", &[("origin", "https://grafana.example")], true);
        check("POST", &[("origin", "http://watch.example")], false);
        check("POST", &[("origin", "null")], false);
        check("PUT", &[("origin", "http://evil.example")], false);
        check("DELETE", &[("origin", "http://evil.example")], false);
        check("POST", &[("sec-fetch-site", "cross-site")], false);
        check("GET", &[("origin", "http://evil.example")], true);
    }

    #[test]
    fn a_name_that_a_stranger_could_own_changes_nothing() {
        let check = |host: &str, want: bool| {
            let origin = format!("http://{host}");
            let headers = [("host", host), ("origin", origin.as_str())];
            assert_eq!(is_allowed("10.0.0.1:9090", "POST", &headers), want, "{host}");
            assert!(is_allowed("10.0.0.1:9090", "POST", &headers[..1]), "{host}: a program may");
        };
        for host in [
            "10.0.0.1:9090",
            "[fd00::1]:9090",
            "prometheus:9090",
            "prometheus.monitoring.svc",
            "nas.lan",
            "localhost:1",
        ] {
            check(host, true);
        }
        for host in
            ["evil.example:9090", "10.0.0.1.evil.example", "prometheus.evil", "localhost.evil.example"]
        {
            check(host, false);
        }
    }

    #[test]
    fn posting_a_query_only_reads() {
        let guard = Guard::new(
            GuardOptions { read_only_posts: vec!["/api/v1/query"], ..GuardOptions::default() },
            "10.0.0.1:9090".parse().unwrap(),
        );
        let request = Request::builder().method("POST").uri("/prom/api/v1/query").header("host", "m");
        let request = request.header("origin", "http://other.example").body(Body::empty()).unwrap();
        assert_eq!(guard.check(&request), Ok(()));
    }
}
