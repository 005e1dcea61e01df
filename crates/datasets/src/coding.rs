//! Label codings: which number means which organ in a file.

use ndarray::Array3;
use serde::{Deserialize, Serialize};
use std::path::Path;

use crate::case::LabelTable;
use crate::error::DatasetError;

/// The eight organs that the Synapse tables score, in the canonical order (`TransUNet`'s).
pub const SYNAPSE_ORGANS: [&str; 8] = [
    "aorta",
    "gallbladder",
    "left kidney",
    "right kidney",
    "liver",
    "pancreas",
    "spleen",
    "stomach",
];

/// The structures of ACDC.
pub const ACDC_STRUCTURES: [&str; 3] = ["right ventricle", "myocardium", "left ventricle"];

/// A named coding of the Synapse labels. Reading one as another silently ruins results, so it is a
/// required property of every prepared file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SynapseCoding {
    /// The 13 codes of the BTCV challenge.
    Raw,
    /// `TransUNet`'s prepared files; the canonical coding here.
    Transunet,
    /// The files of SAMed's script.
    Samed,
}

impl SynapseCoding {
    /// The coding's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Transunet => "transunet",
            Self::Samed => "samed",
        }
    }

    /// The code of a canonical class.
    #[must_use]
    pub fn code(self, class: u8) -> u8 {
        let place = self.canonical().iter().position(|&canonical| canonical == class);
        if class == 0 { 0 } else { place.unwrap_or(0) as u8 }
    }

    /// The canonical class of each code, by index; codes of organs that are not scored are background.
    #[must_use]
    pub fn canonical(self) -> &'static [u8] {
        match self {
            // spleen, right kidney, left kidney, gallbladder, oesophagus, liver, stomach, aorta,
            // inferior vena cava, portal and splenic vein, pancreas, right adrenal, left adrenal
            Self::Raw => &[0, 7, 4, 3, 2, 0, 5, 8, 1, 0, 0, 6, 0, 0],
            Self::Transunet => &[0, 1, 2, 3, 4, 5, 6, 7, 8],
            // spleen, right kidney, left kidney, gallbladder, liver, stomach, aorta, pancreas
            Self::Samed => &[0, 7, 4, 3, 2, 5, 8, 1, 6],
        }
    }
}

/// How the slices of a prepared file lie in memory, seen from the scan's own axes (i, j, k).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisOrder {
    /// `(k, j, i)`, nibabel's array transposed by `(2, 1, 0)`: SAMed's script, the h5 forms of ACDC; the
    /// canonical order here.
    #[default]
    Zyx,
    /// `(k, i, j)`, transposed by `(2, 0, 1)`: CASCADE's script.
    Zxy,
}

impl AxisOrder {
    /// The order's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Zyx => "zyx",
            Self::Zxy => "zxy",
        }
    }

    /// Brings a volume from this order to the canonical one, and back.
    #[must_use]
    pub fn swap<T: Clone>(self, volume: Array3<T>) -> Array3<T> {
        match self {
            Self::Zyx => volume,
            Self::Zxy => volume.permuted_axes([0, 2, 1]).as_standard_layout().into_owned(),
        }
    }
}

/// Turns label values as a file holds them into canonical classes.
///
/// # Errors
/// Where a value is no code of the coding.
pub fn to_canonical(
    path: &Path,
    values: &Array3<f32>,
    canonical: &[u8],
    coding: &str,
) -> Result<Array3<u8>, DatasetError> {
    let table: Vec<Option<u8>> = canonical.iter().map(|&class| Some(class)).collect();
    to_classes(path, values, &table, coding)
}

/// Turns label values into classes by a table; a value beyond it, or without an entry, is refused.
pub(crate) fn to_classes(
    path: &Path,
    values: &Array3<f32>,
    table: &[Option<u8>],
    coding: &str,
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
            coding: coding.to_owned(),
        }),
    }
}

/// Class names of Synapse, in the canonical order.
#[must_use]
pub fn synapse_labels() -> LabelTable {
    LabelTable::new(&SYNAPSE_ORGANS)
}

/// Class names of ACDC.
#[must_use]
pub fn acdc_labels() -> LabelTable {
    LabelTable::new(&ACDC_STRUCTURES)
}
