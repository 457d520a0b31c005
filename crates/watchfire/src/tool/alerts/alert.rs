//! `alert`, `why` and `test-receiver`.

use clap::{Args, Subcommand};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use wf_alertmanager::Mode;
use wf_model::{MatchOp, Matcher};

use super::server::{Output, Server, pairs_text, table, text_at};

/// Which alerts are listed: those that are active, unless a flag asks for others.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// Active ones
    #[arg(short, long)]
    active: bool,
    /// Silenced ones
    #[arg(short, long)]
    silenced: bool,
    /// Inhibited ones
    #[arg(short, long)]
    inhibited: bool,
    /// Unprocessed ones, of which there are none
    #[arg(short, long)]
    unprocessed: bool,
    /// Only those for receivers of this regular expression
    #[arg(short, long)]
    receiver: Option<String>,
    /// Matchers; a bare first word is the alert's name
    matchers: Vec<String>,
}

/// What can be done with alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// List alerts
    Query(Query),
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

pub(super) fn run(server: &Server, command: &AlertCommand) -> Result<String, String> {
    match command {
        AlertCommand::Query(query) => list(server, query),
        AlertCommand::Add { annotation, generator_url, start, end, labels } => {
            let labels = server.parsed(labels)?;
            let annotations = annotation.iter().map(|text| Mode::Fallback.parse_one(text));
            let annotations = annotations.collect::<Result<Vec<_>, _>>()?;
            let mut named = labels.iter().chain(&annotations);
            if let Some(matcher) = named.find(|matcher| matcher.op() != MatchOp::Equal) {
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

fn pairs(matchers: &[Matcher]) -> Value {
    matchers.iter().map(|matcher| (matcher.name().to_owned(), Value::from(matcher.value()))).collect()
}

pub(super) fn list(server: &Server, wanted: &Query) -> Result<String, String> {
    let is_default = !(wanted.active || wanted.silenced || wanted.inhibited || wanted.unprocessed);
    let mut query = vec![
        ("active", (wanted.active || is_default).to_string()),
        ("silenced", wanted.silenced.to_string()),
        ("inhibited", wanted.inhibited.to_string()),
        ("unprocessed", wanted.unprocessed.to_string()),
    ];
    query.extend(wanted.receiver.iter().map(|receiver| ("receiver", receiver.clone())));
    query.extend(server.parsed(&wanted.matchers)?.iter().map(|matcher| ("filter", matcher.to_string())));
    let alerts = server.get("alerts", &query)?;
    let head = ["Alertname", "Starts At", "Summary", "State"];
    let more = ["Labels", "Annotations", "Ends At", "Generator URL"];
    Ok(server.shown(&alerts, &head, &more, |alert| {
        let text = |pointer: &str| text_at(alert, pointer);
        vec![
            text("/labels/alertname"),
            server.time(&text("/startsAt")),
            text("/annotations/summary"),
            text("/status/state"),
            pairs_text(&alert["labels"]),
            pairs_text(&alert["annotations"]),
            server.time(&text("/endsAt")),
            text("/generatorURL"),
        ]
    }))
}

/// Tells what happened to alerts, newest first.
pub(super) fn why(server: &Server, matchers: &[String]) -> Result<String, String> {
    let matchers = server.parsed(matchers)?;
    let query: Vec<(&str, String)> = matchers.iter().map(|matcher| ("filter", matcher.to_string())).collect();
    let alerts = server.get("alerts/why", &query)?;
    if server.output() == Output::Json {
        return Ok(alerts.to_string());
    }
    let mut out = String::new();
    for alert in alerts.as_array().into_iter().flatten() {
        out.push_str(&format!("{}  {}\n", pairs_text(&alert["labels"]), text_at(alert, "/now/state")));
        for route in alert["now"]["routes"].as_array().into_iter().flatten() {
            out.push_str(&format!(
                "  route {} -> {}\n",
                text_at(route, "/route"),
                text_at(route, "/receiver")
            ));
        }
        let row = |event: &Value| {
            let text = |pointer: &str| text_at(event, pointer);
            vec![
                format!("  {}", server.time(&text("/at"))),
                text("/receiver"),
                text("/integration"),
                text("/outcome"),
                text("/why"),
            ]
        };
        let rows: Vec<Vec<String>> = alert["history"].as_array().into_iter().flatten().map(row).collect();
        out.push_str(&table(&rows));
        out.push('\n');
    }
    Ok(out)
}

/// Sends a test notification; a failure of any integration is one.
pub(super) fn test_receiver(server: &Server, receiver: &str) -> Result<String, String> {
    let answer = server.ask(Method::POST, "receivers/test", &[], Some(&json!({"receiver": receiver})))?;
    let results = answer.as_array().cloned().unwrap_or_default();
    let row = |result: &Value| {
        let outcome = if result["ok"] == true { "sent".to_owned() } else { text_at(result, "/error") };
        vec![text_at(result, "/integration"), outcome]
    };
    let shown = table(&results.iter().map(row).collect::<Vec<_>>());
    match results.iter().all(|result| result["ok"] == true) {
        true => Ok(shown),
        false => Err(shown),
    }
}
