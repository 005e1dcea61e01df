//! The forms in which data sets lie on disk.

mod entries;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use entries::{AcdcName, MtUnetName, SynapseName};

pub(crate) use entries::{Entry, Files, entries, names_in, with_ending, without_ending};

/// A layout of files. Names as on the command line: `synapse-nifti`, `acdc-h5-slices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// BTCV: `img/imgNNNN.nii.gz`, `label/labelNNNN.nii.gz`.
    SynapseNifti,
    /// `TransUNet` and `SAMed`: `train_npz/caseNNNN_sliceZZZ.npz`, `test_vol_h5/caseNNNN.npy.h5`.
    SynapseNpz,
    /// The official layout: `patientNNN/patientNNN_frameFF.nii.gz`, `..._gt.nii.gz`, `Info.cfg`.
    AcdcNifti,
    /// `ACDC_training_volumes/patientNNN_frameFF.h5`.
    AcdcH5,
    /// `ACDC_training_slices/patientNNN_frameFF_slice_Z.h5`.
    AcdcH5Slices,
    /// `MT-UNet`: `train/case_NNN_sliceED_Z.npz`, `valid/...`, `test/case_NNN_volume_ED.npz`.
    AcdcNpz,
    /// NIfTI files in a layout of one's own, described by a TOML file.
    Nifti,
    /// This project's prepared form.
    Prepared,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 8] = [
        Self::SynapseNifti,
        Self::SynapseNpz,
        Self::AcdcNifti,
        Self::AcdcH5,
        Self::AcdcH5Slices,
        Self::AcdcNpz,
        Self::Nifti,
        Self::Prepared,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SynapseNifti => "synapse-nifti",
            Self::SynapseNpz => "synapse-npz",
            Self::AcdcNifti => "acdc-nifti",
            Self::AcdcH5 => "acdc-h5",
            Self::AcdcH5Slices => "acdc-h5-slices",
            Self::AcdcNpz => "acdc-npz",
            Self::Nifti => "nifti",
            Self::Prepared => "prepared",
        }
    }

    /// The form that a folder (or the TOML file of a data set) has.
    ///
    /// # Errors
    /// Where it is none of the forms.
    pub fn detect(path: &Path) -> Result<Self, DatasetError> {
        DatasetError::require(path, "give a data set's folder, or the TOML file that describes one")?;
        if path.is_file() {
            return match path.extension().is_some_and(|e| e == "toml") {
                true => Ok(Self::Nifti),
                false => Err(DatasetError::malformed(path, "a folder or a TOML file is needed")),
            };
        }
        let has = |name: &str| path.join(name).is_dir();
        if path.join(crate::prepared::MANIFEST).is_file() {
            return Ok(Self::Prepared);
        }
        if path.join(crate::custom::FILE_NAME).is_file() {
            return Ok(Self::Nifti);
        }
        if has("img") && has("label") {
            return Ok(Self::SynapseNifti);
        }
        if has("train_npz") || has("test_vol_h5") {
            return Ok(Self::SynapseNpz);
        }
        if has("ACDC_training_volumes") {
            return Ok(Self::AcdcH5);
        }
        if has("ACDC_training_slices") {
            return Ok(Self::AcdcH5Slices);
        }
        let names = names_in(path)?;
        if names.iter().any(|n| AcdcName::parse(n, ".h5").is_some_and(|n| n.slice.is_some())) {
            return Ok(Self::AcdcH5Slices);
        }
        if names.iter().any(|n| AcdcName::parse(n, ".h5").is_some()) {
            return Ok(Self::AcdcH5);
        }
        if names.iter().any(|n| n.len() == 10 && n.starts_with("patient") && has(n)) {
            return Ok(Self::AcdcNifti);
        }
        if names.iter().any(|n| SynapseName::parse(n).is_some()) {
            return Ok(Self::SynapseNpz);
        }
        for part in [".", "train", "valid", "test"] {
            let is_mt_unet = |n: &String| MtUnetName::parse(n).is_some();
            if has(part) && names_in(&path.join(part))?.iter().any(is_mt_unet) {
                return Ok(Self::AcdcNpz);
            }
        }
        let known: Vec<&str> = Self::ALL.iter().map(|form| form.name()).collect();
        Err(DatasetError::malformed(
            path,
            format!(
                "it has none of the known forms ({}); describe files of your own with `fastersam data describe`",
                known.join(", ")
            ),
        ))
    }
}
