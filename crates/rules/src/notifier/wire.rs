//! Alerts as Alertmanager's API version 2 reads them.

use serde_json::{Map, Value, json};

use crate::environment::OutgoingAlert;

/// Returns the body of a request.
pub(super) fn body(alerts: &[OutgoingAlert]) -> Vec<u8> {
    Value::Array(alerts.iter().map(one).collect()).to_string().into_bytes()
}

fn one(alert: &OutgoingAlert) -> Value {
    let text = |value: &str| Value::String(value.to_owned());
    let annotations = alert.annotations.iter().map(|(name, value)| (name.clone(), text(value)));
    let labels = alert.labels.iter().map(|(name, value)| (name.to_owned(), text(value)));
    json!({
        "annotations": annotations.collect::<Map<_, _>>(),
        "endsAt": rfc3339(alert.ends_at_ms),
        "startsAt": rfc3339(alert.starts_at_ms),
        "generatorURL": &*alert.generator_url,
        "labels": labels.collect::<Map<_, _>>(),
    })
}

fn rfc3339(time_ms: i64) -> String {
    // Beyond the calendar there is nothing to say; no clock shows such a time.
    let time = jiff::Timestamp::from_millisecond(time_ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wf_model::Labels;

    use super::*;

    #[test]
    fn an_alert_is_written_as_the_api_has_it() {
        let alert = OutgoingAlert {
            labels: Labels::from_pairs([("alertname", "Down"), ("job", "a\"b")]),
            annotations: Arc::new([("summary".to_owned(), "it is\ndown".to_owned())]),
            starts_at_ms: 1_435_065_584_128,
            ends_at_ms: 1_435_065_584_000,
            generator_url: "http://h/graph?g0.expr=up&g0.tab=1".into(),
        };
        let want = r#"[{"annotations":{"summary":"it is\ndown"},"endsAt":"2015-06-23T13:19:44.000Z","startsAt":"2015-06-23T13:19:44.128Z","generatorURL":"http://h/graph?g0.expr=up&g0.tab=1","labels":{"alertname":"Down","job":"a\"b"}}]"#;
        assert_eq!(String::from_utf8(body(&[alert])).unwrap(), want);
    }
}
