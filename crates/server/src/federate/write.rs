//! A page of newest samples in the three forms that servers scrape.

use std::fmt::Write;
use std::sync::Arc;

use wf_exposition::Escaping;
use wf_exposition::protobuf::encode::Message;
use wf_model::float::{format_g, write_g};
use wf_model::histogram::Span;
use wf_model::{FloatHistogram, Labels, METRIC_NAME};

use super::{Found, Newest};
use crate::api_v1::error::ApiError;
use crate::json::CHUNK_BYTES;

/// What the reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    format: Format,
    escaping: Escaping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    OpenMetrics,
    Protobuf,
}

impl Form {
    /// Chooses the form that an `Accept` header likes best; text 0.0.4 when it says nothing that we write.
    pub(super) fn choose(accept: &str) -> Self {
        let mut best = (0.0, Self { format: Format::Text, escaping: Escaping::Underscores });
        for entry in accept.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let media = parts.next().unwrap_or("");
            let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
            let get = |name: &str| {
                parameters.iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
            };
            let is = |name: &str, allowed: &[&str]| get(name).is_none_or(|value| allowed.contains(&value));
            let format = match media {
                "application/vnd.google.protobuf"
                    if is("proto", &["io.prometheus.client.MetricFamily"])
                        && is("encoding", &["delimited"]) =>
                {
                    Format::Protobuf
                }
                "application/openmetrics-text" if is("version", &["1.0.0", "0.0.1"]) => Format::OpenMetrics,
                "text/plain" | "text/*" | "*/*" if is("version", &["0.0.4", "1.0.0"]) => Format::Text,
                _ => continue,
            };
            let quality = get("q").map_or(Some(1.0), |text| text.parse::<f64>().ok()).unwrap_or(0.0);
            let escaping = get("escaping").and_then(Escaping::from_name).unwrap_or(Escaping::Underscores);
            if quality > best.0 {
                best = (quality, Self { format, escaping });
            }
        }
        best.1
    }

    pub(super) fn content_type(self) -> String {
        let media = match self.format {
            Format::Text if self.escaping == Escaping::AllowUtf8 => {
                "text/plain; version=1.0.0; charset=utf-8"
            }
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        };
        format!("{media}; escaping={}", self.escaping.name())
    }
}

/// Writes all samples, a chunk with each call; those of one name and kind stand together behind their declaration.
pub(super) struct Page {
    form: Form,
    found: Found,
    attached: Arc<[(String, String)]>,
    text: String,
    families: Vec<u8>,
    /// The family that is being written: its name, whether it is one of histograms, and its protobuf message.
    open: Option<(String, bool, Message)>,
    is_over: bool,
}

impl Page {
    pub(super) fn new(form: Form, found: Found, attached: Arc<[(String, String)]>) -> Self {
        let (text, families) = (String::new(), Vec::new());
        Self { form, found, attached, text, families, open: None, is_over: false }
    }

    /// Returns the next chunk, empty at the end.
    /// # Errors
    /// When storage cannot be read.
    pub(super) fn next(&mut self) -> Result<Vec<u8>, ApiError> {
        if !self.is_over && self.form.format != Format::Protobuf {
            // Of its final size: growing would copy it, and leave the allocator a trail of smaller ones.
            self.text.reserve(CHUNK_BYTES + CHUNK_BYTES / 4);
        }
        while !self.is_over && self.text.len() + self.families.len() < CHUNK_BYTES {
            match self.found.next()? {
                Some((labels, newest)) => self.push(labels.metric_name(), &labels, &newest),
                None => {
                    self.finish();
                    self.is_over = true;
                }
            }
        }
        Ok(self.take())
    }

    /// Returns what was written since the last time.
    fn take(&mut self) -> Vec<u8> {
        match self.form.format {
            Format::Protobuf => std::mem::take(&mut self.families),
            Format::Text | Format::OpenMetrics => std::mem::take(&mut self.text).into_bytes(),
        }
    }

