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
                let crossing =
                    ((height - below) / square + (q * q - p * p)) / (2.0 * (q - p));
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
