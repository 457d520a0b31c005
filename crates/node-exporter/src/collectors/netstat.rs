//! `netstat`: counts of the network protocols.

use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collector::{CollectError, Collector};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::filter::FieldFilter;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct NetStat {
    fields: FieldFilter,
}

impl NetStat {
    /// Compiles its pattern.
    /// # Errors
    /// When the pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let flag = "--collector.netstat.fields";
        Ok(Self { fields: FieldFilter::new(flag, &config.netstat_fields, "node_netstat_")? })
    }

    fn push(&self, out: &mut Vec<MetricFamily>, key: &[u8], value: f64) {
        if let Some(name) = self.fields.metric_name(key) {
            let mut family = MetricFamily::new(name, "Protocol statistic.", MetricType::Unknown);
            family.push(&[], value);
            out.push(family);
        }
    }

    /// Pairs of lines: `Tcp: name name`, `Tcp: value value`.
    fn push_pairs(
        &self,
        path: &'static str,
        text: &[u8],
        out: &mut Vec<MetricFamily>,
    ) -> Result<(), CollectError> {
        let mut lines = parse::lines(text);
        let mut key = Vec::new();
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let bad = || CollectError::parse(path, names);
            let (mut names_left, mut values_left) = (parse::words(names), parse::words(values));
            let protocol = names_left.next().and_then(|word| word.strip_suffix(b":")).ok_or_else(bad)?;
            if values_left.next().and_then(|word| word.strip_suffix(b":")) != Some(protocol) {
                return Err(bad());
            }
            loop {
                match (names_left.next(), values_left.next()) {
                    (None, None) => break,
                    (Some(name), Some(value)) => {
                        let value = parse::number(value).ok_or_else(bad)?;
                        key.clear();
                        key.extend_from_slice(protocol);
                        key.push(b'_');
                        key.extend_from_slice(name);
                        self.push(out, &key, value);
                    }
                    _ => return Err(bad()),
                }
            }
        }
        Ok(())
    }

    /// Lines `Ip6InOctets 460`: the protocol ends with its first 6.
    fn push_snmp6(&self, text: &[u8], out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        for line in parse::lines(text) {
            let mut words = parse::words(line);
            let Some(key) = words.next().map(parse::text) else { continue };
            let Some((protocol, name)) = key.split_once('6') else { continue };
            let Some(value) = words.next() else { continue };
            let value = parse::number(value).ok_or_else(|| CollectError::parse("net/snmp6", line))?;
            self.push(out, format!("{protocol}6_{name}").as_bytes(), value);
        }
        Ok(())
    }
}

impl Collector for NetStat {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        self.push_pairs("net/netstat", ctx.proc("net/netstat")?, out)?;
        self.push_pairs("net/snmp", ctx.proc("net/snmp")?, out)?;
        // Absent where IPv6 is switched off.
        match ctx.proc("net/snmp6") {
            Err(error) if error.is_no_data() => Ok(()),
            text => self.push_snmp6(text?, out),
        }
    }
}
