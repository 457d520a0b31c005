//! Endpoints of `/api/v1`. What is expected is written from the API's description, not from our output.

use http::Request;

use crate::site::{NOW_S, Series, Site};

const UP: Series<'_> = (&[("__name__", "up"), ("instance", "a:1"), ("job", "node")], &[0.0, 1.0, 1.0]);
const LOAD: Series<'_> = (&[("__name__", "load"), ("job", "node")], &[0.5, 1e-7, f64::INFINITY]);

async fn check(site: &Site, path: &str, want: &str) {
    let answer = site.get(path).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, want), "{path}");
    assert_eq!(answer.headers["content-type"], "application/json");
}

#[tokio::test]
async fn queries_answer_in_the_form_of_the_reference() {
    let site = Site::with(&[UP, LOAD]).await;
    let metric = r#"{"__name__":"up","instance":"a:1","job":"node"}"#;
    let vector = format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{metric},"value":[{NOW_S},"1"]}}]}}}}"#
    );
    check(&site, "/api/v1/query?query=up", &vector).await;
    check(&site, &format!("/api/v1/query?query=up&time={NOW_S}.0&timeout=10s&lookback_delta=1m"), &vector)
        .await;
    let (a, b) = (NOW_S - 20, NOW_S - 10);
    let matrix = format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{metric},"values":[[{a},"0"],[{b},"1"],[{NOW_S},"1"]]}}]}}}}"#
    );
    check(&site, &format!("/api/v1/query_range?query=up&start={a}&end={NOW_S}&step=10"), &matrix).await;
    check(&site, "/api/v1/query?query=up[30s]", &matrix).await;
    check(
        &site,
        "/api/v1/query?query=load&time=1699999990.5",
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"load","job":"node"},"value":[1699999990.500,"1e-07"]}]}}"#,
    )
    .await;
    check(
        &site,
        "/api/v1/query?query=1%2F0",
        &format!(r#"{{"status":"success","data":{{"resultType":"scalar","result":[{NOW_S},"+Inf"]}}}}"#),
    )
    .await;
    check(
        &site,
        "/api/v1/query?query=%22a%22",
        &format!(r#"{{"status":"success","data":{{"resultType":"string","result":[{NOW_S},"a"]}}}}"#),
    )
    .await;
    check(
        &site,
        "/api/v1/query?query=none",
        r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_form_in_the_body_is_as_good_as_a_query_in_the_url() {
    let site = Site::with(&[UP]).await;
    let posted = site.post("/api/v1/query", "query=up").await;
    assert_eq!(posted.body, site.get("/api/v1/query?query=up").await.body);
    let both = site.post("/api/v1/query?query=nonsense(", "query=up").await;
    assert_eq!(both.body, posted.body, "the body wins over the URL");
    let shouted =
        Request::post("/api/v1/query").header("content-type", "Application/X-WWW-Form-URLencoded; a=b");
    let shouted = site.ask(shouted.body("query=up".into()).unwrap()).await;
    assert_eq!(shouted.body, posted.body, "media types know no case");
    let series = site.post("/api/v1/series", "match%5B%5D=up").await;
    assert_eq!(
        series.body,
        r#"{"status":"success","data":[{"__name__":"up","instance":"a:1","job":"node"}]}"#
    );
}

#[tokio::test]
async fn what_exists_is_listed_and_cut_at_the_limit() {
    let site = Site::with(&[UP, LOAD]).await;
    let cut = r#""warnings":["results truncated due to limit"]"#;
    check(&site, "/api/v1/labels", r#"{"status":"success","data":["__name__","instance","job"]}"#).await;
    check(&site, "/api/v1/labels?match[]=load", r#"{"status":"success","data":["__name__","job"]}"#).await;
    check(&site, "/api/v1/labels?limit=3", r#"{"status":"success","data":["__name__","instance","job"]}"#)
        .await;
    check(&site, "/api/v1/labels?limit=1", &format!(r#"{{"status":"success","data":["__name__"],{cut}}}"#))
        .await;
    check(&site, "/api/v1/label/__name__/values", r#"{"status":"success","data":["load","up"]}"#).await;
    check(&site, "/api/v1/label/U____name__/values", r#"{"status":"success","data":[]}"#).await;
    check(&site, "/api/v1/label/none/values", r#"{"status":"success","data":[]}"#).await;
    check(
        &site,
        "/api/v1/series?match[]=up&match[]=%7Bjob=%22node%22%7D&limit=1",
        &format!(r#"{{"status":"success","data":[{{"__name__":"load","job":"node"}}],{cut}}}"#),
    )
    .await;
    let nothing = r#"{"status":"success","data":[]}"#;
    check(&site, "/api/v1/series?match[]=up&end=1", nothing).await;
    for path in ["series?match[]=up", "labels?a=b", "label/job/values?a=b"] {
        check(&site, &format!("/api/v1/{path}&start=2&end=1"), nothing).await;
    }
    check(&site, "/api/v1/metadata?limit=-1", r#"{"status":"success","data":{}}"#).await;
    let cut_vector = site.get("/api/v1/query?query=%7Bjob=%22node%22%7D&limit=1").await.json();
    assert_eq!(cut_vector["data"]["result"].as_array().unwrap().len(), 1);
    assert_eq!(cut_vector["warnings"][0], "results truncated due to limit");
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let site = Site::with(&[UP]).await;
    let check = async |path: &str, error: &str| {
        let answer = site.get(&format!("/api/v1/{path}")).await;
        let body = answer.json();
        let got =
            (answer.status.as_u16(), &body["status"], &body["errorType"], body["error"].as_str().unwrap());
        assert_eq!(got.0, 400, "{path}: {}", answer.body);
        assert_eq!((got.1, got.2), (&"error".into(), &"bad_data".into()), "{path}");
        assert!(got.3.contains(error), "{path}: {}", got.3);
        assert!(body.get("data").is_none(), "{path}: an error has no data");
    };
    check("query?query=sum(", "invalid parameter \"query\": 1:5: parse error: ").await;
    check("query", "invalid parameter \"query\": ").await;
    check("query?query=up&time=yesterday", "invalid parameter \"time\": ").await;
    check(
        "query?query=up&timeout=soon",
        "invalid parameter \"timeout\": cannot parse \"soon\" to a valid duration",
    )
    .await;
    check("query?query=up&limit=-1", "invalid parameter \"limit\": limit must be non-negative").await;
    check(
        "query_range?query=up&end=1&step=1",
        "invalid parameter \"start\": cannot parse \"\" to a valid timestamp",
    )
    .await;
    check("query_range?query=up&start=0&step=1", "invalid parameter \"end\": ").await;
    check(
        "query_range?query=up&start=0&end=1",
        "invalid parameter \"step\": cannot parse \"\" to a valid duration",
    )
    .await;
    let early = "invalid parameter \"end\": end timestamp must not be before start time";
    check("query_range?query=up&start=2&end=1&step=1", early).await;
    let zero = "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer";
    check("query_range?query=up&start=1&end=2&step=0", zero).await;
    check("query_range?query=up&start=1&end=2&step=-1", zero).await;
    let fine = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
    check("query_range?query=up&start=0&end=11001&step=1", fine).await;
    check("series", "no match[] parameter provided").await;
    check("series?match[]=up%7B", "invalid parameter \"match[]\": ").await;
    check("series?match[]=%7Ba=%22%22%7D", "match[] must contain at least one non-empty matcher").await;
    check("labels?match[]=%7B%7D", "match[] must contain at least one non-empty matcher").await;
    check("status/tsdb?limit=0", "limit must be").await;
    check("metadata?limit=x", "limit must be a number").await;
    check("metadata?limit_per_metric=x", "limit_per_metric must be a number").await;
    check("targets/metadata?match_target=%7B", "invalid parameter \"match_target\": 1:2: parse error").await;
    check("label/%ff/values", "invalid label name").await;
    check("rules?type=x", "invalid parameter \"type\": not supported value \"x\"").await;
    check("query_exemplars?query=up&start=2&end=1", "end timestamp must not be before start timestamp").await;
    check("format_query?query=(", "invalid parameter \"query\": ").await;
    let most = site.get("/api/v1/query_range?query=up&start=0&end=11000&step=1").await;
    assert_eq!(most.status, 200, "11,000 intervals are allowed: {}", most.body);
}

#[tokio::test]
async fn failures_of_evaluation_have_their_own_status() {
    let twice: Series<'_> = (&[("__name__", "up"), ("instance", "b:1"), ("job", "node")], &[1.0]);
    let site = Site::with(&[UP, twice]).await;
    let query = "label_replace(up,%22instance%22,%22x%22,%22%22,%22%22)";
    let answer = site.get(&format!("/api/v1/query?query={query}")).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["errorType"]),
        (422, &"execution".into()),
        "{}",
        answer.body
    );
    let late = site.get("/api/v1/query?query=up&timeout=0.000000001").await;
    assert_eq!((late.status.as_u16(), &late.json()["errorType"]), (503, &"timeout".into()), "{}", late.body);
}

#[tokio::test]
async fn a_large_answer_comes_in_chunks_and_is_whole() {
    let site = Site::with(&[UP]).await;
    let path = format!("/api/v1/query_range?query=vector(1)&start={}&end={NOW_S}&step=1", NOW_S - 10_000);
    let answer = site.get(&path).await;
    assert_eq!(answer.status, 200);
    let values = answer.json()["data"]["result"][0]["values"].as_array().unwrap().len();
    assert_eq!(values, 10_001);
    assert!(answer.body.len() > 2 * 64 * 1024 && answer.headers.get("content-length").is_none());
}

#[tokio::test]
async fn statistics_are_told_on_request() {
    let site = Site::with(&[UP]).await;
    assert!(site.get("/api/v1/query?query=up").await.json()["data"].get("stats").is_none());
    let stats = site.get("/api/v1/query?query=up&stats=true").await.json()["data"]["stats"].clone();
    for timing in [
        "evalTotalTime",
        "resultSortTime",
        "queryPreparationTime",
        "innerEvalTime",
        "execQueueTime",
        "execTotalTime",
    ] {
        assert!(stats["timings"][timing].is_number(), "{timing} in {stats}");
    }
    assert!(stats["samples"]["totalQueryableSamples"].is_u64() && stats["samples"]["peakSamples"].is_u64());
    let odd = site.get("/api/v1/query?query=up&stats=maybe").await.json();
    assert!(odd["data"]["stats"].is_object() && odd["warnings"].as_array().unwrap().len() == 1);
}

#[tokio::test]
async fn the_state_of_the_server_is_told() {
    let site = Site::with(&[UP]).await;
    let data = async |path: &str| site.get(&format!("/api/v1/{path}")).await.json()["data"].clone();
    assert_eq!(data("status/buildinfo").await["version"], "3.14.0");
    assert!(data("status/config").await["yaml"].as_str().unwrap().contains("scrape_interval: 15s"));
    let runtime = data("status/runtimeinfo").await;
    assert_eq!(
        (&runtime["reloadConfigSuccess"], &runtime["startTime"]),
        (&true.into(), &"2023-11-14T22:13:20Z".into())
    );
    let tsdb = data("status/tsdb").await;
    assert_eq!(tsdb["headStats"]["numSeries"], 1);
    assert_eq!(tsdb["headStats"]["minTime"], (NOW_S - 20) * 1000);
    assert_eq!(tsdb["seriesCountByMetricName"][0], serde_json::json!({"name": "up", "value": 1}));
    assert!(data("status/walreplay").await["current"].is_u64());
    assert_eq!(data("scrape_pools").await, serde_json::json!({"scrapePools": []}));
    assert_eq!(data("targets").await["activeTargets"], serde_json::json!([]));
    assert_eq!(data("rules").await, serde_json::json!({"groups": []}));
    assert_eq!(data("alerts").await, serde_json::json!({"alerts": []}));
    assert_eq!(data("query_exemplars?query=up").await, serde_json::json!([]));
    assert_eq!(site.get("/api/v1/query_exemplars?query=1").await.status, 204);
    assert_eq!(data("format_query?query=sum(up)by(job)").await, "sum by (job) (up)");
    let tree = data("parse_query?query=up%20offset%205m").await;
    assert_eq!(
        (&tree["type"], &tree["name"], &tree["offset"]),
        (&"vectorSelector".into(), &"up".into(), &300_000.into())
    );
    let page = site.get("/federate?match[]=up").await.body;
    assert_eq!(page, "# TYPE up untyped\nup{instance=\"a:1\",job=\"node\"} 1 1700000000000\n");
    assert_eq!(site.get("/federate?match[]=up{").await.status, 400);
    for path in ["/api/v1/nothing", "/debug/nothing", "/consoles/a.html"] {
        let answer = site.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, "404 page not found\n"), "{path}");
    }
    let admin = site.post("/api/v1/admin/tsdb/delete_series?match[]=up", "").await;
    assert_eq!((admin.status.as_u16(), &admin.json()["error"]), (500, &"admin APIs disabled".into()));
}

#[tokio::test]
async fn relabeling_shows_what_it_drops_and_how() {
    let (mut site, server) = Site::stopped(&[UP]);
    let rules = "{source_labels: [__address__], regex: '(.*):.*', target_label: host}, \
                 {source_labels: [host], regex: b, action: drop}, \
                 {regex: '__.*', action: labeldrop}";
    let config = format!(
        "scrape_configs:\n- job_name: j\n  keep_dropped_targets: 1\n  relabel_configs: [{rules}]\n  \
         static_configs: [{{targets: ['b:1', 'b:2']}}]\n"
    );
    std::fs::write(site.folder.path().join("prometheus.yml"), config).unwrap();
    site.run(server).await;
    assert_eq!(site.post("/-/reload", "").await.status, 200);
    let targets = site.get("/api/v1/targets").await.json()["data"].clone();
    assert_eq!(
        (&targets["activeTargets"], &targets["droppedTargetCounts"]["j"]),
        (&serde_json::json!([]), &2.into())
    );
    assert_eq!(targets["droppedTargets"].as_array().unwrap().len(), 1);
    assert_eq!(targets["droppedTargets"][0]["discoveredLabels"]["__address__"], "b:1");
    let steps = async |query: &str| site.get(&format!("/api/v1/targets/relabel_steps?{query}")).await.json();
    let kept = steps("scrapePool=j&labels=%7B%22__address__%22:%22a:1%22%7D").await;
    assert_eq!(
        kept["data"]["steps"][0],
        serde_json::json!({
            "rule": {
                "action": "replace", "regex": "(.*):.*", "sourceLabels": ["__address__"], "separator": ";",
                "targetLabel": "host", "replacement": "$1",
            },
            "output": {"__address__": "a:1", "host": "a"},
            "keep": true,
        })
    );
    assert_eq!(kept["data"]["steps"][2]["output"], serde_json::json!({"host": "a"}));
    let dropped = steps("scrapePool=j&labels=%7B%22__address__%22:%22b:1%22%7D").await;
    let all = dropped["data"]["steps"].as_array().unwrap();
    assert_eq!((all.len(), &all[1]["keep"], &all[1]["output"]), (2, &false.into(), &serde_json::json!({})));
    for (query, want) in [
        ("labels=%7B%7D", "no scrapePool parameter provided"),
        ("scrapePool=j", "no labels parameter provided"),
        ("scrapePool=x&labels=%7B%7D", "error getting scrape config: unknown scrape pool \"x\""),
        ("scrapePool=j&labels=%5B1%5D", "error parsing labels: "),
    ] {
        let answer = steps(query).await;
        assert!(answer["error"].as_str().unwrap().starts_with(want), "{query}: {answer}");
        assert_eq!(answer["errorType"], "bad_data");
    }
}

#[tokio::test]
async fn a_query_is_linted_with_what_the_server_knows() {
    let site = Site::with(&[UP]).await;
    check(
        &site,
        "/api/v1/query_lint?query=rate(up[20s])",
        concat!(
            r#"{"status":"success","data":{"errors":[],"findings":[{"code":"rate-of-gauge","severity":"warning","#,
            r#""start":0,"end":13,"line":1,"column":1,"#,
            r#""message":"rate() of up, which is a gauge: every drop counts as a reset","#,
            r#""suggestion":"use delta, deriv or avg_over_time, or the counter it comes from"},"#,
            r#"{"code":"range-too-short","severity":"warning","start":5,"end":12,"line":1,"column":6,"#,
            r#""message":"a window of 20000 ms cannot hold two samples that are 15000 ms apart","#,
            r#""suggestion":"use at least four times the scrape interval"}]}}"#
        ),
    )
    .await;
    let errors = site.get("/api/v1/query_lint?query=rate(up)%20/%20(").await.json();
    let errors: Vec<&str> =
        errors["data"]["errors"].as_array().unwrap().iter().map(|e| e["message"].as_str().unwrap()).collect();
    assert_eq!(
        errors,
        [
            "unclosed left parenthesis",
            "expected type range vector in call to function \"rate\", got instant vector"
        ]
    );
}

#[tokio::test]
async fn other_methods_and_spellings_are_answered_as_by_the_reference() {
    let site = Site::with(&[UP]).await;
    let ask = async |method: &str, path: &str| {
        site.ask(Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap()).await
    };
    // Answers of prometheus 2.42.
    for (method, path, allowed) in [
        ("PUT", "/api/v1/query?query=1", "GET, OPTIONS, POST"),
        ("HEAD", "/api/v1/query?query=1", "GET, OPTIONS, POST"),
        ("HEAD", "/api/v1/label/job/values", "GET, OPTIONS"),
        ("POST", "/api/v1/targets", "GET, OPTIONS"),
        ("HEAD", "/metrics", "GET, OPTIONS"),
        ("DELETE", "/federate", "GET, OPTIONS"),
        ("PATCH", "/-/healthy", "GET, HEAD, OPTIONS"),
        ("GET", "/api/v1/admin/tsdb/snapshot", "OPTIONS, POST, PUT"),
        ("GET", "/api/v1/write", "OPTIONS, POST"),
    ] {
        let answer = ask(method, path).await;
        let seen = (answer.status.as_u16(), answer.headers["allow"].to_str().unwrap());
        assert_eq!(seen, (405, allowed), "{method} {path}");
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(answer.body, if method == "HEAD" { "" } else { "Method Not Allowed\n" });
    }
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(ask("HEAD", path).await.status, 200, "{path}");
    }
    for (path, hint) in [
        (
            "/api/v1/write",
            "remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n",
        ),
        (
            "/api/v1/otlp/v1/metrics",
            "otlp write receiver needs to be enabled with --web.enable-otlp-receiver\n",
        ),
    ] {
        let answer = ask("POST", path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, hint));
    }
    for (path, clean) in [
        ("//api/v1/query?query=1", "/api/v1/query?query=1"),
        ("/metrics/", "/metrics"),
        ("/api/v1/labels/?limit=1", "/api/v1/labels?limit=1"),
    ] {
        let answer = ask("GET", path).await;
        assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (301, clean));
    }
    let answer = ask("GET", "/api/nothing").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, "404 page not found\n"));
    // Steps that were asked for count, not those that a millisecond leaves.
    assert_eq!(site.get("/api/v1/query_range?query=1&start=0&end=10&step=1e-4").await.status, 400);
}
