//! Which proxy a request goes through, if any.
//!
//! # Source
//! `spec/prometheus-core.md` §3, "HTTP client block"; the rules of `NO_PROXY` as Go's `httpproxy` documents them.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use url::{Host, Url};

use super::options::{ClientOptions, OptionsError};

/// A proxy to go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) kind: ProxyKind,
    /// Host, in brackets if it is an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// Name and password.
    pub(super) credentials: Option<(String, String)>,
}

/// What is spoken with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProxyKind {
    Http,
    /// HTTP inside TLS.
    Https,
    Socks5,
}

/// The rules of one client.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    /// For `http` targets.
    http: Option<Proxy>,
    /// For `https` targets.
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
    /// Whether loopback is never proxied, as wherever exceptions can be given.
    spares_loopback: bool,
    /// Sent with CONNECT.
    pub(super) connect_headers: HeaderMap,
}

/// A part of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    All,
    Address { network: IpAddr, prefix_bits: u32, port: Option<u16> },
    Domain { name: String, with_itself: bool, port: Option<u16> },
}

impl Proxies {
    /// Reads the rules from `options`, and from the environment where they say so.
    pub(super) fn new(
        options: &ClientOptions,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, OptionsError> {
        let connect_headers = connect_headers(options)?;
        if options.proxy_from_environment {
            let variable = |name: &str| {
                let lower = name.to_ascii_lowercase();
                environment(name).or_else(|| environment(&lower)).filter(|value| !value.is_empty())
            };
            let proxy = |name: &str| variable(name).map(|url| read_proxy(&url, name)).transpose();
            return Ok(Self {
                http: proxy("HTTP_PROXY")?,
                https: proxy("HTTPS_PROXY")?,
                exceptions: read_exceptions(&variable("NO_PROXY").unwrap_or_default()),
                spares_loopback: true,
                connect_headers,
            });
        }
        let Some(url) = &options.proxy_url else { return Ok(Self::default()) };
        let proxy = Some(read_proxy(url, "proxy_url")?);
        let exceptions = read_exceptions(&options.no_proxy);
        let spares_loopback = !options.no_proxy.is_empty();
        Ok(Self { http: proxy.clone(), https: proxy, exceptions, spares_loopback, connect_headers })
    }

    /// Whether no request without TLS is ever proxied.
    pub(super) fn spare_plain(&self) -> bool {
        self.http.is_none()
    }

    /// Returns the proxy for `uri`; `None` for a straight way.
    pub(super) fn of(&self, uri: &Uri) -> Option<&Proxy> {
        let is_tls = uri.scheme_str() == Some("https");
        let proxy = if is_tls { &self.https } else { &self.http }.as_ref()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let address: Option<IpAddr> = host.parse().ok();
        let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let is_spared = self.spares_loopback && is_loopback
            || self.exceptions.iter().any(|exception| exception.matches(&host, address, port));
        (!is_spared).then_some(proxy)
    }
}

impl Proxy {
    /// Value of `Proxy-Authorization`.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let (name, password) = self.credentials.as_ref()?;
        let mut value =
            HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn connect_headers(options: &ClientOptions) -> Result<HeaderMap, OptionsError> {
    let mut headers = HeaderMap::new();
    for (name, values) in &options.proxy_connect_header {
        let failed = |why: &str| OptionsError::Proxy {
            what: format!("proxy_connect_header {name}"),
            why: why.to_owned(),
        };
        let key: HeaderName = name.parse().map_err(|_| failed("no header can have this name"))?;
        for value in values {
            let value =
                HeaderValue::from_str(value.reveal()).map_err(|_| failed("the value cannot be sent"))?;
            headers.append(key.clone(), value);
        }
    }
    Ok(headers)
}

/// Reads a proxy's URL; without a scheme it is an HTTP proxy.
fn read_proxy(text: &str, what: &str) -> Result<Proxy, OptionsError> {
    // The URL may hold a password: errors do not repeat it.
    let failed = |why: String| OptionsError::Proxy { what: what.to_owned(), why };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|error| failed(error.to_string()))?;
    let (kind, default_port) = match url.scheme() {
        "http" => (ProxyKind::Http, 80),
        "https" => (ProxyKind::Https, 443),
        "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
        other => {
            return Err(failed(format!("the scheme {other:?} is not spoken: write http, https or socks5")));
        }
    };
    let host = match url.host() {
        Some(Host::Ipv6(address)) => format!("[{address}]"),
        Some(host) if !host.to_string().is_empty() => host.to_string(),
        _ => return Err(failed("it names no host".to_owned())),
    };
    let decode = |text: &str| {
        // A query of one key without a value, so that the URL library decodes it; `+` is not a blank here.
        let plain = text.replace('+', "%2B");
        url::form_urlencoded::parse(plain.as_bytes())
            .next()
            .map_or_else(String::new, |(key, _)| key.into_owned())
    };
    let credentials = (!url.username().is_empty())
        .then(|| (decode(url.username()), url.password().map_or_else(String::new, decode)));
    Ok(Proxy { kind, host, port: url.port().unwrap_or(default_port), credentials })
}

fn read_exceptions(text: &str) -> Vec<Exception> {
    let parts = text.split(',').map(|part| part.trim().to_ascii_lowercase());
    parts.filter(|part| !part.is_empty()).filter_map(|part| read_exception(&part)).collect()
}

/// What cannot be read is no exception, as in the original.
fn read_exception(part: &str) -> Option<Exception> {
    if part == "*" {
        return Some(Exception::All);
    }
    if let Some((network, bits)) = part.split_once('/') {
        let (network, prefix_bits) = (network.parse().ok()?, bits.parse().ok()?);
        return Some(Exception::Address { network, prefix_bits, port: None });
    }
    let (host, port) = match part.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (part, None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(network) = bare.parse::<IpAddr>() {
        let prefix_bits = if network.is_ipv4() { 32 } else { 128 };
        return Some(Exception::Address { network, prefix_bits, port });
    }
    let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
    let name = below.unwrap_or(host).to_owned();
    Some(Exception::Domain { name, with_itself: below.is_none(), port })
}

impl Exception {
    fn matches(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let is_port = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::All => true,
            Self::Address { network, prefix_bits, port } => {
                is_port(port) && address.is_some_and(|address| is_inside(address, *network, *prefix_bits))
            }
            Self::Domain { name, with_itself, port } => {
                let is_below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                is_port(port) && (is_below || *with_itself && host == name)
            }
        }
    }
}

fn is_inside(address: IpAddr, network: IpAddr, prefix_bits: u32) -> bool {
    let (a, b, n_bits) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let n_free = u32::saturating_sub(n_bits, prefix_bits);
    a.checked_shr(n_free).unwrap_or(0) == b.checked_shr(n_free).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(proxy_url: &str, no_proxy: &str) -> Proxies {
        let options = ClientOptions {
            proxy_url: Some(proxy_url.to_owned()),
            no_proxy: no_proxy.to_owned(),
            ..ClientOptions::default()
        };
        Proxies::new(&options, |_| None).unwrap()
    }

    fn is_proxied(proxies: &Proxies, uri: &str) -> bool {
        proxies.of(&uri.parse().unwrap()).is_some()
    }

    #[test]
    fn a_proxy_without_exceptions_is_for_everything() {
        let proxies = fixed("http://user:p%40ss@proxy:3128", "");
        assert!(is_proxied(&proxies, "http://localhost:9100/metrics"));
        let proxy = proxies.of(&"https://a/".parse().unwrap()).unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy", 3128));
        assert_eq!(proxy.credentials, Some(("user".to_owned(), "p@ss".to_owned())));
        assert_eq!(proxy.authorization().unwrap(), "Basic dXNlcjpwQHNz");
    }

    #[test]
    fn exceptions_are_domains_addresses_networks_and_ports() {
        let proxies = fixed(
            "proxy",
            "foo.com, .bar.com,*.baz.com,10.0.0.0/8,192.0.2.1:80,[2001:db8::1]:443,port.org:8080",
        );
        for spared in [
            "http://foo.com/",
            "http://a.foo.com/",
            "http://x.bar.com/",
            "http://x.baz.com/",
            "http://10.2.3.4:9100/",
            "http://192.0.2.1/",
            "https://[2001:db8::1]/",
            "http://port.org:8080/",
            "http://localhost/",
            "http://127.0.0.9/",
            "http://FOO.com/",
        ] {
            assert!(!is_proxied(&proxies, spared), "{spared}");
        }
        for proxied in [
            "http://barfoo.com/",
            "http://bar.com/",
            "http://baz.com/",
            "http://11.0.0.1/",
            "http://192.0.2.1:81/",
            "https://[2001:db8::2]/",
            "http://port.org/",
        ] {
            assert!(is_proxied(&proxies, proxied), "{proxied}");
        }
        assert!(!is_proxied(&fixed("proxy", "*"), "http://any/"));
    }

    #[test]
    fn the_environment_names_proxies_in_either_case() {
        let options = ClientOptions { proxy_from_environment: true, ..ClientOptions::default() };
        let environment = |name: &str| match name {
            "http_proxy" => Some("http://a:1".to_owned()),
            "HTTPS_PROXY" => Some("socks5://b".to_owned()),
            "NO_PROXY" => Some("spared".to_owned()),
            _ => None,
        };
        let proxies = Proxies::new(&options, environment).unwrap();
        let of = |uri: &str| proxies.of(&uri.parse().unwrap()).map(|proxy| (proxy.kind, proxy.port));
        assert_eq!(of("http://x/"), Some((ProxyKind::Http, 1)));
        assert_eq!(of("https://x/"), Some((ProxyKind::Socks5, 1080)));
        assert_eq!((of("http://spared/"), of("http://[::1]:9090/")), (None, None));
    }

    #[test]
    fn bad_proxies_are_named_without_their_password() {
        let check = |url: &str, want: &str| {
            let options = ClientOptions { proxy_url: Some(url.to_owned()), ..ClientOptions::default() };
            let error = Proxies::new(&options, |_| None).unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains("secret"), "{error}");
        };
        check("ftp://u:secret@p", "proxy_url: the scheme \"ftp\" is not spoken");
        check("http://u:secret@", "proxy_url: ");
    }
}
