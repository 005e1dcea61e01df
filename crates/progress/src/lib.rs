#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
//! Progress on the terminal: rate, time left and a message; silent where nobody watches.

use std::io::{IsTerminal, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The exit code of a program that was interrupted for good.
const ABORTED: i32 = 130;

/// Set by a signal, once these are caught.
static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

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

/// `1 scan`, `2 scans`: for things whose plural ends with an s.
#[must_use]
pub fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// A line about what is being done, on standard error. Where that is closed or full the line is lost, and the work goes on.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// From now on Ctrl-C, a polite kill and a terminal that is closed ask the program to save and stop; asked twice, it stops
/// at once. Under `nohup` a closed terminal changes nothing.
///
/// # Errors
/// Where signals can't be caught.
pub fn catch_interrupt() -> Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    if INTERRUPTED.set(interrupted.clone()).is_err() {
        return Ok(());
    }
    for signal in signals() {
        flag::register_conditional_shutdown(signal, ABORTED, interrupted.clone())
            .and_then(|_| flag::register(signal, interrupted.clone()))
            .with_context(|| format!("the signal {signal} can't be caught"))?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn signals() -> Vec<i32> {
    vec![SIGINT, SIGTERM]
}

/// With SIGHUP, unless whoever started the program had it ignored.
#[cfg(target_os = "linux")]
fn signals() -> Vec<i32> {
    use signal_hook::consts::SIGHUP;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut signals = vec![SIGINT, SIGTERM];
    signals.extend((!is_ignored(&status, SIGHUP)).then_some(SIGHUP));
    signals
}

/// Whether a process ignores a signal; `status` is its `/proc/PID/status`. Where that does not say, it does.
#[cfg(target_os = "linux")]
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Whether the user asked to stop.
#[must_use]
pub fn interrupted() -> bool {
    static SAID: AtomicBool = AtomicBool::new(false);
    let asked = INTERRUPTED.get().is_some_and(|interrupted| interrupted.load(Ordering::SeqCst));
    if asked && !SAID.swap(true, Ordering::SeqCst) {
        say("stopping; press Ctrl-C again to abort");
    }
    asked
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_their_mask() {
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001003\n";
        let ignored: Vec<i32> = (1..=64).filter(|&signal| is_ignored(status, signal)).collect();
        assert_eq!(ignored, [1, 2, 13]);
        assert!(is_ignored("", 1));
    }
}
