//! The families of phantoms, and a phantom as a scanner would give it.

use fastersam_volume::{Intensity, LabelTable, Orientation};
use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::intensity;
use crate::label_scheme::{acdc_labels, synapse_labels};

/// Rows and columns of the phantoms that the built-in experiments use.
pub const SIZE: usize = 160;

/// A family of phantoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phantom {
    /// A CT of 12 to 20 slices with eight organs in the canonical label scheme of Synapse.
    Abdomen,
    /// A short-axis MR of 12 to 16 slices: right ventricle, myocardium and left ventricle. Indices
    /// `2 i` and `2 i + 1` are end diastole and end systole of the same patient: keep them in one split.
    Heart,
}

impl Phantom {
    /// Names of the classes.
    #[must_use]
    pub fn labels(self) -> LabelTable {
        match self {
            Self::Abdomen => synapse_labels(),
            Self::Heart => acdc_labels(),
        }
    }

    /// How the protocol of the data set that the family stands for scales intensities.
    #[must_use]
    pub fn intensity(self) -> Intensity {
        match self {
            Self::Abdomen => intensity::SYNAPSE,
            Self::Heart => intensity::ACDC,
        }
    }
}

/// A phantom before preparation: whole-numbered intensities that nobody has scaled yet.
#[derive(Clone, Debug)]
pub struct Acquisition {
    /// The family it is from.
    pub family: Phantom,
    /// `case0001` (abdomen), `patient001_frame01` (heart).
    pub id: String,
    /// Hounsfield units (abdomen) or arbitrary units (heart), `[slices, rows, columns]`.
    pub raw: Array3<i16>,
    /// Classes in the canonical label scheme, of the same shape.
    pub label: Array3<u8>,
    /// Along slices, rows and columns; exact as f32, the precision of NIfTI.
    pub spacing_mm: [f64; 3],
}

impl Acquisition {
    /// Rows to posterior, columns to the patient's left.
    pub const ORIENTATION: Orientation = Orientation { axes: [2, 1, 0], positive: [true, false, false] };

    /// The volume with gray values scaled to [0, 1] by the protocol of its data set.
    #[must_use]
    pub fn into_case(self) -> Case {
        let mut image = self.raw.mapv(f32::from);
        let survey = self.family.intensity().scale(&mut image);
        Case {
            id: self.id,
            image,
            label: self.label,
            spacing_mm: Some(self.spacing_mm),
            orientation: Self::ORIENTATION,
            turned_from: None,
            intensities: survey.quantiles(),
            notes: Vec::new(),
        }
    }
}
