#![no_main]
//! The TOML file that describes a data set of one's own.

use fastersam_datasets::forms::Described;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("dataset-description.toml", bytes, |path| {
        fastersam_fuzz::read_all(path, &Described);
    });
});
