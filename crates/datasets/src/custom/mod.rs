//! A data set of one's own, described by one TOML file, and the first draft of one.

mod content;
pub(crate) mod describe;
mod files;
pub(crate) mod formats;
pub(crate) mod pairs;
mod patients;
pub(crate) mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fastersam_volume::{Intensity, LabelTable, Orientation};
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::names::without_ending;
use crate::text::read_text;
use files::{CASE, LABEL, is_pattern};

pub use describe::{Draft, describe};

/// The name under which a folder's own description is found.
pub const FILE_NAME: &str = "dataset-description.toml";
/// The largest code of a label map.
pub(crate) const MAX_CODE: u16 = 4095;

/// What the TOML file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What tables call the data set.
    pub name: String,
    /// The folder of the patterns, relative to the file; its own where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Where the images are: a pattern in which `{case}` stands for a case's name, for instance
    /// `images/{case}.nii.gz`, or a folder, whose NIfTI files are called like their cases. Nothing where `cases` has the files.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Where the label maps are, likewise. Where each class has a file of its own, `{label}` stands for the class's name. Of
    /// voxels that several of these files mark, the last class in the order of `labels` has them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Slices are cut across this axis.
    #[serde(default)]
    pub axis: SliceAxis,
    /// Codes of the label maps that count as background, beside 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub background: Vec<u16>,
    /// How raw intensities become gray values in [0, 1].
    pub intensity: Intensity,
    /// Codes and names of the classes; codes of one name are one class.
    pub labels: Vec<LabelName>,
    /// Cases of each split: `train`, `valid`, `test` or any other name.
    #[serde(default)]
    pub splits: BTreeMap<String, Vec<String>>,
    /// Folds: `a` gives the splits `fold-a` and, with all other cases of the folds, `fold-a-train`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub folds: BTreeMap<String, Vec<String>>,
    /// The files of each case, where no pattern fits them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<CaseFiles>,
}

/// The files of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFiles {
    /// Its name: letters, digits, `_`, `-` and `.`.
    pub case: String,
    /// Whose scan it is; the splits name patients then, whose scans stay together. The case itself where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// The image.
    pub image: String,
    /// The label map; with `{label}` in it one file for each class.
    pub label: String,
}

/// A code in the label maps and what it is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelName {
    /// The value of the voxels.
    pub code: u16,
    /// The name.
    pub name: String,
    /// What stands for `{label}` in the name of its file, where that is not the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Across what slices are cut. Whatever the files' orientation is, slices look the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceAxis {
    /// From inferior to superior; rows to posterior, columns to the patient's left.
    #[default]
    Axial,
    /// From posterior to anterior; rows to inferior, columns to the patient's left.
    Coronal,
    /// From left to right; rows to inferior, columns to posterior.
    Sagittal,
}

impl SliceAxis {
    /// Where slices, rows and columns point.
    #[must_use]
    pub fn orientation(self) -> Orientation {
        match self {
            Self::Axial => Orientation { axes: [2, 1, 0], positive: [true, false, false] },
            Self::Coronal => Orientation { axes: [1, 2, 0], positive: [true, false, false] },
            Self::Sagittal => Orientation { axes: [0, 2, 1], positive: [true, false, false] },
        }
    }
}

impl Description {
    /// Reads and checks a description.
    ///
    /// # Errors
    /// Where the file can't be read, has an unknown key, or asks for what can't be.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let text = read_text(path, 16 << 20)?;
        let malformed = |reason: String| DatasetError::malformed(path, reason);
        let description: Self = toml::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        description.validate().map_err(malformed)?;
        Ok(description)
    }

    fn validate(&self) -> Result<(), String> {
        self.validate_files()?;
        self.intensity.validate()?;
        self.label_table().validate()?;
        let mut seen = BTreeSet::new();
        for code in self.labels.iter().map(|label| label.code).chain(self.background.iter().copied()) {
            if code == 0 || code > MAX_CODE {
                return Err(format!("the code {code}: codes run from 1 to {MAX_CODE}, 0 is background"));
            }
            if !seen.insert(code) {
                return Err(format!("the code {code} is there twice"));
            }
        }
        if self.labels.iter().any(|label| label.name.trim().is_empty()) {
            return Err("a label has no name".to_owned());
        }
        for (split, cases) in self.splits.iter().chain(&self.folds) {
            if let Some(twice) = cases.iter().enumerate().find(|(i, case)| cases[..*i].contains(case)) {
                return Err(format!("{split} names {:?} twice", twice.1));
            }
        }
        Ok(())
    }

    fn validate_files(&self) -> Result<(), String> {
        let patterns = [("image", &self.image), ("label", &self.label)];
        if !self.cases.is_empty() {
            if let Some((key, _)) = patterns.iter().find(|(_, pattern)| !pattern.is_empty()) {
                return Err(format!("it has both `{key}` and `cases`: the files are named by one of them"));
            }
            let mut seen = BTreeSet::new();
            if let Some(twice) = self.cases.iter().find(|files| !seen.insert(&files.case)) {
                return Err(format!("`cases` has {:?} twice", twice.case));
            }
        } else if let Some((key, pattern)) = patterns.iter().find(|(key, pattern)| {
            let has_class = *key == "label" && pattern.contains(LABEL);
            let is_file = without_ending(pattern).is_some();
            !is_pattern(pattern) && !has_class && (pattern.is_empty() || is_file)
        }) {
            return Err(format!(
                "`{key}` is {pattern:?}: it must hold `{CASE}`, the place of a case's name, or be a folder"
            ));
        }
        let named = self.cases.iter().flat_map(|files| [("image", &files.image), ("label", &files.label)]);
        for (key, path) in patterns.into_iter().chain(named) {
            if Path::new(path).is_absolute() || path.split('/').any(|part| part == "..") {
                return Err(format!("`{key}` is {path:?}: write it relative to `folder`, without `..`"));
            }
        }
        Ok(())
    }

    /// Names of the classes, in the order of the table, with the first code of each.
    #[must_use]
    pub fn label_table(&self) -> LabelTable {
        let names = self.names();
        let code_of = |name: &&str| self.labels.iter().find(|label| label.name == **name).map(|label| label.code);
        let codes: Vec<u16> = names.iter().filter_map(code_of).collect();
        LabelTable::new(&names).with_codes(codes)
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for label in &self.labels {
            if !names.contains(&label.name.as_str()) {
                names.push(&label.name);
            }
        }
        names
    }

    /// The class of each code, by index.
    pub(crate) fn codes(&self) -> Vec<Option<u8>> {
        let mut codes = vec![None; usize::from(MAX_CODE) + 1];
        codes[0] = Some(0);
        for &code in &self.background {
            codes[usize::from(code)] = Some(0);
        }
        let table = self.label_table();
        for label in &self.labels {
            codes[usize::from(label.code)] = table.class(&label.name);
        }
        codes
    }

    /// The splits, folds among them.
    pub(crate) fn splits(&self) -> BTreeMap<String, Vec<String>> {
        let mut splits = self.splits.clone();
        for (fold, held_out) in &self.folds {
            let others = self.folds.iter().filter(|(name, _)| *name != fold);
            splits.insert(format!("fold-{fold}-train"), others.flat_map(|(_, cases)| cases.clone()).collect());
            splits.insert(format!("fold-{fold}"), held_out.clone());
        }
        splits
    }
}
