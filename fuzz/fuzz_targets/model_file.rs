#![no_main]
//! A one-file model, with a seal that fits where there is a place for it, as whoever means harm would make it.

use burn::tensor::Device;
use fastersam::Checkpoint;
use libfuzzer_sys::fuzz_target;

const FIELD: &[u8] = b"\"seal\":\"";

fuzz_target!(|bytes: &[u8]| {
    let mut sealed = bytes.to_vec();
    let field = bytes.windows(FIELD.len()).position(|window| window == FIELD);
    if let Some(start) = field.map(|at| at + FIELD.len())
        && let Some(seal) = sealed.get_mut(start..start + fastersam_files::UNSEALED.len())
    {
        seal.copy_from_slice(fastersam_files::UNSEALED.as_bytes());
        let fitting = fastersam_files::sha256([&sealed]);
        sealed[start..start + fitting.len()].copy_from_slice(fitting.as_bytes());
    }
    fastersam_fuzz::with_file("model.fastersam", &sealed, |path| {
        let _ = Checkpoint::load(path, &Device::flex());
    });
});
