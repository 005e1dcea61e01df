//! A data set on disk, one case at a time, and what every file form has to be able to do.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use fastersam_volume::{Intensity, LabelTable, Orientation};
use rayon::prelude::*;

use crate::axis_order::AxisOrder;
use crate::case::Case;
use crate::error::DatasetError;
use crate::label_scheme::LabelScheme;
use crate::phantom::PhantomOptions;
use crate::prepared::manifest::PreparedCase;

/// A file form: a layout in which data sets lie on disk. One file in `forms/` implements it for each layout, and the
/// array [`forms::ALL`](crate::forms::ALL) lists them; nothing else has to know about a new one.
pub trait FileForm: fmt::Debug + Send + Sync {
    /// Its name on the command line and in manifests: `synapse-nifti`, `acdc-h5-slices`.
    fn name(&self) -> &'static str;

    /// Where the files lie, in one line: `img/imgNNNN.nii.gz, label/labelNNNN.nii.gz`.
    fn layout(&self) -> &'static str;

    /// Whether a path has this form. `names` are the sorted names of what lies in the folder; none where the path is
    /// that of a file. Where several forms say yes, the one that [`forms::ALL`](crate::forms::ALL) has first is taken.
    ///
    /// # Errors
    /// Where a folder inside can't be read.
    fn detect(&self, path: &Path, names: &[String]) -> Result<bool, DatasetError>;

    /// What the data set is and where the files of its cases are; none of the images is read.
    ///
    /// # Errors
    /// Where there is no case, files are missing, or the options lack what the files can't say.
    fn list(&self, path: &Path, options: &OpenOptions) -> Result<DataSet, DatasetError>;

    /// Reads one of the cases that [`list`](Self::list) found.
    ///
    /// # Errors
    /// Where a file is missing or broken, image and label don't fit, or a label is not in the label scheme.
    fn read(&self, set: &DataSet, entry: &Entry) -> Result<Case, DatasetError>;

    /// Writes phantoms in this form into an empty folder.
    ///
    /// # Errors
    /// Where the folder can't be written, or the form can't hold what is asked for.
    fn write(&self, folder: &Path, options: &PhantomOptions) -> Result<(), DatasetError>;
}

/// One of the file forms.
pub type Form = &'static dyn FileForm;

impl PartialEq for dyn FileForm {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn FileForm {}

/// What the files can't say about themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// The form; detected where not given.
    pub form: Option<Form>,
    /// The label scheme of Synapse files. The challenge's own files are `raw` where nothing is said; for npz and h5
    /// files it must be said.
    pub label_scheme: Option<LabelScheme>,
    /// How slices of npz and h5 files lie.
    pub axes: AxisOrder,
}

/// A case that is not read yet: its name, what the splits call it, and its files.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name of the case, unique within the data set.
    pub id: String,
    /// What the splits call it: a patient's name where a patient has several scans.
    pub key: String,
    /// Its files, in the order that the form knows: a scan and its label map, or the slices.
    pub files: Vec<PathBuf>,
    /// Where each class has a label file of its own: their codes, in the order of the files behind the scan.
    pub organs: Vec<u16>,
    /// What a manifest says of it, which reading checks; only prepared data sets have one.
    pub recorded: Option<PreparedCase>,
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
    /// The label scheme of the files.
    pub label_scheme: String,
    /// The label scheme of the cases as they are read.
    pub canonical_scheme: String,
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
    /// Class of each code, by index; none for a code that the files must not hold.
    pub codes: Vec<Option<u8>>,
    /// Where the axes of the volumes must point; as in the files where none.
    pub orientation: Option<Orientation>,
    /// The cases.
    pub entries: Vec<Entry>,
}

impl DataSet {
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
    /// Where a file is missing or broken, image and label don't fit, or a label is not in the label scheme.
    pub fn read(&self, case: usize) -> Result<Case, DatasetError> {
        self.form.read(self, self.entry(case)?)
    }

    fn entry(&self, case: usize) -> Result<&Entry, DatasetError> {
        self.entries.get(case).ok_or_else(|| DatasetError::Request(format!("there is no case {case}")))
    }
}
