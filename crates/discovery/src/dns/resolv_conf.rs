//! `/etc/resolv.conf`: which servers are asked, and which names a name stands for.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::source::SdError;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResolvConf {
    pub(super) servers: Vec<SocketAddr>,
    search: Vec<String>,
    n_dots: usize,
    pub(super) timeout: Duration,
}

impl ResolvConf {
    pub(super) async fn read(path: &Path) -> Result<Self, SdError> {
        let text = tokio::fs::read_to_string(path).await;
        let text = text.map_err(|error| format!("load {}: {error}", path.display()))?;
        Ok(Self::parse(&text))
    }

    /// Reads what is understood and skips the rest, as resolvers do.
    pub(super) fn parse(text: &str) -> Self {
        let mut conf =
            Self { servers: Vec::new(), search: Vec::new(), n_dots: 1, timeout: Duration::from_secs(5) };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or("");
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => conf.servers.extend(words.next().and_then(server)),
                Some("domain" | "search") => conf.search = words.map(str::to_owned).collect(),
                Some("options") => words.for_each(|option| conf.set_option(option)),
                _ => {}
            }
        }
        conf
    }

    fn set_option(&mut self, option: &str) {
        match option.split_once(':') {
            Some(("ndots", value)) => self.n_dots = value.parse().unwrap_or(self.n_dots).min(15),
            Some(("timeout", value)) => {
                let seconds = value.parse().unwrap_or(5).clamp(1, 30);
                self.timeout = Duration::from_secs(seconds);
            }
            _ => {}
        }
    }

    /// Returns the full names that `name` may stand for, in the order they are asked for.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let full = format!("{name}.");
        let searched = self.search.iter().map(|domain| format!("{name}.{}.", domain.trim_matches('.')));
        let has_dots = name.matches('.').count() >= self.n_dots;
        if has_dots {
            std::iter::once(full).chain(searched).collect()
        } else {
            searched.chain([full]).collect()
        }
    }
}

fn server(text: &str) -> Option<SocketAddr> {
    let address = text.split('%').next().unwrap_or(text);
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, 53));
    }
    let (host, port) = text.strip_prefix('[')?.split_once("]:")?;
    Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_search_lists_and_options_are_read() {
        let text = "# x\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver [127.0.0.1]:5353\n\
                    domain old.example\nsearch a.example b.example. # c\noptions ndots:2 timeout:3 rotate\n";
        let conf = ResolvConf::parse(text);
        let servers: Vec<String> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1:53", "[fe80::1]:53", "127.0.0.1:5353"]);
        assert_eq!(conf.timeout.as_secs(), 3);
        assert_eq!(conf.names("h.x"), ["h.x.a.example.", "h.x.b.example.", "h.x."]);
        assert_eq!(conf.names("a.b.c"), ["a.b.c.", "a.b.c.a.example.", "a.b.c.b.example."]);
        assert_eq!(conf.names("h."), ["h."]);
    }
}