    fn push(&mut self, name: &str, labels: &Labels, newest: &Newest) {
        let histogram = newest.histogram.as_deref();
        // Text has no form for exponential buckets.
        if self.form.format != Format::Protobuf && histogram.is_some_and(|histogram| !histogram.is_custom()) {
            return;
        }
        // A message says its length first. One of all series of a name would have to be held as a whole: readers take several
        // of the same name as well.
        let goes_on = self.open.as_ref().is_some_and(|(open, is_histogram, family)| {
            *open == name && *is_histogram == histogram.is_some() && family.as_bytes().len() < CHUNK_BYTES
        });
        if !goes_on {
            self.begin(name, histogram.is_some());
        }
        let attached = Arc::clone(&self.attached);
        let pairs = with_attached(labels, &attached);
        match (self.form.format, histogram) {
            (Format::Protobuf, _) => self.push_message(&pairs, newest),
            (_, None) => self.line(name, "", &pairs, None, newest.value, newest.time_ms),
            (_, Some(histogram)) => self.classic_lines(name, &pairs, histogram, newest.time_ms),
        }
    }

    fn begin(&mut self, name: &str, is_histogram: bool) {
        self.end();
        let escaped = self.form.escaping.metric_name(name);
        let message = match self.form.format {
            Format::Protobuf => {
                Message::new().bytes(1, escaped.as_bytes()).varint(3, if is_histogram { 4 } else { 3 })
            }
            Format::Text | Format::OpenMetrics => {
                self.text.push_str("# TYPE ");
                if is_quoted(&escaped) {
                    push_quoted(&mut self.text, &escaped);
                } else {
                    self.text.push_str(&escaped);
                }
                self.text.push_str(match (is_histogram, self.form.format) {
                    (true, _) => " histogram\n",
                    (false, Format::OpenMetrics) => " unknown\n",
                    (false, _) => " untyped\n",
                });
                Message::new()
            }
        };
        self.open = Some((name.to_owned(), is_histogram, message));
    }

    fn end(&mut self) {
        if let Some((_, _, message)) = self.open.take().filter(|_| self.form.format == Format::Protobuf) {
            message.write_delimited(&mut self.families);
        }
    }

    fn finish(&mut self) {
        self.end();
        if self.form.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
    }

    fn line(
        &mut self,
        name: &str,
        suffix: &str,
        pairs: &[(&str, &str)],
        le: Option<&str>,
        value: f64,
        time_ms: i64,
    ) {
        let name = format!("{}{suffix}", self.form.escaping.metric_name(name));
        let is_name_quoted = is_quoted(&name);
        let mut separator = '{';
        if is_name_quoted {
            self.text.push('{');
            push_quoted(&mut self.text, &name);
            separator = ',';
        } else {
            self.text.push_str(&name);
        }
        for (label, text) in pairs.iter().copied().chain(le.map(|le| ("le", le))) {
            let label = self.form.escaping.label_name(label);
            self.text.push(separator);
            if wf_model::labels::is_legacy_label_name(&label) {
                self.text.push_str(&label);
            } else {
                push_quoted(&mut self.text, &label);
            }
            self.text.push('=');
            push_quoted(&mut self.text, text);
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        self.text.push(' ');
        write_g(&mut self.text, value).expect("writing to a string cannot fail");
        if self.form.format == Format::OpenMetrics {
            let (sign, ms) = (if time_ms < 0 { "-" } else { "" }, time_ms.unsigned_abs());
            writeln!(self.text, " {sign}{}.{:03}", ms / 1000, ms % 1000)
                .expect("writing to a string cannot fail");
        } else {
            writeln!(self.text, " {time_ms}").expect("writing to a string cannot fail");
        }
    }

    /// Writes a histogram of custom buckets as what it was before.
    fn classic_lines(
        &mut self,
        name: &str,
        pairs: &[(&str, &str)],
        histogram: &FloatHistogram,
        time_ms: i64,
    ) {
        for (bound, cumulative) in classic_buckets(histogram) {
            let le = if bound == f64::INFINITY { "+Inf".to_owned() } else { format_g(bound) };
            self.line(name, "_bucket", pairs, Some(&le), cumulative, time_ms);
        }
        self.line(name, "_sum", pairs, None, histogram.sum, time_ms);
        self.line(name, "_count", pairs, None, histogram.count, time_ms);
    }

    fn push_message(&mut self, pairs: &[(&str, &str)], newest: &Newest) {
        let mut metric = Message::new();
        for (name, value) in pairs {
            metric = metric.label(&self.form.escaping.label_name(name), value);
        }
        metric = match &newest.histogram {
            None => metric.message(5, &Message::new().double(1, newest.value)),
            Some(histogram) => metric.message(7, &histogram_message(histogram)),
        };
        let metric = metric.varint(6, newest.time_ms.cast_unsigned());
        if let Some((_, _, family)) = &mut self.open {
            *family = std::mem::take(family).message(4, &metric);
        }
    }
}

/// Returns the labels of a series without its name, and those attached that it lacks.
fn with_attached<'a>(labels: &'a Labels, attached: &'a [(String, String)]) -> Vec<(&'a str, &'a str)> {
    let own = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    let absent = attached.iter().filter(|(name, _)| labels.get(name).is_none());
    own.chain(absent.map(|(name, value)| (name.as_str(), value.as_str()))).collect()
}

