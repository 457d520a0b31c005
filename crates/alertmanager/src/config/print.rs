//! Writes a tree as YAML that every reader of YAML takes.

use serde_json::{Value, json};

/// Settings that came after 0.25, with their defaults: by the list they are in, or `global`.
const NEWER: [(&str, &str, &str); 12] = [
    ("global", "slack_app_url", "\"https://slack.com/api/chat.postMessage\""),
    ("global", "rocketchat_api_url", "\"https://open.rocket.chat/\""),
    ("discord_configs", "content", "\"{{ template \\\"discord.default.content\\\" . }}\""),
    ("pagerduty_configs", "timeout", "\"0s\""),
    ("pushover_configs", "ttl", "\"0s\""),
    ("pushover_configs", "monospace", "false"),
    ("slack_configs", "app_url", "\"https://slack.com/api/chat.postMessage\""),
    ("slack_configs", "update_message", "false"),
    ("slack_configs", "timeout", "\"0s\""),
    ("sns_configs", "use_aws_http_client", "false"),
    ("telegram_configs", "message_thread_id", "0"),
    ("webhook_configs", "timeout", "\"0s\""),
];

/// Leaves out what an older reader does not know and a newer one takes for granted: the `amtool` that distributions ship
/// reads the configuration of a server strictly.
pub(crate) fn leave_out_newer_defaults(file: &mut Value) {
    let prune = |section: &mut Value, list: &str| {
        let Some(section) = section.as_object_mut() else { return };
        for (_, key, default) in NEWER.iter().filter(|(known, ..)| *known == list) {
            let value = section.get(*key).map(Value::to_string);
            if value.as_deref() == Some(*default) {
                section.shift_remove(*key);
            }
        }
    };
    prune(&mut file["global"], "global");
    for receiver in file["receivers"].as_array_mut().into_iter().flatten() {
        // Every receiver has its name as a label.
        if receiver["labels"] == json!({"name": receiver["name"]})
            && let Some(object) = receiver.as_object_mut()
        {
            object.shift_remove("labels");
        }
        for (list, entries) in receiver.as_object_mut().into_iter().flatten() {
            entries.as_array_mut().into_iter().flatten().for_each(|entry| prune(entry, list));
        }
    }
}

/// Returns `value`, a mapping, as a YAML document.
pub(crate) fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0, false);
    out
}

fn write(out: &mut String, value: &Value, indent: usize, is_inline: bool) {
    match value {
        Value::Object(entries) => {
            for (idx, (key, value)) in entries.iter().enumerate() {
                if idx > 0 || !is_inline {
                    out.push_str(&"  ".repeat(indent));
                }
                out.push_str(&quoted_unless_plain(key));
                out.push(':');
                child(out, value, indent);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&"  ".repeat(indent));
                out.push('-');
                match item {
                    Value::Object(entries) if !entries.is_empty() => {
                        out.push(' ');
                        write(out, item, indent + 1, true);
                    }
                    item => child(out, item, indent),
                }
            }
        }
        scalar => {
            out.push_str(&scalar_text(scalar));
            out.push('\n');
        }
    }
}

/// Writes what stands behind a key or a dash.
fn child(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Object(_) => {
            out.push('\n');
            write(out, value, indent + 1, false);
        }
        Value::Array(_) => {
            out.push('\n');
            write(out, value, indent, false);
        }
        scalar => {
            out.push(' ');
            out.push_str(&scalar_text(scalar));
            out.push('\n');
        }
    }
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => quoted_unless_plain(text),
        other => other.to_string(),
    }
}

/// Words that YAML takes for something else than texts.
const RESERVED: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"];

fn quoted_unless_plain(text: &str) -> String {
    let is_safe = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '_' | '-' | '.' | '/');
    let is_word =
        text.starts_with(|ch: char| ch.is_ascii_alphabetic() || ch == '/') && text.chars().all(is_safe);
    let is_duration = wf_model::duration::parse(text).is_ok() && text.len() > 1;
    let is_masked = text == wf_httpkit::secret::REDACTED;
    if (is_word || is_duration || is_masked) && !RESERVED.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    // A JSON string is a YAML string.
    Value::from(text).to_string()
}
