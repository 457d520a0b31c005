//! Each receiver against a server that records: bodies as the specification has them (§A9).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use parking_lot::Mutex;

use super::*;
use crate::alert::testing::{alert, at, saying};
use crate::config::AlertmanagerConfig;
use crate::template::data::NotedAlert;

/// SHA-256 of the group key `{}:{}`.
const HASH: &str = "cc9772a1ec901d26";

#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A server that records requests and answers from a list, then with `{}`.
#[derive(Clone, Default)]
struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Arc<Mutex<Vec<(u16, &'static str)>>>,
}

impl Server {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = |State(server): State<Self>,
                      method: Method,
                      uri: Uri,
                      headers: HeaderMap,
                      body: Bytes| async move {
            let body = String::from_utf8(body.to_vec()).unwrap();
            server.seen.lock().push(Seen { line: format!("{method} {uri}"), headers, body });
            let mut answers = server.answers.lock();
            let (status, body) = if answers.is_empty() { (200, "{}") } else { answers.remove(0) };
            (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body)
        };
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

fn note(is_resolved: bool) -> Note {
    let alert = alert(&[("alertname", "t"), ("team", "a&b")], 1_000_000_000, 1_000_000_060);
    let alert = saying(&alert, &[("s", "x")], "http://p/g");
    Note {
        receiver: "r.1".to_owned(),
        group_key: "{}:{}".to_owned(),
        group_labels: wf_model::Labels::empty(),
        route_labels: BTreeMap::new(),
        alerts: vec![NotedAlert { alert: Arc::new(alert), is_resolved }],
        reason: "first notification",
        now: at(1_000_000_030),
        repeat_interval: Duration::from_secs(3600),
    }
}

struct Outcome {
    result: Result<Memory, NotifyError>,
    seen: Vec<Seen>,
}

/// Tells the first integration of `receiver` (`URL` stands for the server) and returns what arrived.
async fn tell(receiver: &str, note: &Note, answers: &[(u16, &'static str)], memory: Memory) -> Outcome {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::default();
    server.answers.lock().extend_from_slice(answers);
    let url = server.start().await;
    let text =
        format!("route: {{receiver: r}}\nreceivers:\n- name: r\n  {}\n", receiver.replace("URL", &url));
    let config =
        AlertmanagerConfig::load(&text, std::path::Path::new("x.yml"), crate::Mode::Fallback).unwrap();
    let mut integration = build(&config.file.receivers[0]).unwrap().remove(0);
    if let Some(http) = &mut integration.http {
        http.fixed.pushover = format!("{url}/pushover");
        http.fixed.pagerduty_v1 = format!("{url}/v1");
        http.fixed.slack_update = format!("{url}/update");
    }
    let templates = Templates::load(&[], std::path::Path::new(""), "http://am").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let result = integration.notify(&Context::new(note, &templates, &memory, deadline)).await;
    let seen = server.seen.lock().clone();
    Outcome { result, seen }
}

async fn body_of(receiver: &str, is_resolved: bool) -> (String, Json) {
    let outcome = tell(receiver, &note(is_resolved), &[], Memory::new()).await;
    outcome.result.unwrap();
    let seen = &outcome.seen[0];
    assert_eq!(seen.headers["user-agent"], "Alertmanager/0.34.0");
    (seen.line.clone(), seen.json())
}

#[tokio::test]
async fn webhook_sends_the_data_in_order() {
    let outcome = tell("webhook_configs: [{url: 'URL/x'}]", &note(false), &[], Memory::new()).await;
    let want = concat!(
        r#"{"receiver":"r\\.1","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"t","team":"a\u0026b"},"#,
        r#""annotations":{"s":"x"},"startsAt":"2001-09-09T01:46:40Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p/g","#,
        r#""fingerprint":"d248726d418c6f1c"}],"notification_reason":"first notification","groupLabels":{},"#,
        r#""commonLabels":{"alertname":"t","team":"a\u0026b"},"commonAnnotations":{"s":"x"},"routeLabels":{},"#,
        r#""externalURL":"http://am","version":"4","groupKey":"{}:{}","truncatedAlerts":0}"#,
        "\n"
    );
    assert_eq!((outcome.seen[0].line.as_str(), outcome.seen[0].body.as_str()), ("POST /x", want));
    assert_eq!(outcome.seen[0].headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_webhook_payload_is_expanded_and_typed() {
    let receiver = "webhook_configs: [{url: 'URL/{{ .Status }}', payload: {'{{ .Status }}': ['{{ len .Alerts }}', yes, '{{ .Receiver }} x', 1.5], d: 'Disk: full'}}]";
    let (line, body) = body_of(receiver, false).await;
    assert_eq!(line, "POST /firing");
    assert_eq!(crate::json::to_text(&body), r#"{"d":{"Disk":"full"},"firing":[1,true,"r\\.1 x",1.5]}"#);
}

#[tokio::test]
async fn a_webhook_behind_a_proxy_authorises_by_oauth2() {
    let receiver = "webhook_configs: [{url: 'http://elsewhere.invalid/x', http_config: {proxy_url: 'URL', \
                    oauth2: {client_id: i, client_secret: s, token_url: 'URL/token', scopes: [a]}}}]";
    let answers = [(200, "{\"access_token\":\"tok\",\"token_type\":\"Bearer\",\"expires_in\":3600}")];
    let outcome = tell(receiver, &note(false), &answers, Memory::new()).await;
    outcome.result.unwrap();
    let lines: Vec<&str> = outcome.seen.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(lines, ["POST /token", "POST http://elsewhere.invalid/x"]);
    assert!(outcome.seen[0].body.contains("grant_type=client_credentials"), "{}", outcome.seen[0].body);
    assert_eq!(outcome.seen[1].headers["authorization"], "Bearer tok");
}

#[tokio::test]
async fn failures_of_a_webhook_are_classed() {
    let receiver = "webhook_configs: [{url: 'URL'}]";
    for (status, retries) in [(500, true), (429, false), (404, false)] {
        let outcome = tell(receiver, &note(false), &[(status, "no")], Memory::new()).await;
        assert_eq!(outcome.result.unwrap_err().retries, retries, "{status}");
    }
    let outcome = tell("webhook_configs: [{url: '{{ .Nope }}'}]", &note(false), &[], Memory::new()).await;
    assert!(!outcome.result.unwrap_err().retries);
    let outcome =
        tell("webhook_configs: [{url: 'http://127.0.0.1:1/secret'}]", &note(false), &[], Memory::new()).await;
    let error = outcome.result.unwrap_err();
    assert!(error.retries && !error.message.contains("secret"), "{error}");
}

#[tokio::test]
async fn pagerduty_triggers_and_resolves() {
    let (line, body) = body_of("pagerduty_configs: [{routing_key: k, url: 'URL/v2', class: c, images: [{alt: x}], links: [{href: h, text: t}]}]", false).await;
    assert_eq!((line.as_str(), &body["event_action"]), ("POST /v2", &"trigger".into()));
    assert!(body["dedup_key"].as_str().unwrap().starts_with(HASH) && body.get("images").is_none());
    let payload = &body["payload"];
    assert_eq!(
        (&payload["summary"], &payload["source"], &payload["severity"]),
        (&"[FIRING:1]  (t a&b)".into(), &"Alertmanager".into(), &"error".into())
    );
    assert_eq!(
        (&payload["custom_details"]["num_firing"], &payload["custom_details"]["resolved"]),
        (&1.into(), &serde_json::json!([]))
    );
    assert_eq!(payload["custom_details"]["firing"][0]["labels"]["team"], "a&b");
    let (line, body) = body_of("pagerduty_configs: [{service_key: k}]", true).await;
    assert_eq!(
        (line.as_str(), &body["event_type"], &body["event_action"], &body["payload"]),
        ("POST /v1", &"resolve".into(), &"".into(), &Json::Null)
    );
    assert!(body.get("client").is_none() && body["incident_key"].as_str().unwrap().starts_with(HASH));
}

#[tokio::test]
async fn slack_posts_updates_and_believes_the_body_only() {
    let receiver = "slack_configs: [{api_url: 'URL/hook', channel: '#c', fields: [{title: a, value: b}], actions: [{type: button, text: t, url: u, name: n}]}]";
    let ok = tell(receiver, &note(false), &[(200, "{\"ok\":true}")], Memory::new()).await;
    ok.result.unwrap();
    let body = ok.seen[0].json();
    let attachment = &body["attachments"][0];
    assert_eq!(
        (&body["channel"], &attachment["color"], &attachment["title"]),
        (&"#c".into(), &"danger".into(), &"[FIRING:1]  (t a&b)".into())
    );
    assert_eq!(attachment["fields"], serde_json::json!([{"title": "a", "value": "b", "short": false}]));
    assert_eq!(attachment["actions"], serde_json::json!([{"type": "button", "text": "t", "url": "u"}]));
    assert_eq!(
        (&attachment["text"], &attachment["footer"], attachment.get("pretext")),
        (&"".into(), &"".into(), None)
    );
    assert_eq!(attachment["mrkdwn_in"], serde_json::json!(["fallback", "pretext", "text"]));
    let refused =
        tell(receiver, &note(false), &[(200, "{\"ok\":false,\"error\":\"nope\"}")], Memory::new()).await;
    assert!(!refused.result.unwrap_err().retries);
    let garbled = tell(receiver, &note(false), &[(200, "{")], Memory::new()).await;
    assert!(garbled.result.unwrap_err().retries);
}

#[tokio::test]
async fn slack_writes_template_errors_to_nobody() {
    let outcome =
        tell("slack_configs: [{api_url: 'URL', text: '{{ .Nope }}'}]", &note(false), &[], Memory::new())
            .await;
    assert!(!outcome.result.unwrap_err().retries && outcome.seen.is_empty());
}

#[tokio::test]
async fn chat_rooms_get_their_forms() {
    let (_, body) = body_of("discord_configs: [{webhook_url: 'URL'}]", false).await;
    assert_eq!((&body["content"], &body["embeds"][0]["color"]), (&"".into(), &0x0099_2d22.into()));
    let (_, body) = body_of("msteams_configs: [{webhook_url: 'URL'}]", true).await;
    assert_eq!(
        (&body["@context"], &body["type"], &body["themeColor"]),
        (&"http://schema.org/extensions".into(), &"MessageCard".into(), &"2DC72D".into())
    );
    let (_, body) = body_of("msteamsv2_configs: [{webhook_url: 'URL'}]", false).await;
    let card = &body["attachments"][0]["content"];
    assert_eq!(
        (&card["version"], &card["body"][0]["color"], &card["msteams"]["width"]),
        (&"1.2".into(), &"Attention".into(), &"full".into())
    );
    assert_eq!(body["attachments"][0]["contentUrl"], Json::Null);
    let (_, body) = body_of("webex_configs: [{api_url: 'URL', room_id: '5', message: m, http_config: {authorization: {credentials: x}}}]", false).await;
    assert_eq!(body, serde_json::json!({"markdown": "m", "roomId": "5"}));
    let (_, body) = body_of("mattermost_configs: [{webhook_url: 'URL', text: hi, priority: {priority: urgent, requested_ack: true}}]", false).await;
    assert_eq!(
        (&body["attachments"][0]["text"], &body["priority"]["requested_ack"], body.get("text")),
        (&"hi".into(), &true.into(), None)
    );
    let (_, body) =
        body_of("mattermost_configs: [{webhook_url: 'URL', text: hi, attachments: [{text: a}]}]", false)
            .await;
    assert_eq!((&body["text"], &body["attachments"]), (&"hi".into(), &serde_json::json!([{"text": "a"}])));
}

#[tokio::test]
async fn rocketchat_authorises_by_headers() {
    let receiver = "rocketchat_configs: [{api_url: 'URL/', token: t, token_id: i, channel: c, actions: [{type: x, text: a, imageurl: y}]}]";
    let outcome = tell(receiver, &note(false), &[(200, "{\"success\":true}")], Memory::new()).await;
    outcome.result.unwrap();
    let seen = &outcome.seen[0];
    assert_eq!(
        (seen.line.as_str(), &seen.headers["x-auth-token"], &seen.headers["x-user-id"]),
        ("POST /api/v1/chat.postMessage", &"t".parse().unwrap(), &"i".parse().unwrap())
    );
    let action =
        serde_json::json!({"type": "button", "text": "a", "is_webview": false, "msg_in_chat_window": false});
    assert_eq!(
        (&seen.json()["attachments"][0]["color"], &seen.json()["attachments"][0]["actions"][0]),
        (&"red".into(), &action)
    );
    let refused = tell(receiver, &note(false), &[(200, "{\"success\":false}")], Memory::new()).await;
    assert!(!refused.result.unwrap_err().retries);
}

#[tokio::test]
async fn opsgenie_makes_changes_and_closes() {
    let receiver = "opsgenie_configs: [{api_key: k, api_url: 'URL', tags: 'a,,b', update_alerts: true, responders: [{name: 'x, y', type: teams}, {id: '{{ .Receiver | len | printf \"%s\" | match \"z\" }}', type: user}]}]";
    let outcome = tell(receiver, &note(false), &[], Memory::new()).await;
    outcome.result.unwrap();
    let lines: Vec<&str> = outcome.seen.iter().map(|seen| seen.line.split(HASH).next().unwrap()).collect();
    assert_eq!(lines, ["POST /v2/alerts", "PUT /v2/alerts/", "PUT /v2/alerts/"]);
    assert_eq!(outcome.seen[0].headers["authorization"], "GenieKey k");
    let body = outcome.seen[0].json();
    assert_eq!(
        (&body["tags"], &body["details"]["team"], &body["responders"][1]),
        (&serde_json::json!(["a", "b"]), &"a&b".into(), &serde_json::json!({"name": "y", "type": "team"}))
    );
    assert!(outcome.seen[2].line.ends_with("/description?identifierType=alias"));
    let (line, body) = body_of("opsgenie_configs: [{api_key: k, api_url: 'URL'}]", true).await;
    assert!(line.ends_with("/close?identifierType=alias"), "{line}");
    assert_eq!(body, serde_json::json!({"source": "http://am/#/alerts?receiver=r%5C.1"}));
}

#[tokio::test]
async fn victorops_recovers() {
    let receiver = "victorops_configs: [{api_key: k, api_url: 'URL/a', routing_key: 'rk', message_type: 'x', custom_fields: {f: '{{ .Status }}'}}]";
    let (line, body) = body_of(receiver, false).await;
    assert_eq!(
        (line.as_str(), &body["message_type"], &body["f"]),
        ("POST /a/k/rk", &"CRITICAL".into(), &"firing".into())
    );
    assert_eq!(body_of(receiver, true).await.1["message_type"], "RECOVERY");
}

#[tokio::test]
async fn pushover_says_all_in_the_query() {
    let receiver =
        "pushover_configs: [{token: t, user_key: u, message: ' ', title: 'a b', html: true, ttl: 5s}]";
    let outcome = tell(receiver, &note(false), &[], Memory::new()).await;
    outcome.result.unwrap();
    let seen = &outcome.seen[0];
    assert!(
        seen.line.starts_with("POST /pushover?token=t&user=u&title=a+b&message=%28no+details%29&url=http"),
        "{}",
        seen.line
    );
    assert!(
        seen.line.ends_with("&priority=2&retry=60&expire=3600&device=&sound=&ttl=5&html=1")
            && seen.body.is_empty(),
        "{}",
        seen.line
    );
}

#[tokio::test]
async fn telegram_sends_texts_only_and_escapes() {
    let receiver = "telegram_configs: [{api_url: 'URL', bot_token: tk, chat_id: -5, message: '{{ .CommonLabels.team }}', message_thread_id: 7, disable_notifications: true}]";
    let (line, body) = body_of(receiver, false).await;
    assert_eq!(line, "POST /bottk/sendMessage");
    assert_eq!(
        body,
        serde_json::json!({"chat_id": "-5", "text": "a&amp;b", "disable_web_page_preview": "true", "parse_mode": "HTML",
            "disable_notification": "true", "message_thread_id": "7"})
    );
    let refused = tell(receiver, &note(false), &[(400, "{\"ok\":false}")], Memory::new()).await;
    assert!(refused.result.unwrap_err().retries);
}

#[tokio::test]
async fn wechat_fetches_a_token_first() {
    let receiver = "wechat_configs: [{api_url: 'URL/', api_secret: s, corp_id: c, to_user: u, message: m}]";
    let answers = [(200, "{\"access_token\":\"tok\"}"), (200, "{\"errcode\":0}")];
    let outcome = tell(receiver, &note(false), &answers, Memory::new()).await;
    outcome.result.unwrap();
    assert_eq!(
        (outcome.seen[0].line.as_str(), outcome.seen[1].line.as_str()),
        ("GET /gettoken?corpid=c&corpsecret=s", "POST /message/send?access_token=tok")
    );
    assert_eq!(
        outcome.seen[1].json(),
        serde_json::json!({"text": {"content": "m"}, "touser": "u", "safe": "0", "msgtype": "text", "markdown": {"content": ""}})
    );
    let expired = [(200, "{\"access_token\":\"tok\"}"), (200, "{\"errcode\":42001}")];
    assert!(tell(receiver, &note(false), &expired, Memory::new()).await.result.unwrap_err().retries);
}

#[tokio::test]
async fn jira_makes_an_issue_and_moves_the_one_that_is_there() {
    let receiver = "jira_configs: [{api_url: 'URL/rest/api/2', project: P, issue_type: Bug, labels: [z], reopen_transition: Open, resolve_transition: Done, reopen_duration: 1h, fields: {x: '{{ 5 }}'}}]";
    let outcome = tell(receiver, &note(false), &[(200, "{\"issues\":[]}")], Memory::new()).await;
    outcome.result.unwrap();
    let search = outcome.seen[0].json();
    assert_eq!(outcome.seen[0].line, "POST /rest/api/2/search");
    let jql = search["jql"].as_str().unwrap();
    assert!(jql.starts_with("(resolutiondate is EMPTY OR resolutiondate >= -60m) and project=\"P\" and labels=\"ALERT{cc9772a1"), "{jql}");
    let fields = &outcome.seen[1].json()["fields"];
    assert_eq!(
        (&fields["issuetype"]["name"], &fields["labels"][1], &fields["x"]),
        (&"Bug".into(), &"z".into(), &5.into())
    );
    let found = (
        200,
        "{\"issues\":[{\"key\":\"P-1\",\"fields\":{\"status\":{\"statusCategory\":{\"key\":\"new\"}}}}]}",
    );
    let transitions = (200, "{\"transitions\":[{\"id\":\"9\",\"name\":\"Done\"}]}");
    let outcome = tell(receiver, &note(true), &[found, (204, ""), transitions], Memory::new()).await;
    outcome.result.unwrap();
    let lines: Vec<&str> = outcome.seen.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(
        lines[1..],
        [
            "PUT /rest/api/2/issue/P-1",
            "GET /rest/api/2/issue/P-1/transitions",
            "POST /rest/api/2/issue/P-1/transitions"
        ]
    );
    assert!(
        outcome.seen[0].json()["jql"].as_str().unwrap().starts_with("statusCategory != Done and project")
    );
    assert_eq!(outcome.seen[3].json()["transition"]["id"], "9");
}

#[tokio::test]
async fn sns_signs_a_form() {
    let receiver = "sns_configs: [{api_url: 'URL/', topic_arn: 'arn:x.fifo', message: 'a b', subject: '', attributes: {k: v}, sigv4: {region: r, access_key: a, secret_key: s}}]";
    let outcome = tell(receiver, &note(false), &[], Memory::new()).await;
    outcome.result.unwrap();
    let seen = &outcome.seen[0];
    assert!(
        seen.body.starts_with("Action=Publish&Message=a%20b&MessageAttributes.entry.1.Name=k&")
            && seen.body.contains("MessageGroupId=cc9772a1"),
        "{}",
        seen.body
    );
    let authorization = seen.headers["authorization"].to_str().unwrap();
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=a/")
            && authorization.contains("SignedHeaders=content-type;host;x-amz-date"),
        "{authorization}"
    );
}

#[tokio::test]
async fn incidentio_sends_version_one_with_a_token() {
    let outcome = tell(
        "incidentio_configs: [{url: 'URL', alert_source_token: t}]",
        &note(false),
        &[(429, "")],
        Memory::new(),
    )
    .await;
    assert!(outcome.result.unwrap_err().retries);
    assert_eq!(
        (&outcome.seen[0].headers["authorization"], &outcome.seen[0].json()["version"]),
        (&"Bearer t".parse().unwrap(), &"1".into())
    );
}

#[test]
fn texts_are_cut_with_an_ellipsis() {
    assert_eq!((cut_chars("abcdef", 5).0, cut_chars("abc", 2).0), ("abcd…".to_owned(), "ab".to_owned()));
    assert_eq!((cut_bytes("ééééé", 8).0, cut_bytes("abc", 3).0), ("éé…".to_owned(), "abc".to_owned()));
}
