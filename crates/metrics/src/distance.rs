//! The exact Euclidean distance transform, axis by axis (Felzenszwalb and Huttenlocher 2012).

use rayon::prelude::*;

use crate::mask::Mask;

/// The squared distance of every voxel to the nearest voxel of `features`, infinite where there is
/// none.
pub(crate) fn squared_distances(features: &Mask, spacing: [f64; 3]) -> Vec<f64> {
    let [slices, rows, cols] = features.shape;
    let mut field: Vec<f64> =
        features.voxels.iter().map(|&voxel| if voxel { 0.0 } else { f64::INFINITY }).collect();
    // Along the columns and rows inside each slice, slices in parallel.
    field.par_chunks_mut(rows * cols).for_each(|slice| {
        let mut pass = Pass::default();
        for line in slice.chunks_exact_mut(cols) {
            pass.run(line, spacing[2]);
        }
        let mut line = vec![0.0; rows];
        for col in 0..cols {
            for (row, value) in line.iter_mut().enumerate() {
                *value = slice[row * cols + col];
            }
            pass.run(&mut line, spacing[1]);
            for (row, value) in line.iter().enumerate() {
                slice[row * cols + col] = *value;
            }
        }
    });
    if slices > 1 {
        // Across the slices: a transposed copy, so that lines are contiguous and can be shared out.
        let plane = rows * cols;
        let mut lines = vec![0.0; field.len()];
        lines.par_chunks_mut(slices).enumerate().for_each_init(Pass::default, |pass, (at, line)| {
            for (slice, value) in line.iter_mut().enumerate() {
                *value = field[slice * plane + at];
            }
            pass.run(line, spacing[0]);
        });
        field.par_chunks_mut(plane).enumerate().for_each(|(slice, out)| {
            for (at, value) in out.iter_mut().enumerate() {
                *value = lines[at * slices + slice];
            }
        });
    }
    field
}

/// The distance of every voxel to the nearest voxel of `mask`, in the unit of `spacing` (slices, rows,
/// columns); infinite where the mask is empty.
#[must_use]
pub fn distance_to(mask: &Mask, spacing: [f64; 3]) -> Vec<f64> {
    squared_distances(mask, spacing).into_iter().map(f64::sqrt).collect()
}

/// The distance from every voxel of `from` to the nearest voxel of `to`, once for each of the spacings,
/// in row-major order of the voxels. Both masks have the same shape, and `to` is not empty.
///
/// Inside the slices a distance transform, across them a search that ends as soon as the distance of
/// the slices alone is larger: borders that lie close together never look far. Spacings that differ
/// along the slices only share one transform.
pub(crate) fn distances_between(from: &Mask, to: &Mask, spacings: &[[f64; 3]]) -> Vec<Vec<f64>> {
    let is_square = spacings.iter().all(|spacing| spacing[1] == spacing[2]);
    if is_square {
        let field = planar_distances(to, [1.0, 1.0]);
        spacings.iter().map(|&[slice, pixel, _]| search(from, &field, slice, pixel * pixel)).collect()
    } else {
        let transform =
            |&[slice, row, col]: &[f64; 3]| search(from, &planar_distances(to, [row, col]), slice, 1.0);
        spacings.iter().map(transform).collect()
    }
}

/// The squared distance of every voxel to the nearest feature of its own slice; infinite in slices
/// without features.
fn planar_distances(features: &Mask, [row_mm, col_mm]: [f64; 2]) -> Vec<f64> {
    let [_, rows, cols] = features.shape;
    let mut field = vec![f64::INFINITY; features.voxels.len()];
    let slices = field.par_chunks_mut(rows * cols).zip(features.voxels.par_chunks(rows * cols));
    slices.for_each_init(Pass::default, |pass, (field, features)| {
        if !features.contains(&true) {
            return;
        }
        // Along the columns of the image: rows down and up again, all columns of a row at once.
        for (row, line) in features.chunks_exact(cols).enumerate() {
            let (above, below) = field.split_at_mut(row * cols);
            let here = &mut below[..cols];
            for (value, &feature) in here.iter_mut().zip(line) {
                *value = if feature { 0.0 } else { f64::INFINITY };
            }
            if row > 0 {
                for (value, before) in here.iter_mut().zip(&above[(row - 1) * cols..]) {
                    *value = value.min(before + row_mm);
                }
            }
        }
        for row in (0..rows.saturating_sub(1)).rev() {
            let (above, below) = field.split_at_mut((row + 1) * cols);
            for (value, after) in above[row * cols..].iter_mut().zip(&below[..cols]) {
                *value = value.min(after + row_mm);
            }
        }
        for line in field.chunks_exact_mut(cols) {
            line.iter_mut().for_each(|value| *value *= *value);
            pass.run(line, col_mm);
        }
    });
    field
}

/// Each voxel of `from` looks up the slices of `field` (squares times `unit`), the nearest first.
fn search(from: &Mask, field: &[f64], slice_mm: f64, unit: f64) -> Vec<f64> {
    let [slices, rows, cols] = from.shape;
    let plane = rows * cols;
    let of_slice = |slice: usize| {
        let voxels = &from.voxels[slice * plane..(slice + 1) * plane];
        let farthest = slice.max(slices - 1 - slice);
        let nearest = |at: usize| {
            let mut best = field[slice * plane + at] * unit;
            for step in 1..=farthest {
                let across = step as f64 * slice_mm;
                let across = across * across;
                if across >= best {
                    break;
                }
                if let Some(before) = slice.checked_sub(step) {
                    best = best.min(field[before * plane + at] * unit + across);
                }
                if slice + step < slices {
                    best = best.min(field[(slice + step) * plane + at] * unit + across);
                }
            }
            best.sqrt()
        };
        voxels.iter().enumerate().filter(|(_, voxel)| **voxel).map(|(at, _)| nearest(at)).collect::<Vec<f64>>()
    };
    let by_slice: Vec<Vec<f64>> = (0..slices).into_par_iter().map(of_slice).collect();
    by_slice.concat()
}

/// One line: the lower envelope of the parabolas that stand on its voxels.
#[derive(Default)]
struct Pass {
    /// Voxels whose parabola is part of the envelope.
    sites: Vec<usize>,
    /// Where the parabola of each site takes over from the one before.
    starts: Vec<f64>,
    heights: Vec<f64>,
}

impl Pass {
    fn run(&mut self, line: &mut [f64], spacing: f64) {
        self.sites.clear();
        self.starts.clear();
        self.heights.clear();
        let square = spacing * spacing;
        for (q, &height) in line.iter().enumerate() {
            if height == f64::INFINITY {
                continue;
            }
            let start = loop {
                let Some(&site) = self.sites.last() else { break f64::NEG_INFINITY };
                let below = self.heights[self.heights.len() - 1];
                let (p, q) = (site as f64, q as f64);
                // Where both parabolas have the same height, in voxels.
                let crossing = ((height - below) / square + (q * q - p * p)) / (2.0 * (q - p));
                if crossing > self.starts[self.starts.len() - 1] {
                    break crossing;
                }
                self.sites.pop();
                self.starts.pop();
                self.heights.pop();
            };
            self.sites.push(q);
            self.starts.push(start);
            self.heights.push(height);
        }
        if self.sites.is_empty() {
            return;
        }
        let mut k = 0;
        for (q, out) in line.iter_mut().enumerate() {
            while k + 1 < self.sites.len() && self.starts[k + 1] <= q as f64 {
                k += 1;
            }
            let offset = (q as f64 - self.sites[k] as f64) * spacing;
            *out = self.heights[k] + offset * offset;
        }
    }
}
