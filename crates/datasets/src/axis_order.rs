//! How the slices of npz and h5 files lie.

use std::str::FromStr;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;

/// How the slices of an npz or h5 file lie in memory, seen from the scan's own axes (i, j, k).
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
    /// All orders.
    pub const ALL: [Self; 2] = [Self::Zyx, Self::Zxy];

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

impl FromStr for AxisOrder {
    type Err = DatasetError;

    fn from_str(name: &str) -> Result<Self, DatasetError> {
        let found = Self::ALL.into_iter().find(|order| order.name() == name);
        found.ok_or_else(|| DatasetError::Request(format!("{name:?} is no axis order; there are: zyx, zxy")))
    }
}
