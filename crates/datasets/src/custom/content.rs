//! What the files of pairs hold: codes, intensities, and across which axis slices are thick.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastersam_volume::{Grid, Intensity, ScanFile, VolumeError};
use rayon::prelude::*;

use super::pairs::{Labels, Pair};
use super::{MAX_CODE, SliceAxis};
use crate::forms::code_of;
use crate::intensity;
use crate::names::other_packing;

/// So many images are looked at for their intensities.
const N_LOOKED_AT: usize = 5;
/// Only Hounsfield units go that low.
const LOWEST_CT: f32 = -150.0;

/// What the files hold.
#[derive(Debug)]
pub(super) struct Content {
    /// Codes of the label maps, 0 aside.
    pub codes: BTreeSet<u16>,
    pub axis: SliceAxis,
    pub intensity: Intensity,
    /// Number of slices of each case across that axis.
    pub slices: BTreeMap<String, usize>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// What the files of one case hold.
struct Seen {
    grid: Grid,
    codes: BTreeSet<u16>,
    /// The lowest intensity, where it was looked for.
    lowest: Option<f32>,
}

/// Reads all label maps and some images. Cases whose files can't be read go from `pairs` to `left_out`, with the reason.
pub(super) fn look(
    folder: &Path,
    pairs: &mut Vec<Pair>,
    left_out: &mut Vec<(String, String)>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Content {
    let (n, n_done) = (pairs.len(), AtomicUsize::new(0));
    let step = n.div_ceil(N_LOOKED_AT).max(1);
    let found: Vec<_> = pairs
        .par_iter()
        .enumerate()
        .map(|(at, pair)| {
            let seen = see(folder, pair, at % step == 0);
            progress(n_done.fetch_add(1, Ordering::Relaxed) + 1, n);
            seen
        })
        .collect();
    let (mut kept, mut all) = (Vec::new(), Vec::new());
    for (pair, seen) in std::mem::take(pairs).into_iter().zip(found) {
        match seen {
            Ok(seen) => {
                kept.push(pair);
                all.push(seen);
            }
            Err((file, reason)) => {
                for other in std::iter::once(pair.image.as_str()).chain(pair.labels.paths()) {
                    if other != file {
                        left_out.push((other.to_owned(), format!("its case needs {file}, which can't be used")));
                    }
                }
                left_out.push((file, reason));
            }
        }
    }
    let axis = most_common(all.iter().map(|seen| thickest(&seen.grid)));
    let mut notes = Vec::new();
    let lowest: Vec<f32> = all.iter().filter_map(|seen| seen.lowest).collect();
    let content = Content {
        codes: all.iter().flat_map(|seen| &seen.codes).copied().filter(|&code| code != 0).collect(),
        axis,
        intensity: intensity_of(&lowest, &mut notes),
        slices: kept
            .iter()
            .zip(&all)
            .map(|(pair, seen)| (pair.case.clone(), seen.grid.oriented_shape(axis.orientation())[0]))
            .collect(),
        notes,
    };
    *pairs = kept;
    content
}

/// Opens the files of a case; the file and the reason where one can't be used.
fn see(folder: &Path, pair: &Pair, with_intensities: bool) -> Result<Seen, (String, String)> {
    for path in std::iter::once(pair.image.as_str()).chain(pair.labels.paths()) {
        if let Some(other) = other_packing(Path::new(path)).filter(|other| folder.join(other).exists()) {
            let reason =
                format!("{} is there as well, and nothing says which one is meant; remove one", other.display());
            return Err((path.to_owned(), reason));
        }
    }
    let at = |path: &str| {
        let path = path.to_owned();
        move |error: VolumeError| (path, reason(error))
    };
    let mut image = ScanFile::open(&folder.join(&pair.image)).map_err(at(&pair.image))?;
    let lowest = if with_intensities {
        image.survey().map_err(at(&pair.image))?.range().map(|[lowest, _]| lowest)
    } else {
        None
    };
    let mut codes = BTreeSet::new();
    match &pair.labels {
        Labels::Map(path) => {
            codes = codes_of(&folder.join(path)).map_err(|reason| (path.clone(), reason))?;
        }
        // What a class is called is in the names of its files: their voxels are not needed.
        Labels::Files(files) => {
            for path in files.values() {
                ScanFile::open(&folder.join(path)).map_err(at(path))?;
            }
        }
    }
    Ok(Seen { grid: image.grid, codes, lowest })
}

/// What is wrong with a file, without its name.
fn reason(error: VolumeError) -> String {
    match error {
        VolumeError::Malformed { reason, .. } => reason,
        other => other.to_string(),
    }
}

fn codes_of(path: &Path) -> Result<BTreeSet<u16>, String> {
    let mut is_there = vec![false; usize::from(MAX_CODE) + 1];
    let mut wrong = None;
    let file = ScanFile::open(path).map_err(reason)?;
    file.for_each_voxel(&mut |value| match code_of(value).and_then(|code| is_there.get_mut(usize::from(code))) {
        Some(is_there) => *is_there = true,
        None => wrong = wrong.or(Some(value)),
    })
    .map_err(reason)?;
    match wrong {
        Some(value) => Err(format!("it holds {value}, which is no label; whole numbers from 0 to {MAX_CODE} are")),
        None => Ok((0..=MAX_CODE).filter(|&code| is_there[usize::from(code)]).collect()),
    }
}

/// A window for CT, percentiles for anything else.
fn intensity_of(lowest: &[f32], notes: &mut Vec<String>) -> Intensity {
    let n_ct = lowest.iter().filter(|lowest| **lowest <= LOWEST_CT).count();
    if n_ct > 0 && n_ct == lowest.len() {
        return intensity::SYNAPSE;
    }
    if n_ct > 0 {
        notes.push(format!(
            "{n_ct} of {} images that were looked at hold Hounsfield units and the others do not: `intensity` is by \
             percentiles; see to it that all are of one kind",
            lowest.len()
        ));
    }
    Intensity::Percentiles { low: 0.5, high: 99.5 }
}

/// The axis with the thickest slices; axial where all are alike.
fn thickest(grid: &Grid) -> SliceAxis {
    let thickness = |axis: SliceAxis| grid.oriented_spacing_mm(axis.orientation())[0];
    let axial = thickness(SliceAxis::Axial);
    [SliceAxis::Coronal, SliceAxis::Sagittal]
        .into_iter()
        .find(|&axis| thickness(axis) > 1.5 * axial)
        .unwrap_or(SliceAxis::Axial)
}

fn most_common(axes: impl Iterator<Item = SliceAxis>) -> SliceAxis {
    let axes: Vec<SliceAxis> = axes.collect();
    let n = |axis: SliceAxis| axes.iter().filter(|other| **other == axis).count();
    // The last of equals is the one that `max_by_key` gives.
    let all = [SliceAxis::Sagittal, SliceAxis::Coronal, SliceAxis::Axial];
    all.into_iter().max_by_key(|&axis| n(axis)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intensities_follow_all_images_that_were_looked_at() {
        let percentiles = Intensity::Percentiles { low: 0.5, high: 99.5 };
        for (lowest, expected, n_notes) in [
            (&[-1024.0, -1000.0][..], intensity::SYNAPSE, 0),
            (&[0.0, 3.0], percentiles.clone(), 0),
            (&[-1024.0, 0.0, -900.0], percentiles.clone(), 1),
            (&[], percentiles.clone(), 0),
        ] {
            let mut notes = Vec::new();
            assert_eq!(intensity_of(lowest, &mut notes), expected);
            assert_eq!(notes.len(), n_notes, "{notes:?}");
        }
    }
}
