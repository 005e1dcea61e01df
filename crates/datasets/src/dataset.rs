//! A data set on disk, whatever its form: its cases, its splits, one case at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array3, Axis, Ix2, Ix3};
use rayon::prelude::*;

use crate::case::{Case, Intensity, LabelTable};
use crate::coding::{AxisOrder, SynapseCoding, acdc_canonical, acdc_labels, synapse_labels, to_classes};
use crate::custom::{self, Description};
use crate::error::DatasetError;
use crate::form::{self, Entry, Files, Form};
use crate::npz::Npz;
use crate::prepared::Prepared;
use crate::scan::{Orientation, Scan};
use crate::{acdc, h5, split, synapse};

/// What the files can't say about themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// The form; found out where not given.
    pub form: Option<Form>,
    /// The coding of Synapse labels. The challenge's own files are `raw` where nothing is said; for prepared
    /// npz and h5 files it must be said.
    pub coding: Option<SynapseCoding>,
    /// How slices of npz and h5 files lie.
    pub axes: AxisOrder,
}

/// A data set.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// What tables call it.
    pub name: String,
    /// Where it lies: a folder, or the TOML file that describes it.
    pub path: PathBuf,
    /// The form of its files.
    pub form: Form,
    /// The coding of the label files.
    pub coding: String,
    /// The order of the files' axes.
    pub axes: AxisOrder,
    /// Names of the classes.
    pub labels: LabelTable,
    /// How raw intensities become gray values.
    pub intensity: Intensity,
    /// The cases (or patients) of each split, whether they are there or not.
    pub splits: BTreeMap<String, Vec<String>>,
    /// Number of slices of the published splits; none for phantoms.
    pub published_slices: BTreeMap<String, usize>,
    /// Class of each code; none for a code that the files must not hold.
    table: Vec<Option<u8>>,
    entries: Vec<Entry>,
    /// Where the axes of the volumes must point; as in the files where none.
    orientation: Option<Orientation>,
    prepared: Option<Prepared>,
}

