//! `sysctl`: settings of the kernel that somebody asked for.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::parse;

/// A setting to expose.
#[derive(Debug)]
struct Setting {
    name: String,
    /// Names of its values, if it has several.
    keys: Vec<String>,
    is_info: bool,
}

/// The collector.
#[derive(Debug)]
pub struct SysCtl {
    settings: Vec<Setting>,
}

impl SysCtl {
    /// Takes its options.
    /// # Errors
    /// When a setting is not named as the kernel does.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let numbers = config.sysctl_include.iter().map(|text| Setting::parse(text, false));
        let texts = config.sysctl_include_info.iter().map(|text| Setting::parse(text, true));
        Ok(Self { settings: numbers.chain(texts).collect::<Result<_, _>>()? })
    }
}

impl Setting {
    /// `fs.file-nr` or `fs.file-nr:total,current,max`.
    fn parse(text: &str, is_info: bool) -> Result<Self, FlagError> {
        let flag = if is_info { "--collector.sysctl.include-info" } else { "--collector.sysctl.include" };
        let (name, keys) = text.split_once(':').unwrap_or((text, ""));
        let keys: Vec<_> = keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        let is_path = name.split('.').all(|part| !part.is_empty() && part != "..") && !name.contains("..");
        if !is_path || is_info && !keys.is_empty() {
            let wanted = "the name of a setting such as kernel.threads-max";
            return Err(FlagError::BadValue { flag: flag.to_owned(), value: text.to_owned(), wanted });
        }
        Ok(Self { name: name.to_owned(), keys, is_info })
    }

    fn push(&self, values: &[&str], sink: &mut Sink<'_>) -> Result<(), CollectError> {
        const HELP: &str = "Setting of the kernel.";
        if self.is_info {
            for (idx, value) in values.iter().enumerate() {
                let labels = [("index", &*idx.to_string()), ("name", &self.name), ("value", value)];
                sink.gauge("node_sysctl_info", HELP, &labels, 1.0);
            }
            return Ok(());
        }
        let metric = format!("node_sysctl_{}", parse::metric_name(&self.name.replace('.', "_")));
        let number =
            |text: &&str| text.parse::<f64>().map_err(|_| CollectError::parse("sys", text.as_bytes()));
        if self.keys.is_empty() {
            if let [value] = values {
                sink.untyped(metric, HELP, &[], number(value)?);
                return Ok(());
            }
            for (idx, value) in values.iter().enumerate() {
                sink.untyped(metric.clone(), HELP, &[("index", &idx.to_string())], number(value)?);
            }
            return Ok(());
        }
        if self.keys.len() != values.len() {
            let what = format!("{} has {} values, not {}", self.name, values.len(), self.keys.len());
            return Err(CollectError::Parse { path: "sys", what });
        }
        for (key, value) in self.keys.iter().zip(values) {
            sink.untyped(format!("{metric}_{}", parse::metric_name(key)), HELP, &[], number(value)?);
        }
        Ok(())
    }
}

impl Collector for SysCtl {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut sink = Sink::new(out);
        for setting in &self.settings {
            let text = parse::text(ctx.proc(&format!("sys/{}", setting.name.replace('.', "/")))?);
            let values: Vec<_> = text.split_ascii_whitespace().collect();
            setting.push(&values, &mut sink)?;
        }
        Ok(())
    }
}
