#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
//! Progress on the terminal: rate, time left and a message; silent where nobody watches.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A bar of `length` steps on standard error.
#[must_use]
pub fn bar(title: &str, length: usize, unit: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = format!("{{prefix:28}} {{bar:24}} {{pos}}/{{len}} {unit} {{per_sec}} left {{eta}} {{msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(length as u64).with_style(style).with_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// A line about what is being done, on standard error.
#[allow(clippy::print_stderr, reason = "this is where the program talks to its user")]
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// From now on Ctrl-C (and a polite kill) asks the program to save and stop.
///
/// # Errors
/// Where a handler is installed already.
pub fn catch_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            // Asked twice: stop at once.
            std::process::exit(130);
        }
        say("stopping after this step; press Ctrl-C again to abort");
    })
    .context("Ctrl-C can't be caught")
}

/// Whether the user asked to stop.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}