/// Returns upper bounds and how much lies at or below them; the last bound is infinite.
fn classic_buckets(histogram: &FloatHistogram) -> Vec<(f64, f64)> {
    let mut buckets = Vec::new();
    let mut counts = histogram.buckets().filter(|bucket| bucket.count != 0.0).peekable();
    let mut cumulative = 0.0;
    for bound in &histogram.custom_values {
        while let Some(bucket) = counts.next_if(|bucket| bucket.upper <= *bound) {
            cumulative += bucket.count;
        }
        buckets.push((*bound, cumulative));
    }
    buckets.push((f64::INFINITY, histogram.count));
    buckets
}

fn histogram_message(histogram: &FloatHistogram) -> Message {
    let message = Message::new().double(4, histogram.count).double(2, histogram.sum);
    if histogram.is_custom() {
        return classic_buckets(histogram).into_iter().fold(message, |message, (bound, cumulative)| {
            message.message(3, &Message::new().double(4, cumulative).double(2, bound))
        });
    }
    let spans = |message: Message, number, spans: &[Span]| {
        spans.iter().fold(message, |message, span| {
            let span = Message::new().sint(1, i64::from(span.offset)).varint(2, u64::from(span.length));
            message.message(number, &span)
        })
    };
    let mut message = message
        .sint(5, i64::from(histogram.schema))
        .double(6, histogram.zero_threshold)
        .double(8, histogram.zero_count);
    message = spans(message, 9, &histogram.negative_spans).packed_doubles(11, &histogram.negative_buckets);
    message = spans(message, 12, &histogram.positive_spans).packed_doubles(14, &histogram.positive_buckets);
    if histogram.positive_spans.is_empty() && histogram.negative_spans.is_empty() {
        // A span of nothing tells an empty native histogram from a classic one.
        message = message.message(12, &Message::new().sint(1, 0).varint(2, 0));
    }
    message
}

