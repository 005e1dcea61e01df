#![no_main]
//! A DICOM file as a series of its own.

use fastersam_dicom::DicomSeries;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("image.dcm", bytes, |path| {
        if let Ok(mut series) = DicomSeries::open(path, None) {
            let shape = series.grid().shape;
            if let Ok(scan) = series.scan() {
                assert_eq!(<[usize; 3]>::from(scan.voxels.dim()), shape);
            }
        }
    });
});
