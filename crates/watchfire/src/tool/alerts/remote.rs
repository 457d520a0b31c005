//! Questions to a running Alertmanager over its API.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use http::{HeaderMap, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;
use wf_alertmanager::Mode;
use wf_httpkit::{ClientOptions, HttpClient};
use wf_model::{MatchOp, Matcher};

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Whom to ask, and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Where the Alertmanager is
    #[arg(long = "alertmanager.url", global = true, default_value = "http://localhost:9093")]
    url: String,
    /// Form of the answer
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Output,
    /// How long to wait
    #[arg(long, global = true, default_value = "30s", value_parser = wf_alertmanager::go_duration)]
    timeout: Duration,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table
    #[default]
    Simple,
    /// As the API has it
    Json,
}

/// What can be done with alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// List alerts; those that are active unless told otherwise
    Query {
        /// Silenced ones too
        #[arg(short, long)]
        silenced: bool,
        /// Inhibited ones too
        #[arg(short, long)]
        inhibited: bool,
        /// Only those for receivers of this regular expression
        #[arg(short, long)]
        receiver: Option<String>,
        /// Matchers; a bare first word is the alert's name
        matchers: Vec<String>,
    },
    /// Post an alert
    Add {
        /// Annotations as name=value
        #[arg(long)]
        annotation: Vec<String>,
        /// Where it comes from
        #[arg(long = "generator-url", default_value = "")]
        generator_url: String,
        /// When it began
        #[arg(long)]
        start: Option<Timestamp>,
        /// When it ends
        #[arg(long)]
        end: Option<Timestamp>,
        /// Labels as name=value; a bare first word is the alert's name
        #[arg(required = true)]
        labels: Vec<String>,
    },
}

/// What can be done with silences.
#[derive(Debug, Subcommand)]
pub(crate) enum SilenceCommand {
    /// List silences that are not over
    Query {
        /// Those that are over instead
        #[arg(long)]
        expired: bool,
        /// Ids only
        #[arg(short, long)]
        quiet: bool,
        /// Matchers, compared as they are written
        matchers: Vec<String>,
    },
    /// Make a silence; prints its id
    Add {
        /// Who makes it
        #[arg(short, long, env = "USER", default_value = "")]
        author: String,
        /// How long it lasts
        #[arg(short, long, default_value = "1h", value_parser = wf_alertmanager::go_duration)]
        duration: Duration,
        /// When it begins; now unless given
        #[arg(long)]
        start: Option<Timestamp>,
        /// When it ends, instead of a duration
        #[arg(long)]
        end: Option<Timestamp>,
        /// Why
        #[arg(short, long)]
        comment: String,
        /// Matchers; a bare first word is the alert's name
        #[arg(required = true)]
        matchers: Vec<String>,
    },
    /// End silences
    Expire {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

pub(super) fn alert(server: &Server, command: &AlertCommand) -> Result<String, String> {
    match command {
        AlertCommand::Query { silenced, inhibited, receiver, matchers } => {
            let mut query = vec![("silenced", silenced.to_string()), ("inhibited", inhibited.to_string())];
            query.extend(receiver.iter().map(|receiver| ("receiver", receiver.clone())));
            query.extend(parsed(matchers)?.iter().map(|matcher| ("filter", matcher.to_string())));
            let alerts = server.ask(Method::GET, "alerts", &query, None)?;
            Ok(server.shown(&alerts, &["Alertname", "Starts At", "Summary", "State"], |alert| {
                let text = |pointer: &str| text_at(alert, pointer);
                vec![
                    text("/labels/alertname"),
                    time(&text("/startsAt")),
                    text("/annotations/summary"),
                    text("/status/state"),
                ]
            }))
        }
        AlertCommand::Add { annotation, generator_url, start, end, labels } => {
            let pairs = |matchers: &[Matcher]| -> Value {
                matchers
                    .iter()
                    .map(|matcher| (matcher.name().to_owned(), Value::from(matcher.value())))
                    .collect()
            };
            let labels = parsed(labels)?;
            let annotations = annotation
                .iter()
                .map(|text| Mode::Fallback.parse_one(text))
                .collect::<Result<Vec<_>, _>>()?;
            if let Some(matcher) =
                labels.iter().chain(&annotations).find(|matcher| matcher.op() != MatchOp::Equal)
            {
                return Err(format!("{matcher}: labels and annotations are written name=value"));
            }
            let mut alert = json!({"labels": pairs(&labels), "annotations": pairs(&annotations), "generatorURL": generator_url});
            for (name, at) in [("startsAt", start), ("endsAt", end)] {
                if let Some(at) = at {
                    alert[name] = at.to_string().into();
                }
            }
            server.ask(Method::POST, "alerts", &[], Some(&json!([alert])))?;
            Ok(String::new())
        }
    }
}

pub(super) fn silence(server: &Server, command: &SilenceCommand) -> Result<String, String> {
    match command {
        SilenceCommand::Query { expired, quiet, matchers } => {
            let mut query = vec![("expired", expired.to_string())];
            query.extend(["active", "pending"].map(|state| (state, (!expired).to_string())));
            query.extend(parsed(matchers)?.iter().map(|matcher| ("filter", matcher.to_string())));
            let silences = server.ask(Method::GET, "silences", &query, None)?;
            if *quiet {
                let ids = silences.as_array().into_iter().flatten().map(|silence| text_at(silence, "/id"));
                return Ok(ids.collect::<Vec<_>>().join("\n"));
            }
            Ok(server.shown(&silences, &["ID", "Matchers", "Ends At", "Created By", "Comment"], |silence| {
                let text = |pointer: &str| text_at(silence, pointer);
                vec![
                    text("/id"),
                    matchers_of(silence),
                    time(&text("/endsAt")),
                    text("/createdBy"),
                    text("/comment"),
                ]
            }))
        }
        SilenceCommand::Add { author, duration, start, end, comment, matchers } => {
            let starts_at = start.unwrap_or_else(Timestamp::now);
            let lasting = SignedDuration::try_from(*duration).map_err(|error| error.to_string())?;
            let ends_at =
                end.map_or_else(|| starts_at.checked_add(lasting), Ok).map_err(|error| error.to_string())?;
            let matcher = |matcher: &Matcher| {
                json!({"name": matcher.name(), "value": matcher.value(),
                    "isEqual": matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex),
                    "isRegex": matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex)})
            };
            let body = json!({"matchers": parsed(matchers)?.iter().map(matcher).collect::<Vec<_>>(),
                "startsAt": starts_at.to_string(), "endsAt": ends_at.to_string(), "createdBy": author, "comment": comment});
            let answer = server.ask(Method::POST, "silences", &[], Some(&body))?;
            Ok(text_at(&answer, "/silenceID"))
        }
        SilenceCommand::Expire { ids } => {
            for id in ids {
                server.ask(Method::DELETE, &format!("silence/{id}"), &[], None)?;
            }
            Ok(String::new())
        }
    }
}

