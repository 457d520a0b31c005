//! Profiles are what their readers expect, and say what ran.

use std::io::Read as _;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn ask(path: &str) -> (u16, Vec<u8>) {
    let parts: MemoryParts = Arc::new(|| vec![(vec!["storage", "head"], 4_096), (vec!["queries"], 77)]);
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router::<()>(parts).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
}

/// Top-level fields of a message: numbers with what they hold, integers as their bytes.
fn fields(gzip: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut bytes).unwrap();
    let mut rest = bytes.as_slice();
    let varint = |rest: &mut &[u8]| {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let (byte, behind) = rest.split_first().unwrap();
            *rest = behind;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    };
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest);
        let content = match tag & 7 {
            0 => varint(&mut rest).to_le_bytes().to_vec(),
            2 => {
                let n = usize::try_from(varint(&mut rest)).unwrap();
                let (content, behind) = rest.split_at(n);
                rest = behind;
                content.to_vec()
            }
            kind => panic!("type {kind} is not used"),
        };
        fields.push((tag >> 3, content));
    }
    fields
}

fn texts(gzip: &[u8]) -> Vec<String> {
    let texts = fields(gzip).into_iter().filter(|(number, _)| *number == 6);
    texts.map(|(_, text)| String::from_utf8(text).unwrap()).collect()
}

#[tokio::test]
async fn memory_is_shown_by_its_owner_and_the_rest_as_such() {
    let (status, gzip) = ask("/debug/pprof/heap").await;
    assert_eq!(status, 200);
    let texts = texts(&gzip);
    assert_eq!(texts.first().map(String::as_str), Some(""));
    for text in ["inuse_space", "bytes", "storage", "head", "queries"] {
        assert!(texts.iter().any(|have| have == text), "{text}: {texts:?}");
    }
    let (_, text) = ask("/debug/pprof/allocs?debug=1").await;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("4096\tstorage > head\n") && text.contains("77\tqueries\n"), "{text}");
    assert!(text.contains("program code and mapped files"), "{text}");
}

#[tokio::test]
async fn threads_are_counted_by_name() {
    let (status, text) = ask("/debug/pprof/goroutine?debug=2").await;
    let text = String::from_utf8(text).unwrap();
    assert!(status == 200 && text.starts_with("goroutine/count\n") && text.contains("threads > "), "{text}");
    assert!(text.contains("tasks of the asynchronous runtime"), "{text}");
}

#[tokio::test]
async fn what_is_never_sampled_is_a_profile_without_samples() {
    for kind in ["block", "mutex"] {
        let (status, gzip) = ask(&format!("/debug/pprof/{kind}")).await;
        assert!(status == 200 && fields(&gzip).iter().all(|(number, _)| *number != 2), "{kind}");
    }
    assert_eq!(ask("/debug/pprof/nothing").await.0, 404);
    assert!(ask("/debug/pprof/trace").await.1.starts_with(b"go 1.22 trace"));
    assert!(ask("/debug/pprof/cmdline").await.1.starts_with(std::env::args().next().unwrap().as_bytes()));
    assert!(String::from_utf8(ask("/debug/pprof/").await.1).unwrap().contains("profile"));
}

/// One test, as there is one profile at a time.
#[tokio::test]
async fn a_cpu_profile_names_what_ran_and_only_one_is_taken_at_a_time() {
    let mut first = Sampling::start().unwrap();
    let (status, message) = ask("/debug/pprof/profile?seconds=1").await;
    let message = String::from_utf8(message).unwrap();
    assert_eq!(
        (status, message.as_str()),
        (500, "Could not enable CPU profiling: cpu profiling already in use\n")
    );
    std::thread::Builder::new()
        .name("burner".to_owned())
        .spawn(cpu::tests::burn_cpu)
        .unwrap()
        .join()
        .unwrap();
    first.fetch();
    let text = first.finish().to_text();
    assert!(text.starts_with("samples/count cpu/nanoseconds\n") && text.contains("burn_cpu"), "{text}");
    assert!(!text.contains("on_tick"), "the handler shows: {text}");
    let (status, gzip) = ask("/debug/pprof/profile?seconds=1").await;
    let texts = texts(&gzip);
    assert!(status == 200 && texts.iter().any(|text| text == "nanoseconds"), "{texts:?}");
    assert_eq!(ask("/debug/pprof/profile?seconds=301").await.0, 400);
}
