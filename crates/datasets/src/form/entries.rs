//! Where the files of each case are, form by form.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Form;
use crate::error::DatasetError;

/// The files of one case.
#[derive(Clone, Debug)]
pub(crate) enum Files {
    /// A scan and its label map.
    Nifti([PathBuf; 2]),
    /// Image and label as arrays in one file.
    Volume(PathBuf),
    /// The slices in their order.
    Slices(Vec<PathBuf>),
    /// A case of the prepared form.
    Prepared(usize),
}

/// A case: its name, what the splits call it, and its files.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub id: String,
    pub key: String,
    pub files: Files,
}

/// The cases of one of the published forms, sorted by name.
pub(crate) fn entries(form: Form, folder: &Path) -> Result<Vec<Entry>, DatasetError> {
    let entries = match form {
        Form::SynapseNifti => synapse_nifti(folder)?,
        Form::SynapseNpz => synapse_npz(folder)?,
        Form::AcdcNifti => acdc_nifti(folder)?,
        Form::AcdcH5 | Form::AcdcH5Slices => acdc_h5(form, folder)?,
        Form::AcdcNpz => acdc_npz(folder)?,
        Form::Nifti | Form::Prepared => Vec::new(),
    };
    if entries.is_empty() {
        return Err(DatasetError::malformed(folder, format!("it holds no case in the form {}", form.name())));
    }
    Ok(entries)
}

fn synapse_nifti(folder: &Path) -> Result<Vec<Entry>, DatasetError> {
    let number = |name: &str, prefix: &str| {
        let digits = without_ending(name.strip_prefix(prefix)?)?;
        digits.parse::<u32>().ok().map(|n| (n, name.to_owned()))
    };
    let list = |part: &str, prefix: &str| -> Result<BTreeMap<u32, String>, DatasetError> {
        Ok(names_in(&folder.join(part))?.iter().filter_map(|name| number(name, prefix)).collect())
    };
    let (images, labels) = (list("img", "img")?, list("label", "label")?);
    if let Some(case) = labels.keys().find(|case| !images.contains_key(case)) {
        let path = folder.join(format!("img/img{case:04}.nii.gz"));
        return Err(DatasetError::Missing { path, hint: "there is a label map for it".into() });
    }
    let entry = |(case, image): (&u32, &String)| {
        let id = format!("case{case:04}");
        // One that is missing shows when it is read.
        let label = labels.get(case).cloned().unwrap_or_else(|| format!("label{case:04}.nii.gz"));
        let files = Files::Nifti([folder.join("img").join(image), folder.join("label").join(label)]);
        Entry { key: id.clone(), id, files }
    };
    Ok(images.iter().map(entry).collect())
}

fn synapse_npz(folder: &Path) -> Result<Vec<Entry>, DatasetError> {
    let mut slices: BTreeMap<String, BTreeMap<u32, PathBuf>> = BTreeMap::new();
    let mut entries = Vec::new();
    for part in parts(folder, &["train_npz", "test_vol_h5"]) {
        for name in names_in(&part)? {
            match SynapseName::parse(&name) {
                Some(SynapseName { id, slice: Some(slice) }) => {
                    slices.entry(id).or_default().insert(slice, part.join(&name));
                }
                Some(SynapseName { id, slice: None }) => {
                    entries.push(Entry { key: id.clone(), id, files: Files::Volume(part.join(&name)) });
                }
                None => {}
            }
        }
    }
    entries.extend(in_order(slices)?);
    sorted(folder, entries)
}

/// `caseNNNN_sliceZZZ.npz` or `caseNNNN.npy.h5`.
pub(super) struct SynapseName {
    id: String,
    slice: Option<u32>,
}

impl SynapseName {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (case, slice) = match name.strip_suffix(".npz") {
            Some(stem) => stem.split_once("_slice").map(|(case, slice)| (case, Some(slice)))?,
            None => (name.strip_suffix(".npy.h5").or_else(|| name.strip_suffix(".h5"))?, None),
        };
        let number = case.strip_prefix("case")?.parse::<u32>().ok()?;
        let slice = slice.map(str::parse).transpose().ok()?;
        Some(Self { id: format!("case{number:04}"), slice })
    }
}

/// The named folders in a folder that are there; the folder itself where none is: people move files.
fn parts(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    let there: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).filter(|part| part.is_dir()).collect();
    if there.is_empty() { vec![folder.to_owned()] } else { there }
}

fn acdc_nifti(folder: &Path) -> Result<Vec<Entry>, DatasetError> {
    let mut entries = Vec::new();
    for patient in names_in(folder)? {
        let digits = patient.strip_prefix("patient").filter(|d| d.len() == 3);
        if digits.and_then(|d| d.parse::<u32>().ok()).is_none() || !folder.join(&patient).is_dir() {
            continue;
        }
        for frame in crate::acdc::frames(&folder.join(&patient).join("Info.cfg"))? {
            let id = format!("{patient}_frame{frame:02}");
            let of_patient = folder.join(&patient);
            let (image, label) = (with_ending(&of_patient, &id), with_ending(&of_patient, &format!("{id}_gt")));
            entries.push(Entry { id, key: patient.clone(), files: Files::Nifti([image, label]) });
        }
    }
    Ok(entries)
}

/// `patientNNN_frameFF[_slice_Z]`.
pub(super) struct AcdcName {
    patient: String,
    id: String,
    pub(super) slice: Option<u32>,
}

