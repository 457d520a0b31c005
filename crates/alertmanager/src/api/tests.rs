//! Requests against the router, without a listener.

use axum::http::Request;
use tower::ServiceExt;

use super::*;
use crate::manager::testing::{manager, run_for_tests};

async fn ask(router: &Router, method: &str, uri: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
    let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

const CONFIG: &str = "
route: {receiver: 'team a', group_by: [alertname], routes: [{matchers: ['x=y'], receiver: b}]}
receivers: [{name: 'team a', labels: {tier: '1'}}, {name: b}]
inhibit_rules: [{source_matchers: ['s=crit'], target_matchers: ['s=warn']}]
";

#[tokio::test]
async fn bad_requests_are_refused_in_the_words_of_the_original() {
    let (manager, _folder) = manager(CONFIG);
    let router = manager.router();
    for (method, uri, body, status, want) in [
        ("GET", "/api/v2/nope", "", 404, "{\"code\":404,\"message\":\"path /api/v2/nope was not found\"}\n"),
        (
            "PUT",
            "/api/v2/alerts",
            "",
            405,
            "{\"code\":405,\"message\":\"method PUT is not allowed, but [GET,POST] are\"}\n",
        ),
        (
            "GET",
            "/api/v2/silence/abc",
            "",
            422,
            "{\"code\":601,\"message\":\"silenceID in path must be of type uuid: \\\"abc\\\"\"}\n",
        ),
        ("GET", "/api/v2/silence/00000000-0000-4000-8000-000000000000", "", 404, ""),
        ("DELETE", "/api/v2/silence/00000000-0000-4000-8000-000000000000", "", 404, ""),
        (
            "POST",
            "/api/v2/silences",
            "{}",
            422,
            "{\"code\":602,\"message\":\"comment in body is required\"}\n",
        ),
        (
            "POST",
            "/api/v2/alerts",
            "[{}]",
            422,
            "{\"code\":602,\"message\":\"0.labels in body is required\"}\n",
        ),
        ("POST", "/api/v2/alerts", "[{\"labels\":{}}]", 400, "\"at least one label pair required\"\n"),
        ("GET", "/api/v2/alerts?filter=x", "", 400, "\"bad matcher format: x\"\n"),
        ("GET", "/api/v2/alerts?filter=%7Ba%3Db%7D", "", 400, "\"unexpected open or close brace: {a=b}\"\n"),
    ] {
        assert_eq!(ask(&router, method, uri, body).await, (status, want.to_owned()), "{method} {uri} {body}");
    }
    assert_eq!(ask(&router, "POST", "/api/v2/alerts", "{").await.0, 400);
    assert_eq!(ask(&router, "GET", "/api/v1/alerts", "").await.0, 410);
    let text = Request::builder().method("POST").uri("/api/v2/alerts").header("content-type", "text/plain");
    let response = router.clone().oneshot(text.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status().as_u16(), 415);
    let (status, body) = ask(&router, "GET", "/api/v2/alerts?receiver=(", "").await;
    assert!(
        status == 400 && body.starts_with("\"failed to parse receiver param: error parsing regexp"),
        "{body}"
    );
}

#[tokio::test]
async fn alerts_are_posted_filtered_silenced_and_inhibited() {
    let (manager, _folder) = manager(CONFIG);
    let router = manager.router();
    let alerts = r#"[
        {"labels": {"alertname": "A", "s": "crit"}, "startsAt": "2026-11-21T12:00:00.1234+02:00", "generatorURL": "http://g/"},
        {"labels": {"alertname": "A", "s": "warn"}, "annotations": {"k": "<v>"}},
        {"labels": {"alertname": "B", "x": "y", "empty": ""}}
    ]"#;
    assert_eq!(ask(&router, "POST", "/api/v2/alerts", alerts).await, (200, String::new()));
    let list = |query: &'static str| {
        let router = router.clone();
        async move {
            let (status, body) = ask(&router, "GET", &format!("/api/v2/alerts?{query}"), "").await;
            assert_eq!(status, 200, "{body}");
            let json: Json = serde_json::from_str(&body).unwrap();
            json.as_array().unwrap().clone()
        }
    };
    assert_eq!(list("").await.len(), 3);
    assert_eq!(list("inhibited=false").await.len(), 2);
    assert_eq!(list("active=no").await.len(), 1);
    assert_eq!(list("receiver=b").await.len(), 1);
    assert_eq!(list("receiver_matchers=tier%3D1&filter=s%3Dcrit").await.len(), 1);
    let crit = list("filter=s%3Dcrit").await.remove(0);
    assert_eq!(crit["startsAt"], "2026-11-21T12:00:00.123+02:00");
    assert_eq!(crit["receivers"][0]["name"], "team a");
    let warn = list("filter=s%3Dwarn").await.remove(0);
    assert_eq!(
        (&warn["status"]["state"], &warn["status"]["inhibitedBy"][0]),
        (&"suppressed".into(), &crit["fingerprint"])
    );
    let silence = r#"{"matchers": [{"name": "x", "value": "y|z", "isRegex": true}], "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2100-01-01T00:00:00Z", "createdBy": "me", "comment": "c"}"#;
    let (status, body) = ask(&router, "POST", "/api/v2/silences", silence).await;
    assert_eq!(status, 200, "{body}");
    let id = serde_json::from_str::<Json>(&body).unwrap()["silenceID"].as_str().unwrap().to_owned();
    assert_eq!(list("silenced=false").await.len(), 2);
    let (_, body) = ask(&router, "GET", "/api/v2/silences?filter=x%3D~%22y%7Cz%22", "").await;
    assert!(body.contains(&id) && body.contains("\"isEqual\":true"), "{body}");
    assert_eq!(ask(&router, "GET", "/api/v2/silences?filter=x%3Dy", "").await.1, "[]\n");
    assert_eq!(ask(&router, "DELETE", &format!("/api/v2/silence/{id}"), "").await.0, 200);
    assert_eq!(list("silenced=false").await.len(), 3);
    let (_, body) = ask(&router, "GET", "/api/v2/alerts/groups?receiver=team.*", "").await;
    let groups: Json = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (groups.as_array().unwrap().len(), groups[0]["alerts"].as_array().unwrap().len()),
        (1, 2),
        "{body}"
    );
}

