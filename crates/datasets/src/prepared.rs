//! The prepared form: gray values in [0, 1] and canonical classes, slice by slice.
//!
//! A folder with `dataset.toml`, the manifest, and `cases/ID.npz` for each case. An archive has the
//! members `image_ZZZZ.npy` (f32, `[rows, columns]`) and `label_ZZZZ.npy` (u8) for each slice, each
//! compressed by itself: one slice is read without the others, and numpy opens the file. The manifest
//! names what the data were made from (form, coding, axis order) and what they are (coding, axis order
//! `zyx`, classes, splits); for each case it has shape, spacing, orientation, voxels of each class, and
//! the SHA-256 of its values, which every read of a whole case checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, ArrayD, Axis, Ix2};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Intensity};
use crate::coding::AxisOrder;
use crate::dataset::DataSet;
use crate::error::DatasetError;
use crate::form::Form;
use crate::manifest;
use crate::npz::{Npz, NpzWriter};
use crate::scan::{MAX_VOXELS, Orientation};

/// The manifest's file name.
pub const MANIFEST: &str = "dataset.toml";
const FORMAT: u32 = 1;
/// A manifest of a thousand cases has less.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// What `dataset.toml` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the form, 1.
    pub format: u32,
    /// What tables call the data set.
    pub name: String,
    /// Coding of the labels here: `transunet` for Synapse, `acdc`, or `described`.
    pub coding: String,
    /// Order of the axes here: `zyx`.
    pub axes: AxisOrder,
    /// Names of the classes, background first.
    pub classes: Vec<String>,
    /// How gray values were made from raw intensities.
    pub intensity: Intensity,
    /// What it was made from.
    pub source: Source,
    /// Keys of each split's cases; only splits that are complete here.
    pub splits: BTreeMap<String, Vec<String>>,
    /// Number of slices of the published splits.
    pub published_slices: BTreeMap<String, usize>,
    /// The cases.
    #[serde(rename = "case")]
    pub cases: Vec<PreparedCase>,
}

/// What a prepared data set was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Form of the files.
    pub form: Form,
    /// Coding of their labels.
    pub coding: String,
    /// Order of their axes.
    pub axes: AxisOrder,
}

/// One case of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreparedCase {
    /// Its name, and that of its file.
    pub id: String,
    /// What the splits call it.
    pub key: String,
    /// Slices, rows, columns.
    pub shape: [usize; 3],
    /// Distance of neighbours along the same axes; not there where the source does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing_mm: Option<[f64; 3]>,
    /// Where the axes point.
    pub orientation: Orientation,
    /// Voxels of each class, background first.
    pub voxels: Vec<usize>,
    /// SHA-256 of the case's values.
    pub sha256: String,
}

/// A prepared data set that is open.
#[derive(Clone, Debug)]
pub struct Prepared {
    folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Prepared {
    /// Reads and checks the manifest.
    ///
    /// # Errors
    /// Where it is missing, no such manifest, or of another version.
    pub fn open(folder: &Path) -> Result<Self, DatasetError> {
        let path = folder.join(MANIFEST);
        let malformed = |reason: String| DatasetError::malformed(&path, reason);
        DatasetError::require(&path, "it is the manifest of a prepared data set: run `fastersam data import`")?;
        let text = read_text(&path, MAX_MANIFEST_BYTES)?;
        let manifest: Manifest = toml::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        if manifest.format != FORMAT {
            return Err(malformed(format!("it has the format {}, this program reads {FORMAT}", manifest.format)));
        }
        if manifest.axes != AxisOrder::Zyx {
            return Err(malformed(format!("its axes are {}, prepared slices are zyx", manifest.axes.name())));
        }
        if !(2..=255).contains(&manifest.classes.len()) {
            return Err(malformed(format!("it names {} classes", manifest.classes.len())));
        }
        manifest.intensity.validate().map_err(malformed)?;
        for case in &manifest.cases {
            check_name(&path, &case.id)?;
            let n = case.shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size as u64));
            if n.is_none_or(|n| n == 0 || n > MAX_VOXELS) {
                return Err(malformed(format!("{} claims the shape {:?}", case.id, case.shape)));
            }
            if let Some(spacing) = case.spacing_mm.filter(|mm| mm.iter().any(|mm| !(mm.is_finite() && *mm > 0.0)))
            {
                return Err(malformed(format!("{} has the spacing {spacing:?} mm", case.id)));
            }
            let mut worlds = case.orientation.axes;
            worlds.sort_unstable();
            if worlds != [0, 1, 2] {
                return Err(malformed(format!("{} has the axes {:?}", case.id, case.orientation.axes)));
            }
        }
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    fn file(&self, case: usize) -> Result<(PathBuf, &PreparedCase), DatasetError> {
        let case = self.manifest.cases.get(case);
        let case = case.ok_or_else(|| DatasetError::Request("there is no such case".into()))?;
        Ok((self.folder.join("cases").join(format!("{}.npz", case.id)), case))
    }

