#![no_main]
//! An npz slice of Synapse.

use fastersam_datasets::Form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("case0005_slice000.npz", bytes, |path| {
        fastersam_fuzz::read_all(path.parent().expect("a folder"), Form::SynapseNpz);
    });
});
