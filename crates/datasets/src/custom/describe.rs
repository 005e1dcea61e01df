//! The first draft of a description, from what a folder holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::content::{Content, look};
use super::files::{CASE, LABEL};
use super::formats::OtherFormats;
use super::pairs::{Found, Labels, Pair, pair};
use super::patients::splits;
use super::{CaseFiles, Description, FILE_NAME, LabelName};
use crate::error::DatasetError;
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
    /// Number of those that belong to a case.
    pub n_used: usize,
    /// Files that belong to no case, and why; those of other formats are named by folder and ending.
    pub left_out: Vec<(String, String)>,
    /// What a user should know.
    pub notes: Vec<String>,
    /// Number of slices of all cases to train on.
    pub n_training_slices: usize,
}

/// Drafts a description of the NIfTI files in a folder: pairs of images and label maps, their codes, with the names that a
/// `dataset.json` gives them, a window for CT or percentiles for anything else, the axis with the thickest slices, and the
/// splits that folders name, or every fifth patient to validate on.
///
/// Of cases with images of several sequences or channels, the one that `sequence` names is used (`t1ce`, `0001`), or the first
/// of FLAIR, T2, T1, CT, ... that is there. `progress` is called with the number of cases that were looked at, and of all.
///
/// # Errors
/// Where no pairs are found that can be read.
pub fn describe(
    folder: &Path,
    sequence: Option<&str>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Draft, DatasetError> {
    DatasetError::require(folder, "give the folder of your data")?;
    let (mut files, mut others) = (Vec::new(), OtherFormats::default());
    walk(folder, "", MAX_DEPTH, &mut files, &mut others)?;
    let wrong = |reason: String| DatasetError::malformed(folder, reason);
    let mut found = pair(&files, sequence);
    one_kind_of_labels(&mut found);
    if found.pairs.is_empty() {
        return Err(wrong(nothing_found(&found, files.len(), sequence, &others)));
    }
    let content = look(folder, &mut found.pairs, &mut found.left_out, progress);
    if found.pairs.is_empty() {
        let (file, reason) = found.left_out.last().cloned().unwrap_or_default();
        return Err(wrong(format!("none of its cases can be read; {file}: {reason}")));
    }
    let (splits, split_notes) = splits(&found.pairs);
    let is_trained = |pair: &&Pair| splits.get("train").is_some_and(|train| train.contains(&pair.patient));
    let n_training_slices =
        found.pairs.iter().filter(is_trained).filter_map(|pair| content.slices.get(&pair.case)).sum();
    let mut notes =
        sequence_note(&found).into_iter().chain(split_notes).chain(content.notes.clone()).collect::<Vec<_>>();
    let n_marks = found.pairs.iter().filter(|pair| matches!(pair.labels, Labels::Files(_))).count();
    if n_marks > 0 {
        notes.push(
            "each class has a file of its own: of voxels that several mark, the last class in `labels` has them"
                .to_owned(),
        );
    }
    let mut description = Description {
        name: folder
            .canonicalize()
            .ok()
            .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .unwrap_or_else(|| "my data".to_owned()),
        folder: None,
        image: String::new(),
        label: String::new(),
        axis: content.axis,
        background: Vec::new(),
        intensity: content.intensity.clone(),
        labels: labels(folder, &found.pairs, &content),
        splits,
        folds: BTreeMap::new(),
        cases: Vec::new(),
    };
    if description.labels.is_empty() {
        return Err(wrong("its label maps hold background only".to_owned()));
    }
    name_files(folder, &found.pairs, &mut description)?;
    description.validate().map_err(wrong)?;
    let n_used = found.pairs.iter().map(|pair| 1 + pair.labels.paths().len()).sum();
    let mut left_out = found.left_out;
    left_out.sort();
    left_out.extend(others.left_out());
    Ok(Draft { description, n_files: files.len(), n_used, left_out, notes, n_training_slices })
}

impl Draft {
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

/// Why there are no pairs.
fn nothing_found(found: &Found, n_files: usize, sequence: Option<&str>, others: &OtherFormats) -> String {
    if let Some(sequence) = sequence.filter(|_| !found.sequences.is_empty()) {
        return format!(
            "no case has an image of the sequence {sequence:?}; there are: {}",
            listed(&found.sequences)
        );
    }
    let mut text = format!(
        "no image with its label map was found among its {n_files} NIfTI files; label maps are told by `label`, `seg`, `mask`, \
         `truth`, `contour` or `gt` in their folder or name"
    );
    for (files, reason) in others.left_out() {
        text += &format!("; {files}: {reason}");
    }
    text
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Which of several sequences are used, and how to choose another.
fn sequence_note(found: &Found) -> Option<String> {
    let mut others = found.sequences.difference(&found.used_sequences);
    let other = others.next()?;
    Some(format!(
        "the cases have images of several sequences or channels ({}), of which a model sees one: {} is used; `--sequence {other}` \
         chooses another",
        listed(&found.sequences),
        listed(&found.used_sequences)
    ))
}

/// Cases with one label map and cases with a file for each class don't go together: those of the rarer kind are left out.
fn one_kind_of_labels(found: &mut Found) {
    let is_map = |pair: &Pair| matches!(pair.labels, Labels::Map(_));
    let n_maps = found.pairs.iter().filter(|pair| is_map(pair)).count();
    let keeps_maps = 2 * n_maps >= found.pairs.len();
    let (kept, others): (Vec<Pair>, Vec<Pair>) =
        std::mem::take(&mut found.pairs).into_iter().partition(|pair| is_map(pair) == keeps_maps);
    found.pairs = kept;
    for pair in others {
        let reason = match pair.labels {
            Labels::Map(_) => "the case has one label map, where the others have a file for each class",
            Labels::Files(_) => "the case has a file for each class, where the others have one label map",
        };
        let files = std::iter::once(pair.image.as_str()).chain(pair.labels.paths());
        found.left_out.extend(files.map(|file| (file.to_owned(), reason.to_owned())));
    }
}

/// The classes: the codes of all label maps, or the names of all files of single classes.
fn labels(folder: &Path, pairs: &[Pair], content: &Content) -> Vec<LabelName> {
    let mut organs: BTreeSet<&str> = BTreeSet::new();
    for pair in pairs {
        if let Labels::Files(files) = &pair.labels {
            organs.extend(files.keys().map(String::as_str));
        }
    }
    let named = names_of(&folder.join("dataset.json"));
    let of_codes = content.codes.iter().map(|&code| LabelName {
        code,
        name: named.get(&code).cloned().unwrap_or_else(|| format!("class {code}")),
        file: None,
    });
    let of_files = (1..).zip(organs).map(|(code, organ)| {
        let name = organ.replace('_', " ");
        let file = (name != organ).then(|| organ.to_owned());
        LabelName { code, name, file }
    });
    of_codes.chain(of_files).collect()
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

/// The NIfTI files below a folder, by their paths below it, and those of other formats; `depth` folders deep.
pub(crate) fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<String>,
    others: &mut OtherFormats,
) -> Result<(), DatasetError> {
    for name in names_in(folder)? {
        let (path, relative) = (folder.join(&name), format!("{prefix}{name}"));
        if path.is_dir() && depth > 0 {
            walk(&path, &format!("{relative}/"), depth - 1, files, others)?;
        } else if without_ending(&name).is_some() && path.is_file() {
            files.push(relative);
        } else if path.is_file() {
            others.see(prefix, &name);
        }
        if files.len() > MAX_FILES {
            return Err(DatasetError::malformed(folder, format!("it holds more than {MAX_FILES} files")));
        }
    }
    Ok(())
}
