//! From the places of slices to a grid: their order, their distance, and what makes of them no volume.

use std::path::{Path, PathBuf};

use fastersam_volume::Grid;

use crate::error::DicomError;
use crate::frames::{Frame, Plane};

/// Slices may lie so many distances from where even ones would; positions are often rounded.
const MAX_OFF_DISTANCES: f64 = 0.1;
/// The stack may lean so many pixels to the side from its first to its last slice.
const MAX_LEAN_PIXELS: f64 = 0.5;
/// Directions of one series differ by no more than rounding.
const SAME_DIRECTION: f64 = 1e-3;
/// Lengths likewise, as a share.
const SAME_LENGTH: f64 = 1e-3;
/// Nearer than this share of the usual distance, two slices lie at one place.
const SAME_PLACE: f64 = 0.01;

/// Sorts frames along the normal of their planes and finds the grid `[column, row, slice]` that they lie on.
///
/// `name` names a file by its index; `path` is the series.
pub fn arrange(
    path: &Path,
    frames: &mut [Frame],
    name: impl Fn(usize) -> PathBuf,
    notes: &mut Vec<String>,
) -> Result<Grid, DicomError> {
    let Some(first) = frames.first().cloned() else {
        return Err(DicomError::malformed(path, "it has no slices"));
    };
    let plane = first.plane;
    if let Some((other, what)) = frames.iter().find_map(|frame| Some((frame, plane.difference(&frame.plane)?))) {
        let reason = format!(
            "its slices {} and {} have different {what}; export one volume alone",
            name(first.file).display(),
            name(other.file).display()
        );
        return Err(DicomError::malformed(path, reason));
    }
    let normal = plane.normal();
    frames.sort_by(|a, b| dot(a.position_mm, normal).total_cmp(&dot(b.position_mm, normal)));
    let heights: Vec<f64> = frames.iter().map(|frame| dot(frame.position_mm, normal)).collect();
    let distances: Vec<f64> = heights.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let spacing_mm = if distances.is_empty() {
        plane.said_thickness_mm.unwrap_or_else(|| {
            notes.push("it is a slice without a thickness: 1 mm is assumed".to_owned());
            1.0
        })
    } else {
        check_distances(path, frames, &heights, &distances, name)?;
        (heights[heights.len() - 1] - heights[0]) / distances.len() as f64
    };
    check_lean(path, frames, &plane, normal)?;
    let origin = frames[0].position_mm;
    let [rows_mm, columns_mm] = plane.spacing_mm;
    // The patient's left and back are DICOM's directions, right and front those of the grid.
    let affine = std::array::from_fn(|world| {
        let sign = if world < 2 { -1.0 } else { 1.0 };
        [
            sign * plane.orientation[world] * columns_mm,
            sign * plane.orientation[3 + world] * rows_mm,
            sign * normal[world] * spacing_mm,
            sign * origin[world],
        ]
    });
    let [n_rows, n_columns] = plane.shape;
    Ok(Grid::new(path, [n_columns, n_rows, frames.len()], affine)?)
}

