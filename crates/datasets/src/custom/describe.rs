//! The first draft of a description, from what a folder holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fastersam_volume::{Intensity, Scan, ScanFile};

use super::files::{CASE, LABEL};
use super::pairs::{Labels, Pair, pair};
use super::{CaseFiles, Description, FILE_NAME, LabelName, MAX_CODE, SliceAxis};
use crate::error::DatasetError;
use crate::forms::code_of;
use crate::intensity;
use crate::names::{names_in, without_ending};
use crate::text::read_text;

/// More files than this are no data set that this program should walk through.
const MAX_FILES: usize = 200_000;
/// Folders below the one that is given.
pub(crate) const MAX_DEPTH: usize = 6;
/// `dataset.json` of thousands of cases has some MiB.
const MAX_JSON_BYTES: u64 = 64 << 20;

/// A description that a program wrote, and what it could not place.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The description.
    pub description: Description,
    /// Number of NIfTI files that were found.
    pub n_files: usize,
    /// Those that belong to no case, and why.
    pub left_out: Vec<(String, String)>,
}

/// Drafts a description of the NIfTI files in a folder: pairs of images and label maps, their codes, with the names that a
/// `dataset.json` gives them, a window for CT or percentiles for anything else, the axis with the thickest slices, and every
/// fifth patient to validate on.
///
/// # Errors
/// Where no pairs are found, or one can't be read.
pub fn describe(folder: &Path) -> Result<Draft, DatasetError> {
    DatasetError::require(folder, "give the folder of your data")?;
    let mut files = Vec::new();
    walk(folder, "", MAX_DEPTH, &mut files)?;
    let wrong = |reason: String| DatasetError::malformed(folder, reason);
    let found = pair(&files);
    let Some(first) = found.pairs.first() else {
        return Err(wrong(format!(
            "no image with its label map was found among its {} NIfTI files; label maps are told by `label`, `seg`, `mask`, \
             `truth`, `contour` or `gt` in their folder or name",
            files.len()
        )));
    };
    let mut description = Description {
        name: folder
            .canonicalize()
            .ok()
            .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .unwrap_or_else(|| "my data".to_owned()),
        folder: None,
        image: String::new(),
        label: String::new(),
        axis: SliceAxis::Axial,
        background: Vec::new(),
        intensity: Intensity::Percentiles { low: 0.5, high: 99.5 },
        labels: labels(folder, &found.pairs)?,
        splits: splits(&found.pairs),
        folds: BTreeMap::new(),
        cases: Vec::new(),
    };
    let mut scan = ScanFile::open(&folder.join(&first.image))?;
    // Only Hounsfield units go that low.
    if scan.survey()?.range().is_some_and(|[lowest, _]| lowest <= -150.0) {
        description.intensity = intensity::SYNAPSE;
    }
    description.axis = thickest(&scan);
    name_files(folder, &found.pairs, &mut description)?;
    description.validate().map_err(wrong)?;
    Ok(Draft { description, n_files: files.len(), left_out: found.left_out })
}

impl Draft {
    /// Number of files of cases.
    #[must_use]
    pub fn n_used(&self) -> usize {
        self.n_files - self.left_out.len()
    }

    /// The text of the description, for people to edit.
    ///
    /// # Errors
    /// Where it can't be said in TOML.
    pub fn to_toml(&self) -> Result<String, DatasetError> {
        let text = toml::to_string(&self.description).map_err(|e| DatasetError::Request(e.to_string()))?;
        Ok(format!(
            "# A first description: give the labels their names, check intensity, axis and splits.\n\
             # Codes that are not to be told apart go into `background = [..]`.\n\n{text}"
        ))
    }
}

/// The classes: the codes of all label maps, or the names of all files of single classes.
fn labels(folder: &Path, pairs: &[Pair]) -> Result<Vec<LabelName>, DatasetError> {
    let mut codes = BTreeSet::new();
    let mut organs: BTreeSet<&str> = BTreeSet::new();
    for pair in pairs {
        match &pair.labels {
            Labels::Map(path) => {
                let path = folder.join(path);
                for &value in &Scan::read(&path)?.voxels {
                    let code = code_of(value).filter(|&code| code <= MAX_CODE).ok_or_else(|| {
                        DatasetError::malformed(
                            &path,
                            format!("it holds {value}, which is no label; whole numbers to {MAX_CODE} are"),
                        )
                    })?;
                    codes.insert(code);
                }
            }
            Labels::Files(files) => organs.extend(files.keys().map(String::as_str)),
        }
    }
    if !organs.is_empty() && !codes.is_empty() {
        return Err(DatasetError::malformed(
            folder,
            "some cases have one label map, others a file for each class: describe them apart",
        ));
    }
    let named = names_of(&folder.join("dataset.json"));
    let of_codes = codes.into_iter().filter(|&code| code != 0).map(|code| LabelName {
        code,
        name: named.get(&code).cloned().unwrap_or_else(|| format!("class {code}")),
        file: None,
    });
    let of_files = (1..).zip(organs).map(|(code, organ)| {
        let name = organ.replace('_', " ");
        let file = (name != organ).then(|| organ.to_owned());
        LabelName { code, name, file }
    });
    Ok(of_codes.chain(of_files).collect())
}

