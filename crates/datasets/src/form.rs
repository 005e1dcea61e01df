//! The forms in which data sets lie on disk, and where the files of each case are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::DatasetError;

/// A layout of files. Names as on the command line: `synapse-nifti`, `acdc-h5-slices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// BTCV: `img/imgNNNN.nii.gz`, `label/labelNNNN.nii.gz`.
    SynapseNifti,
    /// `TransUNet` and `SAMed`: `train_npz/caseNNNN_sliceZZZ.npz`, `test_vol_h5/caseNNNN.npy.h5`.
    SynapseNpz,
    /// The official layout: `patientNNN/patientNNN_frameFF.nii.gz`, `..._gt.nii.gz`, `Info.cfg`.
    AcdcNifti,
    /// `ACDC_training_volumes/patientNNN_frameFF.h5`.
    AcdcH5,
    /// `ACDC_training_slices/patientNNN_frameFF_slice_Z.h5`.
    AcdcH5Slices,
    /// `MT-UNet`: `train/case_NNN_sliceED_Z.npz`, `valid/...`, `test/case_NNN_volume_ED.npz`.
    AcdcNpz,
    /// NIfTI files in a layout of one's own, described by a TOML file.
    Nifti,
    /// This project's prepared form.
    Prepared,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 8] = [
        Self::SynapseNifti,
        Self::SynapseNpz,
        Self::AcdcNifti,
        Self::AcdcH5,
        Self::AcdcH5Slices,
        Self::AcdcNpz,
        Self::Nifti,
        Self::Prepared,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SynapseNifti => "synapse-nifti",
            Self::SynapseNpz => "synapse-npz",
            Self::AcdcNifti => "acdc-nifti",
            Self::AcdcH5 => "acdc-h5",
            Self::AcdcH5Slices => "acdc-h5-slices",
            Self::AcdcNpz => "acdc-npz",
            Self::Nifti => "nifti",
            Self::Prepared => "prepared",
        }
    }

    /// The form that a folder (or the TOML file of a data set) has.
    ///
    /// # Errors
    /// Where it is none of the forms.
    pub fn detect(path: &Path) -> Result<Self, DatasetError> {
        DatasetError::require(path, "give a data set's folder, or the TOML file that describes one")?;
        if path.is_file() {
            return match path.extension().is_some_and(|e| e == "toml") {
                true => Ok(Self::Nifti),
                false => Err(DatasetError::malformed(path, "a folder or a TOML file is needed")),
            };
        }
        let has = |name: &str| path.join(name).is_dir();
        if path.join(crate::prepared::MANIFEST).is_file() {
            return Ok(Self::Prepared);
        }
        if path.join(crate::custom::FILE_NAME).is_file() {
            return Ok(Self::Nifti);
        }
        if has("img") && has("label") {
            return Ok(Self::SynapseNifti);
        }
        if has("train_npz") || has("test_vol_h5") {
            return Ok(Self::SynapseNpz);
        }
        if has("ACDC_training_volumes") {
            return Ok(Self::AcdcH5);
        }
        if has("ACDC_training_slices") {
            return Ok(Self::AcdcH5Slices);
        }
        let names = names_in(path)?;
        if names.iter().any(|n| AcdcName::parse(n, ".h5").is_some_and(|n| n.slice.is_some())) {
            return Ok(Self::AcdcH5Slices);
        }
        if names.iter().any(|n| AcdcName::parse(n, ".h5").is_some()) {
            return Ok(Self::AcdcH5);
        }
        if names.iter().any(|n| n.len() == 10 && n.starts_with("patient") && has(n)) {
            return Ok(Self::AcdcNifti);
        }
        for part in ["train", "valid", "test"] {
            let is_mt_unet = |n: &String| MtUnetName::parse(n).is_some();
            if has(part) && names_in(&path.join(part))?.iter().any(is_mt_unet) {
                return Ok(Self::AcdcNpz);
            }
        }
        let known: Vec<&str> = Self::ALL.iter().map(|form| form.name()).collect();
        Err(DatasetError::malformed(
            path,
            format!(
                "it has none of the known forms ({}); describe files of your own with `fastersam data describe`",
                known.join(", ")
            ),
        ))
    }
}

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
        let digits = name.strip_prefix(prefix)?;
        let digits = digits.strip_suffix(".nii.gz").or_else(|| digits.strip_suffix(".nii"))?;
        digits.parse::<u32>().ok().map(|n| (n, name.to_owned()))
    };
    let list = |part: &str, prefix: &str| -> Result<BTreeMap<u32, String>, DatasetError> {
        Ok(names_in(&folder.join(part))?.iter().filter_map(|name| number(name, prefix)).collect())
    };
    let (images, labels) = (list("img", "img")?, list("label", "label")?);
    for case in labels.keys().filter(|case| !images.contains_key(case)) {
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
    let train = folder.join("train_npz");
    for name in names_in_if_there(&train)? {
        let Some((case, slice)) = name.strip_suffix(".npz").and_then(|stem| stem.split_once("_slice")) else {
            continue;
        };
        if let (Some(case), Ok(slice)) = (synapse_id(case), slice.parse::<u32>()) {
            slices.entry(case).or_default().insert(slice, train.join(&name));
        }
    }
    let mut entries = in_order(slices)?;
    let test = folder.join("test_vol_h5");
    for name in names_in_if_there(&test)? {
        let stem = name.strip_suffix(".npy.h5").or_else(|| name.strip_suffix(".h5"));
        if let Some(id) = stem.and_then(synapse_id) {
            entries.push(Entry { key: id.clone(), id, files: Files::Volume(test.join(&name)) });
        }
    }
    sorted(folder, entries)
}

