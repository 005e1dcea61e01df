//! ACDC cardiac MRI: the official layout, the two h5 forms of the semi-supervised papers, `MT-UNet`'s npz.

use std::path::Path;

use crate::case::{Case, Intensity};
use crate::dataset::{DataSet, OpenOptions};
use crate::error::DatasetError;
use crate::prepared::read_text;

/// The top 1 % of each volume is clipped, then minimum and maximum become 0 and 1.
pub const INTENSITY: Intensity = Intensity::ClipTop { percentile: 99.0 };

/// The frames of end diastole and end systole.
pub(crate) fn frames(info: &Path) -> Result<[u32; 2], DatasetError> {
    DatasetError::require(info, "it names the patient's phases (`ED: 1`, `ES: 12`)")?;
    let text = read_text(info, 1 << 20)?;
    let frame = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .and_then(|(_, value)| value.trim().parse::<u32>().ok())
            .ok_or_else(|| DatasetError::malformed(info, format!("it has no line `{key}: <number>`")))
    };
    Ok([frame("ED")?, frame("ES")?])
}

/// Reads both phases of the patients, in whatever form the folder has.
///
/// # Errors
/// Where a file is missing or broken, or holds an unknown label.
pub fn load(folder: &Path, patients: &[u32]) -> Result<Vec<Case>, DatasetError> {
    DatasetError::require(folder, "give the folder that holds patient001, patient002, ...")?;
    let keys: Vec<String> = patients.iter().map(|patient| format!("patient{patient:03}")).collect();
    DataSet::open(folder, &OpenOptions::default())?.load_keys(&keys)
}
