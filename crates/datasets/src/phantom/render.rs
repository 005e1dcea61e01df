//! From anatomy to voxels: warp, partial volume, gain field, texture, noise.

use fastersam_volume::KeyedRng;
use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

use super::noise::{Lattice, gaussian};
use super::shape::Pose;

/// One slice of an anatomy: what is where.
pub(super) trait AnatomySlice: Sync {
    /// Class, intensity and amplitude of the texture at a place of the body.
    fn at(&self, place: [f64; 2]) -> Voxel;
}

/// What a place of the body is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Voxel {
    pub class: u8,
    pub intensity: f64,
    pub texture: f64,
}

/// How a case is imaged.
#[derive(Debug)]
pub(super) struct Scanner {
    pub pose: Pose,
    /// Displacement of columns and rows: one smooth, one finer field each.
    pub warp: [Lattice; 2],
    pub fine_warp: [Lattice; 2],
    /// In [-1, 1].
    pub texture: Lattice,
    /// Added to 1 to give the gain; for CT its amplitude is 0.
    pub gain: Lattice,
    /// Intensity that the gain leaves alone (air).
    pub floor: f64,
    /// Standard deviation of the noise.
    pub noise: f64,
}

impl Scanner {
    /// Images `n_slices` of `size` x `size`; `slice_at` gives the anatomy at a fraction of the extent.
    ///
    /// Each slice draws its noise from a generator keyed by its number, so that slices can be drawn in
    /// any order.
    pub(super) fn image<A: AnatomySlice>(
        &self,
        [n_slices, size]: [usize; 2],
        (seed, key): (u64, [u64; 2]),
        slice_at: impl Fn(f64) -> A + Sync,
    ) -> (Array3<i16>, Array3<u8>) {
        let slices: Vec<(Array2<i16>, Array2<u8>)> = (0..n_slices)
            .into_par_iter()
            .map(|k| {
                let z = (k as f64 + 0.5) / n_slices as f64;
                let mut rng = KeyedRng::new(seed, &[key[0], key[1], NOISE, k as u64]);
                let (intensity, classes) = self.slice(z, size, &slice_at(z));
                (self.acquire(z, &blur(&intensity), &mut rng), classes)
            })
            .collect();
        let mut raw = Array3::zeros((n_slices, size, size));
        let mut label = Array3::zeros((n_slices, size, size));
        for (k, (intensity, classes)) in slices.iter().enumerate() {
            raw.index_axis_mut(Axis(0), k).assign(intensity);
            label.index_axis_mut(Axis(0), k).assign(classes);
        }
        (raw, label)
    }

    /// Gain and noise.
    fn acquire(&self, z: f64, clean: &Array2<f64>, rng: &mut KeyedRng) -> Array2<i16> {
        let gain = self.gain.plane(z);
        let (rows, columns) = clean.dim();
        let mut raw = Array2::zeros(clean.raw_dim());
        for row in 0..rows {
            let gain = gain.row((row as f64 + 0.5) / rows as f64, columns);
            for column in 0..columns {
                let value = self.floor + (clean[[row, column]] - self.floor) * (1.0 + gain[column]);
                raw[[row, column]] = (value + self.noise * gaussian(rng)).round() as i16;
            }
        }
        raw
    }

    fn slice(&self, z: f64, size: usize, anatomy: &impl AnatomySlice) -> (Array2<f64>, Array2<u8>) {
        let mut intensity = Array2::zeros((size, size));
        let mut classes = Array2::zeros((size, size));
        let [warp_x, warp_y] = [0, 1].map(|i| (self.warp[i].plane(z), self.fine_warp[i].plane(z)));
        let texture = self.texture.plane(z);
        for row in 0..size {
            let fraction = (row as f64 + 0.5) / size as f64;
            let [dx, dy] = [&warp_x, &warp_y].map(|(coarse, fine)| {
                let (coarse, fine) = (coarse.row(fraction, size), fine.row(fraction, size));
                coarse.iter().zip(fine).map(|(a, b)| a + b).collect::<Vec<f64>>()
            });
            let texture = texture.row(fraction, size);
            for column in 0..size {
                let x = 2.0 * (column as f64 + 0.5) / size as f64 - 1.0;
                let y = 2.0 * fraction - 1.0;
                let [x, y] = self.pose.to_body([x, y]);
                let voxel = anatomy.at([x + dx[column], y + dy[column]]);
                intensity[[row, column]] = voxel.intensity + voxel.texture * texture[column];
                classes[[row, column]] = voxel.class;
            }
        }
        (intensity, classes)
    }
}

const NOISE: u64 = 2;

/// 3 x 3 binomial weights: a voxel on a border holds a mixture of both sides.
fn blur(values: &Array2<f64>) -> Array2<f64> {
    let along = |values: &Array2<f64>, axis: Axis| {
        let mut blurred = values.clone();
        for (mut out, line) in blurred.lanes_mut(axis).into_iter().zip(values.lanes(axis)) {
            let last = line.len() - 1;
            for i in 0..line.len() {
                let (before, after) = (line[i.saturating_sub(1)], line[(i + 1).min(last)]);
                out[i] = 0.25 * before + 0.5 * line[i] + 0.25 * after;
            }
        }
        blurred
    };
    along(&along(values, Axis(0)), Axis(1))
}