fn synapse_id(name: &str) -> Option<String> {
    let number = name.strip_prefix("case")?.parse::<u32>().ok()?;
    Some(format!("case{number:04}"))
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
            let image = folder.join(&patient).join(format!("{id}.nii.gz"));
            let label = folder.join(&patient).join(format!("{id}_gt.nii.gz"));
            entries.push(Entry { id, key: patient.clone(), files: Files::Nifti([image, label]) });
        }
    }
    Ok(entries)
}

/// `patientNNN_frameFF[_slice_Z]`.
struct AcdcName {
    patient: String,
    id: String,
    slice: Option<u32>,
}

impl AcdcName {
    fn parse(name: &str, suffix: &str) -> Option<Self> {
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
    let folder = if folder.join(part).is_dir() { folder.join(part) } else { folder.to_owned() };
    let mut slices: BTreeMap<String, BTreeMap<u32, PathBuf>> = BTreeMap::new();
    let mut entries = Vec::new();
    for file in names_in(&folder)? {
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
    sorted(&folder, entries)
}

/// `case_NNN_sliceED_Z.npz` or `case_NNN_volume_ED.npz`.
struct MtUnetName {
    patient: String,
    phase: String,
    slice: Option<u32>,
}

impl MtUnetName {
    fn parse(name: &str) -> Option<Self> {
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
    for part in ["train", "valid", "test"] {
        let folder = folder.join(part);
        for file in names_in_if_there(&folder)? {
            let Some(MtUnetName { patient, phase, slice }) = MtUnetName::parse(&file) else { continue };
            let id = format!("{patient}_{phase}");
            match slice {
                Some(slice) => {
                    slices.entry(id).or_default().insert(slice, folder.join(&file));
                }
                None => entries.push(Entry { id, key: patient, files: Files::Volume(folder.join(&file)) }),
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
            return Err(DatasetError::malformed(path, format!("{id} begins with slice {first}: the first are missing")));
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

/// The names of a folder's files and folders, sorted.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>, DatasetError> {
    let entries = std::fs::read_dir(folder).map_err(DatasetError::io(folder))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn names_in_if_there(folder: &Path) -> Result<Vec<String>, DatasetError> {
    if folder.is_dir() { names_in(folder) } else { Ok(Vec::new()) }
}
