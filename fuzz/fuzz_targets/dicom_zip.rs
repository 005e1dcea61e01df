#![no_main]
//! A zip archive of DICOM files.

use fastersam_dicom::DicomSeries;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("series.zip", bytes, |path| {
        if let Ok(mut series) = DicomSeries::open(path, None) {
            let _ = series.scan();
        }
    });
});
