//! The exporter as its scrapers see it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio_util::sync::CancellationToken;
use wf_httpkit::{Listener, ServerOptions, serve};
use wf_node_exporter::{Command, Config, NodeExporter};

/// Starts an exporter with these flags on a port of its own, asks `paths` in order, and returns the answers.
fn ask(flags: &[&str], paths: &[&str]) -> Vec<String> {
    let Command::Run(config) = Config::from_flags(flags).unwrap() else { unreachable!("flags ask to run") };
    let exporter = NodeExporter::new(*config).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr(), CancellationToken::new());
        let server = tokio::spawn(serve(listener, exporter.router(), stop.clone(), ServerOptions::default()));
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let asked = tokio::task::spawn_blocking(move || {
            paths.iter().map(|path| get(address, path)).collect::<Vec<_>>()
        });
        let answers = asked.await.unwrap();
        stop.cancel();
        server.await.unwrap().unwrap();
        answers
    })
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut tcp = TcpStream::connect(address).unwrap();
    write!(tcp, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_scrape_is_a_text_page_with_the_exporters_own_numbers() {
    let [first, second, landing] = &ask(&[], &["/metrics", "/metrics", "/"])[..] else { unreachable!() };
    assert!(
        first.starts_with("HTTP/1.0 200") && first.contains("content-type: text/plain; version=0.0.4"),
        "{first}"
    );
    for name in ["node_load1 ", "node_exporter_build_info{", "process_cpu_seconds_total ", "go_info{"] {
        assert!(first.contains(&format!("\n{name}")), "{name}");
    }
    assert!(second.contains("promhttp_metric_handler_requests_total{code=\"200\"} 1\n"), "{second}");
    assert!(
        landing.contains("<title>Node Exporter</title>") && landing.contains("href=\"/metrics\""),
        "{landing}"
    );
}

#[test]
fn queries_choose_collectors_and_mistakes_are_told() {
    let paths =
        ["/m?collect[]=loadavg", "/m?collect[]=cpu", "/m?collect[]=nope", "/m?collect[]=a&exclude[]=b"];
    let flags = ["--web.telemetry-path=/m", "--web.disable-exporter-metrics", "--no-collector.cpu"];
    let [one, disabled, missing, both] = &ask(&flags, &paths)[..] else { unreachable!() };
    assert!(one.contains("node_load1 ") && one.contains("success{collector=\"loadavg\"} 1"), "{one}");
    assert!(
        !one.contains("meminfo") && !one.contains("process_") && one.contains("node_exporter_build_info"),
        "{one}"
    );
    assert!(
        disabled.starts_with("HTTP/1.0 400") && disabled.contains("disabled collector: cpu"),
        "{disabled}"
    );
    assert!(missing.starts_with("HTTP/1.0 400") && missing.contains("missing collector: nope"), "{missing}");
    assert!(both.starts_with("HTTP/1.0 400") && both.contains("not allowed"), "{both}");
}
