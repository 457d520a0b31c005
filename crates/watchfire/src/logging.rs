//! Our own log: one line per event on standard error, `key=value` or JSON.

use std::fmt::{self, Write as _};

use clap::ValueEnum;
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// `time=… level=INFO msg="…" key=value`
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// What is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Everything.
    Debug,
    /// State changes, warnings, errors.
    #[default]
    Info,
    /// Warnings and errors.
    Warn,
    /// Errors.
    Error,
}

/// How a command logs.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct LogOptions {
    /// Only log messages of this severity or above
    #[arg(long = "log.level", value_enum, default_value_t)]
    pub(crate) level: LogLevel,
    /// Form of log messages
    #[arg(long = "log.format", value_enum, default_value_t)]
    pub(crate) format: LogFormat,
}

/// Starts the log. Call it once.
pub(crate) fn start(options: LogOptions) {
    let level = match options.level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    // Libraries below us are chatty about single connections.
    let quiet = ["hyper", "hyper_util", "h2", "rustls", "tower"];
    let targets = Targets::new().with_default(level);
    let targets = targets.with_targets(quiet.map(|library| (library, level.min(LevelFilter::WARN))));
    let registry = tracing_subscriber::registry().with(targets);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match options.format {
        LogFormat::Logfmt => registry.with(lines.event_format(Logfmt)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
}

/// Writes events as `key=value`.
struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARN",
            Level::INFO => "INFO",
            _ => "DEBUG",
        };
        let mut line = Line { message: String::new(), fields: String::new() };
        event.record(&mut line);
        writeln!(
            out,
            "time={:.3} level={level} msg={}{}",
            Timestamp::now(),
            quoted(&line.message),
            line.fields
        )
    }
}

/// Message and fields of one event.
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            let _ = write!(self.fields, " {}={}", field.name(), quoted(&text));
        }
    }
}

/// Quotes what would not read as one value.
fn quoted(text: &str) -> String {
    let is_plain = |ch: char| ch > ' ' && ch != '"' && ch != '=' && ch != '\\' && ch != '\u{7f}';
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_would_not_read_as_one_are_quoted() {
        assert_eq!(
            [quoted("plain"), quoted("two words"), quoted("a=b"), quoted("")].join(" "),
            "plain \"two words\" \"a=b\" \"\""
        );
    }
}
