//! The file forms, one file each, and their registry.

mod acdc_h5;
mod acdc_h5_slices;
mod acdc_nifti;
mod acdc_npz;
mod arrays;
mod described;
mod entries;
mod nifti_pair;
mod prepared;
mod published;
mod synapse_nifti;
mod synapse_npz;
mod values;

use std::path::Path;
use std::str::FromStr;

use crate::dataset::{DataSet, Form, OpenOptions};
use crate::error::DatasetError;
use crate::names::{names_in, new_folder};
use crate::phantom::PhantomOptions;

pub use acdc_h5::AcdcH5;
pub use acdc_h5_slices::AcdcH5Slices;
pub use acdc_nifti::AcdcNifti;
pub use acdc_npz::AcdcNpz;
pub use described::Described;
pub use prepared::PreparedForm;
pub use synapse_nifti::SynapseNifti;
pub use synapse_npz::SynapseNpz;
pub(crate) use values::code_of;

/// All file forms. The first one that a folder has is taken, so that those with a file that names them come first.
pub static ALL: [Form; 8] =
    [&PreparedForm, &Described, &SynapseNifti, &SynapseNpz, &AcdcNifti, &AcdcH5, &AcdcH5Slices, &AcdcNpz];

impl FromStr for Form {
    type Err = DatasetError;

    fn from_str(name: &str) -> Result<Self, DatasetError> {
        ALL.into_iter()
            .find(|form| form.name() == name)
            .ok_or_else(|| DatasetError::Request(format!("{name:?} is no file form; there are: {}", known())))
    }
}

fn known() -> String {
    ALL.map(|form| form.name()).join(", ")
}

/// The form of a data set: of a folder, or of the TOML file that describes one.
///
/// # Errors
/// Where it has none of the forms.
pub fn detect(path: &Path) -> Result<Form, DatasetError> {
    DatasetError::require(path, "give a data set's folder, or the TOML file that describes one")?;
    let names = if path.is_dir() { names_in(path)? } else { Vec::new() };
    for form in ALL {
        if form.detect(path, &names)? {
            return Ok(form);
        }
    }
    let inside = inside(path, &names);
    let reason = if let [(name, form)] = &inside[..] {
        format!("it has none of the known forms, but its folder `{name}` is {}: give that", form.name())
    } else if !inside.is_empty() {
        let named: Vec<String> =
            inside.iter().map(|(name, form)| format!("`{name}` is {}", form.name())).collect();
        format!("it has none of the known forms, but folders in it have: {}; give one of them", named.join(", "))
    } else if path.is_dir() {
        format!(
            "it has none of the known forms ({}); NIfTI files in any other layout are read once a file {} describes them",
            known(),
            crate::custom::FILE_NAME
        )
    } else {
        "a folder or a TOML file is needed".to_owned()
    };
    Err(DatasetError::malformed(path, reason))
}

/// The first folders inside that have a form.
fn inside(path: &Path, names: &[String]) -> Vec<(String, Form)> {
    /// More say nothing new.
    const SHOWN: usize = 4;
    let found = names.iter().filter_map(|name| {
        let folder = path.join(name);
        let names = names_in(&folder).ok()?;
        let form = ALL.into_iter().find(|form| form.detect(&folder, &names).is_ok_and(|found| found))?;
        Some((name.clone(), form))
    });
    found.take(SHOWN).collect()
}

impl DataSet {
    /// Finds the cases of a data set without reading them.
    ///
    /// # Errors
    /// Where the folder has no known form, or the files' label scheme must be named.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, DatasetError> {
        let form = options.form.map_or_else(|| detect(path), Ok)?;
        DatasetError::require(path, "give the folder of the data set")?;
        form.list(path, options)
    }
}

/// Writes phantoms in a form: abdomens for the Synapse forms and the prepared form, hearts for the ACDC forms and
/// described NIfTI files. They are numbered like the published cases from 1 on, so that the published splits divide
/// them.
///
/// # Errors
/// Where the folder is not empty, can't be written, or the options ask for what can't be.
pub fn write_phantoms(folder: &Path, form: Form, options: &PhantomOptions) -> Result<(), DatasetError> {
    options.validate().map_err(DatasetError::Request)?;
    let scratch = new_folder(folder)?;
    form.write(scratch.path(), options)?;
    Ok(scratch.commit()?)
}
