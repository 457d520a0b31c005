//! The web UI that the build embedded, or why there is none.

use wf_httpkit::assets::{Asset, AssetOptions, Assets, AssetsError};
use wf_server::Ui;

include!(concat!(env!("OUT_DIR"), "/ui_files.rs"));

/// Returns the embedded UI.
pub(crate) fn embedded() -> Ui {
    if FILES.is_empty() {
        return Ui::Absent(
            "ui/dist was not there. Build the UI with `make ui` (it needs Node 20.19 or later), then build again.",
        );
    }
    Ui::Embedded(FILES)
}

/// Returns the UI as `component` serves it; `None` where the build embedded none.
/// # Errors
/// When the embedded files are damaged.
pub(crate) fn embedded_for(component: &'static str) -> Result<Option<Assets>, AssetsError> {
    if FILES.is_empty() {
        return Ok(None);
    }
    Assets::new(FILES, &AssetOptions { component: Some(component), ..AssetOptions::default() }).map(Some)
}
