//! Names of PCI numbers.
//!
//! # Source
//! The format of `pci.ids`: a vendor a line, its devices below with a tab, their subsystems with two; classes after
//! `C `.

use std::collections::HashMap;

/// The list, by numbers.
#[derive(Debug, Default)]
pub(super) struct Ids {
    vendors: HashMap<u64, String>,
    devices: HashMap<(u64, u64), String>,
    subsystems: HashMap<(u64, u64, u64, u64), String>,
    /// Class alone, and class with subclass.
    classes: HashMap<(u64, Option<u64>), String>,
}

impl Ids {
    /// Reads the list; lines that are not understood are skipped.
    pub(super) fn parse(text: &str) -> Self {
        let mut ids = Self::default();
        let (mut vendor, mut device, mut class) = (0, 0, None);
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let body = line.trim_start_matches('\t');
            let depth = line.len() - body.len();
            let (key, name) = body.split_once("  ").unwrap_or((body, ""));
            match (depth, class) {
                (0, _) if key.starts_with("C ") => {
                    class = key.strip_prefix("C ").and_then(hex);
                    ids.classes.extend(class.map(|class| ((class, None), name.to_owned())));
                }
                (0, _) => {
                    class = None;
                    vendor = hex(key).unwrap_or(0);
                    ids.vendors.insert(vendor, name.to_owned());
                }
                (1, Some(class)) => {
                    let sub = hex(key).unwrap_or(0);
                    ids.classes.insert((class, Some(sub)), name.to_owned());
                }
                (1, None) => {
                    device = hex(key).unwrap_or(0);
                    ids.devices.insert((vendor, device), name.to_owned());
                }
                (2, None) => {
                    if let Some((subvendor, subdevice)) = key.split_once(' ') {
                        let numbers =
                            (vendor, device, hex(subvendor).unwrap_or(0), hex(subdevice).unwrap_or(0));
                        ids.subsystems.insert(numbers, name.to_owned());
                    }
                }
                _ => {}
            }
        }
        ids
    }

    pub(super) fn vendor(&self, vendor: u64) -> &str {
        self.vendors.get(&vendor).map_or("", String::as_str)
    }

    pub(super) fn device(&self, vendor: u64, device: u64) -> &str {
        self.devices.get(&(vendor, device)).map_or("", String::as_str)
    }

    pub(super) fn subsystem(&self, vendor: u64, device: u64, subvendor: u64, subdevice: u64) -> &str {
        self.subsystems.get(&(vendor, device, subvendor, subdevice)).map_or("", String::as_str)
    }

    /// Of the subclass, or else of the class.
    pub(super) fn class(&self, class: u64) -> &str {
        let (class, sub) = (class >> 16, class >> 8 & 0xff);
        let name = self.classes.get(&(class, Some(sub))).or_else(|| self.classes.get(&(class, None)));
        name.map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_at_every_depth() {
        let text = "# no\n8086  Intel\n\t1234  Card\n\t\t17aa 5095  Board\nC 02  Network\n\t00  Ethernet\n\t\t01  x\n";
        let ids = Ids::parse(text);
        assert_eq!([ids.vendor(0x8086), ids.device(0x8086, 0x1234)], ["Intel", "Card"]);
        assert_eq!(ids.subsystem(0x8086, 0x1234, 0x17aa, 0x5095), "Board");
        assert_eq!(
            [ids.class(0x0002_0000), ids.class(0x0002_8000), ids.class(0x0003_0000)],
            ["Ethernet", "Network", ""]
        );
    }
}
