//! `silence`.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use wf_alertmanager::Mode;

use super::server::{Output, Server, default_of, matcher_json, pairs_text, text_at};

/// Which silences are listed.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// Those that are over instead of those that are not
    #[arg(long)]
    expired: bool,
    /// Only those that end, or ended, within this time
    #[arg(long, value_parser = wf_alertmanager::go_duration)]
    within: Option<Duration>,
    /// Only those of this author
    #[arg(long = "created-by")]
    created_by: Option<String>,
    /// Only these; repeatable
    #[arg(long = "id")]
    ids: Vec<String>,
    /// Ids only
    #[arg(short, long)]
    quiet: bool,
    /// Matchers, compared as they are written
    matchers: Vec<String>,
}

/// What can be done with silences.
#[derive(Debug, Subcommand)]
pub(crate) enum SilenceCommand {
    /// List silences
    Query(Query),
    /// Make a silence; prints its id
    Add {
        /// Who makes it
        #[arg(short, long, env = "USER")]
        author: Option<String>,
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
        comment: Option<String>,
        /// Annotations as name=value; repeatable
        #[arg(long)]
        annotation: Vec<String>,
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
    /// Change when silences begin and end, or why they are there
    Update {
        /// How long they last from their beginning
        #[arg(short, long, value_parser = wf_alertmanager::go_duration)]
        duration: Option<Duration>,
        /// When they begin
        #[arg(long)]
        start: Option<Timestamp>,
        /// When they end
        #[arg(long)]
        end: Option<Timestamp>,
        /// Why they are there
        #[arg(short, long)]
        comment: Option<String>,
        /// Ids only
        #[arg(short, long)]
        quiet: bool,
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Take silences over from the JSON of `silence query`; standard input without a file
    Import {
        /// Make new silences of them instead of changing those with the same ids
        #[arg(short, long)]
        force: bool,
        /// They are taken one after the other: taken for compatibility
        #[arg(short, long = "worker", default_value_t = 8, hide = true)]
        _workers: usize,
        /// The file
        file: Option<PathBuf>,
    },
}

pub(super) fn run(server: &Server, command: &SilenceCommand) -> Result<String, String> {
    match command {
        SilenceCommand::Query(query) => list(server, query),
        SilenceCommand::Add { author, duration, start, end, comment, annotation, matchers } => {
            let author = author.clone().or_else(|| default_of("author")).unwrap_or_default();
            let needs_comment = default_of("comment_required").is_none_or(|text| text != "false");
            let comment = comment.clone().unwrap_or_default();
            if comment.is_empty() && needs_comment {
                return Err("a comment is required: say why with --comment".to_owned());
            }
            let starts_at = start.unwrap_or_else(Timestamp::now);
            let ends_at = end.map_or_else(|| after(starts_at, *duration), Ok)?;
            let matchers = server.parsed(matchers)?;
            let mut body = json!({
                "matchers": matchers.iter().map(matcher_json).collect::<Vec<_>>(),
                "startsAt": starts_at.to_string(), "endsAt": ends_at.to_string(),
                "createdBy": author, "comment": comment,
            });
            for text in annotation {
                let pair = Mode::Fallback.parse_one(text)?;
                body["annotations"][pair.name()] = pair.value().into();
            }
            set(server, &body)
        }
        SilenceCommand::Expire { ids } => {
            for id in ids {
                server.ask(Method::DELETE, &format!("silence/{id}"), &[], None)?;
            }
            Ok(String::new())
        }
        SilenceCommand::Update { duration, start, end, comment, quiet, ids } => {
            let mut updated = Vec::new();
            for id in ids {
                let mut silence = server.get(&format!("silence/{id}"), &[])?;
                if let Some(start) = start {
                    silence["startsAt"] = start.to_string().into();
                }
                if let Some(end) = end {
                    silence["endsAt"] = end.to_string().into();
                } else if let Some(duration) = duration {
                    let starts_at = time_at(&silence, "/startsAt")?;
                    silence["endsAt"] = after(starts_at, *duration)?.to_string().into();
                }
                if let Some(comment) = comment {
                    silence["comment"] = comment.as_str().into();
                }
                silence["id"] = set(server, &silence)?.into();
                updated.push(silence);
            }
            shown(server, &Value::from(updated), *quiet)
        }
        SilenceCommand::Import { force, file, .. } => import(server, *force, file.as_ref()),
    }
}

fn import(server: &Server, is_new: bool, file: Option<&PathBuf>) -> Result<String, String> {
    let text = match file.filter(|path| path.as_os_str() != "-") {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))?
        }
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
            text
        }
    };
    let silences: Vec<Value> =
        serde_json::from_str(&text).map_err(|error| format!("the file is no list of silences: {error}"))?;
    let (mut ids, mut errors) = (Vec::new(), Vec::new());
    for mut silence in silences {
        if is_new && let Some(object) = silence.as_object_mut() {
            object.remove("id");
        }
        match set(server, &silence) {
            Ok(id) => ids.push(id),
            Err(error) => errors.push(error),
        }
    }
    match errors.is_empty() {
        true => Ok(ids.join("\n")),
        false => Err(format!(
            "{} silences were taken over, {} not:\n{}",
            ids.len(),
            errors.len(),
            errors.join("\n")
        )),
    }
}

