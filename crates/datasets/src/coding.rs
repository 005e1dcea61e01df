//! Label codings: which number means which organ in a file. They lie in `data/codings.toml`, with their sources.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::case::LabelTable;
use crate::error::DatasetError;

const CODINGS: &str = include_str!("../data/codings.toml");

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    synapse: Codings,
    acdc: Codings,
}

/// The codings of one data set.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Codings {
    scored: Vec<String>,
    codings: BTreeMap<String, Coding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coding {
    source: String,
    names: Vec<String>,
}

/// The built-in file. If it could not be read (a test would notice), no label would be known.
static FILE: LazyLock<File> = LazyLock::new(|| toml::from_str(CODINGS).unwrap_or_default());

impl Codings {
    /// The canonical class of each code of a coding; structures that are not scored are background.
    fn canonical(&self, coding: &str) -> Vec<u8> {
        let names = self.codings.get(coding).map_or(&[][..], |coding| &coding.names);
        let class =
            |name: &String| self.scored.iter().position(|scored| scored == name).map_or(0, |at| at as u8 + 1);
        std::iter::once(0).chain(names.iter().map(class)).collect()
    }

    fn labels(&self) -> LabelTable {
        LabelTable::new(&self.scored.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// A named coding of the Synapse labels, as `data/codings.toml` has it. Reading one as another silently ruins
/// results, so it is a required property of every prepared file.
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
    /// All codings.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Transunet, Self::Samed];

    /// The coding's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Transunet => "transunet",
            Self::Samed => "samed",
        }
    }

    /// Where the coding comes from.
    #[must_use]
    pub fn source(self) -> &'static str {
        FILE.synapse.codings.get(self.name()).map_or("", |coding| &coding.source)
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
        static TABLES: LazyLock<[Vec<u8>; 3]> =
            LazyLock::new(|| SynapseCoding::ALL.map(|coding| FILE.synapse.canonical(coding.name())));
        &TABLES[self as usize]
    }
}

/// The class of each code of ACDC.
pub(crate) fn acdc_canonical() -> Vec<u8> {
    FILE.acdc.canonical("acdc")
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
    FILE.synapse.labels()
}

/// Class names of ACDC.
#[must_use]
pub fn acdc_labels() -> LabelTable {
    FILE.acdc.labels()
}
