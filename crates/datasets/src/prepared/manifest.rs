//! The manifest of a prepared data set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fastersam_files::is_sealed;
use fastersam_volume::{Intensity, IntensityQuantiles, LabelTable, MAX_VOXELS_IN_MEMORY, Orientation};
use serde::{Deserialize, Serialize};

use crate::axis_order::AxisOrder;
use crate::error::DatasetError;
use crate::text::{check_name, read_text};

/// The manifest's file name.
pub const MANIFEST: &str = "dataset.toml";
/// The version of the form that is written and read.
pub(super) const FORMAT: u32 = 2;
/// A manifest of a thousand cases has less.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// What `dataset.toml` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the form, 2.
    pub format: u32,
    /// SHA-256 of the manifest, see [`fastersam_files::seal`].
    pub seal: String,
    /// What tables call the data set.
    pub name: String,
    /// Label scheme of the labels here: `transunet` for Synapse, `acdc`, or `described`.
    pub label_scheme: String,
    /// Order of the axes here: `zyx`.
    pub axes: AxisOrder,
    /// Names of the classes, background first.
    pub classes: Vec<String>,
    /// What the classes are in the label maps of the source, where that is something else than here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<u16>,
    /// How gray values were made from raw intensities.
    pub intensity: Intensity,
    /// What it was made from.
    pub source: Source,
    /// Keys of each split's cases; only splits that are complete here.
    pub splits: BTreeMap<String, Vec<String>>,
    /// Number of slices of the published splits.
    pub published_slices: BTreeMap<String, usize>,
    /// The cases.
    #[serde(rename = "case")]
    pub cases: Vec<PreparedCase>,
}

/// What a prepared data set was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name of their form.
    pub form: String,
    /// Label scheme of their labels.
    pub label_scheme: String,
    /// Order of their axes.
    pub axes: AxisOrder,
}

/// One case of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreparedCase {
    /// Its name, and that of its file.
    pub id: String,
    /// What the splits call it.
    pub key: String,
    /// Slices, rows, columns.
    pub shape: [usize; 3],
    /// Distance of neighbours along the same axes; not there where the source does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing_mm: Option<[f64; 3]>,
    /// Where the axes point.
    pub orientation: Orientation,
    /// Voxels of each class, background first.
    pub voxels: Vec<usize>,
    /// The intensities that the gray values were made from, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensities: Option<IntensityQuantiles>,
    /// SHA-256 of the case's values.
    pub sha256: String,
}

impl PreparedCase {
    /// Where its archive lies in the data set's folder.
    pub(crate) fn file(&self, folder: &Path) -> PathBuf {
        folder.join("cases").join(format!("{}.npz", self.id))
    }
}

impl Manifest {
    /// Names of the classes, and their codes in the label maps of the source.
    #[must_use]
    pub fn labels(&self) -> LabelTable {
        LabelTable { names: self.classes.clone(), codes: self.codes.clone() }
    }

    /// Reads and checks the manifest of a folder.
    ///
    /// # Errors
    /// Where it is missing, no such manifest, or of another version.
    pub fn read(folder: &Path) -> Result<Self, DatasetError> {
        let path = folder.join(MANIFEST);
        let malformed = |reason: String| DatasetError::malformed(&path, reason);
        DatasetError::require(&path, "it is the manifest of a prepared data set: run `fastersam data import`")?;
        let text = read_text(&path, MAX_MANIFEST_BYTES)?;
        /// What all versions have in common.
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let Versioned { format } = toml::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        if format != FORMAT {
            return Err(malformed(format!(
                "it has the format {format}, this program reads {FORMAT}: import the data set again"
            )));
        }
        let manifest: Self = toml::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        if !is_sealed(&text, &manifest.seal) {
            return Err(malformed(
                "it was changed or damaged after it was written: its seal does not fit; import the data set again"
                    .to_owned(),
            ));
        }
        if manifest.axes != AxisOrder::Zyx {
            return Err(malformed(format!("its axes are {}, prepared slices are zyx", manifest.axes.name())));
        }
        manifest.labels().validate().map_err(malformed)?;
        manifest.intensity.validate().map_err(malformed)?;
        for case in &manifest.cases {
            check_name(&path, &case.id)?;
            let n = case.shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size as u64));
            if n.is_none_or(|n| n == 0 || n > MAX_VOXELS_IN_MEMORY) {
                return Err(malformed(format!("{} claims the shape {:?}", case.id, case.shape)));
            }
            if let Some(spacing) = case.spacing_mm.filter(|mm| mm.iter().any(|mm| !(mm.is_finite() && *mm > 0.0)))
            {
                return Err(malformed(format!("{} has the spacing {spacing:?} mm", case.id)));
            }
            let mut worlds = case.orientation.axes;
            worlds.sort_unstable();
            if worlds != [0, 1, 2] {
                return Err(malformed(format!("{} has the axes {:?}", case.id, case.orientation.axes)));
            }
        }
        Ok(manifest)
    }
}
