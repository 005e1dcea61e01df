#![no_main]
//! A `.nii.gz` file as a scan.

use fastersam_volume::Scan;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("scan.nii.gz", bytes, |path| {
        let _ = Scan::read(path);
    });
});
