#![no_main]
//! A `.nii` file as a scan: read, turned to another orientation and back.

use fastersam_volume::{Orientation, Scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("scan.nii", bytes, |path| {
        if let Ok(scan) = Scan::read(path) {
            let (volume, _) = scan.oriented(Orientation::default());
            let classes = volume.mapv(|value| value as u8);
            let back = scan.to_file_axes(&classes, Orientation::default());
            assert_eq!(back.dim(), scan.voxels.dim());
        }
    });
});
