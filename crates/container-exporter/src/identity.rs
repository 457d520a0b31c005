//! Which container and pod a group belongs to, by its path alone.
//!
//! # Source
//! `spec/exporters-linux.md` B3: the shapes of the systemd and cgroupfs drivers.

/// Hexadecimal digits of a container's id.
const ID_LENGTH: usize = 64;

/// What a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/`.
    Root,
    /// A slice, a service, or a group within a container.
    Other,
    /// The group around all containers of a pod.
    Pod {
        /// The pod's uid, with dashes.
        uid: String,
    },
    /// A container.
    Container {
        /// Its id: 64 hexadecimal digits.
        id: String,
        /// Its pod's uid, where the path tells.
        pod_uid: Option<String>,
    },
}

/// Takes a path apart.
pub fn of(group: &str) -> Kind {
    if group == "/" {
        return Kind::Root;
    }
    let parts: Vec<_> = group.split('/').filter(|part| !part.is_empty()).collect();
    let Some((last, above)) = parts.split_last() else { return Kind::Root };
    let pod_uid = || above.iter().rev().find_map(|part| pod_uid(part));
    if let Some(id) = container_id(last)
        && !above.iter().any(|part| container_id(part).is_some())
    {
        return Kind::Container { id: id.to_owned(), pod_uid: pod_uid() };
    }
    match self::pod_uid(last) {
        Some(uid) if above.iter().all(|part| container_id(part).is_none()) => Kind::Pod { uid },
        _ => Kind::Other,
    }
}

/// `<prefix>-<id>.scope` of the systemd driver, `<id>` of the other. Mounts and CRI-O's monitors are none.
fn container_id(name: &str) -> Option<&str> {
    if name.ends_with(".mount") || name.starts_with("crio-conmon-") {
        return None;
    }
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let id = name.rsplit(['-', ':']).next()?;
    let is_id =
        id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    is_id.then_some(id)
}

/// `kubepods-burstable-pod<uid with _>.slice` or `pod<uid>`.
fn pod_uid(name: &str) -> Option<String> {
    let uid = match name.strip_suffix(".slice") {
        Some(slice) => slice.strip_prefix("kubepods")?.rsplit_once("-pod")?.1.replace('_', "-"),
        None => name.strip_prefix("pod")?.to_owned(),
    };
    let is_uid = uid.len() >= 8 && uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_uid.then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn container(group: &str, pod: Option<&str>) {
        let want = Kind::Container { id: ID.to_owned(), pod_uid: pod.map(str::to_owned) };
        assert_eq!(of(group), want, "{group}");
    }

    #[test]
    fn containers_are_found_under_every_driver() {
        let pod = "kubepods-burstable-pod1111_2222.slice";
        for prefix in ["cri-containerd", "crio", "docker"] {
            let group = format!("/kubepods.slice/kubepods-burstable.slice/{pod}/{prefix}-{ID}.scope");
            container(&group, Some("1111-2222"));
        }
        container(&format!("/kubepods/besteffort/pod1111-2222/{ID}"), Some("1111-2222"));
        container(
            &format!("/kubepods.slice/kubepods-pod1111_2222.slice/cri-containerd-{ID}.scope"),
            Some("1111-2222"),
        );
        container(&format!("/system.slice/docker-{ID}.scope"), None);
        container(&format!("/docker/{ID}"), None);
        container(&format!("/kubepods-pod1111_2222.slice:cri-containerd:{ID}"), None);
    }

    #[test]
    fn what_is_no_container_is_none() {
        assert_eq!(of("/"), Kind::Root);
        let pod = Kind::Pod { uid: "1111-2222".to_owned() };
        assert_eq!(of("/kubepods.slice/kubepods-pod1111_2222.slice"), pod);
        assert_eq!(of("/kubepods/burstable/pod1111-2222"), pod);
        for group in [
            "/system.slice/ssh.service".to_owned(),
            "/kubepods.slice".to_owned(),
            format!("/system.slice/run-{ID}.mount"),
            format!("/machine.slice/crio-conmon-{ID}.scope"),
            format!("/docker/{ID}/init.scope"),
            format!("/docker/{ID}/docker/{ID}"),
        ] {
            assert_eq!(of(&group), Kind::Other, "{group}");
        }
    }
}
