#![no_main]
//! The manifest of a prepared data set.

use fastersam_datasets::forms::PreparedForm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("dataset.toml", bytes, |path| {
        fastersam_fuzz::read_all(path.parent().expect("a folder"), &PreparedForm);
    });
});
