//! Entry points for fuzzing: any bytes end in a configuration that reads back as it prints, or in problems with their
//! places, never in a panic.

use std::path::Path;

use crate::{load, print};

/// Loads `data` as a prometheus.yml. Files that it names are not read.
pub fn load_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Globs of such files would be followed.
    if text.contains("_files") {
        return;
    }
    let Ok(config) = load(text, Path::new("prometheus.yml")) else { return };
    let printed = print::to_yaml(&config);
    match load(&printed, Path::new("prometheus.yml")) {
        Ok(again) => assert_eq!(print::to_yaml(&again), printed, "it prints differently when read again"),
        Err(error) => assert!(printed.contains("<secret>"), "what is printed is refused: {error}\n{printed}"),
    }
}
