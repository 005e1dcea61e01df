#![no_main]
//! A record, with a seal that fits.

use fastersam_records::read_records;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let sealed = serde_json::from_slice::<serde_json::Value>(bytes).ok().filter(serde_json::Value::is_object).map(|mut record| {
        // The first of its keys in the file, whatever others hold.
        let seal = fastersam_files::UNSEALED;
        let rest = record.as_object_mut().map(|fields| {
            fields.remove("seal");
            serde_json::to_string(fields).unwrap_or_default()
        });
        let text = format!("{{\"seal\":\"{seal}\",{}", rest.unwrap_or_default().trim_start_matches('{'));
        fastersam_files::seal(&text).into_bytes()
    });
    fastersam_fuzz::with_file("record.json", sealed.as_deref().unwrap_or(bytes), |path| {
        let _ = path.parent().map(read_records);
    });
});
