#![no_main]
//! An h5 volume of ACDC.

use fastersam_datasets::Form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("patient001_frame01.h5", bytes, |path| {
        fastersam_fuzz::read_all(path.parent().expect("a folder"), Form::AcdcH5);
    });
});
