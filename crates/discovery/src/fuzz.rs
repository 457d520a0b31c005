//! Entry points for fuzzing: whatever a source answers ends in groups or in an error, never in a panic.

use crate::group;
use crate::zookeeper::{self, Format};

/// Reads `data` as each text that sources answer: groups in JSON and YAML, Eureka's applications, nodes of ZooKeeper.
pub fn read_answers(data: &[u8]) {
    let extra = [("__meta_filepath", "f")];
    for groups in [group::of_json(data, "f", &extra).ok(), yaml(data, &extra)].into_iter().flatten() {
        let is_whole = groups.iter().all(|group| {
            group
                .targets
                .iter()
                .all(|target| target.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()))
        });
        assert!(is_whole, "labels have names and values: {groups:?}");
    }
    let _ = crate::eureka::read(data);
    for format in [Format::Serverset, Format::Nerve] {
        let _ = zookeeper::target(format, "/member", data);
    }
}

fn yaml(data: &[u8], extra: &[(&str, &str)]) -> Option<Vec<crate::TargetGroup>> {
    group::of_yaml(std::str::from_utf8(data).ok()?, "f", extra).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: [&str; 5] = [
        r#"[{"targets":["a:1","b"],"labels":{"x":"y","e":""}},{"targets":[]}]"#,
        "- targets: ['a:1', 2]\n  labels: {x: 1.0, e: ''}\n- targets: [b]\n",
        r#"<applications><application><name>A</name><instance><hostName>h</hostName><port enabled="true">1</port><metadata><a.b>c</a.b></metadata></instance></application></applications>"#,
        r#"{"serviceEndpoint":{"host":"h","port":1},"additionalEndpoints":{"a-b":{"host":"h","port":2}},"status":"ALIVE","shard":3}"#,
        r#"{"host":"h","port":1,"name":"n"}"#,
    ];

    /// What means something to one of the readers.
    const ODD: &[u8] = b"[]{}<>&;\"':,-\\\x00\xff0e~ \n";

    #[test]
    fn mutated_answers_end_in_groups_or_errors() {
        let mut state = 3_u64;
        let mut dice = move |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % n
        };
        for round in 0..5_000 {
            let mut data = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
            for _ in 0..=dice(4) {
                let at = dice(data.len());
                match dice(3) {
                    0 => data[at] = ODD[dice(ODD.len())],
                    1 => drop(data.remove(at)),
                    _ => data.extend_from_within(at..),
                }
                if data.is_empty() {
                    break;
                }
            }
            read_answers(&data);
        }
    }
}
