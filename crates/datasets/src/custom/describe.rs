//! The first draft of a description, from what a folder holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fastersam_volume::{Intensity, Scan};

use super::{Description, LabelName, MAX_CODE, SliceAxis};
use crate::error::DatasetError;
use crate::forms::code_of;
use crate::intensity;
use crate::names::names_in;

/// More files than this are no data set that this program should walk through.
const MAX_FILES: usize = 200_000;

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
             `mask`, `truth`, `contour` or `gt` in their folder or name",
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
        let [image, label] = &entry.files[..] else { continue };
        DatasetError::require(label, "every image needs its label map")?;
        for &value in &Scan::read(label)?.voxels {
            let code = code_of(value).filter(|&code| code <= MAX_CODE);
            codes.insert(code.ok_or_else(|| {
                DatasetError::malformed(
                    label,
                    format!("it holds {value}, which is no label; whole numbers to {MAX_CODE} are"),
                )
            })?);
        }
        if at == 0 {
            let scan = Scan::read(image)?;
            let lowest = scan.voxels.iter().filter(|v| v.is_finite()).fold(f32::INFINITY, |a, &b| a.min(b));
            // Only Hounsfield units go that low.
            if lowest <= -150.0 {
                draft.intensity = intensity::SYNAPSE;
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
        word == "gt"
            || ["label", "seg", "mask", "annotation", "truth", "contour"]
                .iter()
                .any(|start| word.starts_with(start))
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
