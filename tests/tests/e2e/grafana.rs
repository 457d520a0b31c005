//! What Grafana's Prometheus data source asks, replayed against us and Debian's prometheus over the same data.
//!
//! Requests are those its backend and its query editor make: form posts for queries, series and label names, plain gets for
//! the rest, times in seconds with milliseconds, steps in seconds, limits on everything that can be long.

mod twins;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use wf_e2e::{figure, http};

pub(crate) use twins::Twins;

/// What Grafana sends along.
const HEADERS: [(&str, &str); 2] = [("user-agent", "Grafana/12.2.0"), ("x-grafana-user", "admin")];

/// How many series or values the editor asks for at most.
const EDITOR_LIMIT: &str = "40000";

/// Panels of stock dashboards.
const PANELS: [&str; 12] = [
    "up",
    "node_load1",
    "sum by (instance) (rate(node_cpu_seconds_total{mode!=\"idle\"}[5m]))",
    "100 - avg by (instance) (irate(node_cpu_seconds_total{mode=\"idle\"}[5m])) * 100",
    "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
    "topk(2, node_memory_MemAvailable_bytes)",
    "increase(node_cpu_seconds_total{instance=~\"a.*|b.*\"}[15m]) > 0",
    "count by (job) ({job=\"node\"})",
    "node_load1 / on (instance) group_right node_cpu_seconds_total",
    "max_over_time(node_load1[10m]) - min_over_time(node_load1[10m])",
    "label_replace(node_load1, \"host\", \"$1\", \"instance\", \"(.*):.*\")",
    "absent(nothing_like_this)",
];

