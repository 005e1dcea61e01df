//! Pictures of the worst cases.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use fastersam_datasets::label_maps::{MapPairs, Tables, images_of_cases};
use fastersam_experiments::score::{ScoredSlice, worst_slices};
use fastersam_files::{FileError, claim_output, write_atomically};
use fastersam_metrics::CaseScores;
use fastersam_progress::say;
use fastersam_report::{Preview, PreviewSlice};

/// Cases that are drawn.
const MAX_CASES: usize = 5;

fn picture(folder: &Path, case: &str) -> PathBuf {
    folder.join(format!("{case}.png"))
}

/// Before the work: that the pictures can be written. Which cases are the worst is not known yet.
pub fn claim(folder: &Path, pairs: &MapPairs, inputs: &[&Path], overwrite: bool) -> Result<()> {
    if !folder.exists() {
        fs::create_dir(folder).map_err(FileError::at(folder))?;
    }
    let cases = pairs.pairs.iter().map(|pair| picture(folder, &pair.case));
    cases.into_iter().try_for_each(|path| Ok(claim_output(&path, inputs, overwrite)?))
}

/// Draws the slices of the worst cases on which most is wrong.
pub fn write(
    folder: &Path,
    pairs: &MapPairs,
    tables: &Tables,
    worst_first: &[(Option<f64>, &CaseScores)],
    images: Option<&Path>,
) -> Result<()> {
    let images = images.map_or_else(|| Ok(BTreeMap::new()), |images| images_of_cases(images, &pairs.pairs))?;
    let drawn = worst_first.iter().take(MAX_CASES);
    for (mean, scores) in drawn {
        let (Some(mean), Some(pair)) = (mean, pairs.pairs.iter().find(|pair| pair.case == scores.case)) else {
            continue;
        };
        let slices = worst_slices(tables, pair, scores, images.get(&pair.case).map(PathBuf::as_path))?;
        let preview = Preview {
            title: format!("{}: mean strict Dice {mean:.3}", pair.case),
            class_names: tables.classes().to_vec(),
            pause_point_names: Vec::new(),
            slices: slices.into_iter().map(shown).collect(),
        };
        let path = picture(folder, &pair.case);
        write_atomically(&path, &preview.to_png()?)?;
        say(&format!("picture: {}", path.display()));
    }
    Ok(())
}

fn shown(slice: ScoredSlice) -> PreviewSlice {
    PreviewSlice {
        label: format!("slice {} of {}", slice.slice[0] + 1, slice.slice[1]),
        rows: slice.rows,
        cols: slice.cols,
        image: slice.image,
        classes: slice.prediction,
        truth: Some(slice.truth),
        pixel_aspect: slice.pixel_aspect,
        paused_at: vec![0],
    }
}
