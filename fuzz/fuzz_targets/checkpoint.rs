#![no_main]
//! What a checkpoint says of itself, with a seal that fits, as whoever means harm would make it.

use fastersam::checkpoint::read_info;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let sealed = serde_json::from_slice::<serde_json::Value>(bytes).ok().filter(serde_json::Value::is_object).map(|mut info| {
        info["seal"] = fastersam_files::UNSEALED.into();
        fastersam_files::seal(&info.to_string()).into_bytes()
    });
    fastersam_fuzz::with_file("checkpoint.json", sealed.as_deref().unwrap_or(bytes), |path| {
        if let Some(folder) = path.parent()
            && let Ok(info) = read_info(folder)
        {
            let _ = info.model.init(1, &burn::tensor::Device::flex());
        }
    });
});