/// A request: how, where, with which parameters.
struct Request {
    posts: bool,
    path: String,
    form: Vec<(&'static str, String)>,
}

fn get(path: &str, form: &[(&'static str, &str)]) -> Request {
    let form = form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Request { posts: false, path: path.to_owned(), form }
}

fn post(path: &str, form: &[(&'static str, &str)]) -> Request {
    Request { posts: true, ..get(path, form) }
}

impl Request {
    fn ask(&self, base: &str) -> (u16, Value) {
        let form: Vec<(&str, &str)> = self.form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let url = format!("{base}{}", self.path);
        let answer = if self.posts {
            http::post_form(&url, &form, &HEADERS)
        } else {
            let query: Vec<String> = form
                .iter()
                .map(|(name, value)| format!("{}={}", http::encode(name), http::encode(value)))
                .collect();
            http::get(&format!("{url}?{}", query.join("&")))
        };
        let answer = answer.unwrap();
        (answer.status, answer.json().unwrap_or(Value::Null))
    }

    fn describe(&self) -> String {
        format!("{} {} {:?}", if self.posts { "POST" } else { "GET" }, self.path, self.form)
    }

    /// The most that was asked for, where 2.42 knows no limit.
    fn newer_limit(&self) -> Option<usize> {
        let knows_limits = self.path.ends_with("/metadata");
        let limit = self.form.iter().find(|(name, _)| *name == "limit" && !knows_limits)?;
        limit.1.parse().ok()
    }
}

/// Returns how the two answers differ; none when they do not.
pub(crate) fn difference(ours: &Value, theirs: &Value, at: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            names.into_iter().find_map(|name| match (a.get(name), b.get(name)) {
                (Some(x), Some(y)) => difference(x, y, &format!("{at}.{name}")),
                (x, y) => Some(format!("{at}.{name}: ours {x:?}, theirs {y:?}")),
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(idx, (x, y))| difference(x, y, &format!("{at}[{idx}]")))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (Value::String(a), Value::String(b)) if is_close(a, b) => None,
        _ if ours == theirs => None,
        _ => Some(format!("{at}: ours {ours}, theirs {theirs}")),
    }
}

/// Values are numbers in strings; sums may be taken in another order.
fn is_close(a: &str, b: &str) -> bool {
    let (Ok(x), Ok(y)) = (a.parse::<f64>(), b.parse::<f64>()) else { return a == b };
    a == b || (x.is_nan() && y.is_nan()) || (x - y).abs() <= 1e-9 * x.abs().max(y.abs())
}

/// Brings an answer into a form that compares: no moments, no order where there is none.
fn normal(path: &str, mut answer: Value) -> Value {
    for key in ["warnings", "infos"] {
        // Newer than 2.42.
        answer.as_object_mut().map(|fields| fields.shift_remove(key));
    }
    if path.ends_with("/query") && answer["data"]["resultType"] == "vector" {
        sort(&mut answer["data"]["result"]);
    }
    if path.ends_with("/rules") || path.ends_with("/alerts") {
        without_moments(&mut answer);
        // Newer versions leave out groups of which nothing is wanted.
        if let Some(groups) = answer["data"]["groups"].as_array_mut() {
            groups.retain(|group| group["rules"] != Value::Array(Vec::new()));
        }
    }
    if path.ends_with("/metadata") && answer["data"].is_object() {
        answer["data"].as_object_mut().unwrap().values_mut().for_each(sort);
    }
    if answer["status"] == "error" {
        // Words differ between versions; the kind does not.
        assert!(answer["error"].as_str().is_some_and(|text| !text.is_empty()));
        answer["error"] = Value::Null;
    }
    answer
}

fn sort(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_key(|entry| {
            let labels: std::collections::BTreeMap<String, Value> =
                serde_json::from_value(entry.get("metric").unwrap_or(entry).clone()).unwrap();
            format!("{labels:?}")
        });
    }
}

fn without_moments(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for moment in ["evaluationTime", "lastEvaluation", "activeAt"] {
                fields.shift_remove(moment);
            }
            fields.values_mut().for_each(without_moments);
        }
        Value::Array(list) => list.iter_mut().for_each(without_moments),
        _ => {}
    }
}

/// Cuts what 2.42 gives in full: names and values to the first; of series, any will do.
fn cut(theirs: &mut Value, ours: &Value, limit: usize) {
    let (Some(theirs), Some(ours)) = (theirs["data"].as_array_mut(), ours["data"].as_array()) else { return };
    if ours.first().is_some_and(Value::is_object) {
        theirs.retain(|entry| ours.contains(entry));
    }
    theirs.truncate(limit);
}

fn queries(twins: &Twins) -> Vec<Request> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = format!("{now}.125");
    let (start, end) = (twins.start_s.to_string(), twins.end_s.to_string());
    // "Save & test", by old and new versions.
    let mut all = vec![
        post("/api/v1/query", &[("query", "1+1"), ("time", &now)]),
        get("/api/v1/query", &[("query", "1+1"), ("time", "4")]),
        post("/api/v1/query", &[("query", "1+1"), ("time", "4"), ("timeout", "60s")]),
    ];
    for panel in PANELS {
        // Steps by width of the panel; the data source aligns start and end to them.
        for step_s in [15, 60, 600] {
            let align = |time_s: i64| (time_s.div_euclid(step_s) * step_s).to_string();
            let (start, end, step) = (align(twins.start_s), align(twins.end_s), step_s.to_string());
            let form = [("query", panel), ("start", &start), ("end", &end), ("step", &step)];
            all.push(post("/api/v1/query_range", &form));
        }
        all.push(post("/api/v1/query", &[("query", panel), ("time", &format!("{end}.000"))]));
        all.push(get("/api/v1/query", &[("query", panel), ("time", &end)]));
    }
    // Annotations, and the raw samples that Explore shows.
    let annotation = "ALERTS{alertstate=\"firing\"}";
    all.push(post(
        "/api/v1/query_range",
        &[("query", annotation), ("start", &start), ("end", &end), ("step", "60")],
    ));
    all.push(post("/api/v1/query", &[("query", "node_load1{instance=\"a:9100\"}[5m]"), ("time", &end)]));
    // What goes wrong while somebody types.
    for query in ["sum(", "rate(node_load1)", "node_load1{", "", "{}", "nope(up)", "up[5m"] {
        all.push(post(
            "/api/v1/query_range",
            &[("query", query), ("start", &start), ("end", &end), ("step", "60")],
        ));
        all.push(post("/api/v1/query", &[("query", query), ("time", &end)]));
    }
    for (start, end, step) in
        [(&end, &start, "60"), (&start, &end, "0"), (&start, &end, "0.1"), (&start, &end, "x")]
    {
        all.push(post(
            "/api/v1/query_range",
            &[("query", "up"), ("start", start), ("end", end), ("step", step)],
        ));
    }
    all
}

/// What the query editor and variables ask.
fn lookups(twins: &Twins) -> Vec<Request> {
    let (start, end) = (twins.start_s.to_string(), twins.end_s.to_string());
    let span = [("start", start.as_str()), ("end", end.as_str())];
    let with = |rest: &[(&'static str, &'static str)]| -> Vec<(&'static str, &str)> {
        span.iter().copied().chain(rest.iter().copied()).collect()
    };
    let selectors =
        ["{job=\"node\"}", "node_cpu_seconds_total{mode=~\"idle|user\"}", "{__name__=~\"node_.*\"}", "none"];
    let mut all = Vec::new();
    for selector in selectors {
        for limit in [EDITOR_LIMIT, "3"] {
            let form = with(&[("match[]", selector), ("limit", limit)]);
            for path in ["/api/v1/labels", "/api/v1/series"] {
                all.push(post(path, &form));
                all.push(get(path, &form));
            }
            for label in ["__name__", "instance", "le", "path", "nothing"] {
                all.push(get(&format!("/api/v1/label/{label}/values"), &form));
            }
        }
    }
    let two = with(&[("match[]", "node_load1"), ("match[]", "node_cpu_seconds_total{mode=\"idle\"}")]);
    all.push(post("/api/v1/series", &two));
    all.push(get("/api/v1/label/instance/values", &two));
    // Without a selector 2.42 does not look at the time of what is in memory: the span has it all.
    for path in ["/api/v1/labels", "/api/v1/label/__name__/values", "/api/v1/label/job/values"] {
        all.push(get(path, &[("start", &start)]));
    }
    all.push(get("/api/v1/series", &with(&[])));
    all.push(get("/api/v1/series", &[("match[]", "{"), ("start", &start)]));
    all.push(get("/api/v1/labels", &[("start", "x")]));
    all.push(get("/api/v1/metadata", &[("limit", EDITOR_LIMIT)]));
    all.push(get("/api/v1/metadata", &[("metric", "live_gauge")]));
    all.push(get("/api/v1/metadata", &[("metric", "live_total"), ("limit", "1")]));
    all.push(get("/api/v1/metadata", &[("metric", "nothing")]));
    all.push(get(
        "/api/v1/targets/metadata",
        &[("match_target", "{job=\"live\"}"), ("metric", "live_gauge")],
    ));
    for expr in ["live_seconds_bucket", "rate(live_seconds_bucket[5m]) + live_total", "node_load1"] {
        let form = [("query", expr), ("start", start.as_str()), ("end", &end)];
        // Their times are fractions of a second after the last sample.
        let later = (twins.end_s + 1).to_string();
        all.push(post("/api/v1/query_exemplars", &form));
        all.push(post("/api/v1/query_exemplars", &[form[0], form[1], ("end", &later)]));
    }
    all.push(post("/api/v1/query_exemplars", &[("query", "sum("), ("start", &start), ("end", &end)]));
    for kind in ["", "alert", "record"] {
        all.push(get("/api/v1/rules", &[("type", kind)]));
    }
    all.push(get("/api/v1/alerts", &[]));
    all.push(get("/api/v1/rules", &[("type", "nonsense")]));
    all
}

#[test]
fn the_data_source_of_grafana_gets_the_answers_of_the_original() {
    let Some(twins) = Twins::start() else { return };
    check_build_info(&twins);
    let mut differences = Vec::new();
    let all: Vec<Request> = queries(&twins).into_iter().chain(lookups(&twins)).collect();
    let (mut n_limited, mut n_refused) = (0, 0);
    for request in &all {
        let ((our_status, ours), (their_status, mut theirs)) =
            (request.ask(&twins.ours.base), request.ask(&twins.theirs.base));
        if let Some(limit) = request.newer_limit() {
            n_limited += usize::from(ours.get("warnings").is_some());
            cut(&mut theirs, &ours, limit);
        }
        n_refused += usize::from(their_status != 200);
        let found = match our_status == their_status {
            true => difference(&normal(&request.path, ours), &normal(&request.path, theirs), "answer"),
            false => Some(format!("status: ours {our_status}, theirs {their_status}: {ours} {theirs}")),
        };
        differences.extend(found.map(|found| format!("{}\n    {found}", request.describe())));
    }
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), all.len(), differences.join("\n"));
    assert!(n_limited > 5 && n_refused > 20, "{n_limited} {n_refused}");
    figure("requests of Grafana's data source answered as by prometheus 2.42", all.len());
    figure("requests of Grafana's data source that both refuse", n_refused);
    figure("requests of Grafana's data source with a limit that 2.42 ignores and we keep", n_limited);
}

/// It decides by these what a server can do.
fn check_build_info(twins: &Twins) {
    let ask = |base: &str| get("/api/v1/status/buildinfo", &[]).ask(base);
    let ((status, ours), (_, theirs)) = (ask(&twins.ours.base), ask(&twins.theirs.base));
    assert_eq!((status, &ours["status"]), (200, &theirs["status"]));
    let version = ours["data"]["version"].as_str().unwrap();
    assert!(version.split('.').map(str::parse::<u32>).collect::<Result<Vec<_>, _>>().is_ok(), "{version}");
    for name in theirs["data"].as_object().unwrap().keys() {
        assert!(ours["data"][name].is_string(), "{name} in {ours}");
    }
    // By these it would take us for Mimir.
    assert!(ours["data"].get("features").is_none() && ours["data"].get("application").is_none());
}
