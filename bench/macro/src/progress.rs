//! Lines on what a bench is at: minutes go by, and whoever waits wants to know for what.

use std::fmt::Display;
use std::io::Write;

/// Tells on the error stream; the table is on the other.
pub fn say(text: impl Display) {
    // Without an error stream there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "… {text}");
}
