//! What is typed in a file of unit tests.

use std::collections::BTreeMap;
use std::time::Duration;

use wf_config::yaml::reader::{FromYaml, Reader, read_fields};
use wf_config::yaml::{Node, Value};

/// Evaluations are a minute apart unless the file says otherwise.
const INTERVAL: Duration = Duration::from_secs(60);

/// A file of tests.
#[derive(Clone, Debug)]
pub(super) struct TestFile {
    pub(super) rule_files: Vec<String>,
    pub(super) evaluation_interval: Duration,
    pub(super) group_eval_order: Vec<String>,
    pub(super) is_fuzzy: bool,
    pub(super) tests: Vec<TestGroup>,
}

/// Tests over the same series.
#[derive(Clone, Debug, Default)]
pub(super) struct TestGroup {
    pub(super) name: String,
    pub(super) interval: Option<Duration>,
    pub(super) start_ms: i64,
    pub(super) input_series: Vec<InputSeries>,
    pub(super) alerts: Vec<AlertCase>,
    pub(super) values: Vec<ValueCase>,
    pub(super) external_labels: BTreeMap<String, String>,
    pub(super) external_url: String,
}

impl TestGroup {
    /// Returns the last time that anything is asked about.
    pub(super) fn last_eval_time(&self) -> Duration {
        let alerts = self.alerts.iter().map(|case| case.eval_time);
        alerts.chain(self.values.iter().map(|case| case.eval_time)).max().unwrap_or_default()
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct InputSeries {
    pub(super) series: String,
    pub(super) values: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct AlertCase {
    pub(super) eval_time: Duration,
    pub(super) alertname: String,
    pub(super) expected: Vec<ExpectedAlert>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ExpectedAlert {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ValueCase {
    pub(super) expr: String,
    pub(super) eval_time: Duration,
    pub(super) expected: Vec<ExpectedSample>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ExpectedSample {
    pub(super) labels: String,
    pub(super) value: f64,
    pub(super) histogram: String,
}

/// Reads a file.
pub(super) fn parse(text: &str, ignores_unknown_fields: bool) -> Result<TestFile, Vec<String>> {
    let node = wf_config::yaml::parse(text)
        .map_err(|error| vec![format!("yaml: line {}: {}", error.position.line, error.message)])?;
    let mut reader = Reader::default();
    let file = node.and_then(|node| TestFile::from_yaml(&node, &mut reader));
    let mut problems = reader.into_problems();
    if ignores_unknown_fields {
        problems.retain(|problem| !problem.message.contains(" not found in type "));
    }
    if problems.is_empty() {
        return Ok(file.unwrap_or_default());
    }
    let lines =
        problems.iter().map(|problem| format!("\n  line {}: {}", problem.position.line, problem.message));
    Err(vec![format!("yaml: unmarshal errors:{}", lines.collect::<String>())])
}

impl Default for TestFile {
    fn default() -> Self {
        Self {
            rule_files: Vec::new(),
            evaluation_interval: INTERVAL,
            group_eval_order: Vec::new(),
            is_fuzzy: false,
            tests: Vec::new(),
        }
    }
}

impl FromYaml for TestFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "main.unitTestFile", &[], |name, node, reader| {
            match name {
                "rule_files" => this.rule_files = reader.read(node),
                "evaluation_interval" => this.evaluation_interval = reader.read(node),
                "group_eval_order" => this.group_eval_order = reader.read(node),
                "fuzzy_compare" => this.is_fuzzy = reader.read(node),
                "tests" => this.tests = reader.read(node),
                _ => return false,
            }
            true
        })?;
        if this.evaluation_interval.is_zero() {
            this.evaluation_interval = INTERVAL;
        }
        Some(this)
    }
}

impl FromYaml for TestGroup {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "main.testGroup", &[], |name, node, reader| {
            match name {
                "name" => this.name = reader.read(node),
                "interval" => {
                    this.interval = reader.read::<Option<Duration>>(node).filter(|it| !it.is_zero());
                }
                "start_timestamp" => this.start_ms = read_time(node, reader),
                "input_series" => this.input_series = reader.read(node),
                "alert_rule_test" => this.alerts = reader.read(node),
                "promql_expr_test" => this.values = reader.read(node),
                "external_labels" => this.external_labels = reader.read(node),
                "external_url" => this.external_url = reader.read(node),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}

/// Seconds since the epoch, or RFC 3339.
fn read_time(node: &Node, reader: &mut Reader) -> i64 {
    let text: String = reader.read(node);
    let seconds: Option<f64> = text.parse().ok();
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range of times saturates")]
    let time_ms = seconds.map(|seconds| (seconds * 1000.0) as i64);
    let time_ms = time_ms.or_else(|| text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond()));
    time_ms.unwrap_or_else(|| {
        let message = format!("{text} is no time: write seconds since the epoch or RFC 3339");
        reader.report(node.position, message);
        0
    })
}

impl FromYaml for InputSeries {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "main.series", &[], |name, node, reader| {
            match name {
                "series" => this.series = reader.read(node),
                "values" => this.values = reader.read(node),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}

impl FromYaml for AlertCase {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "main.alertTestCase", &[], |name, node, reader| {
            match name {
                "eval_time" => this.eval_time = reader.read(node),
                "alertname" => this.alertname = reader.read(node),
                "exp_alerts" => this.expected = reader.read(node),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}

impl FromYaml for ExpectedAlert {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "main.alert", &[], |name, node, reader| {
            match name {
                "exp_labels" => this.labels = read_texts(node, reader),
                "exp_annotations" => this.annotations = read_texts(node, reader),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}

/// A mapping whose empty values are empty texts.
fn read_texts(node: &Node, reader: &mut Reader) -> BTreeMap<String, String> {
    match &node.value {
        Value::Mapping(_) => reader.read(node),
        _ => BTreeMap::new(),
    }
}

impl FromYaml for ValueCase {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "main.promqlTestCase", &[], |name, node, reader| {
            match name {
                "expr" => this.expr = reader.read(node),
                "eval_time" => this.eval_time = reader.read(node),
                "exp_samples" => this.expected = reader.read(node),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}

impl FromYaml for ExpectedSample {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "main.sample", &[], |name, node, reader| {
            match name {
                "labels" => this.labels = reader.read(node),
                "value" => this.value = reader.read(node),
                "histogram" => this.histogram = reader.read(node),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}