impl DataSet {
    /// Finds the cases of a data set without reading them.
    ///
    /// # Errors
    /// Where the folder has no known form, or the files' coding must be named.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, DatasetError> {
        let form = options.form.map_or_else(|| Form::detect(path), Ok)?;
        DatasetError::require(path, "give the folder of the data set")?;
        match form {
            Form::Prepared => return Ok(Self::of_prepared(path, Prepared::open(path)?)),
            Form::Nifti => {
                let file = if path.is_dir() { path.join(custom::FILE_NAME) } else { path.to_owned() };
                return Self::of_description(&file, &Description::read(&file)?);
            }
            _ => {}
        }
        let entries = form::entries(form, path)?;
        let is_synapse = matches!(form, Form::SynapseNifti | Form::SynapseNpz);
        let (name, coding, table, labels, intensity) = if is_synapse {
            let raw = (form == Form::SynapseNifti).then_some(SynapseCoding::Raw);
            let Some(coding) = options.coding.or(raw) else {
                return Err(DatasetError::Request(format!(
                    "{}: name the coding that its labels were written in (transunet, samed or raw): the files \
                     can't tell, and reading one as another silently ruins results",
                    path.display()
                )));
            };
            ("Synapse", coding.name(), coding.canonical().to_vec(), synapse_labels(), synapse::INTENSITY)
        } else {
            ("ACDC", "acdc", acdc_canonical(), acdc_labels(), acdc::INTENSITY)
        };
        // Phantoms are numbered like the published cases, but nobody expects all of them.
        let is_phantom = path.join(crate::write::PHANTOM_MARK).is_file();
        let mut splits = split::all(is_synapse)?;
        if is_phantom {
            splits.values_mut().for_each(|keys| keys.retain(|key| entries.iter().any(|entry| entry.key == *key)));
            splits.retain(|_, keys| !keys.is_empty());
        }
        Ok(Self {
            name: if is_phantom { format!("phantoms in the form of {name}") } else { name.to_owned() },
            path: path.to_owned(),
            form,
            coding: coding.to_owned(),
            axes: options.axes,
            labels,
            intensity,
            splits,
            published_slices: if is_phantom { BTreeMap::new() } else { split::published_slices(is_synapse)? },
            table: table.into_iter().map(Some).collect(),
            entries,
            orientation: None,
            prepared: None,
        })
    }

    fn of_prepared(path: &Path, prepared: Prepared) -> Self {
        let manifest = &prepared.manifest;
        let entry = |(at, case): (usize, &crate::prepared::PreparedCase)| Entry {
            id: case.id.clone(),
            key: case.key.clone(),
            files: Files::Prepared(at),
        };
        Self {
            name: manifest.name.clone(),
            path: path.to_owned(),
            form: Form::Prepared,
            coding: manifest.coding.clone(),
            axes: AxisOrder::Zyx,
            labels: LabelTable { names: manifest.classes.clone() },
            intensity: manifest.intensity.clone(),
            splits: manifest.splits.clone(),
            published_slices: manifest.published_slices.clone(),
            table: Vec::new(),
            entries: manifest.cases.iter().enumerate().map(entry).collect(),
            orientation: None,
            prepared: Some(prepared),
        }
    }

    fn of_description(path: &Path, description: &Description) -> Result<Self, DatasetError> {
        let entries = description.entries(path)?;
        Ok(Self {
            name: description.name.clone(),
            path: path.to_owned(),
            form: Form::Nifti,
            coding: "described".to_owned(),
            axes: AxisOrder::Zyx,
            labels: description.label_table(),
            intensity: description.intensity.clone(),
            splits: description.splits(),
            published_slices: BTreeMap::new(),
            table: description.table(),
            entries,
            orientation: Some(description.axis.orientation()),
            prepared: None,
        })
    }

    /// Number of cases.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no case.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The name of a case.
    #[must_use]
    pub fn id(&self, case: usize) -> &str {
        &self.entries[case].id
    }

    /// What the splits call a case: a patient's name where a patient has several scans.
    #[must_use]
    pub fn key(&self, case: usize) -> &str {
        &self.entries[case].key
    }

    /// The cases of a split, in the split's order. `all` is every case.
    ///
    /// # Errors
    /// Where there is no such split or one of its cases is missing.
    pub fn split(&self, name: &str) -> Result<Vec<usize>, DatasetError> {
        if name == "all" && !self.splits.contains_key("all") {
            return Ok((0..self.len()).collect());
        }
        let keys = self.splits.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.splits.keys().map(String::as_str).collect();
            DatasetError::Request(format!(
                "{} has no split {name:?}; there are: {}, all",
                self.name,
                known.join(", ")
            ))
        })?;
        self.find(keys)
    }

    fn find(&self, keys: &[String]) -> Result<Vec<usize>, DatasetError> {
        let mut cases = Vec::new();
        for key in keys {
            let before = cases.len();
            cases.extend((0..self.len()).filter(|&case| self.key(case) == key));
            if cases.len() == before {
                let hint = "the split needs it; check that the data set is complete".to_owned();
                return Err(DatasetError::Missing { path: self.path.join(key), hint });
            }
        }
        Ok(cases)
    }

    /// Reads all scans of some cases or patients.
    pub(crate) fn load_keys(&self, keys: &[String]) -> Result<Vec<Case>, DatasetError> {
        self.find(keys)?.into_par_iter().map(|case| self.read(case)).collect()
    }

    /// Reads all cases of a split.
    ///
    /// # Errors
    /// Where one is missing or broken.
    pub fn load(&self, split: &str) -> Result<Vec<Case>, DatasetError> {
        self.split(split)?.into_par_iter().map(|case| self.read(case)).collect()
    }

    /// Reads one case.
    ///
    /// # Errors
    /// Where a file is missing or broken, image and label don't fit, or a label is not in the coding.
    pub fn read(&self, case: usize) -> Result<Case, DatasetError> {
        let entry =
            self.entries.get(case).ok_or_else(|| DatasetError::Request(format!("there is no case {case}")))?;
        match &entry.files {
            Files::Nifti([image, label]) => self.read_nifti(&entry.id, image, label),
            Files::Volume(path) => self.finish(&entry.id, path, self.arrays(path)?),
            Files::Slices(paths) => self.finish(&entry.id, &paths[0], self.stack(paths)?),
            Files::Prepared(at) => match &self.prepared {
                Some(prepared) => prepared.case(*at),
                None => Err(DatasetError::Request("no prepared data set is open".into())),
            },
        }
    }

    fn read_nifti(&self, id: &str, image_path: &Path, label_path: &Path) -> Result<Case, DatasetError> {
        DatasetError::require(image_path, "check that the download is complete")?;
        DatasetError::require(label_path, "every scan needs its label map")?;
        let scan = Scan::read(image_path)?;
        let labels = Scan::read(label_path)?;
        let orientation = self.orientation.unwrap_or_else(|| scan.orientation());
        let (mut image, spacing_mm) = scan.oriented(orientation);
        check_finite(image_path, &image)?;
        self.intensity.scale(&mut image);
        // A data set of one's own may mix orientations: there, the label map's own affine counts. The published sets'
        // label maps lie on their images voxel by voxel, whatever their headers say.
        let seen_as = if self.orientation.is_some() { orientation } else { labels.orientation() };
        let (values, _) = labels.oriented(seen_as);
        if values.dim() != image.dim() {
            return Err(DatasetError::ShapeMismatch {
                image: image_path.to_owned(),
                image_shape: scan.voxels.shape().to_vec(),
                label: label_path.to_owned(),
                label_shape: labels.voxels.shape().to_vec(),
            });
        }
        let label = to_classes(label_path, &values, &self.table, &self.coding)?;
        Ok(Case { id: id.to_owned(), image, label, spacing_mm: Some(spacing_mm), orientation })
    }

    /// Whether a label map's header gives another spacing than its image's. Readers go by the image; `data check`
    /// says it.
    pub(crate) fn geometry_problem(&self, case: usize) -> Result<Option<String>, DatasetError> {
        let Some(Files::Nifti([image, label])) = self.entries.get(case).map(|entry| &entry.files) else {
            return Ok(None);
        };
        let wanted = self.orientation;
        let (of_image, of_label) = (Scan::read_spacing(image, wanted)?, Scan::read_spacing(label, wanted)?);
        let differs = of_image.iter().zip(&of_label).any(|(a, b)| (a - b).abs() > 0.01 * a.max(*b));
        Ok(differs.then(|| {
            format!(
                "{} has the spacing {of_label:?} mm, its image {} {of_image:?}",
                label.display(),
                image.display()
            )
        }))
    }

    /// Image and label of an npz or h5 file.
    fn arrays(&self, path: &Path) -> Result<(Array3<f32>, Array3<f32>), DatasetError> {
        if path.extension().is_some_and(|e| e == "h5") {
            return h5::read_volume(path);
        }
        let image_key = if self.form == Form::AcdcNpz { "img" } else { "image" };
        let mut npz = Npz::open(path)?;
        let mut volume = |key: &str| {
            let array = npz.read(key)?;
            let shape = array.shape().to_vec();
            let volume = match array.ndim() {
                2 => array.into_dimensionality::<Ix2>().map(|slice| slice.insert_axis(Axis(0))),
                _ => array.into_dimensionality::<Ix3>(),
            };
            let reason = format!("`{key}` has the shape {shape:?}; two or three axes are needed");
            volume.map_err(|_| DatasetError::malformed(path, reason))
        };
        let (image, label) = (volume(image_key)?, volume("label")?);
        if image.dim() != label.dim() {
            let reason = format!("`{image_key}` has the shape {:?}, `label` {:?}", image.dim(), label.dim());
            return Err(DatasetError::malformed(path, reason));
        }
        Ok((image, label))
    }

    fn stack(&self, paths: &[PathBuf]) -> Result<(Array3<f32>, Array3<f32>), DatasetError> {
        let (mut image, mut label) = self.arrays(&paths[0])?;
        let first = image.dim();
        for path in &paths[1..] {
            let (next, next_label) = self.arrays(path)?;
            if next.dim() != first || first.0 != 1 {
                let reason = format!("it has the shape {:?}, the first slice {first:?}", next.dim());
                return Err(DatasetError::malformed(path, reason));
            }
            let failed = |e: ndarray::ShapeError| DatasetError::malformed(path, e.to_string());
            image.append(Axis(0), next.view()).map_err(failed)?;
            label.append(Axis(0), next_label.view()).map_err(failed)?;
        }
        Ok((image, label))
    }

    /// Brings the arrays of a prepared file to the canonical order and coding.
    fn finish(&self, id: &str, path: &Path, arrays: (Array3<f32>, Array3<f32>)) -> Result<Case, DatasetError> {
        let (image, values) = arrays;
        check_finite(path, &image)?;
        let label = self.axes.swap(to_classes(path, &values, &self.table, &self.coding)?);
        let image = self.axes.swap(image);
        // The forms have no spacing.
        Ok(Case { id: id.to_owned(), image, label, spacing_mm: None, orientation: Orientation::default() })
    }
}

fn check_finite(path: &Path, image: &Array3<f32>) -> Result<(), DatasetError> {
    match image.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(DatasetError::malformed(path, format!("its image holds the value {value}"))),
        None => Ok(()),
    }
}
