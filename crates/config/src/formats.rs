//! Which pages are asked for, how their names are judged, and what becomes of their histograms.

use wf_model::quote::GoQuoted;

use crate::file::{GlobalFile, ScrapeConfigFile};
use crate::resolve::GlobalConfig;
use crate::yaml::reader::{At, Reader};

/// Which pages are asked for, and how their names are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormatConfig {
    /// Formats to ask for, in order of preference; none stands for all that are known.
    pub protocols: Vec<ScrapeProtocol>,
    /// Format of pages whose content type says nothing useful; `None` fails them.
    pub fallback: Option<ScrapeProtocol>,
    /// Whether names must be of the legacy scheme: letters, digits, `_` and `:`.
    pub legacy_names: bool,
    /// How targets are asked to write names that are not of the legacy scheme.
    pub escaping: EscapingScheme,
    /// Whether `scrape_timeout_seconds`, `scrape_sample_limit` and `scrape_body_size_bytes` are stored too.
    pub extra_metrics: bool,
}

/// What becomes of histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HistogramConfig {
    /// Whether native histograms are stored.
    pub scrape_native: bool,
    /// Whether classic histograms become native ones with custom buckets.
    pub convert_classic: bool,
    /// Whether classic histograms are stored beside native ones.
    pub always_classic: bool,
    /// Most buckets of a native histogram; 0 is no limit.
    pub n_buckets_max: u64,
    /// Smallest factor from one bucket of a native histogram to the next; 0 is any.
    pub bucket_factor_min: f64,
}

/// How names with other characters than letters, digits, `_` and `:` are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapingScheme {
    /// As they are, in quotes.
    #[default]
    AllowUtf8,
    /// Each such character becomes `_`.
    Underscores,
    /// `.` becomes `_dot_`, any other such character `__`.
    Dots,
    /// Each such character becomes its code.
    Values,
}

impl EscapingScheme {
    const ALL: [Self; 4] = [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];

    /// Returns the name in configuration files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }
}

/// A format that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeProtocol {
    /// `OpenMetricsText0.0.1`
    OpenMetrics0_0_1,
    /// `OpenMetricsText1.0.0`
    OpenMetrics1_0_0,
    /// `PrometheusProto`
    Protobuf,
    /// `PrometheusText0.0.4`
    Text0_0_4,
    /// `PrometheusText1.0.0`
    Text1_0_0,
}

impl ScrapeProtocol {
    const ALL: [Self; 5] =
        [Self::OpenMetrics0_0_1, Self::OpenMetrics1_0_0, Self::Protobuf, Self::Text0_0_4, Self::Text1_0_0];

    /// Returns the name in configuration files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenMetrics0_0_1 => "OpenMetricsText0.0.1",
            Self::OpenMetrics1_0_0 => "OpenMetricsText1.0.0",
            Self::Protobuf => "PrometheusProto",
            Self::Text0_0_4 => "PrometheusText0.0.4",
            Self::Text1_0_0 => "PrometheusText1.0.0",
        }
    }

    fn parse(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("unknown scrape protocol {name}, supported: [{}]", known.join(" "))
        })
    }
}

pub(crate) fn of_global(file: &GlobalFile, reader: &mut Reader) -> (FormatConfig, HistogramConfig) {
    let legacy_names = is_legacy(file.metric_name_validation_scheme.as_ref(), reader).unwrap_or(false);
    let format = FormatConfig {
        protocols: protocols(file.scrape_protocols.as_ref(), "in global config", reader),
        fallback: None,
        legacy_names,
        escaping: escaping(file.metric_name_escaping_scheme.as_ref(), None, legacy_names, reader),
        extra_metrics: file.extra_scrape_metrics.unwrap_or(false),
    };
    let histograms = HistogramConfig {
        scrape_native: file.scrape_native_histograms.unwrap_or(false),
        convert_classic: file.convert_classic_histograms_to_nhcb.unwrap_or(false),
        always_classic: file.always_scrape_classic_histograms.unwrap_or(false),
        ..HistogramConfig::default()
    };
    (format, histograms)
}