    /// Reads one slice without the others: gray values and classes.
    ///
    /// # Errors
    /// Where it is missing or damaged.
    pub fn slice(&self, case: usize, slice: usize) -> Result<(Array2<f32>, Array2<u8>), DatasetError> {
        let (path, entry) = self.file(case)?;
        self.slice_of(&path, &mut Npz::open(&path)?, entry, slice)
    }

    fn slice_of(
        &self,
        path: &Path,
        npz: &mut Npz,
        entry: &PreparedCase,
        slice: usize,
    ) -> Result<(Array2<f32>, Array2<u8>), DatasetError> {
        let [_, rows, cols] = entry.shape;
        let plane = |array: ArrayD<f32>, what: &str| {
            let found = array.shape().to_vec();
            let plane = array.into_dimensionality::<Ix2>().ok().filter(|plane| plane.dim() == (rows, cols));
            let reason = format!("the {what} of slice {slice} has the shape {found:?}, not {:?}", [rows, cols]);
            plane.ok_or_else(|| DatasetError::malformed(path, reason))
        };
        let image = plane(npz.read(&format!("image_{slice:04}"))?, "image")?;
        let label = plane(npz.read(&format!("label_{slice:04}"))?, "label")?;
        let n_classes = self.manifest.classes.len() as f32;
        if let Some(value) = label.iter().find(|&&v| !(v >= 0.0 && v < n_classes && v.fract() == 0.0)) {
            let (value, coding) = (value.to_string(), self.manifest.coding.clone());
            return Err(DatasetError::UnknownLabel { path: path.to_owned(), value, coding });
        }
        Ok((image, label.mapv(|value| value as u8)))
    }

    /// Reads a whole case and compares it with its hash.
    ///
    /// # Errors
    /// Where it is missing, damaged, or not what the manifest says.
    pub fn case(&self, case: usize) -> Result<Case, DatasetError> {
        let (path, entry) = self.file(case)?;
        let mut npz = Npz::open(&path)?;
        let [slices, rows, cols] = entry.shape;
        let mut image = Array3::zeros((0, rows, cols));
        let mut label = Array3::zeros((0, rows, cols));
        for slice in 0..slices {
            let (gray, classes) = self.slice_of(&path, &mut npz, entry, slice)?;
            let failed = |e: ndarray::ShapeError| DatasetError::malformed(&path, e.to_string());
            image.push(Axis(0), gray.view()).map_err(failed)?;
            label.push(Axis(0), classes.view()).map_err(failed)?;
        }
        let (spacing_mm, orientation) = (entry.spacing_mm, entry.orientation);
        let case = Case { id: entry.id.clone(), image, label, spacing_mm, orientation };
        if manifest::sha256([&case]) != entry.sha256 {
            return Err(DatasetError::malformed(
                &path,
                "its values are not those that its manifest has the hash of",
            ));
        }
        Ok(case)
    }
}

