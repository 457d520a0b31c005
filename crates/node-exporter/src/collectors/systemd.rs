//! `systemd`: state of its units.
//!
//! # Source
//! `org.freedesktop.systemd1(5)`: methods and properties of the manager and of units, sockets, timers and services.

use std::collections::BTreeMap;
use std::path::Path;

use regex_automata::meta::Regex;
use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::{Config, FlagError, SystemdConfig};
use crate::context::Context;
use crate::dbus::{Connection, Target, Value};
use crate::filter;

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER: Target<'_> = Target {
    service: SERVICE,
    object: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};

const STATES: [&str; 5] = ["activating", "active", "deactivating", "failed", "inactive"];

/// First version whose manager and timers tell what is asked here.
const VERSION_OF_STATE: f64 = 212.0;

/// The collector.
#[derive(Debug)]
pub struct Systemd {
    include: Regex,
    exclude: Regex,
    config: SystemdConfig,
}

/// A row of the list of units.
#[derive(Debug)]
struct Unit {
    name: String,
    is_loaded: bool,
    active: String,
    object: String,
}

impl Systemd {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let whole = |flag: &str, pattern: &str| {
            filter::regex(&format!("--collector.systemd.unit-{flag}"), &format!("^(?:{pattern})$"))
        };
        let systemd = config.systemd.clone();
        let include = whole("include", &systemd.units.include)?;
        Ok(Self { include, exclude: whole("exclude", &systemd.units.exclude)?, config: systemd })
    }

    fn connect(&self) -> Result<Connection, CollectError> {
        match self.config.is_private {
            true => Connection::to_peer(Path::new(&self.config.private_socket)),
            false => Connection::to_bus(Path::new(&self.config.bus_socket)),
        }
    }

    fn is_wanted(&self, unit: &Unit) -> bool {
        unit.is_loaded && self.include.is_match(&unit.name) && !self.exclude.is_match(&unit.name)
    }

    fn push_unit(
        &self,
        connection: &mut Connection,
        unit: &Unit,
        has_timers: bool,
        out: &mut Sink<'_>,
    ) -> Result<(), CollectError> {
        let (_, suffix) = unit.name.rsplit_once('.').unwrap_or_default();
        let mut ask = Asker { connection, object: &unit.object };
        let kind = match suffix {
            "service" => ask.text("Service", "Type")?,
            "mount" => ask.text("Mount", "Type")?,
            _ => String::new(),
        };
        for state in STATES {
            let labels = [("name", unit.name.as_str()), ("state", state), ("type", kind.as_str())];
            let value = f64::from(u8::from(unit.active == state));
            out.gauge("node_systemd_unit_state", "Whether the unit is in the state.", &labels, value);
        }
        let labels = [("name", unit.name.as_str())];
        match suffix {
            "service" => self.push_service(&mut ask, &labels, out)?,
            "socket" => push_socket(&mut ask, &labels, out)?,
            "timer" if has_timers => {
                let last = ask.number("Timer", "LastTriggerUSec")? / 1e6;
                let help = "When the timer last elapsed, seconds since the epoch.";
                out.gauge("node_systemd_timer_last_trigger_seconds", help, &labels, last);
            }
            _ => {}
        }
        if self.config.has_start_time {
            let started = match unit.active.as_str() {
                "active" => ask.number("Unit", "ActiveEnterTimestamp")? / 1e6,
                _ => 0.0,
            };
            let help = "When the unit became active, seconds since the epoch; 0 where it is not.";
            out.gauge("node_systemd_unit_start_time_seconds", help, &labels, started);
        }
        Ok(())
    }

    fn push_service(
        &self,
        ask: &mut Asker<'_>,
        labels: &[(&'static str, &str)],
        out: &mut Sink<'_>,
    ) -> Result<(), CollectError> {
        if self.config.has_restarts {
            let n_restarts = ask.number("Service", "NRestarts")?;
            out.counter("node_systemd_service_restart_total", "Restarts of the service.", labels, n_restarts);
        }
        if self.config.has_tasks {
            let names = ["node_systemd_unit_tasks_current", "node_systemd_unit_tasks_max"];
            for (name, property) in names.into_iter().zip(["TasksCurrent", "TasksMax"]) {
                let n_tasks = ask.number("Service", property)?;
                // The largest number stands for "none" and for "no limit".
                if n_tasks < u64::MAX as f64 {
                    out.gauge(name, "Tasks of the unit.", labels, n_tasks);
                }
            }
        }
        Ok(())
    }
}

fn push_socket(
    ask: &mut Asker<'_>,
    labels: &[(&'static str, &str)],
    out: &mut Sink<'_>,
) -> Result<(), CollectError> {
    let help = "Connections of the socket.";
    // Counters by name, gauges by type: as upstream, since types of a family are compared.
    let accepted = ask.number("Socket", "NAccepted")?;
    out.gauge("node_systemd_socket_accepted_connections_total", help, labels, accepted);
    let current = ask.number("Socket", "NConnections")?;
    out.gauge("node_systemd_socket_current_connections", help, labels, current);
    // Systemd before 239 does not count them.
    if let Ok(refused) = ask.number("Socket", "NRefused") {
        out.gauge("node_systemd_socket_refused_connections_total", help, labels, refused);
    }
    Ok(())
}

impl Collector for Systemd {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut connection = self.connect()?;
        let mut out = Sink::new(out);
        let version = push_manager(&mut connection, &mut out)?;
        let units = units(&mut connection)?;
        let mut n_by_state: BTreeMap<&str, u32> = STATES.iter().map(|state| (*state, 0)).collect();
        for unit in &units {
            *n_by_state.entry(unit.active.as_str()).or_default() += 1;
        }
        for (state, n_units) in n_by_state {
            out.gauge("node_systemd_units", "Units in the state.", &[("state", state)], f64::from(n_units));
        }
        let has_timers = version >= VERSION_OF_STATE;
        for unit in units.iter().filter(|unit| self.is_wanted(unit)) {
            // A unit that went away meanwhile refuses to answer; a connection that broke ends the scrape below.
            if let Err(error) = self.push_unit(&mut connection, unit, has_timers, &mut out) {
                tracing::debug!(unit = unit.name, %error, "unit is not shown whole");
                connection.property(MANAGER, "Version")?;
            }
        }
        Ok(())
    }
}

/// Appends what the manager says of itself; returns its version.
fn push_manager(connection: &mut Connection, out: &mut Sink<'_>) -> Result<f64, CollectError> {
    let version = connection.property(MANAGER, "Version")?.text().to_owned();
    let number = version_number(&version);
    out.gauge("node_systemd_version", "Version of systemd.", &[("version", &version)], number);
    let virtualization = match connection.property(MANAGER, "Virtualization") {
        Ok(value) if value.text().is_empty() => "none".to_owned(),
        Ok(value) => value.text().to_owned(),
        Err(_) => "unknown".to_owned(),
    };
    let labels = [("virtualization_type", virtualization.as_str())];
    out.gauge("node_systemd_virtualization_info", "What systemd runs in.", &labels, 1.0);
    if number >= VERSION_OF_STATE {
        let state = connection.property(MANAGER, "SystemState")?;
        let is_running = f64::from(u8::from(state.text() == "running"));
        out.gauge(
            "node_systemd_system_running",
            "Whether systemd is up and no unit failed.",
            &[],
            is_running,
        );
    }
    Ok(number)
}

/// The first run of at least three digits, with its fraction: `252.39` of `252.39-1~deb12u1`.
fn version_number(version: &str) -> f64 {
    let is_digit = |c: char| c.is_ascii_digit();
    let runs = version.split(|c: char| !is_digit(c) && c != '.');
    let number = |run: &str| {
        let mut parts = run.split('.').skip_while(|part| part.len() < 3);
        let whole = parts.next()?;
        let fraction = parts.next().filter(|part| !part.is_empty()).unwrap_or("0");
        format!("{whole}.{fraction}").parse().ok()
    };
    runs.filter_map(number).next().unwrap_or(0.0)
}

/// Rows of `ListUnits`: name, description, load state, active state, sub state, following, object, and a job's three.
fn units(connection: &mut Connection) -> Result<Vec<Unit>, CollectError> {
    let answer = connection.call(MANAGER, "ListUnits", &[])?;
    let rows = answer.first().map(Value::items).unwrap_or_default();
    let unit = |row: &Value| match row.items() {
        [name, _, load, active, _, _, object, ..] => Some(Unit {
            name: name.text().to_owned(),
            is_loaded: load.text() == "loaded",
            active: active.text().to_owned(),
            object: object.text().to_owned(),
        }),
        _ => None,
    };
    Ok(rows.iter().filter_map(unit).collect())
}

/// Reads properties of one unit.
struct Asker<'a> {
    connection: &'a mut Connection,
    object: &'a str,
}

impl Asker<'_> {
    fn property(&mut self, interface: &str, name: &str) -> Result<Value, CollectError> {
        let interface = format!("{SERVICE}.{interface}");
        let target = Target { service: SERVICE, object: self.object, interface: &interface };
        self.connection.property(target, name)
    }

    fn text(&mut self, interface: &str, name: &str) -> Result<String, CollectError> {
        Ok(self.property(interface, name)?.text().to_owned())
    }

    fn number(&mut self, interface: &str, name: &str) -> Result<f64, CollectError> {
        Ok(self.property(interface, name)?.number().unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbus::tests::{Given, Service};

    /// A manager with units of every kind that has numbers of its own.
    fn service() -> Service {
        let mut service = Service::default();
        let manager = |service: &mut Service, name: &str, text: &str| {
            service.property(MANAGER.object, MANAGER.interface, name, &Given::Text(text));
        };
        manager(&mut service, "Version", "252.39-1~deb12u1");
        manager(&mut service, "Virtualization", "");
        manager(&mut service, "SystemState", "running");
        let row = |name: &'static str, load: &'static str, active: &'static str, object: &'static str| {
            [name, "words", load, active, "sub", "", object, "0", "", "/"]
        };
        let rows = [
            row("ssh.service", "loaded", "active", "/u/ssh"),
            row("db.service", "loaded", "failed", "/u/db"),
            row("gone.service", "not-found", "inactive", "/u/gone"),
            row("api.socket", "loaded", "active", "/u/api"),
            row("daily.timer", "loaded", "active", "/u/daily"),
            row("dev-sda.device", "loaded", "active", "/u/sda"),
            row("odd.target", "loaded", "reloading", "/u/odd"),
        ];
        let rows: Vec<&[&str]> = rows.iter().map(<[&str; 10]>::as_slice).collect();
        service.rows(MANAGER.object, MANAGER.interface, "ListUnits", "ssssssouso", &rows);
        let of = |kind: &str| format!("{SERVICE}.{kind}");
        for (object, n_restarts) in [("/u/ssh", 2), ("/u/db", 7)] {
            service.property(object, &of("Service"), "Type", &Given::Text("notify"));
            service.property(object, &of("Service"), "NRestarts", &Given::U32(n_restarts));
            service.property(object, &of("Service"), "TasksCurrent", &Given::U64(3));
            service.property(object, &of("Service"), "TasksMax", &Given::U64(u64::MAX));
        }
        for (name, number) in [("NAccepted", 9), ("NConnections", 1)] {
            service.property("/u/api", &of("Socket"), name, &Given::U32(number));
        }
        service.property("/u/daily", &of("Timer"), "LastTriggerUSec", &Given::U64(1_700_000_000_500_000));
        for object in ["/u/ssh", "/u/api", "/u/daily"] {
            service.property(object, &of("Unit"), "ActiveEnterTimestamp", &Given::U64(1_600_000_000_000_000));
        }
        service
    }

    fn page(change: fn(&mut SystemdConfig)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bus");
        service().serve(&socket);
        let mut config = Config::default();
        config.systemd.bus_socket = socket.display().to_string();
        config.systemd.private_socket = config.systemd.bus_socket.clone();
        change(&mut config.systemd);
        let mut families = Vec::new();
        let mut ctx = Context::new(config.paths.clone());
        Systemd::new(&config).unwrap().collect(&mut ctx, &mut families).unwrap();
        let mut page = String::new();
        wf_exposition::text::write_page(&mut page, &families);
        page
    }

    #[track_caller]
    fn check(page: &str, lines: &[&str]) {
        lines.iter().for_each(|line| assert!(page.lines().any(|have| have == *line), "{line} in\n{page}"));
    }

    #[test]
    fn units_have_their_states_and_what_is_special_of_them() {
        let page = page(|_| {});
        check(
            &page,
            &[
                r#"node_systemd_version{version="252.39-1~deb12u1"} 252.39"#,
                r#"node_systemd_virtualization_info{virtualization_type="none"} 1"#,
                "node_systemd_system_running 1",
                r#"node_systemd_units{state="active"} 4"#,
                r#"node_systemd_units{state="failed"} 1"#,
                r#"node_systemd_units{state="reloading"} 1"#,
                r#"node_systemd_units{state="deactivating"} 0"#,
                r#"node_systemd_unit_state{name="ssh.service",state="active",type="notify"} 1"#,
                r#"node_systemd_unit_state{name="db.service",state="failed",type="notify"} 1"#,
                r#"node_systemd_unit_state{name="db.service",state="active",type="notify"} 0"#,
                r#"node_systemd_unit_state{name="odd.target",state="active",type=""} 0"#,
                r#"node_systemd_socket_accepted_connections_total{name="api.socket"} 9"#,
                r#"node_systemd_socket_current_connections{name="api.socket"} 1"#,
                r#"node_systemd_timer_last_trigger_seconds{name="daily.timer"} 1.7000000005e+09"#,
            ],
        );
        for absent in ["gone.service", "dev-sda.device", "refused", "restart", "tasks", "start_time"] {
            assert!(!page.contains(absent), "{absent} in\n{page}");
        }
    }

    #[test]
    fn what_costs_more_comes_when_asked_for() {
        let page = page(|config| {
            (config.has_tasks, config.has_restarts, config.has_start_time) = (true, true, true);
            config.is_private = true;
            config.units.include = r"(ssh|db)\.service".to_owned();
        });
        check(
            &page,
            &[
                r#"node_systemd_service_restart_total{name="db.service"} 7"#,
                r#"node_systemd_unit_tasks_current{name="ssh.service"} 3"#,
                r#"node_systemd_unit_start_time_seconds{name="ssh.service"} 1.6e+09"#,
                r#"node_systemd_unit_start_time_seconds{name="db.service"} 0"#,
            ],
        );
        assert!(!page.contains("tasks_max") && !page.contains("api.socket"), "{page}");
    }

    #[test]
    fn without_systemd_there_is_no_data() {
        let mut config = Config::default();
        config.systemd.bus_socket = "/proc/self/fd/nothing".to_owned();
        let mut ctx = Context::new(config.paths.clone());
        let error = Systemd::new(&config).unwrap().collect(&mut ctx, &mut Vec::new()).unwrap_err();
        assert!(error.is_no_data(), "{error}");
    }

    #[test]
    fn versions_are_numbers() {
        for (text, want) in
            [("252.39-1~deb12u1", 252.39), ("v255", 255.0), ("12", 0.0), ("", 0.0), ("systemd 219", 219.0)]
        {
            assert_eq!(version_number(text), want, "{text}");
        }
    }
}