pub(crate) fn of_job(
    file: &ScrapeConfigFile,
    global: &GlobalConfig,
    reader: &mut Reader,
) -> (FormatConfig, HistogramConfig) {
    let job = GoQuoted(file.job_name.as_ref().map_or("", |at| at.value.as_str())).to_string();
    let context = format!("for scrape config with job name {job}");
    let own = protocols(file.scrape_protocols.as_ref(), &context, reader);
    let fallback = file.fallback_scrape_protocol.as_ref().filter(|at| !at.value.is_empty());
    let fallback = fallback.and_then(|at| match ScrapeProtocol::parse(&at.value) {
        Ok(protocol) => Some(protocol),
        Err(cause) => {
            reader.report(at.position, format!("invalid fallback_scrape_protocol {context}: {cause}"));
            None
        }
    });
    let own_legacy = is_legacy(file.metric_name_validation_scheme.as_ref(), reader);
    let legacy_names = own_legacy.unwrap_or(global.format.legacy_names);
    // What is inherited must fit the job's own scheme of names.
    let inherited = (legacy_names == global.format.legacy_names).then_some(global.format.escaping);
    let format = FormatConfig {
        protocols: if own.is_empty() { global.format.protocols.clone() } else { own },
        fallback,
        legacy_names,
        escaping: escaping(file.metric_name_escaping_scheme.as_ref(), inherited, legacy_names, reader),
        extra_metrics: file.extra_scrape_metrics.unwrap_or(global.format.extra_metrics),
    };
    (format, histograms(file, &global.histograms, reader))
}

fn histograms(file: &ScrapeConfigFile, global: &HistogramConfig, reader: &mut Reader) -> HistogramConfig {
    let factor = file.native_histogram_min_bucket_factor.as_ref();
    if let Some(at) = factor.filter(|at| at.value.is_nan() || at.value < 0.0) {
        reader.report(at.position, "native_histogram_min_bucket_factor must be a number ≥ 0");
    }
    HistogramConfig {
        scrape_native: file.scrape_native_histograms.unwrap_or(global.scrape_native),
        convert_classic: file.convert_classic_histograms_to_nhcb.unwrap_or(global.convert_classic),
        always_classic: file.always_scrape_classic_histograms.unwrap_or(global.always_classic),
        n_buckets_max: file.native_histogram_bucket_limit.unwrap_or(0),
        bucket_factor_min: factor.map_or(0.0, |at| at.value),
    }
}

fn protocols(names: Option<&At<Vec<At<String>>>>, context: &str, reader: &mut Reader) -> Vec<ScrapeProtocol> {
    let Some(list) = names else { return Vec::new() };
    if list.value.is_empty() {
        reader.report(list.position, format!("scrape_protocols cannot be empty {context}: remove the key"));
    }
    let mut protocols = Vec::with_capacity(list.value.len());
    for at in &list.value {
        match ScrapeProtocol::parse(&at.value) {
            Ok(protocol) if protocols.contains(&protocol) => {
                let all: Vec<&str> = list.value.iter().map(|at| at.value.as_str()).collect();
                let message =
                    format!("duplicated protocol in scrape_protocols, got [{}] {context}", all.join(" "));
                reader.report(at.position, message);
            }
            Ok(protocol) => protocols.push(protocol),
            Err(cause) => reader.report(at.position, format!("scrape_protocols: {cause} {context}")),
        }
    }
    protocols
}

fn is_legacy(scheme: Option<&At<String>>, reader: &mut Reader) -> Option<bool> {
    let at = scheme?;
    match at.value.as_str() {
        "" => None,
        "utf8" => Some(false),
        "legacy" => Some(true),
        other => {
            let other = GoQuoted(other);
            reader.report(at.position, format!("unrecognized ValidationScheme: {other}; use utf8 or legacy"));
            None
        }
    }
}

fn escaping(
    typed: Option<&At<String>>,
    inherited: Option<EscapingScheme>,
    legacy_names: bool,
    reader: &mut Reader,
) -> EscapingScheme {
    let default = if legacy_names { EscapingScheme::Underscores } else { EscapingScheme::AllowUtf8 };
    let default = inherited.unwrap_or(default);
    let Some(at) = typed.filter(|at| !at.value.is_empty()) else { return default };
    let Some(scheme) = EscapingScheme::ALL.into_iter().find(|scheme| scheme.as_str() == at.value) else {
        let message = format!(
            "unknown name escaping scheme: {}; use allow-utf-8, underscores, dots or values",
            GoQuoted(&at.value)
        );
        reader.report(at.position, message);
        return default;
    };
    if legacy_names && scheme == EscapingScheme::AllowUtf8 {
        let message = "utf8 metric names requested but validation scheme is not set to UTF8: set \
                       metric_name_escaping_scheme to underscores, dots or values";
        reader.report(at.position, message);
    }
    scheme
}
