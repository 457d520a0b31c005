//! The API keeps what its OpenAPI document says: every operation is asked with the document's examples, and each answer
//! compared with the schema of its status.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use axum::body::Body;
use http::Request;
use serde_json::Value;

use crate::site::{NOW_S, Series, Site};

const UP: Series<'_> = (&[("__name__", "up"), ("instance", "a:1"), ("job", "node")], &[0.0, 1.0, 1.0]);

/// Returns what `$ref` points to, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// Returns what is wrong with `value`; the words of JSON Schema that the document uses are known, others are not there.
fn violation(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let schema = resolved(document, schema);
    for (word, rule) in schema.as_object()? {
        let list = || rule.as_array().into_iter().flatten();
        let is_met = match word.as_str() {
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "number" => value.is_number(),
                "integer" => value.is_i64() || value.is_u64(),
                "boolean" => value.is_boolean(),
                other => panic!("{other}"),
            },
            "const" => value == rule,
            "enum" => list().any(|choice| choice == value),
            "required" => list().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "minLength" => !value.as_str().is_some_and(str::is_empty),
            "oneOf" | "anyOf" => list().any(|one| violation(document, one, value, at).is_none()),
            "allOf" => match list().find_map(|one| violation(document, one, value, at)) {
                Some(found) => return Some(found),
                None => true,
            },
            "properties" | "items" | "prefixItems" | "additionalProperties" | "description" => true,
            other => panic!("the document uses {other:?}, which this test does not know"),
        };
        if !is_met {
            return Some(format!("{at}: {word} {rule}: {value}"));
        }
    }
    let members = value.as_object().into_iter().flatten();
    let of_member =
        |name: &str| schema.pointer(&format!("/properties/{name}")).or(schema.get("additionalProperties"));
    let mut inner =
        members.filter_map(|(name, member)| Some((of_member(name)?, member, format!("{at}.{name}"))));
    if let Some(found) = inner.find_map(|(schema, member, at)| violation(document, schema, member, &at)) {
        return Some(found);
    }
    let items = value.as_array().into_iter().flatten().enumerate();
    let of_item = |idx: usize| schema.pointer(&format!("/prefixItems/{idx}")).or(schema.get("items"));
    let mut inner = items.filter_map(|(idx, item)| Some((of_item(idx)?, item, format!("{at}[{idx}]"))));
    inner.find_map(|(schema, item, at)| violation(document, schema, item, &at))
}

/// Path and parameters of an operation from the examples: all of them, or only what is required.
fn request(document: &Value, path: &str, operation: &Value, with_all: bool) -> (String, String) {
    let (mut path, mut query) = (path.to_owned(), url::form_urlencoded::Serializer::new(String::new()));
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = resolved(document, parameter);
        let name = parameter["name"].as_str().unwrap();
        let example = match &parameter["example"] {
            Value::Null => continue,
            Value::Array(items) => items[0].as_str().unwrap().to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if parameter["in"] == "path" {
            path = path.replace(&format!("{{{name}}}"), &example);
        } else if with_all || parameter["required"] == true {
            query.append_pair(name, &example);
        }
    }
    (format!("/api/v1{path}"), query.finish())
}