/// Posts a silence; returns its id.
fn set(server: &Server, silence: &Value) -> Result<String, String> {
    let answer = server.ask(Method::POST, "silences", &[], Some(silence))?;
    Ok(text_at(&answer, "/silenceID"))
}

fn after(at: Timestamp, duration: Duration) -> Result<Timestamp, String> {
    let duration = SignedDuration::try_from(duration).map_err(|error| error.to_string())?;
    at.checked_add(duration).map_err(|error| error.to_string())
}

fn time_at(silence: &Value, pointer: &str) -> Result<Timestamp, String> {
    text_at(silence, pointer).parse().map_err(|error| format!("{pointer} of the silence: {error}"))
}

pub(super) fn list(server: &Server, wanted: &Query) -> Result<String, String> {
    let mut query = vec![("expired", wanted.expired.to_string())];
    query.extend(["active", "pending"].map(|state| (state, (!wanted.expired).to_string())));
    query.extend(server.parsed(&wanted.matchers)?.iter().map(|matcher| ("filter", matcher.to_string())));
    let mut silences = server.get("silences", &query)?;
    let now = Timestamp::now();
    if let Some(list) = silences.as_array_mut() {
        list.retain(|silence| is_wanted(silence, wanted, now));
    }
    shown(server, &silences, wanted.quiet)
}

fn is_wanted(silence: &Value, wanted: &Query, now: Timestamp) -> bool {
    let is_near = |within: Duration| {
        let end = time_at(silence, "/endsAt").unwrap_or(now);
        let (first, last) = if wanted.expired { (end, now) } else { (now, end) };
        last.duration_since(first).unsigned_abs() <= within
    };
    wanted.within.is_none_or(is_near)
        && wanted.created_by.as_ref().is_none_or(|author| text_at(silence, "/createdBy") == *author)
        && (wanted.ids.is_empty() || wanted.ids.contains(&text_at(silence, "/id")))
}

fn shown(server: &Server, silences: &Value, is_quiet: bool) -> Result<String, String> {
    if is_quiet && server.output() != Output::Json {
        let ids = silences.as_array().into_iter().flatten().map(|silence| text_at(silence, "/id"));
        return Ok(ids.collect::<Vec<_>>().join("\n"));
    }
    let head = ["ID", "Matchers", "Ends At", "Created By", "Comment"];
    let more = ["Starts At", "Updated At", "State", "Annotations"];
    Ok(server.shown(silences, &head, &more, |silence| {
        let text = |pointer: &str| text_at(silence, pointer);
        vec![
            text("/id"),
            matchers_of(silence),
            server.time(&text("/endsAt")),
            text("/createdBy"),
            text("/comment"),
            server.time(&text("/startsAt")),
            server.time(&text("/updatedAt")),
            text("/status/state"),
            pairs_text(&silence["annotations"]),
        ]
    }))
}

fn matchers_of(silence: &Value) -> String {
    let shown = |matcher: &Value| {
        let (is_equal, is_regex) = (matcher["isEqual"] != false, matcher["isRegex"] == true);
        let op = match (is_equal, is_regex) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_read_as_written_and_lists_are_narrowed() {
        let silence = json!({"id": "i", "createdBy": "me", "endsAt": "2026-01-01T01:00:00.000Z",
            "matchers": [{"name": "a", "value": "b", "isRegex": true}, {"name": "c", "value": "d", "isEqual": false}]});
        assert_eq!(matchers_of(&silence), "a=~\"b\"  c!=\"d\"");
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let query = |within_s: Option<u64>, author: Option<&str>, ids: &[&str]| Query {
            expired: false,
            within: within_s.map(Duration::from_secs),
            created_by: author.map(str::to_owned),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            quiet: false,
            matchers: Vec::new(),
        };
        for (query, want) in [
            (query(None, None, &[]), true),
            (query(Some(3600), Some("me"), &["i", "j"]), true),
            (query(Some(3599), None, &[]), false),
            (query(None, Some("you"), &[]), false),
            (query(None, None, &["j"]), false),
        ] {
            assert_eq!(is_wanted(&silence, &query, now), want, "{query:?}");
        }
    }
}
