//! Smooth random fields and Gaussian noise from additions and multiplications only.

use fastersam_volume::KeyedRng;

/// A smooth random field on the unit cube: random values on a coarse grid, blended between grid points.
#[derive(Clone, Debug)]
pub(super) struct Lattice {
    /// Grid points along slices, rows and columns.
    shape: [usize; 3],
    values: Vec<f64>,
}

impl Lattice {
    /// Values in [-amplitude, amplitude] on a grid of `shape` points, each axis at least 2.
    pub(super) fn new(rng: &mut KeyedRng, shape: [usize; 3], amplitude: f64) -> Self {
        let shape = shape.map(|n| n.max(2));
        let values = (0..shape.iter().product()).map(|_| rng.range(-amplitude, amplitude)).collect();
        Self { shape, values }
    }

    /// The field at the fraction `z` of its first axis.
    pub(super) fn plane(&self, z: f64) -> Plane {
        let [nz, ny, nx] = self.shape;
        let (at, part) = grid_place(z, nz);
        let size = ny * nx;
        let (low, high) = (&self.values[at * size..], &self.values[(at + 1) * size..]);
        let values = low.iter().zip(high).take(size).map(|(a, b)| a + part * (b - a)).collect();
        Plane { shape: [ny, nx], values }
    }
}

/// One plane of a [`Lattice`].
#[derive(Clone, Debug)]
pub(super) struct Plane {
    shape: [usize; 2],
    values: Vec<f64>,
}

impl Plane {
    /// The field along a row of `n` pixels at the fraction `y` of the rows.
    pub(super) fn row(&self, y: f64, n: usize) -> Vec<f64> {
        let [ny, nx] = self.shape;
        let (at, part) = grid_place(y, ny);
        let (low, high) = (&self.values[at * nx..], &self.values[(at + 1) * nx..]);
        let line: Vec<f64> = low.iter().zip(high).take(nx).map(|(a, b)| a + part * (b - a)).collect();
        (0..n)
            .map(|i| {
                let (at, part) = grid_place((i as f64 + 0.5) / n as f64, nx);
                line[at] + part * (line[at + 1] - line[at])
            })
            .collect()
    }
}

/// The grid point before the fraction `t` of an axis of `n` points, and how far it is to the next one,
/// eased so that the field has no kinks.
fn grid_place(t: f64, n: usize) -> (usize, f64) {
    let position = t.clamp(0.0, 1.0) * (n - 1) as f64;
    let at = (position as usize).min(n - 2);
    let part = position - at as f64;
    (at, part * part * (3.0 - 2.0 * part))
}

/// Nearly normal with mean 0 and variance 1: the sum of four uniform draws out of one 64-bit word, which
/// ends at 3.5 standard deviations.
pub(super) fn gaussian(rng: &mut KeyedRng) -> f64 {
    let word = rng.next_u64();
    let sum = (0..4).map(|i| ((word >> (16 * i)) & 0xffff) as f64).sum::<f64>();
    // Variance of one draw: (65536^2 - 1) / 12.
    (sum / 65536.0 - 2.0 + 2.0 / 65536.0) * SQRT_3
}

const SQRT_3: f64 = 1.732_050_807_568_877_2;