/// Reads matchers; a first word without an operator is the alert's name.
fn parsed(texts: &[String]) -> Result<Vec<Matcher>, String> {
    let parse = |(at, text): (usize, &String)| match at == 0 && !text.contains(['=', '!', '~']) {
        true => Ok(Matcher::equal("alertname", text)),
        false => Mode::Fallback.parse_one(text),
    };
    texts.iter().enumerate().map(parse).collect()
}

fn text_at(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// `2026-11-21 16:58:37 UTC`
fn time(text: &str) -> String {
    text.parse::<Timestamp>()
        .map_or_else(|_| text.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn matchers_of(silence: &Value) -> String {
    let shown = |matcher: &Value| {
        let op = match (
            matcher["isEqual"].as_bool().unwrap_or(true),
            matcher["isRegex"].as_bool().unwrap_or(false),
        ) {
            (true, false) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (false, true) => "!~",
        };
        format!("{}{op}{}", text_at(matcher, "/name"), matcher["value"])
    };
    let matchers = silence["matchers"].as_array().into_iter().flatten();
    matchers.map(shown).collect::<Vec<_>>().join("  ")
}

impl Server {
    /// Sends a request; a refusal is an error in the server's words.
    fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let mut url = Url::parse(&format!("{}/api/v2/{path}", self.url.trim_end_matches('/')))
            .map_err(|error| format!("--alertmanager.url {}: {error}", self.url))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        crate::server::prepare();
        let client = HttpClient::new(&ClientOptions::default()).map_err(|error| error.to_string())?;
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

    /// Shows a list in the form that was asked for.
    fn shown(&self, list: &Value, head: &[&str], row: impl Fn(&Value) -> Vec<String>) -> String {
        if self.output == Output::Json {
            return list.to_string();
        }
        let mut rows = vec![head.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
        rows.extend(list.as_array().into_iter().flatten().map(row));
        table(&rows)
    }
}

/// Columns as wide as their widest cell.
fn table(rows: &[Vec<String>]) -> String {
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
        let shown: Vec<String> = parsed(&texts).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["alertname=\"Down\"", "a=~\"b\""]);
        assert!(parsed(&["a=b".to_owned(), "bare".to_owned()]).is_err());
    }

    #[test]
    fn tables_line_up_and_matchers_read_as_written() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["A", "B"]), row(["long", "x"])]), "A     B  \nlong  x  ");
        let silence = json!({"matchers": [{"name": "a", "value": "b", "isRegex": true}, {"name": "c", "value": "d", "isEqual": false}]});
        assert_eq!(matchers_of(&silence), "a=~\"b\"  c!=\"d\"");
        assert_eq!(time("2026-11-21T16:58:37.123Z"), "2026-11-21 16:58:37 UTC");
    }
}