fn is_quoted(name: &str) -> bool {
    !wf_model::labels::is_legacy_metric_name(name)
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut clean_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'"' => "\\\"",
            _ => continue,
        };
        out.push_str(text.get(clean_from..at).unwrap_or(""));
        out.push_str(escaped);
        clean_from = at + 1;
    }
    out.push_str(text.get(clean_from..).unwrap_or(""));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use wf_model::TimeRange;
    use wf_series::SampleColumns;
    use wf_series::memory::MemoryStorage;

    use super::*;

    fn found() -> Found {
        let storage = MemoryStorage::new();
        let insert = |pairs: &[(&str, &str)], push: &dyn Fn(&mut SampleColumns)| {
            let mut samples = SampleColumns::default();
            push(&mut samples);
            storage.insert(Labels::from_pairs(pairs.iter().copied()), samples);
        };
        let custom = Arc::new(FloatHistogram {
            schema: wf_model::histogram::CUSTOM_BUCKETS_SCHEMA,
            count: 6.0,
            sum: 7.5,
            custom_values: vec![0.5, 1.0],
            positive_spans: vec![Span { offset: 0, length: 1 }, Span { offset: 1, length: 1 }],
            positive_buckets: vec![2.0, 4.0],
            ..FloatHistogram::default()
        });
        insert(&[("__name__", "h")], &|samples| samples.push_histogram(1_500, Arc::clone(&custom)));
        insert(&[("__name__", "b.c")], &|samples| samples.push(1_500, -0.25));
        insert(&[("__name__", "a"), ("instance", "h"), ("team", "own")], &|samples| {
            samples.push(1_500, f64::INFINITY);
        });
        insert(&[("__name__", "a"), ("x", "q\"\\\n")], &|samples| {
            samples.push(1_000, 1.0);
            samples.push(1_500, 1.5);
        });
        insert(&[("__name__", "gone")], &|samples| samples.push(1_500, wf_model::STALE_NAN));
        let selectors = ["{__name__=~\"a|gone\"}", "{__name__=~\".+\"}"];
        let selectors = selectors.map(|text| crate::api_v1::parse::selector(text).unwrap());
        Found::new(&storage, selectors.into(), TimeRange::ALL).unwrap()
    }

    fn attached() -> Arc<[(String, String)]> {
        [("instance", ""), ("team", "red")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn whole(form: Form) -> Vec<u8> {
        let mut page = Page::new(form, found(), attached());
        let chunks = std::iter::from_fn(|| Some(page.next().unwrap()).filter(|chunk| !chunk.is_empty()));
        chunks.flatten().collect()
    }

    fn text(accept: &str) -> String {
        String::from_utf8(whole(Form::choose(accept))).unwrap()
    }

    #[test]
    fn text_is_untyped_with_times_and_the_labels_of_the_server() {
        let want = concat!(
            "# TYPE a untyped\n",
            "a{instance=\"h\",team=\"own\"} +Inf 1500\n",
            "a{x=\"q\\\"\\\\\\n\",instance=\"\",team=\"red\"} 1.5 1500\n",
            "# TYPE b_c untyped\n",
            "b_c{instance=\"\",team=\"red\"} -0.25 1500\n",
            "# TYPE h histogram\n",
            "h_bucket{instance=\"\",team=\"red\",le=\"0.5\"} 2 1500\n",
            "h_bucket{instance=\"\",team=\"red\",le=\"1\"} 2 1500\n",
            "h_bucket{instance=\"\",team=\"red\",le=\"+Inf\"} 6 1500\n",
            "h_sum{instance=\"\",team=\"red\"} 7.5 1500\n",
            "h_count{instance=\"\",team=\"red\"} 6 1500\n",
        );
        assert_eq!(text(""), want);
        assert_eq!(text("text/plain;version=0.0.4"), want);
    }

    #[test]
    fn openmetrics_ends_and_quotes_what_may_be_quoted() {
        let page =
            text("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.3");
        assert!(page.starts_with("# TYPE a unknown\n"), "{page}");
        assert!(
            page.contains("# TYPE \"b.c\" unknown\n{\"b.c\",instance=\"\",team=\"red\"} -0.25 1.500\n"),
            "{page}"
        );
        assert!(page.ends_with("# EOF\n"), "{page}");
    }

    #[test]
    fn protobuf_reads_back() {
        let form = Form::choose(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;q=0.6",
        );
        assert_eq!(n_metrics(&whole(form)), 4);
        // However many series a name has, no more of them than a chunk are held.
        let mut page = many(form);
        let mut chunks = Vec::new();
        while let Some(chunk) = Some(page.next().unwrap()).filter(|chunk| !chunk.is_empty()) {
            assert!(chunk.len() < CHUNK_BYTES + 1_000, "{}", chunk.len());
            chunks.push(chunk);
        }
        assert!(chunks.len() > 3);
        assert_eq!(n_metrics(&chunks.concat()), 4_000);
    }

    #[test]
    fn a_chunk_of_text_is_written_without_growing() {
        let mut page = many(Form::choose("text/plain"));
        let mut n_chunks = 0;
        while let Some(chunk) = Some(page.next().unwrap()).filter(|chunk| !chunk.is_empty()) {
            assert_eq!(chunk.capacity(), CHUNK_BYTES + CHUNK_BYTES / 4);
            n_chunks += 1;
        }
        assert!(n_chunks > 3);
    }

    /// A page of 4,000 series of one name.
    fn many(form: Form) -> Page {
        let storage = MemoryStorage::new();
        for id in 0..4_000 {
            let mut samples = SampleColumns::default();
            samples.push(1_500, f64::from(id));
            storage
                .insert(Labels::from_pairs([("__name__", "many"), ("id", &*format!("{id:050}"))]), samples);
        }
        let selectors = vec![crate::api_v1::parse::selector("many").unwrap()];
        Page::new(form, Found::new(&storage, selectors, TimeRange::ALL).unwrap(), attached())
    }

    fn n_metrics(page: &[u8]) -> usize {
        let mut parser = wf_exposition::protobuf::ProtobufParser::new(page);
        let mut n_metrics = 0;
        loop {
            match parser.next_entry().unwrap() {
                wf_exposition::protobuf::ProtoEntry::Eof => return n_metrics,
                wf_exposition::protobuf::ProtoEntry::Family(_) => {}
                wf_exposition::protobuf::ProtoEntry::Metric(metric) => {
                    assert_eq!(metric.timestamp_ms, Some(1_500));
                    n_metrics += 1;
                }
            }
        }
    }
}
