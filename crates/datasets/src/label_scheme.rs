//! Label schemes: which number means which organ in a file. They lie in `data/label_schemes.toml`, with their sources.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::LazyLock;

use fastersam_volume::LabelTable;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;

const SCHEMES: &str = include_str!("../data/label_schemes.toml");

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    synapse: Schemes,
    acdc: Schemes,
}

/// The label schemes of one data set.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Schemes {
    scored: Vec<String>,
    schemes: BTreeMap<String, Scheme>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scheme {
    source: String,
    names: Vec<String>,
}

/// The built-in file. If it could not be read (a test would notice), no label would be known.
static FILE: LazyLock<File> = LazyLock::new(|| toml::from_str(SCHEMES).unwrap_or_default());

impl Schemes {
    /// The canonical class of each code of a scheme; structures that are not scored are background.
    fn canonical(&self, scheme: &str) -> Vec<u8> {
        let names = self.schemes.get(scheme).map_or(&[][..], |scheme| &scheme.names);
        let labels = self.labels();
        std::iter::once(0).chain(names.iter().map(|name| labels.class(name).unwrap_or(0))).collect()
    }

    fn labels(&self) -> LabelTable {
        LabelTable::new(&self.scored.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// A named label scheme of Synapse, as `data/label_schemes.toml` has it. Reading one as another silently ruins
/// results, so it is a required property of every npz and h5 file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelScheme {
    /// The 13 codes of the BTCV challenge.
    Raw,
    /// `TransUNet`'s prepared files; the canonical scheme here.
    Transunet,
    /// The files of SAMed's script.
    Samed,
}

impl LabelScheme {
    /// All schemes.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Transunet, Self::Samed];

    /// The scheme's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Transunet => "transunet",
            Self::Samed => "samed",
        }
    }

    /// Where the scheme comes from.
    #[must_use]
    pub fn source(self) -> &'static str {
        FILE.synapse.schemes.get(self.name()).map_or("", |scheme| &scheme.source)
    }

    /// The code of a canonical class; 0 of a class that Synapse does not have.
    #[must_use]
    pub fn code(self, class: u8) -> u8 {
        (0..=u8::MAX).zip(self.canonical()).find(|(_, canonical)| **canonical == class).map_or(0, |(code, _)| code)
    }

    /// The canonical class of each code, by index; codes of organs that are not scored are background.
    #[must_use]
    pub fn canonical(self) -> &'static [u8] {
        static TABLES: LazyLock<[Vec<u8>; 3]> =
            LazyLock::new(|| LabelScheme::ALL.map(|scheme| FILE.synapse.canonical(scheme.name())));
        &TABLES[self as usize]
    }
}

impl FromStr for LabelScheme {
    type Err = DatasetError;

    fn from_str(name: &str) -> Result<Self, DatasetError> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name).ok_or_else(|| {
            DatasetError::Request(format!("{name:?} is no label scheme; there are: raw, transunet, samed"))
        })
    }
}

/// The class of each code of ACDC.
pub(crate) fn acdc_canonical() -> Vec<u8> {
    FILE.acdc.canonical("acdc")
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
