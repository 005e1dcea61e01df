//! A data set of one's own, described by one TOML file, and the first draft of one.

mod describe;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fastersam_volume::{Intensity, LabelTable, Orientation};
use serde::{Deserialize, Serialize};

use crate::dataset::Entry;
use crate::error::DatasetError;
use crate::names::{names_in, with_ending, without_ending};
use crate::text::{check_name, read_text};

pub use describe::{describe, to_toml};

/// The name under which a folder's own description is found.
pub const FILE_NAME: &str = "dataset-description.toml";
/// The largest code of a label map.
const MAX_CODE: u16 = 4095;

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
    /// `images/{case}.nii.gz`, or a folder, whose NIfTI files are called like their cases.
    pub image: String,
    /// Where the label maps are, likewise.
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
}

/// A code in the label maps and what it is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelName {
    /// The value of the voxels.
    pub code: u16,
    /// The name.
    pub name: String,
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
        for (key, pattern) in [("image", &self.image), ("label", &self.label)] {
            if !is_pattern(pattern) && (pattern.is_empty() || without_ending(pattern).is_some()) {
                return Err(format!(
                    "`{key}` is {pattern:?}: it must hold `{{case}}`, the place of a case's name, or be a folder"
                ));
            }
            if Path::new(pattern).is_absolute() || pattern.split('/').any(|part| part == "..") {
                return Err(format!("`{key}` is {pattern:?}: write it relative to `folder`, without `..`"));
            }
        }
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

    /// Image and label of every case whose image is there.
    /// The files of a folder that it describes: images and label maps.
    ///
    /// # Errors
    /// Where there are none.
    pub fn files(&self, folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
        let entries = self.entries(&folder.join(FILE_NAME))?;
        Ok(entries.into_iter().flat_map(|entry| entry.files).collect())
    }

    pub(crate) fn entries(&self, file: &Path) -> Result<Vec<Entry>, DatasetError> {
        let beside = file.parent().unwrap_or(Path::new("."));
        let folder = self.folder.as_ref().map_or_else(|| beside.to_owned(), |folder| beside.join(folder));
        DatasetError::require(&folder, "the description names it")?;
        let mut cases = BTreeMap::new();
        if is_pattern(&self.image) {
            let parts: Vec<&str> = self.image.split('/').collect();
            find(&folder, &parts, None, &mut cases)?;
        } else {
            let images = folder.join(&self.image);
            for name in names_in(&images)? {
                if let Some(case) = without_ending(&name).filter(|_| !name.starts_with('.')) {
                    cases.insert(case.to_owned(), images.join(&name));
                }
            }
        }
        if cases.is_empty() {
            let reason = format!("no file in {} is like `{}`", folder.display(), self.image);
            return Err(DatasetError::malformed(file, reason));
        }
        let entry = |(id, image): (String, PathBuf)| {
            check_name(file, &id)?;
            let label = if is_pattern(&self.label) {
                folder.join(self.label.replace("{case}", &id))
            } else {
                with_ending(&folder.join(&self.label), &id)
            };
            Ok(Entry { key: id.clone(), id, files: vec![image, label], recorded: None })
        };
        cases.into_iter().map(entry).collect()
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains("{case}")
}

/// Files like a pattern, by what stands for `{case}`.
fn find(
    folder: &Path,
    parts: &[&str],
    case: Option<&str>,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), DatasetError> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    let mut step = |name: &str, case: Option<&str>| {
        let path = folder.join(name);
        match (rest.is_empty(), case) {
            (true, Some(case)) if path.is_file() => {
                found.insert(case.to_owned(), path);
                Ok(())
            }
            (false, _) if path.is_dir() => find(&path, rest, case, found),
            _ => Ok(()),
        }
    };
    let Some((before, after)) = part.split_once("{case}") else { return step(part, case) };
    for name in names_in(folder)? {
        let middle = name.strip_prefix(before).and_then(|n| n.strip_suffix(after));
        // A second `{case}` in one part: the first one's text decides.
        let candidate = match (case, middle) {
            (Some(case), _) => Some(case.to_owned()),
            (None, Some(middle)) => Some(middle.to_owned()),
            (None, None) => name
                .strip_prefix(before)
                .map(|n| n.split(after.split('{').next().unwrap_or_default()))
                .and_then(|mut n| n.next().map(str::to_owned)),
        };
        if let Some(case) = candidate.filter(|case| !case.is_empty() && part.replace("{case}", case) == name) {
            step(&name, Some(&case))?;
        }
    }
    Ok(())
}
