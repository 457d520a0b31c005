//! The file format as a whole, and the conformance files that this keys reach.

mod refusals;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

fn problems(text: &str) -> Vec<String> {
    match load(text, Path::new("prometheus.yml")) {
        Ok(config) => panic!("{config:?}"),
        Err(ConfigError::Invalid { problems, .. }) => problems.iter().map(ToString::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn an_empty_file_gives_the_defaults() {
    for text in ["", "# nothing\n", "global:\n", "{}", "scrape_configs: []\nrule_files:\n"] {
        assert_eq!(load(text, Path::new("p.yml")).unwrap(), Config::default(), "{text:?}");
    }
}

#[test]
fn a_job_inherits_from_global() {
    let text = "global: {scrape_interval: 15s, sample_limit: 10}\nscrape_configs:\n- job_name: a\n  scrape_timeout: 3s\n  static_configs:\n  - targets: ['h:1']\n    labels: {env: 1.0}\n- job_name: b\n  scrape_interval: 5s\n";
    let config = load(text, Path::new("p.yml")).unwrap();
    let [a, b] = config.scrape_configs.as_slice() else { panic!() };
    assert_eq!((a.scrape_interval, a.scrape_timeout), (Duration::from_secs(15), Duration::from_secs(3)));
    assert_eq!((b.scrape_interval, b.scrape_timeout), (Duration::from_secs(5), Duration::from_secs(5)));
    assert_eq!(
        (a.limits.n_samples_max, a.metrics_path.as_str(), a.scheme.as_str()),
        (10, "/metrics", "http")
    );
    assert_eq!(a.static_groups[0].labels.get("env"), Some("1.0"));
}

#[test]
fn all_problems_come_at_once_with_their_place() {
    let text = "global:\n  scrape_intervall: 1s\n  scrape_timeout: 1x\nscrape_configs:\n- job_name: a\n  oauth2: {client: x, client_id: y, token_url: 'http://z'}\n- static_configs: [{targets: ['http://h/x']}]\n";
    let found = problems(text);
    assert_eq!(
        found,
        [
            "line 2, column 3: field scrape_intervall not found in type config.plain (at global)",
            "line 3, column 19: not a valid duration string: \"1x\"; write it like 15s, 1m or 1h30m (at global.scrape_timeout)",
            "line 6, column 12: field client not found in type config.plain (at scrape_configs[0].oauth2)",
            "line 7, column 3: job_name is empty (at scrape_configs[1])",
            "line 7, column 31: \"http://h/x\" is not a valid hostname: give host:port, the path goes into metrics_path (at scrape_configs[1].static_configs[0])",
        ]
    );
}

#[test]
fn rules_have_their_defaults_and_print_so_that_they_read_back() {
    let text = "global: {keep_dropped_targets: 5}\nscrape_configs:\n- job_name: a\n  keep_dropped_targets: 7\n  relabel_configs:\n  - {source_labels: [__address__, on], regex: '(.*):\\d+;', target_label: host}\n  - {action: Keep, regex: null, separator: ''}\n  - {target_label: gone, replacement: ''}\n  - {action: hashmod, modulus: 0x10, target_label: shard}\n  metric_relabel_configs:\n  - {action: labeldrop, regex: \"a\\tb|\\\\.\"}\n  static_configs: [{targets: ['http://h/x']}]\n- job_name: b\n";
    let config = load(text, Path::new("p.yml")).unwrap();
    let [a, b] = config.scrape_configs.as_slice() else { panic!() };
    assert_eq!((a.limits.n_dropped_kept_max, b.limits.n_dropped_kept_max), (7, 5));
    let rule = a.relabel[0].spec();
    assert_eq!(
        (rule.separator.as_str(), rule.replacement.as_str(), rule.action.as_str()),
        (";", "$1", "replace")
    );
    assert_eq!((a.relabel[1].spec().regex.as_str(), a.relabel[1].spec().action.as_str()), ("", "keep"));
    assert_eq!((a.relabel.len(), a.metric_relabel.len(), a.relabel[3].spec().modulus), (4, 1, 16));
    let printed = print::to_yaml(&config);
    assert!(
        printed.contains("  - source_labels: [__address__, \"on\"]\n    separator: \";\"\n"),
        "{printed}"
    );
    assert_eq!(load(&printed, Path::new("p.yml")).unwrap(), config, "{printed}");
}

#[test]
fn a_wrong_rule_is_named_with_its_place() {
    let text = "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - action: blow\n  - {regex: '(', target_label: a}\n  -\n  metric_relabel_configs:\n  - {target: a}\n  - {action: labelmap, replacement: ''}\n";
    assert_eq!(
        problems(text),
        [
            "line 8, column 6: field target not found in type relabel.Config (at scrape_configs[0].metric_relabel_configs[0])",
            "line 4, column 5: unknown relabel action \"blow\" (at scrape_configs[0].relabel_configs[0])",
            "line 5, column 5: error parsing regexp: missing closing ): `(` (at scrape_configs[0].relabel_configs[1])",
            "line 6, column 4: empty or null target relabeling rule in scrape config (at scrape_configs[0].relabel_configs[2])",
            "line 8, column 5: relabel configuration for replace action requires 'target_label' value (at scrape_configs[0].metric_relabel_configs[0])",
            "line 9, column 5: \"\" is invalid 'replacement' for labelmap action (at scrape_configs[0].metric_relabel_configs[1])",
        ]
    );
}

#[test]
fn broken_yaml_names_line_and_column() {
    let error = load("global:\n  scrape_interval: [1\n", Path::new("p.yml")).unwrap_err().to_string();
    assert!(error.starts_with("parsing YAML file p.yml: yaml: ") && error.contains("(p.yml:"), "{error}");
}

#[test]
fn secrets_are_not_printed() {
    let text = "scrape_configs:\n- job_name: a\n  basic_auth: {username: me, password: hush}\n";
    let config = load(text, Path::new("p.yml")).unwrap();
    let printed = print::to_yaml(&config);
    assert!(printed.contains("username: me") && printed.contains("password: <secret>"), "{printed}");
    assert!(!format!("{config:?}{printed}").contains("hush"));
}

#[test]
fn what_is_printed_reads_back() {
    let text = "global: {query_log_file: /var/log/q.json, external_labels: {dc: 'on', n: \"1\"}}\nstorage: {tsdb: {out_of_order_time_window: 30m}}\nscrape_configs:\n- job_name: 'a b'\n  params: {m: [x, 'y: z']}\n  body_size_limit: 1KB\n  static_configs:\n  - targets: ['[::1]:9100']\n";
    let config = load(text, Path::new("p.yml")).unwrap();
    assert_eq!(config.storage.out_of_order_window.as_secs(), 1800);
    assert_eq!(load(&print::to_yaml(&config), Path::new("p.yml")).unwrap(), config);
}

#[test]
fn a_mapping_of_very_many_keys_is_read_in_linear_time() {
    let keys: String = (0..40_000).map(|n| format!("  k{n}: v\n")).collect();
    let labels = keys.replace("  k", "      k");
    let text =
        format!("scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: [a]\n    labels:\n{labels}");
    let config = load(&text, Path::new("p.yml")).unwrap();
    assert_eq!(config.scrape_configs[0].static_groups[0].labels.len(), 40_000);
    // Quadratic reading of either file takes minutes.
    let merged = format!("global: &a\n{keys}scrape_configs:\n- <<: *a\n");
    assert!(load(&merged, Path::new("p.yml")).unwrap_err().to_string().contains("field k0 not found"));
}

fn conformance() -> Option<PathBuf> {
    let folder = std::env::var_os("WATCHFIRE_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let folder = folder.join("prometheus-config");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("WF_REQUIRE").unwrap_or_default();
    assert!(!required.contains("conformance"), "{} is absent", folder.display());
    eprintln!("SKIPPED: conformance: {} is absent", folder.display());
    None
}

#[test]
fn bad_files_are_refused_with_the_expected_text() {
    let Some(folder) = conformance() else { return };
    let expected = std::fs::read_to_string(folder.join("EXPECTED_ERRORS.tsv")).unwrap();
    let mut wrong = Vec::new();
    println!("FIGURE: configuration files refused with the original's text: {}", expected.lines().count());
    for line in expected.lines() {
        let (name, want) = line.split_once('\t').unwrap();
        let want = want.strip_prefix('"').and_then(|want| want.strip_suffix('"')).unwrap();
        let want = want.replace("\\\"", "\"").replace("\\\\", "\\");
        // The original ran in a folder of its own.
        let want = want.replace("testdata/", &format!("{}/", folder.display()));
        match load_file(&folder.join(name)) {
            Ok(_) => wrong.push(format!("{name}: accepted, want {want}")),
            Err(error) if error.to_string().contains(&want) => {}
            Err(error) => wrong.push(format!("{name}: got {error}, want {want}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_conformance_file_loads_or_fails_as_its_name_says_and_reads_back_as_printed() {
    let Some(folder) = conformance() else { return };
    let mut n_loaded = 0;
    let mut wrong = Vec::new();
    for folder in [folder.clone(), folder.join("examples"), folder.join("scrape_configs")] {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "yml")) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_bad = name.contains(".bad.") || name.contains(".incompatible.");
            // Of agent mode, and of a version that is gone: refused elsewhere.
            let is_free = name.starts_with("agent_mode") || name.contains("deprecated_am_api");
            match load_file(path) {
                Ok(_) if is_bad => wrong.push(format!("{name} was accepted")),
                Err(error) if !is_bad && !is_free => wrong.push(format!("{error}")),
                Ok(config) => {
                    n_loaded += 1;
                    let printed = print::to_yaml(&config);
                    let again = match load(&printed, path) {
                        Ok(again) => again,
                        Err(error) => {
                            wrong.push(format!("printed {error}\n{printed}"));
                            continue;
                        }
                    };
                    if print::to_yaml(&again) != printed {
                        wrong.push(format!("{name} prints differently when read again:\n{printed}"));
                    }
                    if !printed.contains("<secret>") && again != config {
                        wrong.push(format!("{name} means something else when read again:\n{printed}"));
                    }
                }
                Err(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(n_loaded > 50, "{n_loaded}");
    println!("FIGURE: configuration files that load and read back as printed: {n_loaded}");
}

#[test]
fn what_is_not_available_yet_loads_and_says_so() {
    let text = "scrape_configs:\n- job_name: a\n  ec2_sd_configs: [{region: x}]\n  file_sd_configs: [{files: [a.json]}]\nremote_write: [{url: 'http://h/w'}]\notlp: {promote_scope_metadata: true}\n";
    let config = load(text, Path::new("p.yml")).unwrap();
    assert_eq!(
        config.warnings(),
        [
            "job \"a\": ec2_sd_configs is not available yet: it finds no targets",
            "remote_write is not available yet: nothing is sent",
            "otlp is not available yet: no metrics are received from OpenTelemetry",
        ]
    );
}

#[test]
fn versions_of_tls_that_are_not_spoken_load_and_are_named() {
    let tls = "tls_config: {max_version: TLS11}";
    let text = format!(
        "alerting: {{alertmanagers: [{{{tls}}}]}}\nscrape_configs:\n- job_name: a\n  {tls}\n  http_sd_configs: [{{url: 'http://h/', {tls}}}]\n  oauth2: {{client_id: i, client_secret: s, token_url: 'http://h/', tls_config: {{min_version: TLS10}}}}\n"
    );
    let warnings = load(&text, Path::new("p.yml")).unwrap().warnings();
    let places: Vec<&str> = warnings.iter().filter_map(|text| text.split(": TLS 1.0").next()).collect();
    assert_eq!(
        places,
        [
            "job \"a\": http_sd_configs: tls_config.max_version",
            "job \"a\": tls_config.max_version",
            "job \"a\": oauth2.tls_config.min_version",
            "alerting.alertmanagers[0]: tls_config.max_version",
        ]
    );
}

#[test]
fn secrets_name_variables_and_files_when_asked() {
    let folder = std::env::temp_dir().join(format!("wf-config-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("token"), "from-file\n").unwrap();
    let text = "scrape_configs:\n- job_name: a\n  authorization: {credentials: 'x-${env:PATH}-${file:token}-$y-${z}'}\n- job_name: b\n  authorization: {credentials: '${env:WF_NOT_SET}'}\n";
    let path = folder.join("p.yml");
    let token = |config: &Config| {
        let authorization = config.scrape_configs[0].client.authorization.as_ref().unwrap();
        authorization.credentials.as_ref().unwrap().reveal().clone()
    };
    assert_eq!(token(&load(text, &path).unwrap()), "x-${env:PATH}-${file:token}-$y-${z}");
    let options = LoadOptions { expands_secrets: true, ..LoadOptions::default() };
    let error = load_with(text, &path, options).unwrap_err().to_string();
    assert!(error.contains("environment variable WF_NOT_SET of a secret is not set"), "{error}");
    let text = text.split("- job_name: b").next().unwrap();
    let path_variable = std::env::var("PATH").unwrap();
    let config = load_with(text, &path, options).unwrap();
    assert_eq!(token(&config), format!("x-{path_variable}-from-file-$y-${{z}}"));
    assert!(print::to_yaml(&config).contains("credentials: <secret>"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_default_of_the_extra_report_series_can_be_turned() {
    let path = Path::new("p.yml");
    let on = LoadOptions { extra_scrape_metrics: true, ..LoadOptions::default() };
    let check = |text: &str, options: LoadOptions, want: bool| {
        let config = load_with(text, path, options).unwrap();
        assert_eq!(config.scrape_configs[0].format.extra_metrics, want, "{text}");
        assert_eq!(load(&print::to_yaml(&config), path).unwrap(), config, "{text}");
    };
    check("scrape_configs: [{job_name: a}]", on, true);
    check("scrape_configs: [{job_name: a}]", LoadOptions::default(), false);
    check("global: {extra_scrape_metrics: false}\nscrape_configs: [{job_name: a}]", on, false);
    check("scrape_configs: [{job_name: a, extra_scrape_metrics: false}]", on, false);
}

/// What Go's YAML makes of odd spellings.
#[test]
fn yaml_oddities_read_as_in_go() {
    let check = |job: &str, want: Result<&str, &str>| {
        let text = format!("scrape_configs:\n- job_name: j\n  {job}\n");
        match (load(&text, Path::new("p.yml")), want) {
            (Ok(config), Ok(want)) => {
                let printed = print::to_yaml(&config);
                assert!(printed.contains(want), "{job}: want {want} in\n{printed}");
            }
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{job}: {error}"),
            (got, _) => panic!("{job}: {got:?}"),
        }
    };
    // Booleans.
    check("honor_labels: yes", Ok("honor_labels: true"));
    check("honor_labels: On", Ok("honor_labels: true"));
    check("honor_timestamps: off", Ok("honor_timestamps: false"));
    check("honor_timestamps: n", Ok("honor_timestamps: false"));
    check("honor_labels: 1", Err("cannot unmarshal !!int `1` into bool"));
    check("honor_labels: 'yes'", Err("cannot unmarshal !!str `yes` into bool"));
    // Numbers where texts are wanted, and the other way round.
    check("static_configs: [{targets: [a], labels: {n: 010, f: 1.0, b: yes, e: 1e3}}]", Ok("b: \"yes\""));
    check("static_configs: [{targets: [a], labels: {m: 010}}]", Ok("m: \"010\""));
    check("sample_limit: 0x10", Ok("sample_limit: 16"));
    check("sample_limit: 010", Ok("sample_limit: 8"));
    check("sample_limit: 1_000", Ok("sample_limit: 1000"));
    check("sample_limit: -1", Err("cannot unmarshal !!int `-1` into uint"));
    check("sample_limit: [1]", Err("unmarshal errors"));
    // Null is the zero value.
    check("sample_limit: ~", Ok("job_name: j"));
    check("metrics_path: null", Ok("metrics_path: /metrics"));
    check("static_configs:", Ok("job_name: j"));
    check("static_configs: [null]", Err("empty or null section in static_configs"));
    // Anchors, aliases, merge keys.
    check("params: {a: &v [x], b: *v}", Ok("b:\n    - x"));
    check(
        "relabel_configs: [&r {target_label: a, replacement: q}, {<<: *r, target_label: b}]",
        Ok("target_label: b\n    replacement: q"),
    );
    // Duplicates.
    check("scheme: http\n  scheme: https", Err("field scheme already set in type config.ScrapeConfig"));
    check("params: {a: [x], a: [y]}", Err("key \"a\" already set in map"));
    // Durations and sizes.
    check("scrape_interval: 90s", Ok("scrape_interval: 1m30s"));
    check("scrape_interval: 5", Err("not a valid duration string: \"5\""));
    check("body_size_limit: 5", Err("units: unknown unit"));
}

/// Changes `text` somewhere: a byte goes, comes or is exchanged, a line is repeated, moved in or out, or lost.
fn mutate(text: &str, dice: &mut impl FnMut(usize) -> usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=dice(3) {
        let at = dice(lines.len().max(1));
        let Some(line) = lines.get_mut(at) else { break };
        let odd =
            [": ", "- ", "~", "0x1", "'", "\"", "{", "]", "&a ", "*a", "|", "é", "\t", "yes", "-1", "$", "#"];
        match dice(6) {
            0 => line.insert_str(line.ceil_char_boundary(dice(line.len() + 1)), odd[dice(odd.len())]),
            1 => line.truncate(line.ceil_char_boundary(dice(line.len() + 1))),
            2 => line.insert_str(0, "  "),
            3 => *line = line.trim_start().to_owned(),
            4 => {
                let copy = line.clone();
                lines.insert(at, copy);
            }
            _ => drop(lines.remove(at)),
        }
    }
    lines.join("\n")
}

#[test]
fn mutated_configurations_end_in_problems_or_read_back_as_printed() {
    const SEEDS: [&str; 3] = [
        "global:\n  scrape_interval: 15s\n  external_labels: {a: '$HOME', b: 1.0}\nscrape_configs:\n- job_name: a\n  honor_labels: yes\n  params: {x: [y, null]}\n  basic_auth:\n    username: u\n    password: p\n  static_configs:\n  - targets: ['h:1']\n    labels: {env: 010}\n  relabel_configs:\n  - &r\n    source_labels: [a, b]\n    regex: (.*)\n    target_label: c\n  - <<: *r\n    action: hashmod\n    modulus: 8\n",
        "alerting:\n  alertmanagers:\n  - scheme: https\n    tls_config: {min_version: TLS12}\n    dns_sd_configs:\n    - names: [a.b]\n      type: A\n      port: 9093\nremote_write:\n- url: http://h/w\n  headers: {x: y}\n  queue_config: {capacity: 10}\n",
        "scrape_configs:\n- job_name: sd\n  consul_sd_configs:\n  - server: h:1\n    tags: [x]\n  http_sd_configs:\n  - url: http://h/\n    refresh_interval: 1m\n  kubernetes_sd_configs:\n  - role: pod\n    selectors:\n    - role: pod\n      label: a=b\nstorage:\n  tsdb:\n    out_of_order_time_window: 1h\n",
    ];
    SEEDS.iter().for_each(|seed| assert!(load(seed, Path::new("prometheus.yml")).is_ok(), "{seed}"));
    let mut state = 5_u64;
    let mut dice = move |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % n
    };
    for round in 0..1_500 {
        let mut text = SEEDS[round % SEEDS.len()].to_owned();
        (0..=dice(2)).for_each(|_| text = mutate(&text, &mut dice));
        fuzz::load_config(text.as_bytes());
    }
}
