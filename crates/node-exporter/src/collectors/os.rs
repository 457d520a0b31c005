//! `os` and `dmi`: what the host says it is.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge, push_gauge};
use crate::config::Config;
use crate::context::Context;
use crate::parse;

/// Label and key of `os-release`.
#[rustfmt::skip]
const OS: [(&str, &str); 12] = [
    ("build_id", "BUILD_ID"), ("id", "ID"), ("id_like", "ID_LIKE"), ("image_id", "IMAGE_ID"),
    ("image_version", "IMAGE_VERSION"), ("name", "NAME"), ("pretty_name", "PRETTY_NAME"), ("variant", "VARIANT"),
    ("variant_id", "VARIANT_ID"), ("version", "VERSION"), ("version_codename", "VERSION_CODENAME"),
    ("version_id", "VERSION_ID"),
];

/// `os`: the operating system.
#[derive(Debug)]
pub struct Os;

impl Collector for Os {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let root = ctx.paths.root.clone();
        let first = ctx.file(&root.join("etc/os-release")).map(parse_release);
        let release = match first {
            Err(error) if error.is_no_data() => parse_release(ctx.file(&root.join("usr/lib/os-release"))?),
            release => release?,
        };
        let value = |key: &str| release.get(key).map_or("", String::as_str);
        let mut info = gauge("node_os_info", "Names and versions of the operating system.");
        info.push(&OS.map(|(label, key)| (label, value(key))), 1.0);
        out.push(info);
        if let Some(version) = leading_version(value("VERSION_ID")).filter(|version| *version != 0.0) {
            let mut family = gauge("node_os_version", "Version of the operating system as a number.");
            let labels = [("id", value("ID")), ("id_like", value("ID_LIKE")), ("name", value("NAME"))];
            family.push(&labels, version);
            out.push(family);
        }
        let end = value("SUPPORT_END").parse::<Date>().ok();
        if let Some(end) = end.and_then(|date| date.to_zoned(TimeZone::UTC).ok()) {
            let help = "End of support of the operating system since the Unix epoch.";
            push_gauge(
                out,
                "node_os_support_end_timestamp_seconds",
                help,
                end.timestamp().as_second() as f64,
            );
        }
        Ok(())
    }
}

/// `KEY=value`, `KEY="value"`, `KEY='value'`.
fn parse_release(text: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let unquote = |value: &str| {
        let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        match (inner('"'), inner('\'')) {
            (Some(inner), _) => inner.replace("\\\"", "\"").replace("\\$", "$").replace("\\\\", "\\"),
            (None, Some(inner)) => inner.to_owned(),
            (None, None) => value.to_owned(),
        }
    };
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), unquote(value.trim()))).collect()
}

/// `20.04` of `20.04.2 LTS`.
fn leading_version(text: &str) -> Option<f64> {
    let mut n_dots = 0;
    let is_part = |c: &char| {
        n_dots += u32::from(*c == '.');
        c.is_ascii_digit() || *c == '.' && n_dots == 1
    };
    let number: String = text.chars().take_while(is_part).collect();
    number.trim_end_matches('.').parse().ok()
}

/// Attributes of `/sys/class/dmi/id`; the labels have the same names.
#[rustfmt::skip]
const DMI: [&str; 20] = [
    "bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name", "board_serial",
    "board_vendor", "board_version", "chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version",
    "product_family", "product_name", "product_serial", "product_sku", "product_uuid", "product_version",
    "sys_vendor",
];

/// `dmi`: the hardware. Read once: it does not change.
#[derive(Debug)]
pub struct Dmi {
    /// Only what may be read; serial numbers are for root.
    values: Vec<(&'static str, String)>,
}

impl Dmi {
    /// Reads the attributes.
    pub fn new(config: &Config) -> Self {
        let mut ctx = Context::new(config.paths.clone());
        let dir = config.paths.sys.join("class/dmi/id");
        let mut values = Vec::new();
        for name in DMI {
            let label = if name == "sys_vendor" { "system_vendor" } else { name };
            if let Some(value) = ctx.attribute(&dir.join(name)) {
                values.push((label, parse::text(value)));
            }
        }
        Self { values }
    }
}

impl Collector for Dmi {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        if self.values.is_empty() {
            return Err(CollectError::NoData { why: "this host has no DMI table".to_owned() });
        }
        let mut family = gauge("node_dmi_info", "Names and versions of the hardware.");
        let labels: Vec<_> = self.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        family.push(&labels, 1.0);
        out.push(family);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_far_as_they_are_numbers() {
        assert_eq!(leading_version("20.04.2 LTS"), Some(20.04));
        assert_eq!(leading_version("13"), Some(13.0));
        assert_eq!(leading_version("rolling"), None);
    }

    #[test]
    fn quotes_are_taken_off() {
        let release = parse_release(b"# no\nNAME=\"A \\\"B\\\"\"\nID=x\nV='1'\n");
        let want = [("ID", "x"), ("NAME", "A \"B\""), ("V", "1")];
        assert!(release.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(want));
    }
}
