#![no_main]
//! A weight file: PyTorch's zip, its older forms, or safetensors.

use fastersam::weights::WeightFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("weights.pth", bytes, |path| {
        if let Ok(file) = WeightFile::open(path) {
            for key in file.tensors.keys() {
                let _ = file.read(key);
            }
        }
    });
});