async fn check(
    site: &Site,
    document: &Value,
    method: &str,
    path: &str,
    query: &str,
    operation: &Value,
) -> u16 {
    let is_form = operation.get("requestBody").is_some();
    let uri = if is_form { path.to_owned() } else { format!("{path}?{query}") };
    let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(uri);
    if is_form {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    let body = if is_form { Body::from(query.to_owned()) } else { Body::empty() };
    let answer = site.ask(request.body(body).unwrap()).await;
    let status = answer.status.as_u16();
    let described = &operation["responses"][status.to_string()];
    let at = format!("{method} {path} {query}: {status}");
    assert!(described.is_object(), "{at} is not described: {}", answer.body);
    let Some(content) = resolved(document, described)["content"].as_object() else {
        assert!(answer.body.is_empty(), "{at}: {}", answer.body);
        return status;
    };
    let kind = answer.headers["content-type"].to_str().unwrap();
    let kind = kind.split(';').next().unwrap();
    let schema = content.get(kind).unwrap_or_else(|| panic!("{at}: {kind} is not described"));
    if kind == "application/json" {
        let found = violation(document, &schema["schema"], &answer.json(), "answer");
        assert_eq!(found, None, "{at}: {}", answer.body);
    }
    status
}

#[tokio::test]
async fn every_operation_keeps_the_contract_of_the_document() {
    let site = Site::with_admin(&[UP]).await;
    let text = site.get("/api/v1/openapi.yaml").await;
    assert_eq!(
        (text.status.as_u16(), &text.headers["content-type"]),
        (200, &"application/yaml".parse().unwrap())
    );
    let document: Value = serde_saphyr::from_str(&text.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let (mut n_asked, mut n_succeeded) = (0, 0);
    for (path, operations) in document["paths"].as_object().unwrap() {
        // It does not end by itself.
        for (method, operation) in
            operations.as_object().unwrap().iter().filter(|_| path != "/notifications/live")
        {
            for with_all in [false, true] {
                let (url, mut query) = request(&document, path, operation, with_all);
                if operation.get("requestBody").is_some() {
                    // Fields of forms are those of the operation without one.
                    (_, query) = request(&document, path, &operations["get"], with_all);
                }
                let status = check(&site, &document, method, &url, &query, operation).await;
                n_asked += 1;
                n_succeeded += usize::from(status < 300);
            }
            // What nobody can have meant.
            for query in ["query=%28&start=x&step=x&match[]=%7B&labels=x&limit=x", ""] {
                let (url, _) = request(&document, path, operation, false);
                check(&site, &document, method, &url, query, operation).await;
                n_asked += 1;
            }
        }
    }
    // The pool of the example is not there, and searching is off.
    assert!(n_asked > 180 && n_succeeded > 75, "{n_asked} {n_succeeded}");
}

#[tokio::test]
async fn the_document_comes_in_two_forms() {
    let site = Site::with(&[]).await;
    let newer = site.get("/api/v1/openapi.yaml?openapi_version=3.2").await;
    assert!(newer.body.starts_with("openapi: 3.2.0\n"));
    assert_eq!(site.get("/api/v1/openapi.yaml?openapi_version=2").await.status, 400);
}

#[tokio::test]
async fn searches_answer_in_lines() {
    let site = Site::with_search(&[UP, (&[("__name__", "load"), ("job", "node")], &[1.0])]).await;
    let lines = async |path: &str| -> Vec<Value> {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/x-ndjson; charset=utf-8");
        answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let found = lines("/api/v1/search/metric_names?batch_size=1&include_score=true").await;
    assert_eq!(found[0], serde_json::json!({"results": [{"name": "load", "score": 1}]}));
    assert_eq!(found[2], serde_json::json!({"status": "success", "has_more": false}));
    let found = lines("/api/v1/search/label_values?label=job&limit=1").await;
    assert_eq!(found[0]["results"][0]["value"], "node");
    let found = lines("/api/v1/search/label_names?search[]=inst&match[]=load").await;
    assert_eq!(found, [serde_json::json!({"status": "success", "has_more": false})]);
    let found = lines(&format!("/api/v1/search/label_names?search[]=inst&end={NOW_S}")).await;
    assert_eq!(found[0]["results"][0]["name"], "instance");
}

#[tokio::test]
async fn what_a_person_should_know_is_listed() {
    let (mut site, server) = Site::stopped(&[]);
    let texts = async |site: &Site| -> Vec<String> {
        let list = site.get("/api/v1/notifications").await.json()["data"].clone();
        list.as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&site).await.len(), 1, "it is starting");
    site.run(server).await;
    assert_eq!(texts(&site).await.len(), 0);
    std::fs::write(site.folder.path().join("prometheus.yml"), "nonsense: 1\n").unwrap();
    assert_eq!(site.post("/-/reload", "").await.status, 500);
    assert_eq!(texts(&site).await, ["Configuration reload has failed."]);
    std::fs::write(site.folder.path().join("prometheus.yml"), "").unwrap();
    assert_eq!(site.post("/-/reload", "").await.status, 200);
    assert_eq!(texts(&site).await.len(), 0);
}

#[tokio::test]
async fn the_server_tells_its_own_metrics_and_blocks() {
    let site = Site::with(&[UP]).await;
    let found =
        site.get("/api/v1/status/self_metrics?metric_name_pattern=prometheus_(ready|http.*)").await.json();
    assert_eq!(found["data"][0]["name"], "prometheus_ready");
    assert_eq!(found["data"][0]["metric"][0]["gauge"]["value"], 1);
    let blocks = site.get("/api/v1/status/tsdb/blocks").await.json();
    assert!(blocks["data"]["blocks"].is_array());
    assert_eq!(site.get("/api/v1/status/self_metrics?metric_name_pattern=(").await.status, 400);
}

#[tokio::test]
async fn consoles_are_templates_with_queries_and_files_are_files() {
    let site = Site::with_pages(&[UP]).await;
    let folder = site.folder.path();
    std::fs::create_dir_all(folder.join("consoles")).unwrap();
    std::fs::create_dir_all(folder.join("libraries")).unwrap();
    std::fs::write(
        folder.join("consoles/a.html"),
        "{{ template \"head\" . }}<p>{{ range query \"up\" }}{{ .Labels.instance }}={{ .Value }}{{ end }}</p>\
         {{ $params.x }}|{{ index .RawParams.x 1 }}|{{ $path }}|{{ tmpl \"bold\" \"<b>\" }}",
    )
    .unwrap();
    std::fs::write(
        folder.join("libraries/a.lib"),
        "{{ define \"head\" }}<h1>{{ .Path }}</h1>{{ end }}{{ define \"bold\" }}<i>{{ . }}</i>{{ end }}",
    )
    .unwrap();
    let page = site.get("/consoles/a.html?x=%3C1%3E&x=2").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.body, "<h1>a.html</h1><p>a:1=1</p>&lt;1&gt;|2|a.html|<i>&lt;b&gt;</i>");
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    std::fs::write(folder.join("consoles/bad.html"), "{{ nope }}").unwrap();
    assert_eq!(site.get("/consoles/bad.html").await.status, 500);
    for path in ["/consoles/none.html", "/user/none.css", "/user/%2e%2e/prometheus.yml"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    // Nothing is looked up before a path is clean.
    let above = site.get("/consoles/../prometheus.yml").await;
    assert_eq!(
        (above.status.as_u16(), &above.headers["location"]),
        (301, &"/prometheus.yml".parse().unwrap())
    );
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    std::fs::write(folder.join("assets/own.css"), "p {}").unwrap();
    let asset = site.get("/user/own.css").await;
    assert_eq!(
        (asset.body.as_str(), &asset.headers["content-type"]),
        ("p {}", &"text/css; charset=utf-8".parse().unwrap())
    );
}
