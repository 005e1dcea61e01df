//! Label maps of any tool, to be compared with each other: which are of the same case, what their values mean, and whether
//! they lie on each other.

mod names;
mod pairs;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fastersam_volume::{Grid, Orientation, Scan, VolumeError};
use ndarray::Array3;

use crate::error::DatasetError;
use crate::forms::code_of;

pub use names::LabelNames;
pub use pairs::{MapPair, MapPairs, images_of_cases, pair_label_maps};
pub use tables::{Side, Tables};

/// The most values that an error names.
const MAX_NAMED: usize = 12;

/// The files of a label map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapFiles {
    /// One file with a value for each class.
    One(PathBuf),
    /// A file for each class, by its name without ending.
    PerClass {
        /// Where they lie.
        folder: PathBuf,
        /// The files.
        files: BTreeMap<String, PathBuf>,
    },
}

impl MapFiles {
    /// The file, or the folder of the files.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::One(path) => path,
            Self::PerClass { folder, .. } => folder,
        }
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let (one, many) = match self {
            Self::One(path) => (Some(path.as_path()), None),
            Self::PerClass { files, .. } => (None, Some(files.values().map(PathBuf::as_path))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// A label map in memory.
#[derive(Clone, Debug)]
pub struct ClassMap {
    /// Classes, `[slices, rows, columns]`; 0 is background.
    pub classes: Array3<u8>,
    /// Where the voxels lie.
    pub grid: Grid,
    /// Distance of neighbours along the axes of `classes`.
    pub spacing_mm: [f64; 3],
}

/// Reads a label map, turned as `orientation` says: class `k` (from 1) is `classes[k - 1]`; names of the table that are not
/// among these are background.
///
/// # Errors
/// Where a file can't be read, or holds a value that the table does not name.
pub fn read_classes(
    files: &MapFiles,
    names: &LabelNames,
    classes: &[String],
    orientation: Orientation,
) -> Result<ClassMap, DatasetError> {
    let class_of = |name: &str| (1..=u8::MAX).zip(classes).find(|(_, class)| *class == name).map_or(0, |(k, _)| k);
    match files {
        MapFiles::One(path) => {
            let scan = Scan::read(path)?;
            let mut unknown: BTreeSet<u16> = BTreeSet::new();
            let mut table: BTreeMap<u16, u8> = BTreeMap::new();
            let mut class_at = |value: f32| {
                let Some(code) = code_of(value) else {
                    return Err(format!("{value}, which is no label: labels are whole numbers from 0 to 65535"));
                };
                if let Some(&class) = table.get(&code) {
                    return Ok(class);
                }
                let class = names.of(code).map(|name| name.map_or(0, class_of));
                if class.is_none() {
                    unknown.insert(code);
                }
                table.insert(code, class.unwrap_or(0));
                Ok(class.unwrap_or(0))
            };
            let (values, spacing_mm) = scan.oriented(orientation);
            let mut wrong = None;
            // Runs of one value are long: most lookups are comparisons with the last one.
            let mut last = (0.0_f32, 0_u8);
            let classes = values.mapv(|value| {
                if value.to_bits() != last.0.to_bits() {
                    match class_at(value) {
                        Ok(class) => last = (value, class),
                        Err(reason) => {
                            wrong.get_or_insert(reason);
                        }
                    }
                }
                last.1
            });
            if let Some(reason) = wrong {
                return Err(DatasetError::malformed(path, format!("it holds {reason}")));
            }
            if !unknown.is_empty() {
                let more = if unknown.len() > MAX_NAMED { " and more" } else { "" };
                let named: Vec<String> = unknown.iter().take(MAX_NAMED).map(u16::to_string).collect();
                let (values, them) =
                    if unknown.len() == 1 { ("label value", "it") } else { ("label values", "them") };
                return Err(DatasetError::malformed(
                    path,
                    format!(
                        "it holds the {values} {}{more}, which the label table does not name; add {them} to `labels` or \
                         `background`",
                        named.join(", ")
                    ),
                ));
            }
            Ok(ClassMap { classes, grid: scan.grid, spacing_mm })
        }
        MapFiles::PerClass { folder, files } => {
            let mut map: Option<ClassMap> = None;
            // In the order of the classes: of voxels that several files mark, the last class has them.
            let mut sorted: Vec<(u8, &PathBuf)> = files
                .iter()
                .map(|(stem, path)| (names.of_file(stem).map_or(0, class_of), path))
                .filter(|(class, _)| *class > 0)
                .collect();
            sorted.sort();
            for (class, path) in sorted {
                let scan = Scan::read(path)?;
                let (values, spacing_mm) = scan.oriented(orientation);
                let map = map.get_or_insert_with(|| ClassMap {
                    classes: Array3::zeros(values.dim()),
                    grid: scan.grid.clone(),
                    spacing_mm,
                });
                if let Some(difference) = map.grid.difference(&scan.grid) {
                    let reason =
                        format!("it does not lie on the other files of {}: {difference}", folder.display());
                    return Err(DatasetError::malformed(path, reason));
                }
                map.classes.zip_mut_with(&values, |of_voxel, &value| {
                    if value > 0.5 {
                        *of_voxel = class;
                    }
                });
            }
            map.ok_or_else(|| {
                let reason = format!("none of its files is called like a class: {}", classes.join(", "));
                DatasetError::malformed(folder, reason)
            })
        }
    }
}

impl ClassMap {
    /// What keeps this map from lying on the true one: shape, axes, spacing or place of both; `None` where it does.
    #[must_use]
    pub fn difference(&self, truth: &Self) -> Option<String> {
        self.grid.difference(&truth.grid)
    }
}

/// The values of a label map but 0, each once.
///
/// # Errors
/// Where it can't be read or holds what is no label.
fn codes_in(path: &Path) -> Result<BTreeSet<u16>, DatasetError> {
    let mut codes = BTreeSet::new();
    let mut wrong = None;
    let mut last = 0.0_f32;
    fastersam_volume::ScanFile::open(path)?.for_each_voxel(&mut |value| {
        if value.to_bits() != last.to_bits() {
            last = value;
            match code_of(value) {
                Some(code) => {
                    codes.insert(code);
                }
                None => {
                    wrong.get_or_insert(value);
                }
            }
        }
    })?;
    codes.remove(&0);
    match wrong {
        None => Ok(codes),
        Some(value) => Err(VolumeError::Malformed {
            path: path.to_owned(),
            reason: format!("it holds {value}, which is no label: labels are whole numbers from 0 to 65535"),
        }
        .into()),
    }
}