impl AcdcName {
    pub(super) fn parse(name: &str, suffix: &str) -> Option<Self> {
        let stem = name.strip_suffix(suffix)?;
        let (id, slice) = match stem.split_once("_slice_") {
            Some((id, slice)) => (id, Some(slice.parse().ok()?)),
            None => (stem, None),
        };
        let (patient, frame) = id.split_once("_frame")?;
        patient.strip_prefix("patient")?.parse::<u32>().ok()?;
        frame.parse::<u32>().ok()?;
        Some(Self { patient: patient.to_owned(), id: id.to_owned(), slice })
    }
}

fn acdc_h5(form: Form, folder: &Path) -> Result<Vec<Entry>, DatasetError> {
    let part = if form == Form::AcdcH5 { "ACDC_training_volumes" } else { "ACDC_training_slices" };
    let folder = &parts(folder, &[part])[0];
    let mut slices: BTreeMap<String, BTreeMap<u32, PathBuf>> = BTreeMap::new();
    let mut entries = Vec::new();
    for file in names_in(folder)? {
        let Some(AcdcName { patient, id, slice }) = AcdcName::parse(&file, ".h5") else { continue };
        match (form, slice) {
            (Form::AcdcH5Slices, Some(slice)) => {
                slices.entry(id).or_default().insert(slice, folder.join(&file));
            }
            (Form::AcdcH5, None) => {
                entries.push(Entry { id, key: patient, files: Files::Volume(folder.join(&file)) });
            }
            _ => {}
        }
    }
    entries.extend(in_order(slices)?);
    sorted(folder, entries)
}

/// `case_NNN_sliceED_Z.npz` or `case_NNN_volume_ED.npz`.
pub(super) struct MtUnetName {
    patient: String,
    phase: String,
    slice: Option<u32>,
}

impl MtUnetName {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (number, rest) = name.strip_suffix(".npz")?.strip_prefix("case_")?.split_once('_')?;
        let patient = format!("patient{:03}", number.parse::<u32>().ok()?);
        let (phase, slice) = match rest.strip_prefix("volume_") {
            Some(phase) => (phase, None),
            None => {
                let (phase, slice) = rest.strip_prefix("slice")?.split_once('_')?;
                (phase, Some(slice.parse().ok()?))
            }
        };
        matches!(phase, "ED" | "ES").then(|| Self { patient, phase: phase.to_owned(), slice })
    }
}

fn acdc_npz(folder: &Path) -> Result<Vec<Entry>, DatasetError> {
    let mut slices: BTreeMap<String, BTreeMap<u32, PathBuf>> = BTreeMap::new();
    let mut entries = Vec::new();
    for part in parts(folder, &["train", "valid", "test"]) {
        for file in names_in(&part)? {
            let Some(MtUnetName { patient, phase, slice }) = MtUnetName::parse(&file) else { continue };
            let id = format!("{patient}_{phase}");
            match slice {
                Some(slice) => {
                    slices.entry(id).or_default().insert(slice, part.join(&file));
                }
                None => entries.push(Entry { id, key: patient, files: Files::Volume(part.join(&file)) }),
            }
        }
    }
    entries.extend(in_order(slices)?);
    sorted(folder, entries)
}

/// Cases of slices, whose numbers must follow each other.
fn in_order(cases: BTreeMap<String, BTreeMap<u32, PathBuf>>) -> Result<Vec<Entry>, DatasetError> {
    let mut entries = Vec::new();
    for (id, slices) in cases {
        let numbers: Vec<u32> = slices.keys().copied().collect();
        if let Some(gap) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            let path = slices[&gap[1]].clone();
            return Err(DatasetError::malformed(
                &path,
                format!("it follows slice {} of {id}: the slices between are missing", gap[0]),
            ));
        }
        if let Some((first, path)) = slices.iter().next().filter(|(first, _)| **first > 1) {
            return Err(DatasetError::malformed(
                path,
                format!("{id} begins with slice {first}: the first are missing"),
            ));
        }
        let key = id.split('_').next().unwrap_or_default().to_owned();
        entries.push(Entry { key, id, files: Files::Slices(slices.into_values().collect()) });
    }
    Ok(entries)
}

/// Sorted by name; one name twice is refused.
fn sorted(folder: &Path, mut entries: Vec<Entry>) -> Result<Vec<Entry>, DatasetError> {
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    match entries.windows(2).find(|pair| pair[0].id == pair[1].id) {
        Some(pair) => Err(DatasetError::malformed(folder, format!("it holds {} twice", pair[0].id))),
        None => Ok(entries),
    }
}

/// The name of a NIfTI file without its ending.
pub(crate) fn without_ending(name: &str) -> Option<&str> {
    name.strip_suffix(".nii.gz").or_else(|| name.strip_suffix(".nii"))
}

/// A NIfTI file by its name without ending: `.nii.gz`, unless only `.nii` is there.
pub(crate) fn with_ending(folder: &Path, stem: &str) -> PathBuf {
    let plain = folder.join(format!("{stem}.nii"));
    let zipped = folder.join(format!("{stem}.nii.gz"));
    if plain.is_file() && !zipped.exists() { plain } else { zipped }
}

/// The names of a folder's files and folders, sorted.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>, DatasetError> {
    let entries = std::fs::read_dir(folder).map_err(DatasetError::io(folder))?;
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
