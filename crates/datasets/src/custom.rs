//! A data set of one's own, described by one TOML file, and the first draft of one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::case::{Intensity, LabelTable};
use crate::error::DatasetError;
use crate::form::{Entry, Files, names_in};
use crate::prepared::{check_name, read_text};
use crate::scan::{Orientation, Scan};

/// The name under which a folder's own description is found.
pub const FILE_NAME: &str = "dataset-description.toml";
/// More files than this are no data set that this program should walk through.
const MAX_FILES: usize = 200_000;
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
    /// Where the images are; `{case}` stands for a case's name, for instance `images/{case}.nii.gz`.
    pub image: String,
    /// Where the label maps are.
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
            if !pattern.contains("{case}") {
                return Err(format!("`{key}` is {pattern:?}: it must hold `{{case}}`, the place of a case's name"));
            }
            if Path::new(pattern).is_absolute() || pattern.split('/').any(|part| part == "..") {
                return Err(format!("`{key}` is {pattern:?}: write it relative to `folder`, without `..`"));
            }
        }
        self.intensity.validate()?;
        if self.labels.is_empty() || self.labels.len() > 255 {
            return Err(format!("it names {} labels; 1 to 255 are possible", self.labels.len()));
        }
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

    /// Names of the classes, in the order of the table.
    #[must_use]
    pub fn label_table(&self) -> LabelTable {
        LabelTable::new(&self.names())
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

    /// The class of each code.
    pub(crate) fn table(&self) -> Vec<Option<u8>> {
        let names = self.names();
        let mut table = vec![None; usize::from(MAX_CODE) + 1];
        table[0] = Some(0);
        for &code in &self.background {
            table[usize::from(code)] = Some(0);
        }
        for label in &self.labels {
            let class = names.iter().position(|name| *name == label.name).map(|at| at as u8 + 1);
            table[usize::from(label.code)] = class;
        }
        table
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
    pub(crate) fn entries(&self, file: &Path) -> Result<Vec<Entry>, DatasetError> {
        let beside = file.parent().unwrap_or(Path::new("."));
        let folder = self.folder.as_ref().map_or_else(|| beside.to_owned(), |folder| beside.join(folder));
        DatasetError::require(&folder, "the description names it")?;
        let parts: Vec<&str> = self.image.split('/').collect();
        let mut cases = BTreeMap::new();
        find(&folder, &parts, None, &mut cases)?;
        if cases.is_empty() {
            let reason = format!("no file in {} is like `{}`", folder.display(), self.image);
            return Err(DatasetError::malformed(file, reason));
        }
        let entry = |(id, image): (String, PathBuf)| {
            check_name(file, &id)?;
            let label = folder.join(self.label.replace("{case}", &id));
            Ok(Entry { key: id.clone(), id, files: Files::Nifti([image, label]) })
        };
        cases.into_iter().map(entry).collect()
    }
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
            (None, None) => name.strip_prefix(before).map(|n| n.split(after.split('{').next().unwrap_or_default()))
                .and_then(|mut n| n.next().map(str::to_owned)),
        };
        if let Some(case) = candidate.filter(|case| !case.is_empty() && part.replace("{case}", case) == name) {
            step(&name, Some(&case))?;
        }
    }
    Ok(())
}

/// Drafts a description of the NIfTI files in a folder: pairs of images and label maps, their codes, a window for CT
/// or percentiles for anything else, the axis with the thickest slices, and every fifth case to validate on.
///
/// # Errors
/// Where no pairs are found, or one can't be read.
pub fn describe(folder: &Path) -> Result<Description, DatasetError> {
    DatasetError::require(folder, "give the folder of your data")?;
    let mut files = Vec::new();
    walk(folder, "", 4, &mut files)?;
    let (labels, images): (Vec<&String>, Vec<&String>) = files.iter().partition(|file| is_label(file));
    let wrong = |reason: String| DatasetError::malformed(folder, reason);
    if images.is_empty() || labels.is_empty() {
        return Err(wrong(format!(
            "{} images and {} label maps were found among its NIfTI files; label maps are told by `label`, `seg`, \
             `mask` or `gt` in their folder or name",
            images.len(),
            labels.len()
        )));
    }
    let (image, label) = patterns(&images, &labels).ok_or_else(|| {
        wrong(format!("no pattern fits {} and {}: write the description by hand", images[0], labels[0]))
    })?;
    let mut draft = Description {
        name: folder.file_name().and_then(|n| n.to_str()).unwrap_or("my data").to_owned(),
        folder: None,
        image,
        label,
        axis: SliceAxis::Axial,
        background: Vec::new(),
        intensity: Intensity::Percentiles { low: 0.5, high: 99.5 },
        labels: Vec::new(),
        splits: BTreeMap::new(),
        folds: BTreeMap::new(),
    };
    let entries = draft.entries(&folder.join("dataset.toml"))?;
    let mut codes = BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        let Files::Nifti([image, label]) = &entry.files else { continue };
        DatasetError::require(label, "every image needs its label map")?;
        for &value in &Scan::read(label)?.voxels {
            if !(value >= 0.0 && value <= f32::from(MAX_CODE) && value.fract() == 0.0) {
                return Err(DatasetError::malformed(label, format!("it holds {value}, which is no label")));
            }
            codes.insert(value as u16);
        }
        if at == 0 {
            let scan = Scan::read(image)?;
            let lowest = scan.voxels.fold(f32::INFINITY, |a, &b| a.min(b));
            // Only Hounsfield units go that low.
            if lowest <= -150.0 {
                draft.intensity = crate::synapse::INTENSITY;
            }
            draft.axis = thickest(&scan);
        }
    }
    codes.remove(&0);
    draft.labels = codes.into_iter().map(|code| LabelName { code, name: format!("class {code}") }).collect();
    let is_valid = |at: usize| entries.len() > 1 && at % 5 == 4.min(entries.len() - 1);
    for (at, entry) in entries.iter().enumerate() {
        let split = if is_valid(at) { "valid" } else { "train" };
        draft.splits.entry(split.to_owned()).or_default().push(entry.id.clone());
    }
    draft.validate().map_err(wrong)?;
    Ok(draft)
}

