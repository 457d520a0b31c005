//! E-mail against servers that check it, aiosmtpd: STARTTLS, each way to log in, and what arrives.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use wf_e2e::process::{PATIENCE, Server, eventually, free_port};
use wf_e2e::skip::{binary, peer, skip, workspace};
use wf_e2e::{figure, http};

/// The servers, as lines they print.
struct Mailroom {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
}

impl Mailroom {
    /// Starts them, or skips when this machine has no Python or no aiosmtpd.
    fn start(certificate: &Path, key: &Path) -> Option<Self> {
        // Any peer tells where the peers are; the module lies beside them.
        let modules = peer("amtool")?.ancestors().nth(2)?.join("lib/python3/dist-packages");
        let script = workspace().join("tests/tests/e2e/mail/server.py");
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", &modules).args([&script, certificate, key]);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let Ok(mut child) = started else {
            skip("peers", "there is no python3 on this machine");
            return None;
        };
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let reader = std::thread::spawn({
            let lines = Arc::clone(&lines);
            move || {
                for line in stdout.lines().map_while(Result::ok) {
                    lines.lock().unwrap().push(serde_json::from_str(&line).unwrap());
                }
            }
        });
        let mut this = Self { child, lines, reader: Some(reader) };
        let is_up = eventually(PATIENCE, || {
            !this.lines().is_empty() || this.child.try_wait().is_ok_and(|status| status.is_some())
        });
        if this.lines().is_empty() {
            let mut why = String::new();
            if let Some(mut stderr) = this.child.stderr.take() {
                // What it says is for the reader of the line below only.
                let _ = std::io::Read::read_to_string(&mut stderr, &mut why);
            }
            assert!(is_up && why.contains("No module named"), "the mail servers do not start: {why}");
            skip("peers", "there is no aiosmtpd for Python: run `cargo xtask peers`");
            return None;
        }
        Some(this)
    }

    fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Mailroom {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let pair = rcgen::generate_simple_self_signed(vec!["mail.test".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

/// One integration per way to log in; the fourth has a wrong password.
fn config(ports: &Value, ca: &Path) -> String {
    let mut text = format!(
        "global:\n  smtp_hello: me.test\n  smtp_from: 'Alerts <am@mail.test>'\n  smtp_auth_username: user@mail.test\n\
         \x20 smtp_auth_password: pass word\n  smtp_auth_secret: shared secret\n\
         \x20 smtp_tls_config: {{ca_file: '{}', server_name: mail.test}}\n\
         route: {{receiver: mail, group_wait: 10ms, group_by: [alertname], routes: [{{matchers: [x=wrong], receiver: wrong}}]}}\n\
         receivers:\n- name: mail\n  email_configs:\n",
        ca.display()
    );
    let entry = |mechanism: &str, more: &str| {
        format!(
            "  - {{to: 'a@mail.test, B <b@mail.test>', smarthost: '127.0.0.1:{}', headers: {{X-Way: {mechanism}}}, \
             text: 'plain {{{{ .CommonLabels.alertname }}}} é', send_resolved: true{more}}}\n",
            ports[mechanism]
        )
    };
    ["PLAIN", "LOGIN", "CRAM-MD5"].iter().for_each(|mechanism| text.push_str(&entry(mechanism, "")));
    text.push_str("- name: wrong\n  email_configs:\n");
    text.push_str(&entry("PLAIN", ", auth_password: nope"));
    text
}

#[test]
fn mail_servers_that_check_take_what_ours_sends() {
    let Some(program) = binary() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (ca, key) = certificate(folder.path());
    let Some(mailroom) = Mailroom::start(&ca, &key) else { return };
    let path = folder.path().join("am.yml");
    fs::write(&path, config(&mailroom.lines()[0], &ca)).unwrap();
    let port = free_port().unwrap();
    let args = [
        "alertmanager".to_owned(),
        format!("--config.file={}", path.display()),
        format!("--storage.path={}", folder.path().join("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let server = Server::start(&program, &args, port, &folder.path().join("log")).unwrap();
    let alerts = json!([
        {"labels": {"alertname": "Ünïcode <zz>", "k": "v&w"}, "annotations": {"summary": "long ".repeat(400)}},
        {"labels": {"alertname": "Wrong", "x": "wrong"}},
    ]);
    let headers = [("content-type", "application/json")];
    let url = format!("{}/api/v2/alerts", server.base);
    assert_eq!(http::post(&url, alerts.to_string().as_bytes(), &headers).unwrap().status, 200);
    let came = || {
        let lines = mailroom.lines();
        let n_messages = lines.iter().filter(|line| line["parts"].is_array()).count();
        n_messages == 3 && lines.iter().any(|line| line["failed"] == true)
    };
    assert!(eventually(PATIENCE, came), "{:#?}\n{}", mailroom.lines(), server.log_text());
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let lines = mailroom.lines();
        let message = lines.iter().find(|line| line["mechanism"] == mechanism && line["parts"].is_array());
        check(message.unwrap(), mechanism);
    }
    figure("alertmanager: ways to log in to mail servers that check", 3);
}

fn check(message: &Value, mechanism: &str) {
    assert_eq!((&message["is_tls"], &message["is_logged_in"]), (&json!(true), &json!(true)), "{message:#}");
    assert_eq!((&message["sender"], &message["defects"]), (&json!("am@mail.test"), &json!([])));
    assert_eq!(message["recipients"], json!(["a@mail.test", "b@mail.test"]));
    let headers = &message["headers"];
    assert_eq!(headers["X-Way"], mechanism, "{headers:#}");
    assert_eq!(headers["Subject"], "[FIRING:1] Ünïcode <zz> (v&w)");
    assert!(
        headers["Message-Id"].as_str().is_some_and(|id| id.starts_with('<')) && headers["Date"].is_string()
    );
    let parts = message["parts"].as_array().unwrap();
    assert_eq!(
        (parts[0]["type"].as_str(), parts[1]["type"].as_str()),
        (Some("text/plain"), Some("text/html"))
    );
    assert_eq!(parts[0]["text"].as_str().unwrap().trim_end(), "plain Ünïcode <zz> é");
    let html = parts[1]["text"].as_str().unwrap();
    assert!(html.contains("v&amp;w") && html.contains("long long") && !html.contains("<zz>"), "{html}");
}
