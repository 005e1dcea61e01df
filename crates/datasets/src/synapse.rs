//! Synapse multi-organ CT (BTCV): the challenge's NIfTI pairs, `TransUNet`'s and `SAMed`'s npz and h5 files.

use std::path::Path;

use crate::case::{Case, Intensity};
use crate::coding::SynapseCoding;
use crate::dataset::{DataSet, OpenOptions};
use crate::error::DatasetError;

/// The window of every published pipeline: [-125, 275] HU becomes [0, 1].
pub const INTENSITY: Intensity = Intensity::Window { low: -125.0, high: 275.0 };

/// Reads the cases from the challenge's own NIfTI pairs, or from npz slices and h5 volumes whose axes are
/// `(k, j, i)`; other axis orders through [`DataSet::open`].
///
/// Slices are the file's `[:, :, k]`, transposed as SAMed's script does: `(2, 1, 0)`.
///
/// # Errors
/// Where a file is missing or broken, or holds a label that the coding does not have.
pub fn load(folder: &Path, cases: &[u32], coding: SynapseCoding) -> Result<Vec<Case>, DatasetError> {
    DatasetError::require(folder, "give the folder that holds img/ and label/")?;
    let keys: Vec<String> = cases.iter().map(|case| format!("case{case:04}")).collect();
    DataSet::open(folder, &OpenOptions { coding: Some(coding), ..OpenOptions::default() })?.load_keys(&keys)
}
