#![no_main]
//! An h5 volume.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("volume.h5", bytes, |path| {
        let _ = fastersam_datasets::h5::read_volume(path);
    });
});
