//! Whom to ask, and how the answer is shown.
//!
//! Flags that are not given come from `$HOME/.config/amtool/config.yml`, else from `/etc/amtool/config.yml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;
use wf_alertmanager::Mode;
use wf_httpkit::{ClientOptions, HttpClient, Secret};
use wf_model::{MatchOp, Matcher};

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Whom to ask, and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Where the Alertmanager is [default: http://localhost:9093]
    #[arg(long = "alertmanager.url", global = true)]
    url: Option<String>,
    /// Form of the answer [default: simple]
    #[arg(short, long, global = true, value_enum)]
    output: Option<Output>,
    /// How long to wait
    #[arg(long, global = true, default_value = "30s", value_parser = wf_alertmanager::go_duration)]
    timeout: Duration,
    /// Form of times, by Go's example
    #[arg(long = "date.format", global = true)]
    date_format: Option<String>,
    /// File with options of the HTTP client
    #[arg(long = "http.config.file", global = true)]
    http_config: Option<PathBuf>,
    /// No versions are compared: taken for compatibility
    #[arg(long = "no-version-check", global = true, hide = true)]
    _no_version_check: bool,
    /// Features to switch on, separated by commas: classic-mode, utf8-strict-mode
    #[arg(long = "enable-feature", global = true, default_value = "")]
    features: String,
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// A table
    #[default]
    Simple,
    /// A table with more columns
    Extended,
    /// As the API has it
    Json,
}

/// What the file of defaults says.
pub(super) fn default_of(flag: &str) -> Option<String> {
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".config/amtool/config.yml"));
    let files = home.into_iter().chain([PathBuf::from("/etc/amtool/config.yml")]);
    let text = files.into_iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    defaults(&text).remove(flag)
}

/// Reads flags as keys, their values as texts.
fn defaults(text: &str) -> BTreeMap<String, String> {
    let Ok(Some(root)) = wf_config::yaml::parse(text) else { return BTreeMap::new() };
    let wf_config::yaml::Value::Mapping(entries) = &root.value else { return BTreeMap::new() };
    let text_of = |node: &wf_config::yaml::Node| match &node.value {
        wf_config::yaml::Value::Scalar { text, .. } => Some(text.clone()),
        _ => None,
    };
    entries.iter().filter_map(|(key, value)| Some((key.text.clone(), text_of(value)?))).collect()
}

impl Server {
    pub(super) fn output(&self) -> Output {
        let of_file = || Output::from_str(&default_of("output")?, true).ok();
        self.output.or_else(of_file).unwrap_or_default()
    }

    fn mode(&self) -> Result<Mode, String> {
        match self.features.as_str() {
            "" => Ok(Mode::Fallback),
            "classic-mode" => Ok(Mode::Classic),
            "utf8-strict-mode" => Ok(Mode::Utf8),
            other => Err(format!("--enable-feature {other:?}: classic-mode or utf8-strict-mode")),
        }
    }

    /// Reads matchers; a first word without an operator is the alert's name.
    pub(super) fn parsed(&self, texts: &[String]) -> Result<Vec<Matcher>, String> {
        parsed(texts, self.mode()?)
    }

    /// Shows a time of the API as the flags want it.
    pub(super) fn time(&self, text: &str) -> String {
        let Ok(at) = text.parse::<Timestamp>() else { return text.to_owned() };
        match self.date_format.clone().or_else(|| default_of("date.format")) {
            Some(layout) => wf_alertmanager::format_time(&layout, at),
            None => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        }
    }

    pub(super) fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, String> {
        self.ask(Method::GET, path, query, None)
    }

