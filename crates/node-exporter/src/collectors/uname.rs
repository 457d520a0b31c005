//! `uname`: names of the host and its kernel.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::context::Context;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct Uname;

impl Collector for Uname {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let uname = rustix::system::uname();
        let text = |name: &std::ffi::CStr| parse::text(name.to_bytes());
        let mut family = gauge("node_uname_info", "Labelled system information as uname tells it.");
        let labels = [
            ("domainname", &*text(uname.domainname())),
            ("machine", &text(uname.machine())),
            ("nodename", &text(uname.nodename())),
            ("release", &text(uname.release())),
            ("sysname", &text(uname.sysname())),
            ("version", &text(uname.version())),
        ];
        family.push(&labels, 1.0);
        out.push(family);
        Ok(())
    }
}