#[tokio::test]
async fn status_health_and_metrics_answer() {
    let (manager, _folder) = manager(CONFIG);
    let router = manager.router();
    assert_eq!(ask(&router, "GET", "/-/healthy", "").await, (200, "OK".to_owned()));
    assert_eq!(ask(&router, "GET", "/-/ready", "").await.0, 200);
    let (_, body) = ask(&router, "GET", "/api/v2/status", "").await;
    let status: Json = serde_json::from_str(&body).unwrap();
    assert!(status["config"]["original"].as_str().unwrap().contains("receiver: \"team a\""), "{body}");
    let (_, body) = ask(&router, "GET", "/api/v2/receivers", "").await;
    assert_eq!(
        body,
        "[{\"labels\":{\"name\":\"team a\",\"tier\":\"1\"},\"name\":\"team a\"},{\"labels\":{\"name\":\"b\"},\"name\":\"b\"}]\n"
    );
    let (_, page) = ask(&router, "GET", "/metrics", "").await;
    for want in [
        "alertmanager_notifications_failed_total{integration=\"webhook\",reason=\"rateLimited\"} 0",
        "alertmanager_config_last_reload_successful 1",
        "alertmanager_alerts{state=\"active\"} 0",
        "alertmanager_receivers 2",
    ] {
        assert!(page.contains(want), "{want}\n{page}");
    }
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let (manager, folder) = manager(CONFIG);
    let router = manager.router();
    ask(&router, "POST", "/api/v2/alerts", r#"[{"labels": {"alertname": "A"}}]"#).await;
    std::fs::write(folder.path().join("alertmanager.yml"), "route: {}\n").unwrap();
    let (status, body) = ask(&router, "POST", "/-/reload", "").await;
    assert!(status == 500 && body.starts_with("failed to reload config: "), "{status} {body}");
    std::fs::write(folder.path().join("alertmanager.yml"), "route: {receiver: c}\nreceivers: [{name: c}]\n")
        .unwrap();
    assert_eq!(ask(&router, "POST", "/-/reload", "").await, (200, String::new()));
    let (_, body) = ask(&router, "GET", "/api/v2/alerts/groups", "").await;
    assert!(body.contains("\"receiver\":{\"name\":\"c\"}"), "{body}");
    run_for_tests(manager).await;
    assert!(folder.path().join("data/nflog").exists());
}

/// Refuses every notification.
async fn forbidding() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().fallback(|| async { (StatusCode::FORBIDDEN, "not you") });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_tells_where_an_alert_stands_and_what_became_of_it() {
    let config = format!(
        "route: {{receiver: w, group_by: [alertname], group_wait: 1ms, group_interval: 1h}}\n\
         receivers: [{{name: w, webhook_configs: [{{url: '{}'}}]}}]\n",
        forbidding().await
    );
    let (manager, _folder) = manager(&config);
    let router = manager.router();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(manager.clone().run(stop.clone()));
    let silence = r#"{"matchers":[{"name":"alertname","value":"B","isRegex":false}],"startsAt":"2026-01-01T00:00:00Z",
        "endsAt":"2100-01-01T00:00:00Z","createdBy":"me","comment":"c"}"#;
    let (_, made) = ask(&router, "POST", "/api/v2/silences", silence).await;
    let made: Json = serde_json::from_str(&made).unwrap();
    let alerts = r#"[{"labels":{"alertname":"A"}},{"labels":{"alertname":"B"}}]"#;
    assert_eq!(ask(&router, "POST", "/api/v2/alerts", alerts).await.0, 200);
    let why = async |name: &str| -> Json {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let uri = format!("/api/v2/alerts/why?filter=alertname%3D%22{name}%22");
            let (status, body) = ask(&router, "GET", &uri, "").await;
            let mut found: Json = serde_json::from_str(&body).unwrap();
            if status == 200 && found[0]["history"][0].is_object() {
                return found[0].take();
            }
            assert!(std::time::Instant::now() < deadline, "{body}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let a = why("A").await;
    assert_eq!((&a["now"]["state"], &a["now"]["routes"][0]["receiver"]), (&"active".into(), &"w".into()));
    assert!(a["now"]["routes"][0]["nextFlush"].is_string(), "{a}");
    let event = &a["history"][0];
    assert_eq!((&event["outcome"], &event["integration"]), (&"failed".into(), &"webhook[0]".into()), "{a}");
    assert_eq!(event["why"], "unexpected status code 403: not you");
    let b = why("B").await;
    assert_eq!((&b["now"]["state"], &b["now"]["silencedBy"][0]), (&"suppressed".into(), &made["silenceID"]));
    assert_eq!(
        (&b["history"][0]["outcome"], &b["history"][0]["by"][0]),
        (&"silenced".into(), &made["silenceID"])
    );
    assert_eq!(ask(&router, "GET", "/api/v2/alerts/why", "").await.0, 400);
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_receiver_is_tried_without_the_log() {
    let config = format!(
        "route: {{receiver: n}}\nreceivers: [{{name: n}}, {{name: w, webhook_configs: [{{url: '{}'}}]}}]\n",
        forbidding().await
    );
    let (manager, _folder) = manager(&config);
    let router = manager.router();
    let (status, body) = ask(&router, "POST", "/api/v2/receivers/test", r#"{"receiver":"w"}"#).await;
    let result: Json = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &result[0]["ok"], &result[0]["reason"]),
        (200, &false.into(), &"authError".into()),
        "{body}"
    );
    assert_eq!(manager.with_state(|state| state.log.len()), 0);
    let tried = async |body: &str| ask(&router, "POST", "/api/v2/receivers/test", body).await;
    assert_eq!(tried(r#"{"receiver":"n"}"#).await, (200, "[]\n".to_owned()));
    assert_eq!(tried(r#"{"receiver":"x"}"#).await.0, 404);
    assert_eq!(tried("{}").await.0, 422);
    assert_eq!(tried(r#"{"receiver":"w","labels":{"":"x"}}"#).await.0, 400);
}
