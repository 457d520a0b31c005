//! `runit`: services of runit's supervisor.
//!
//! # Source
//! `supervise/status` of runsv(8): 20 bytes, `seconds u64 BE (TAI64) | nanoseconds u32 BE | pid u32 LE | paused u8 |
//! want u8 ('u' or 'd') | got TERM u8 | state u8`.

use std::path::PathBuf;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::config::Config;
use crate::context::{Context, names_in};

/// TAI64 of 1970: 2^62, and the 10 seconds by which TAI led then.
const TAI_EPOCH: u64 = (1 << 62) + 10;

/// The collector.
#[derive(Debug)]
pub struct Runit {
    services: PathBuf,
}

impl Runit {
    /// Takes where services are.
    pub fn new(config: &Config) -> Self {
        Self { services: PathBuf::from(&config.runit_services) }
    }
}

impl Collector for Runit {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        if !self.services.is_dir() {
            return Err(CollectError::NoData { why: format!("{} is no directory", self.services.display()) });
        }
        let mut state = gauge("node_service_state", "State of the service: 0 down, 1 up, 2 finishing.");
        let mut desired = gauge("node_service_desired_state", "Whether the service is wanted up.");
        let mut normal = gauge("node_service_normal_state", "Whether the service starts by itself.");
        let mut changed = gauge(
            "node_service_state_last_change_timestamp_seconds",
            "When the state changed, seconds since the epoch.",
        );
        for name in names_in(&self.services, "") {
            let dir = self.services.join(&name);
            // Services whose supervisor never ran, and plain files beside them.
            let Ok(status) = ctx.file(&dir.join("supervise/status")) else { continue };
            let Some(status) = Status::parse(status) else { continue };
            let labels = [("service", name.as_str()), ("supervisor", "runit")];
            state.push(&labels, f64::from(status.state));
            desired.push(&labels, f64::from(u8::from(status.is_wanted_up)));
            normal.push(&labels, f64::from(u8::from(!dir.join("down").exists())));
            changed.push(&labels, status.changed_s);
        }
        out.extend([state, desired, normal, changed]);
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Status {
    state: u8,
    is_wanted_up: bool,
    changed_s: f64,
}

impl Status {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 20] = bytes.try_into().ok()?;
        let seconds = u64::from_be_bytes(*bytes.first_chunk()?);
        let [.., want, _term, state] = *bytes;
        Some(Self { state, is_wanted_up: want == b'u', changed_s: seconds.saturating_sub(TAI_EPOCH) as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_tell_what_they_are_and_should_be() {
        let folder = tempfile::tempdir().unwrap();
        let write = |service: &str, want: u8, state: u8| {
            let dir = folder.path().join(service).join("supervise");
            std::fs::create_dir_all(&dir).unwrap();
            let mut status = (TAI_EPOCH + 1_700_000_000).to_be_bytes().to_vec();
            status.extend([0, 0, 0, 5, 77, 0, 0, 0, 0, want, 0, state]);
            std::fs::write(dir.join("status"), status).unwrap();
        };
        write("web", b'u', 1);
        write("job", b'd', 0);
        std::fs::write(folder.path().join("job/down"), "").unwrap();
        write("bad", b'u', 1);
        std::fs::write(folder.path().join("bad/supervise/status"), "short").unwrap();
        std::fs::write(folder.path().join("README"), "").unwrap();
        let config = Config { runit_services: folder.path().display().to_string(), ..Config::default() };
        let mut families = Vec::new();
        Runit::new(&config).collect(&mut Context::new(config.paths.clone()), &mut families).unwrap();
        let mut page = String::new();
        wf_exposition::text::write_page(&mut page, &families);
        for line in [
            r#"node_service_state{service="web",supervisor="runit"} 1"#,
            r#"node_service_state{service="job",supervisor="runit"} 0"#,
            r#"node_service_desired_state{service="job",supervisor="runit"} 0"#,
            r#"node_service_normal_state{service="job",supervisor="runit"} 0"#,
            r#"node_service_normal_state{service="web",supervisor="runit"} 1"#,
            r#"node_service_state_last_change_timestamp_seconds{service="web",supervisor="runit"} 1.7e+09"#,
        ] {
            assert!(page.contains(line), "{line} in\n{page}");
        }
        assert!(!page.contains("bad") && !page.contains("README"));
    }
}
