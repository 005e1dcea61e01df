//! Writes cases in the forms of the field, and phantoms in any of them.

use std::collections::BTreeSet;
use std::fs::create_dir_all;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Axis};

use crate::case::Case;
use crate::coding::{AxisOrder, SynapseCoding};
use crate::dataset::{DataSet, OpenOptions};
use crate::error::DatasetError;
use crate::form::Form;
use crate::npz::write_slice;
use crate::phantom::{Acquisition, Phantom};
use crate::prepared::{self, write_text};
use crate::scan::{write_image_volume, write_label_volume};
use crate::{h5, split};

/// Says of a folder that it holds phantoms: published counts don't apply.
pub(crate) const PHANTOM_MARK: &str = "phantom.toml";

/// What phantoms to write, and how.
#[derive(Clone, Copy, Debug)]
pub struct PhantomOptions {
    /// Number of scans (abdomen) or patients of two scans each (heart).
    pub cases: usize,
    /// Rows and columns.
    pub size: usize,
    /// Seed of the phantoms.
    pub seed: u64,
    /// Coding of the label files of Synapse forms.
    pub coding: SynapseCoding,
    /// Order of the axes in npz and h5 files.
    pub axes: AxisOrder,
}

impl Default for PhantomOptions {
    fn default() -> Self {
        let (coding, axes) = (SynapseCoding::Transunet, AxisOrder::Zyx);
        Self { cases: 10, size: crate::phantom::SIZE, seed: 1, coding, axes }
    }
}

/// Writes phantoms in a form: abdomens for the Synapse forms and the prepared form, hearts for the ACDC forms and
/// plain NIfTI. They are numbered like the published cases from 1 on, so that the published splits divide them.
///
/// # Errors
/// Where the folder is not empty, or can't be written.
pub fn phantoms(folder: &Path, form: Form, options: &PhantomOptions) -> Result<(), DatasetError> {
    if folder.exists() && !crate::form::names_in(folder)?.is_empty() {
        return Err(DatasetError::Request(format!("{} is not empty: give a new folder", folder.display())));
    }
    if form == Form::Prepared {
        let scratch = tempfile::tempdir_in(folder.parent().filter(|p| p.is_dir()).unwrap_or(Path::new(".")))
            .map_err(DatasetError::io(folder))?;
        let raw = PhantomOptions { coding: SynapseCoding::Raw, ..*options };
        phantoms(scratch.path(), Form::SynapseNifti, &raw)?;
        let set = DataSet::open(scratch.path(), &OpenOptions::default())?;
        return prepared::import(&set, folder, |_| {}).map(|_| ());
    }
    let is_abdomen = matches!(form, Form::SynapseNifti | Form::SynapseNpz);
    let family = if is_abdomen { Phantom::Abdomen } else { Phantom::Heart };
    let n_scans = if is_abdomen { options.cases } else { 2 * options.cases };
    create_dir_all(folder).map_err(DatasetError::io(folder))?;
    let mut writer = Writer::new(folder, form, options)?;
    for index in 0..n_scans {
        writer.add(family.acquire(options.seed, index, options.size))?;
    }
    let PhantomOptions { cases, size, seed, coding, axes } = options;
    let mark = format!(
        "# These are phantoms.\nform = \"{}\"\ncases = {cases}\nsize = {size}\nseed = {seed}\ncoding = \"{}\"\n\
         axes = \"{}\"\n",
        form.name(),
        if is_abdomen { coding.name() } else { "acdc" },
        axes.name()
    );
    write_text(&folder.join(PHANTOM_MARK), &mark)
}

struct Writer<'a> {
    folder: &'a Path,
    form: Form,
    coding: SynapseCoding,
    axes: AxisOrder,
    /// Patients and cases that the published splits test on, and validate on.
    test: BTreeSet<String>,
    valid: BTreeSet<String>,
}

impl<'a> Writer<'a> {
    fn new(folder: &'a Path, form: Form, options: &PhantomOptions) -> Result<Self, DatasetError> {
        let splits = split::all(matches!(form, Form::SynapseNifti | Form::SynapseNpz))?;
        let of = |name: &str| splits.get(name).into_iter().flatten().cloned().collect();
        let (coding, axes) = (options.coding, options.axes);
        Ok(Self { folder, form, coding, axes, test: of("test"), valid: of("valid") })
    }

    /// A path whose folder exists.
    fn path(&self, parts: &[&str]) -> Result<PathBuf, DatasetError> {
        let path = parts.iter().fold(self.folder.to_owned(), |path, part| path.join(part));
        let folder = path.parent().unwrap_or(self.folder);
        create_dir_all(folder).map_err(DatasetError::io(folder))?;
        Ok(path)
    }

