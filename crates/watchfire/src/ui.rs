//! The web UI that the build embedded, or why there is none.

use wf_httpkit::assets::Asset;
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
