#![no_main]
//! An experiment file.

use fastersam_experiments::config::Experiment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Experiment::parse(text, &[]);
    }
});
