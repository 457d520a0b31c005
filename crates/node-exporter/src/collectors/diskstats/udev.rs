//! What udev found out about a block device.

use std::collections::HashMap;

use wf_exposition::MetricFamily;

use super::Device;
use crate::collector::gauge;
use crate::context::Context;
use crate::parse;

/// `E:KEY=VALUE` lines of the device's file.
#[derive(Debug, Default)]
pub(super) struct Properties(HashMap<String, String>);

impl Properties {
    /// Reads them; none when udev knows nothing.
    pub(super) fn read(ctx: &mut Context, device: &Device) -> Self {
        let path = ctx.paths.udev_data.join(format!("b{}:{}", device.major, device.minor));
        let Ok(text) = ctx.file(&path) else { return Self::default() };
        let mut properties = HashMap::new();
        for entry in parse::lines(text).filter_map(|line| line.strip_prefix(b"E:")) {
            if let Some((key, value)) = String::from_utf8_lossy(entry).split_once('=') {
                properties.insert(key.to_owned(), value.to_owned());
            }
        }
        Self(properties)
    }

    fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    fn first_of(&self, keys: [&str; 3]) -> &str {
        keys.into_iter().map(|key| self.get(key)).find(|value| !value.is_empty()).unwrap_or("")
    }
}

/// The families made of properties.
pub(super) struct Families {
    info: MetricFamily,
    filesystem: MetricFamily,
    device_mapper: MetricFamily,
    ata: [(&'static str, MetricFamily); 3],
}

impl Families {
    pub(super) fn new() -> Self {
        let cache = gauge("node_disk_ata_write_cache", "Whether the ATA disk has a write cache.");
        let enabled =
            gauge("node_disk_ata_write_cache_enabled", "Whether the ATA disk uses its write cache.");
        let rate =
            gauge("node_disk_ata_rotation_rate_rpm", "Rotations a minute of the ATA disk, 0 for an SSD.");
        Self {
            info: gauge("node_disk_info", "Names of the block device."),
            filesystem: gauge("node_disk_filesystem_info", "File system on the block device."),
            device_mapper: gauge("node_disk_device_mapper_info", "Names of the device mapper volume."),
            ata: [
                ("ID_ATA_WRITE_CACHE", cache),
                ("ID_ATA_WRITE_CACHE_ENABLED", enabled),
                ("ID_ATA_ROTATION_RATE_RPM", rate),
            ],
        }
    }

    pub(super) fn push(&mut self, device: &Device, rotational: &str, properties: &Properties) {
        let name = device.name.as_str();
        let serial = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"];
        let labels = [
            ("device", name),
            ("major", &device.major),
            ("minor", &device.minor),
            ("model", properties.get("ID_MODEL")),
            ("path", properties.get("ID_PATH")),
            ("revision", properties.get("ID_REVISION")),
            ("rotational", rotational),
            ("serial", properties.first_of(serial)),
            ("wwn", properties.get("ID_WWN")),
        ];
        self.info.push(&labels, 1.0);
        let kind = properties.get("ID_FS_TYPE");
        if !kind.is_empty() {
            let labels = [
                ("device", name),
                ("type", kind),
                ("usage", properties.get("ID_FS_USAGE")),
                ("uuid", properties.get("ID_FS_UUID")),
                ("version", properties.get("ID_FS_VERSION")),
            ];
            self.filesystem.push(&labels, 1.0);
        }
        let dm_name = properties.get("DM_NAME");
        if !dm_name.is_empty() {
            let labels = [
                ("device", name),
                ("lv_layer", properties.get("DM_LV_LAYER")),
                ("lv_name", properties.get("DM_LV_NAME")),
                ("name", dm_name),
                ("uuid", properties.get("DM_UUID")),
                ("vg_name", properties.get("DM_VG_NAME")),
            ];
            self.device_mapper.push(&labels, 1.0);
        }
        if properties.get("ID_ATA").is_empty() {
            return;
        }
        for (key, family) in &mut self.ata {
            if let Some(value) = parse::number(properties.get(key).as_bytes()) {
                family.push(&[("device", name)], value);
            }
        }
    }

    pub(super) fn append_to(self, out: &mut Vec<MetricFamily>) {
        out.extend([self.info, self.filesystem, self.device_mapper]);
        out.extend(self.ata.map(|(_, family)| family));
    }
}