/// Brings a data set of any form into the prepared form, case by case; `progress` hears of each. The manifest
/// comes last: a folder without it is not complete.
///
/// # Errors
/// Where a case can't be read, or the folder is not empty or can't be written.
pub fn import(set: &DataSet, folder: &Path, mut progress: impl FnMut(&str)) -> Result<Manifest, DatasetError> {
    let cases_folder = folder.join("cases");
    if folder.exists() && !crate::form::names_in(folder)?.is_empty() {
        return Err(DatasetError::Request(format!("{} is not empty: give a new folder", folder.display())));
    }
    std::fs::create_dir_all(&cases_folder).map_err(DatasetError::io(&cases_folder))?;
    let mut cases = Vec::new();
    for at in 0..set.len() {
        let case = set.read(at)?;
        progress(&case.id);
        cases.push(write_case(&cases_folder, &case, set.key(at), set.labels.n_classes())?);
    }
    let source = Source { form: set.form, coding: set.coding.clone(), axes: set.axes };
    let is_synapse = matches!(set.form, Form::SynapseNifti | Form::SynapseNpz);
    let is_there = |keys: &Vec<String>| keys.iter().all(|key| cases.iter().any(|case| case.key == *key));
    let complete = set.splits.iter().filter(|(_, keys)| is_there(keys));
    let manifest = Manifest {
        format: FORMAT,
        name: set.name.clone(),
        coding: if is_synapse { "transunet".to_owned() } else { set.coding.clone() },
        axes: AxisOrder::Zyx,
        classes: set.labels.names.clone(),
        intensity: set.intensity.clone(),
        source,
        splits: complete.map(|(name, keys)| (name.clone(), keys.clone())).collect(),
        published_slices: set.published_slices.clone(),
        cases,
    };
    let path = folder.join(MANIFEST);
    let text = toml::to_string(&manifest).map_err(|e| DatasetError::malformed(&path, e.to_string()))?;
    write_text(&path, &text)?;
    Ok(manifest)
}

fn write_case(folder: &Path, case: &Case, key: &str, n_classes: usize) -> Result<PreparedCase, DatasetError> {
    check_name(folder, &case.id)?;
    let path = folder.join(format!("{}.npz", case.id));
    let mut npz = NpzWriter::create(&path)?;
    for (slice, (image, label)) in case.image.axis_iter(Axis(0)).zip(case.label.axis_iter(Axis(0))).enumerate() {
        npz.add(&format!("image_{slice:04}"), image)?;
        npz.add(&format!("label_{slice:04}"), label)?;
    }
    npz.finish()?;
    let (slices, rows, cols) = case.image.dim();
    Ok(PreparedCase {
        id: case.id.clone(),
        key: key.to_owned(),
        shape: [slices, rows, cols],
        spacing_mm: case.spacing_mm,
        orientation: case.orientation,
        voxels: count(&case.label, n_classes),
        sha256: manifest::sha256([case]),
    })
}

/// Voxels of each class.
pub(crate) fn count(label: &Array3<u8>, n_classes: usize) -> Vec<usize> {
    let mut counts = vec![0; 256];
    label.iter().for_each(|&class| counts[usize::from(class)] += 1);
    counts.truncate(n_classes);
    counts
}

/// A name that is a file's and nothing else.
pub(crate) fn check_name(path: &Path, name: &str) -> Result<(), DatasetError> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(plain) {
        return Ok(());
    }
    let reason = format!("it names a case {name:?}; letters, digits, `_`, `-` and `.` make a name");
    Err(DatasetError::malformed(path, reason))
}

/// A text file of bounded size.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<String, DatasetError> {
    DatasetError::require_file(path)?;
    let len = std::fs::metadata(path).map_err(DatasetError::io(path))?.len();
    if len > max_bytes {
        return Err(DatasetError::malformed(path, format!("it has {len} bytes; {max_bytes} are the most")));
    }
    std::fs::read_to_string(path).map_err(DatasetError::io(path))
}

/// A text file that appears as a whole.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), DatasetError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let scratch =
        tempfile::NamedTempFile::with_prefix_in(".writing-", folder).map_err(DatasetError::io(folder))?;
    std::fs::write(scratch.path(), text).map_err(DatasetError::io(path))?;
    scratch.into_temp_path().persist(path).map_err(|e| DatasetError::io(path)(e.error))
}
