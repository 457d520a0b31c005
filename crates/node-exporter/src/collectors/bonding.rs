//! `bonding`: links joined into one.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::context::Context;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct Bonding;

impl Collector for Bonding {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let masters = parse::text(ctx.sys("class/net/bonding_masters")?);
        let mut all = gauge("node_bonding_slaves", "Links of the bond.");
        let mut active = gauge("node_bonding_active", "Links of the bond that work.");
        for master in masters.split_ascii_whitespace() {
            let dir = ctx.paths.sys.join("class/net").join(master);
            let slaves = ctx.attribute(&dir.join("bonding/slaves")).map(parse::text).unwrap_or_default();
            let (mut n_slaves, mut n_active) = (0_u32, 0_u32);
            for slave in slaves.split_ascii_whitespace() {
                let mut is_up = |link: String| {
                    let status = ctx.attribute(&dir.join(link).join("bonding_slave/mii_status"));
                    status.map(|status| status == b"up")
                };
                // Kernels before 3.13 name the link differently.
                let status = is_up(format!("lower_{slave}")).or_else(|| is_up(format!("slave_{slave}")));
                n_slaves += 1;
                n_active += u32::from(status == Some(true));
            }
            all.push(&[("master", master)], f64::from(n_slaves));
            active.push(&[("master", master)], f64::from(n_active));
        }
        out.extend([all, active]);
        Ok(())
    }
}