    fn add(&mut self, scan: Acquisition) -> Result<(), DatasetError> {
        let id = scan.id.clone();
        let (spacing, place) = (scan.spacing_mm, Acquisition::ORIENTATION);
        match self.form {
            Form::SynapseNifti => {
                let number = id.trim_start_matches("case");
                let label = scan.label.mapv(|class| self.coding.code(class));
                write_image_volume(
                    &self.path(&["img", &format!("img{number}.nii.gz")])?,
                    &scan.raw,
                    spacing,
                    place,
                )?;
                write_label_volume(
                    &self.path(&["label", &format!("label{number}.nii.gz")])?,
                    &label,
                    spacing,
                    place,
                )
            }
            Form::Nifti => {
                let name = format!("{id}.nii.gz");
                write_image_volume(&self.path(&["images", &name])?, &scan.raw, spacing, place)?;
                write_label_volume(&self.path(&["labels", &name])?, &scan.label, spacing, place)
            }
            Form::AcdcNifti => {
                let patient = id.split('_').next().unwrap_or_default();
                let image = self.path(&[patient, &format!("{id}.nii.gz")])?;
                write_image_volume(&image, &scan.raw, spacing, place)?;
                let label = self.path(&[patient, &format!("{id}_gt.nii.gz")])?;
                write_label_volume(&label, &scan.label, spacing, place)?;
                self.add_to_info(patient, &id)
            }
            Form::SynapseNpz => {
                let case = self.coded(scan);
                if self.test.contains(&id) {
                    let path = self.path(&["test_vol_h5", &format!("{id}.npy.h5")])?;
                    return h5::write_volume(&path, case.image.view(), case.label.view());
                }
                for (slice, image, label) in slices(&case) {
                    let path = self.path(&["train_npz", &format!("{id}_slice{slice:03}.npz")])?;
                    write_slice(&path, ["image", "label"], &image, &label)?;
                }
                Ok(())
            }
            Form::AcdcH5 => {
                let case = self.coded(scan);
                let path = self.path(&["ACDC_training_volumes", &format!("{id}.h5")])?;
                h5::write_volume(&path, case.image.view(), case.label.view())
            }
            Form::AcdcH5Slices => {
                for (slice, image, label) in slices(&self.coded(scan)) {
                    let name = format!("{id}_slice_{}.h5", slice + 1);
                    let path = self.path(&["ACDC_training_slices", &name])?;
                    h5::write_volume(&path, image.view(), label.view())?;
                }
                Ok(())
            }
            Form::AcdcNpz => self.add_mt_unet(&self.coded(scan)),
            Form::Prepared => Err(DatasetError::Request("the prepared form is written by importing".into())),
        }
    }

    /// The scaled case in the coding and axis order of the files.
    fn coded(&self, scan: Acquisition) -> Case {
        let Case { id, image, label, spacing_mm, orientation } = scan.into_case();
        let is_synapse = self.form == Form::SynapseNpz;
        let label = label.mapv(|class| if is_synapse { self.coding.code(class) } else { class });
        Case { id, image: self.axes.swap(image), label: self.axes.swap(label), spacing_mm, orientation }
    }

    /// The first scan of a patient is at end diastole, the second at end systole.
    fn add_to_info(&self, patient: &str, id: &str) -> Result<(), DatasetError> {
        let path = self.path(&[patient, "Info.cfg"])?;
        let before = if path.exists() { prepared::read_text(&path, 1 << 16)? } else { String::new() };
        let phase = if before.is_empty() { "ED" } else { "ES" };
        let frame = id.rsplit("frame").next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(1);
        write_text(&path, &format!("{before}{phase}: {frame}\n"))
    }

    fn add_mt_unet(&self, case: &Case) -> Result<(), DatasetError> {
        let patient = case.id.split('_').next().unwrap_or_default();
        let number = patient.trim_start_matches("patient");
        let phase = if case.id.ends_with("frame01") { "ED" } else { "ES" };
        if self.test.contains(patient) {
            let path = self.path(&["test", &format!("case_{number}_volume_{phase}.npz")])?;
            let mut npz = crate::npz::NpzWriter::create(&path)?;
            npz.add("img", case.image.view())?;
            npz.add("label", case.label.view())?;
            return npz.finish();
        }
        let part = if self.valid.contains(patient) { "valid" } else { "train" };
        for (slice, image, label) in slices(case) {
            let path = self.path(&[part, &format!("case_{number}_slice{phase}_{slice}.npz")])?;
            write_slice(&path, ["img", "label"], &image, &label)?;
        }
        Ok(())
    }
}

fn slices(case: &Case) -> impl Iterator<Item = (usize, Array2<f32>, Array2<u8>)> {
    fn plane<T: Clone>(volume: &Array3<T>, slice: usize) -> Array2<T> {
        volume.index_axis(Axis(0), slice).to_owned()
    }
    (0..case.image.len_of(Axis(0))).map(|slice| (slice, plane(&case.image, slice), plane(&case.label, slice)))
}
