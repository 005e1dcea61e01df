//! What data a result rests on, as one hash.

use sha2::{Digest, Sha256};

use crate::case::Case;

/// SHA-256 over the cases as they were read: names, shapes, gray values, classes, spacing.
#[must_use]
pub fn sha256<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    let mut hasher = Sha256::new();
    for case in cases {
        hasher.update(case.id.as_bytes());
        for n in case.image.shape() {
            hasher.update((*n as u64).to_le_bytes());
        }
        match case.spacing_mm {
            Some(spacing) => spacing.iter().for_each(|mm| hasher.update(mm.to_le_bytes())),
            None => hasher.update(b"unknown spacing"),
        }
        let values: Vec<u8> = case.image.iter().flat_map(|v| v.to_le_bytes()).collect();
        hasher.update(&values);
        hasher.update(case.label.iter().copied().collect::<Vec<u8>>());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