    /// Sends a request; a refusal is an error in the server's words.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let base = self.url.clone().or_else(|| default_of("alertmanager.url"));
        let base = base.unwrap_or_else(|| "http://localhost:9093".to_owned());
        let url = format!("{}/api/v2/{path}", base.trim_end_matches('/'));
        let mut url = Url::parse(&url).map_err(|error| format!("--alertmanager.url {base}: {error}"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let options = self.client_options(&mut url)?;
        if self.verbose {
            crate::complain(&format!("{method} {url}"));
        }
        crate::server::prepare();
        let client = HttpClient::new(&options).map_err(|error| error.to_string())?;
        let runtime = crate::server::runtime().map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let body = body.map(Value::to_string).unwrap_or_default();
        let deadline = Instant::now() + self.timeout;
        let (status, bytes) = runtime.block_on(async {
            let response = client.request(method, &url, &headers, body.into(), deadline).await;
            let response = response.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
            let (status, mut bytes) = (response.status(), Vec::new());
            let read = response.into_body().read_into(&mut bytes, ANSWER_BYTES_MAX).await;
            read.map_err(|error| error.to_string())?;
            Ok::<_, String>((status, bytes))
        })?;
        let text = String::from_utf8_lossy(&bytes);
        if !status.is_success() {
            return Err(format!("the Alertmanager answers {status}: {}", text.trim()));
        }
        match text.trim() {
            "" => Ok(Value::Null),
            text => serde_json::from_str(text).map_err(|error| format!("the answer is no JSON: {error}")),
        }
    }

    /// Reads the client's options; a user in the URL moves there.
    fn client_options(&self, url: &mut Url) -> Result<ClientOptions, String> {
        let file = self.http_config.clone().or_else(|| default_of("http.config.file").map(PathBuf::from));
        let mut options = match file {
            None => ClientOptions::default(),
            Some(path) => {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("--http.config.file {}: {error}", path.display()))?;
                wf_alertmanager::http_options(&text, &path)?
            }
        };
        if !url.username().is_empty() {
            let decoded = |text: &str| {
                let pairs = format!("x={}", text.replace('+', "%2B"));
                url::form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, value)| value.into_owned())
            };
            let basic = wf_httpkit::client::BasicAuth {
                username: decoded(url.username()).unwrap_or_default(),
                password: url.password().and_then(decoded).map(Secret::new),
                ..Default::default()
            };
            options.basic_auth = Some(basic);
            // Neither fails for a URL with a host.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
        }
        Ok(options)
    }

    /// Shows a list in the form that was asked for; `more` columns come with the extended one.
    pub(super) fn shown(
        &self,
        list: &Value,
        head: &[&str],
        more: &[&str],
        row: impl Fn(&Value) -> Vec<String>,
    ) -> String {
        let head: Vec<String> = match self.output() {
            Output::Json => return list.to_string(),
            Output::Simple => head.iter().map(|name| (*name).to_owned()).collect(),
            Output::Extended => head.iter().chain(more).map(|name| (*name).to_owned()).collect(),
        };
        let n_columns = head.len();
        let mut rows = vec![head];
        rows.extend(list.as_array().into_iter().flatten().map(|item| {
            let mut cells = row(item);
            cells.truncate(n_columns);
            cells
        }));
        table(&rows)
    }

    /// Shows the members of the cluster.
    pub(super) fn cluster(&self) -> Result<String, String> {
        let status = self.get("status", &[])?;
        if self.output() == Output::Json {
            return Ok(status["cluster"].to_string());
        }
        let mut rows = vec![vec!["Address".to_owned(), "Name".to_owned()]];
        let peers = status["cluster"]["peers"].as_array().into_iter().flatten();
        rows.extend(peers.map(|peer| vec![text_at(peer, "/address"), text_at(peer, "/name")]));
        let (state, name) = (text_at(&status, "/cluster/status"), text_at(&status, "/cluster/name"));
        Ok(format!("Cluster Status: {state}\nNode Name:      {name}\n\n{}", table(&rows)))
    }
}

fn parsed(texts: &[String], mode: Mode) -> Result<Vec<Matcher>, String> {
    let parse = |(at, text): (usize, &String)| match at == 0 && !text.contains(['=', '!', '~']) {
        true => Ok(Matcher::equal("alertname", text)),
        false => mode.parse_one(text),
    };
    texts.iter().enumerate().map(parse).collect()
}

/// Returns a matcher as the API has it.
pub(super) fn matcher_json(matcher: &Matcher) -> Value {
    serde_json::json!({
        "name": matcher.name(),
        "value": matcher.value(),
        "isEqual": matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex),
        "isRegex": matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex),
    })
}

pub(super) fn text_at(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Writes an object of texts as `a="b" c="d"`.
pub(super) fn pairs_text(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join(" ")
}

/// Columns as wide as their widest cell.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells =
            row.iter().enumerate().map(|(column, cell)| format!("{cell:<width$}  ", width = width(column)));
        cells.collect::<String>()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_first_word_is_the_alerts_name() {
        let texts = ["Down".to_owned(), "a=~b".to_owned()];
        let shown: Vec<String> =
            parsed(&texts, Mode::Fallback).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["alertname=\"Down\"", "a=~\"b\""]);
        assert!(parsed(&["a=b".to_owned(), "bare".to_owned()], Mode::Fallback).is_err());
    }

    #[test]
    fn tables_line_up_and_defaults_are_flags_as_keys() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["A", "B"]), row(["long", "x"])]), "A     B  \nlong  x  ");
        let read = defaults("alertmanager.url: http://am\ncomment_required: false\nlist: [1]\n");
        assert_eq!((read.len(), read["comment_required"].as_str()), (2, "false"));
        assert!(defaults("[").is_empty());
        assert_eq!(pairs_text(&serde_json::json!({"a": "b c"})), "a=\"b c\"");
    }
}
