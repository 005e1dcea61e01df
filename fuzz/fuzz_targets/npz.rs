#![no_main]
//! An npz archive: all arrays in it, and those that the forms have.

use fastersam_datasets::npz::Npz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastersam_fuzz::with_file("slice.npz", bytes, |path| {
        if let Ok(mut npz) = Npz::open(path) {
            let names: Vec<String> = npz.names().take(8).collect();
            for name in ["image", "img", "label"].into_iter().chain(names.iter().map(String::as_str)) {
                let _ = npz.read(name);
            }
        }
    });
});
