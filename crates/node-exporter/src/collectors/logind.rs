//! `logind`: sessions of users, by where and how they are.
//!
//! # Source
//! `org.freedesktop.login1(5)`: `ListSeats`, `ListSessions` and properties of sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::config::Config;
use crate::context::Context;
use crate::dbus::{Connection, Target, Value};

const SERVICE: &str = "org.freedesktop.login1";
const MANAGER: Target<'_> = Target {
    service: SERVICE,
    object: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
};
const SESSION: &str = "org.freedesktop.login1.Session";

/// What else there may be counts as the first.
const KINDS: [&str; 7] = ["other", "unspecified", "tty", "x11", "wayland", "mir", "web"];
const CLASSES: [&str; 5] = ["other", "user", "greeter", "lock-screen", "background"];

/// The collector.
#[derive(Debug)]
pub struct Logind {
    socket: PathBuf,
}

/// Seat, whether remote, type, class.
type Key = (String, bool, &'static str, &'static str);

impl Logind {
    /// Takes where the bus is.
    pub fn new(config: &Config) -> Self {
        Self { socket: PathBuf::from(&config.systemd.bus_socket) }
    }
}

impl Collector for Logind {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut connection = Connection::to_bus(Path::new(&self.socket))?;
        // Sessions over a network sit nowhere.
        let mut seats = BTreeSet::from([String::new()]);
        for row in rows(&mut connection, "ListSeats")? {
            seats.extend(row.items().first().map(|seat| seat.text().to_owned()));
        }
        let mut counts = BTreeMap::<Key, u32>::new();
        for row in rows(&mut connection, "ListSessions")? {
            // Session id, uid, user, seat, object. A session may end while we ask.
            let [_, _, _, seat, object, ..] = row.items() else { continue };
            if let Ok((is_remote, kind, class)) = session(&mut connection, object.text()) {
                *counts.entry((seat.text().to_owned(), is_remote, kind, class)).or_default() += 1;
            }
        }
        let mut family = gauge("node_logind_sessions", "Sessions registered with logind.");
        for seat in &seats {
            for (is_remote, remote) in [(true, "true"), (false, "false")] {
                for (kind, class) in KINDS.iter().flat_map(|kind| CLASSES.map(|class| (*kind, class))) {
                    let count = counts.get(&(seat.clone(), is_remote, kind, class)).copied().unwrap_or(0);
                    let labels = [("class", class), ("remote", remote), ("seat", seat), ("type", kind)];
                    family.push(&labels, f64::from(count));
                }
            }
        }
        out.push(family);
        Ok(())
    }
}

fn rows(connection: &mut Connection, method: &str) -> Result<Vec<Value>, CollectError> {
    let answer = connection.call(MANAGER, method, &[])?;
    Ok(answer.first().map(Value::items).unwrap_or_default().to_vec())
}

fn session(
    connection: &mut Connection,
    object: &str,
) -> Result<(bool, &'static str, &'static str), CollectError> {
    let target = Target { service: SERVICE, object, interface: SESSION };
    let is_remote = connection.property(target, "Remote")?.number() == Some(1.0);
    let kind = known(&KINDS, connection.property(target, "Type")?.text());
    Ok((is_remote, kind, known(&CLASSES, connection.property(target, "Class")?.text())))
}

fn known(names: &[&'static str], name: &str) -> &'static str {
    names.iter().find(|known| **known == name).copied().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbus::tests::{Given, Service};

    #[test]
    fn sessions_are_counted_and_what_nobody_uses_is_zero() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bus");
        let mut service = Service::default();
        service.rows(MANAGER.object, MANAGER.interface, "ListSeats", "so", &[&["seat0", "/seat0"]]);
        let sessions: [&[&str]; 2] =
            [&["1", "1000", "ann", "seat0", "/s/1"], &["2", "0", "root", "", "/s/2"]];
        service.rows(MANAGER.object, MANAGER.interface, "ListSessions", "susso", &sessions);
        for (object, is_remote, kind, class) in
            [("/s/1", false, "wayland", "user"), ("/s/2", true, "brainwave", "manager")]
        {
            service.property(object, SESSION, "Remote", &Given::Bool(is_remote));
            service.property(object, SESSION, "Type", &Given::Text(kind));
            service.property(object, SESSION, "Class", &Given::Text(class));
        }
        service.serve(&socket);
        let mut config = Config::default();
        config.systemd.bus_socket = socket.display().to_string();
        let mut families = Vec::new();
        let mut ctx = Context::new(config.paths.clone());
        Logind::new(&config).collect(&mut ctx, &mut families).unwrap();
        let family = families.pop().unwrap();
        assert_eq!(family.metrics.len(), 2 * 2 * 7 * 5);
        let used =
            family.metrics.iter().filter(|metric| metric.value != wf_exposition::MetricValue::Number(0.0));
        let labels: Vec<Vec<_>> =
            used.map(|metric| metric.labels.iter().map(|(_, value)| value.as_str()).collect()).collect();
        assert_eq!(labels, [["other", "true", "", "other"], ["user", "false", "seat0", "wayland"]]);
    }
}
