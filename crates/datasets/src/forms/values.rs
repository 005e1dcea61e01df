//! What the values of files must be.

use std::path::Path;

use ndarray::Array3;

use crate::error::DatasetError;

/// Refuses a value that no gray value can be made of.
pub(super) fn check_finite(path: &Path, image: &Array3<f32>) -> Result<(), DatasetError> {
    match image.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(DatasetError::malformed(path, format!("its image holds the value {value}"))),
        None => Ok(()),
    }
}

/// Turns label values into classes by a table; a value beyond it, or without an entry, is refused.
pub(super) fn to_classes(
    path: &Path,
    values: &Array3<f32>,
    table: &[Option<u8>],
    label_scheme: &str,
) -> Result<Array3<u8>, DatasetError> {
    let mut unknown = None;
    let classes = values.mapv(|value| {
        let code = value.round();
        let known = (value - code).abs() < 1e-3 && code >= 0.0;
        let class = known.then(|| table.get(code as usize).copied().flatten()).flatten();
        class.unwrap_or_else(|| {
            unknown.get_or_insert(value);
            0
        })
    });
    match unknown {
        None => Ok(classes),
        Some(value) => Err(DatasetError::UnknownLabel {
            path: path.to_owned(),
            value: value.to_string(),
            label_scheme: label_scheme.to_owned(),
        }),
    }
}
