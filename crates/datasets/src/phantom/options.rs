//! What phantoms to write to a disk, and how.

use std::path::Path;

use fastersam_files::{FileError, write_atomically};

use super::acquisition::{Acquisition, Phantom, SIZE};
use crate::axis_order::AxisOrder;
use crate::label_scheme::LabelScheme;

/// Says of a folder that it holds phantoms: published counts don't apply.
const MARK: &str = "phantom.toml";

/// What phantoms to write, and how.
#[derive(Clone, Copy, Debug)]
pub struct PhantomOptions {
    /// Number of scans (abdomen) or patients of two scans each (heart).
    pub cases: usize,
    /// Rows and columns.
    pub size: usize,
    /// Seed of the phantoms.
    pub seed: u64,
    /// Label scheme of Synapse forms; the usual one of the form where none is named.
    pub label_scheme: Option<LabelScheme>,
    /// Order of the axes in npz and h5 files.
    pub axes: AxisOrder,
}

impl Default for PhantomOptions {
    fn default() -> Self {
        Self { cases: 10, size: SIZE, seed: 1, label_scheme: None, axes: AxisOrder::Zyx }
    }
}

impl PhantomOptions {
    /// The most scans or patients.
    pub const MAX_CASES: usize = 10_000;
    /// The least and the most rows and columns.
    pub const SIZES: [usize; 2] = [16, 1024];

    /// Whether these phantoms can be made.
    ///
    /// # Errors
    /// What can't be, in words.
    pub fn validate(&self) -> Result<(), String> {
        let [least, most] = Self::SIZES;
        if !(least..=most).contains(&self.size) {
            return Err(format!(
                "phantoms of {} rows and columns can't be made; {least} to {most} are possible",
                self.size
            ));
        }
        if !(1..=Self::MAX_CASES).contains(&self.cases) {
            return Err(format!("{} phantoms can't be made; 1 to {} are possible", self.cases, Self::MAX_CASES));
        }
        Ok(())
    }

    /// The scans of a family, numbered like the published cases from 1 on, so that the published splits divide them.
    pub(crate) fn scans(&self, family: Phantom) -> impl Iterator<Item = Acquisition> {
        let n_scans = match family {
            Phantom::Abdomen => self.cases,
            Phantom::Heart => 2 * self.cases,
        };
        (0..n_scans).map(move |index| family.acquire(self.seed, index, self.size))
    }

    /// Marks a folder as one of phantoms.
    pub(crate) fn mark(&self, folder: &Path, form: &str, label_scheme: &str) -> Result<(), FileError> {
        let Self { cases, size, seed, axes, .. } = self;
        let text = format!(
            "# These are phantoms.\nform = \"{form}\"\ncases = {cases}\nsize = {size}\nseed = {seed}\n\
             label_scheme = \"{label_scheme}\"\naxes = \"{}\"\n",
            axes.name()
        );
        write_atomically(&folder.join(MARK), text.as_bytes())
    }
}

/// Whether a folder is marked as one of phantoms.
pub(crate) fn is_phantom(folder: &Path) -> bool {
    folder.join(MARK).is_file()
}