/// The names of codes in a `dataset.json` of nnU-Net (`"liver": 1`) or the Medical Segmentation Decathlon (`"1": "liver"`).
pub(crate) fn names_of(file: &Path) -> BTreeMap<u16, String> {
    let text = if file.is_file() { read_text(file, MAX_JSON_BYTES).unwrap_or_default() } else { String::new() };
    let described: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let labels = described.get("labels").and_then(serde_json::Value::as_object);
    let code = |value: &serde_json::Value| u16::try_from(value.as_u64()?).ok();
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match (value.as_str(), code(value)) {
            (Some(name), _) => Some((key.parse().ok()?, name.to_owned())),
            (_, Some(code)) => Some((code, key.clone())),
            _ => None,
        })
        .collect()
}

/// Every fifth patient validates.
fn splits(pairs: &[Pair]) -> BTreeMap<String, Vec<String>> {
    let mut patients: Vec<&str> = pairs.iter().map(|pair| pair.patient.as_str()).collect();
    patients.sort_unstable();
    patients.dedup();
    let mut splits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, patient) in patients.iter().enumerate() {
        let is_valid = patients.len() > 1 && at % 5 == 4.min(patients.len() - 1);
        splits.entry(if is_valid { "valid" } else { "train" }.to_owned()).or_default().push((*patient).to_owned());
    }
    splits
}

/// Says where the files are: by patterns where these find the pairs and nothing else, or one by one.
fn name_files(folder: &Path, pairs: &[Pair], description: &mut Description) -> Result<(), DatasetError> {
    let label_path = |pair: &Pair| match &pair.labels {
        Labels::Map(path) => path.clone(),
        // All of a case lie in one folder, with one ending or the other.
        Labels::Files(files) => files.iter().next().map_or_else(String::new, |(stem, path)| {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            format!("{above}/{}", name.replacen(stem.as_str(), LABEL, 1))
        }),
    };
    let wanted: BTreeMap<String, [String; 2]> =
        pairs.iter().map(|pair| (pair.case.clone(), [pair.image.clone(), label_path(pair)])).collect();
    if pairs.iter().all(|pair| pair.patient == pair.case)
        && let Some((case, [image, label])) = wanted.iter().next()
    {
        let fitted = Description {
            image: image.replace(case.as_str(), CASE),
            label: label.replace(case.as_str(), CASE),
            ..description.clone()
        };
        let fits = |(case, files): (&String, &[String; 2])| {
            [&fitted.image, &fitted.label].map(|pattern| pattern.replace(CASE, case)) == *files
        };
        let n_found = fitted.entries(&folder.join(FILE_NAME)).map_or(0, |entries| entries.len());
        if fitted.image.contains(CASE) && wanted.iter().all(fits) && n_found == pairs.len() {
            *description = fitted;
            return Ok(());
        }
    }
    description.cases = pairs
        .iter()
        .map(|pair| CaseFiles {
            case: pair.case.clone(),
            patient: (pair.patient != pair.case).then(|| pair.patient.clone()),
            image: pair.image.clone(),
            label: label_path(pair),
        })
        .collect();
    Ok(())
}

/// The axis with the thickest slices; axial where all are alike.
fn thickest(scan: &ScanFile) -> SliceAxis {
    let thickness = |axis: SliceAxis| {
        let own = scan.grid.orientation();
        let at = own.axes.iter().position(|&world| world == axis.orientation().axes[0]).unwrap_or(0);
        scan.grid.spacing_mm[2 - at]
    };
    let axial = thickness(SliceAxis::Axial);
    [SliceAxis::Coronal, SliceAxis::Sagittal]
        .into_iter()
        .find(|&axis| thickness(axis) > 1.5 * axial)
        .unwrap_or(SliceAxis::Axial)
}

/// The NIfTI files below a folder, by their paths below it; `depth` folders deep.
pub(crate) fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<String>,
) -> Result<(), DatasetError> {
    for name in names_in(folder)? {
        let (path, relative) = (folder.join(&name), format!("{prefix}{name}"));
        if path.is_dir() && depth > 0 {
            walk(&path, &format!("{relative}/"), depth - 1, files)?;
        } else if without_ending(&name).is_some() && path.is_file() {
            files.push(relative);
        }
        if files.len() > MAX_FILES {
            return Err(DatasetError::malformed(folder, format!("it holds more than {MAX_FILES} files")));
        }
    }
    Ok(())
}
