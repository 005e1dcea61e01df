//! What the values of files must be.

use std::path::Path;

use fastersam_volume::{Intensity, IntensityQuantiles};
use ndarray::Array3;

use crate::error::DatasetError;

/// Turns intensities into gray values. Gives their quantiles, and what has to be said of those that are no numbers.
pub(super) fn scale(
    path: &Path,
    image: &mut Array3<f32>,
    intensity: &Intensity,
) -> Result<(Option<IntensityQuantiles>, Vec<String>), DatasetError> {
    let survey = intensity.scale(image);
    survey.check(false).map_err(|reason| DatasetError::malformed(path, reason))?;
    let notes = survey.invalid_note().map(|note| format!("{}: {note}", path.display()));
    Ok((survey.quantiles(), notes.into_iter().collect()))
}

/// The code that a label map's value stands for: whole to within a thousandth, as it is after a resampling in f32.
pub(crate) fn code_of(value: f32) -> Option<u16> {
    let code = value.round();
    let is_code = (value - code).abs() < 1e-3 && (0.0..=f32::from(u16::MAX)).contains(&code);
    is_code.then_some(code as u16)
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
        let class = code_of(value).and_then(|code| table.get(usize::from(code)).copied().flatten());
        class.unwrap_or_else(|| {
            unknown.get_or_insert(value);
            0
        })
    });
    match unknown {
        None => Ok(classes),
        Some(value) if label_scheme == "described" => Err(DatasetError::malformed(
            path,
            format!(
                "it holds the label value {value}, which is not in the description; add it to `labels` or `background`"
            ),
        )),
        Some(value) => Err(DatasetError::UnknownLabel {
            path: path.to_owned(),
            value: value.to_string(),
            label_scheme: label_scheme.to_owned(),
        }),
    }
}