/// The text of a description, for people to edit.
///
/// # Errors
/// Where it can't be said in TOML.
pub fn to_toml(description: &Description) -> Result<String, DatasetError> {
    let text = toml::to_string(description).map_err(|e| DatasetError::Request(e.to_string()))?;
    Ok(format!(
        "# A first description: give the labels their names, check intensity, axis and splits.\n\
         # Codes that are not to be told apart go into `background = [..]`.\n\n{text}"
    ))
}

/// The axis with the thickest slices; axial where all are alike.
fn thickest(scan: &Scan) -> SliceAxis {
    let thickness = |axis: SliceAxis| {
        let own = scan.orientation();
        let at = own.axes.iter().position(|&world| world == axis.orientation().axes[0]).unwrap_or(0);
        scan.spacing_mm[2 - at]
    };
    let axial = thickness(SliceAxis::Axial);
    [SliceAxis::Coronal, SliceAxis::Sagittal]
        .into_iter()
        .find(|&axis| thickness(axis) > 1.5 * axial)
        .unwrap_or(SliceAxis::Axial)
}

fn walk(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<String>) -> Result<(), DatasetError> {
    for name in names_in(folder)? {
        let (path, relative) = (folder.join(&name), format!("{prefix}{name}"));
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() && depth > 0 {
            walk(&path, &format!("{relative}/"), depth - 1, files)?;
        } else if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            files.push(relative);
        }
        if files.len() > MAX_FILES {
            return Err(DatasetError::malformed(folder, format!("it holds more than {MAX_FILES} files")));
        }
    }
    Ok(())
}

fn is_label(file: &str) -> bool {
    let words = file.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    words.into_iter().any(|word| {
        word == "gt" || ["label", "seg", "mask", "annotation"].iter().any(|start| word.starts_with(start))
    })
}

/// The two patterns: what all images have in common around their names, and likewise the label maps.
fn patterns(images: &[&String], labels: &[&String]) -> Option<(String, String)> {
    let around = |files: &[&String]| -> Option<(usize, usize)> {
        let first = files.first()?.as_bytes();
        let same = |at: usize, from_end: bool| {
            files.iter().all(|file| {
                let bytes = file.as_bytes();
                let place = if from_end { bytes.len().checked_sub(at + 1) } else { Some(at) };
                let of_first = if from_end { first.len().checked_sub(at + 1) } else { Some(at) };
                place.and_then(|p| bytes.get(p)) == of_first.and_then(|p| first.get(p)) && place.is_some()
            })
        };
        let shortest = files.iter().map(|f| f.len()).min()?;
        let start = (0..shortest).take_while(|&at| same(at, false)).count();
        let end = (0..shortest - start).take_while(|&at| same(at, true)).count();
        Some((start, end))
    };
    let (image, label) = (images[0].as_str(), labels[0].as_str());
    let case = if images.len() > 1 && labels.len() > 1 {
        let ((image_start, _), (label_start, label_end)) = (around(images)?, around(labels)?);
        let middle = label.get(label_start..label.len() - label_end)?.split('/').next()?;
        // Names read better whole: take in what precedes and follows in both.
        let common = |a: &str, b: &str| {
            let same = a.chars().rev().zip(b.chars().rev()).take_while(|(a, b)| a == b && *a != '/');
            same.map(|(a, _)| a).collect::<Vec<char>>().into_iter().rev().collect::<String>()
        };
        let before = common(image.get(..image_start)?, label.get(..label_start)?);
        format!("{before}{middle}")
    } else {
        longest_common(image, label)?
    };
    let pattern = |file: &str| file.contains(&case).then(|| file.replace(&case, "{case}"));
    (!case.is_empty()).then_some(())?;
    Some((pattern(image)?, pattern(label)?))
}

/// The longest text without `/` and dots that both names have.
fn longest_common(a: &str, b: &str) -> Option<String> {
    let pieces = |text: &str| text.split(['/', '.']).map(str::to_owned).collect::<Vec<String>>();
    let mut best = String::new();
    for piece in pieces(a) {
        let at: Vec<usize> = piece.char_indices().map(|(at, _)| at).chain([piece.len()]).collect();
        for (i, &start) in at.iter().enumerate() {
            for &end in &at[i..] {
                let part = &piece[start..end];
                if part.len() > best.len() && part != "nii" && pieces(b).iter().any(|other| other.contains(part)) {
                    best = part.to_owned();
                }
            }
        }
    }
    (!best.is_empty()).then_some(best)
}