/// Refuses slices at one place, gaps, and uneven distances.
fn check_distances(
    path: &Path,
    frames: &[Frame],
    heights: &[f64],
    distances: &[f64],
    name: impl Fn(usize) -> PathBuf,
) -> Result<(), DicomError> {
    let mut sorted = distances.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Where most slices lie at one place, that is what is wrong.
    let usual = sorted[sorted.len() / 2];
    let pair = |at: usize| {
        let (a, b) = (&frames[at], &frames[at + 1]);
        if a.file == b.file {
            format!("frames {} and {} of {}", a.index + 1, b.index + 1, name(a.file).display())
        } else {
            format!("{} and {}", name(a.file).display(), name(b.file).display())
        }
    };
    if let Some(at) = distances.iter().position(|&mm| mm <= SAME_PLACE * usual) {
        let reason = if frames[at].sop_instance == frames[at + 1].sop_instance
            && frames[at].file != frames[at + 1].file
        {
            format!("{} are the same slice; remove one", pair(at))
        } else {
            format!(
                "{} lie at one place ({:.2} mm along the stack): it holds several phases, echoes or times; export one alone",
                pair(at),
                heights[at]
            )
        };
        return Err(DicomError::malformed(path, reason));
    }
    let odd = distances.iter().position(|&mm| (mm - usual).abs() > MAX_OFF_DISTANCES * usual);
    if let Some(at) = odd {
        let n_missing = (distances[at] / usual).round() - 1.0;
        let is_gap = n_missing >= 1.0 && (distances[at] / usual - n_missing - 1.0).abs() < MAX_OFF_DISTANCES;
        let what = if is_gap {
            let slices = if n_missing == 1.0 { "slice is" } else { "slices are" };
            format!("{n_missing} {slices} missing")
        } else {
            "its slices are not evenly spaced".to_owned()
        };
        let reason = format!(
            "{what}: {} lie {:.3} mm apart ({:.2} and {:.2} mm along the stack), most others {usual:.3} mm",
            pair(at),
            distances[at],
            heights[at],
            heights[at + 1]
        );
        return Err(DicomError::malformed(path, reason));
    }
    // Small differences add up.
    let mean = (heights[heights.len() - 1] - heights[0]) / distances.len() as f64;
    let off = |at: usize| (heights[at] - heights[0] - mean * at as f64).abs();
    match (0..heights.len()).find(|&at| off(at) > MAX_OFF_DISTANCES * mean) {
        Some(at) => {
            let reason = format!(
                "its slices are not evenly spaced: that of {} lies {:.3} mm from where even ones would",
                name(frames[at].file).display(),
                off(at)
            );
            Err(DicomError::malformed(path, reason))
        }
        None => Ok(()),
    }
}

/// Refuses stacks that lean: those of a tilted gantry, and slices that do not lie above each other.
fn check_lean(path: &Path, frames: &[Frame], plane: &Plane, normal: [f64; 3]) -> Result<(), DicomError> {
    let start = frames[0].position_mm;
    let lean = |frame: &Frame| {
        let way = [0, 1, 2].map(|world| frame.position_mm[world] - start[world]);
        let up = dot(way, normal);
        let side = [0, 1, 2].map(|world| way[world] - up * normal[world]);
        (dot(side, side).sqrt(), up)
    };
    let farthest = frames.iter().map(lean).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0.0));
    let pixel_mm = plane.spacing_mm[0].min(plane.spacing_mm[1]);
    if farthest.0 <= MAX_LEAN_PIXELS * pixel_mm {
        return Ok(());
    }
    let degrees = farthest.0.atan2(farthest.1).to_degrees();
    let reason = format!(
        "its slices do not lie straight above each other: the stack leans by {degrees:.1} degrees, as with a tilted gantry; \
         make it straight first, as dcm2niix does"
    );
    Err(DicomError::malformed(path, reason))
}

impl Plane {
    /// The direction of the stack: at right angles to rows and columns.
    pub fn normal(&self) -> [f64; 3] {
        let [a, b, c, d, e, f] = self.orientation;
        let cross = [b * f - c * e, c * d - a * f, a * e - b * d];
        let length = dot(cross, cross).sqrt();
        cross.map(|value| value / length)
    }

    /// What two planes of one volume may not differ in.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let turned = (0..6).any(|i| (self.orientation[i] - other.orientation[i]).abs() > SAME_DIRECTION);
        let scaled =
            (0..2).any(|i| (self.spacing_mm[i] - other.spacing_mm[i]).abs() > SAME_LENGTH * self.spacing_mm[i]);
        if self.shape != other.shape {
            Some("numbers of rows and columns")
        } else if turned {
            Some("orientations")
        } else {
            scaled.then_some("pixel spacings")
        }
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
