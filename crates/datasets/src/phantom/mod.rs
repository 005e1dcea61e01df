//! Phantoms: synthetic scans with labels, so that everything runs without any download.
//!
//! Two families: an abdomen with the eight Synapse organs and a heart with the three ACDC structures.
//! Volumes have anisotropic spacing, noise, smooth texture, a bias field, varying gain, pose and shape,
//! and unlabelled structures that look like labelled ones, so that intensity alone does not tell. The
//! same (seed, index) gives the same volume everywhere.

mod abdomen;
mod heart;
mod shape;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::case::{Case, LabelTable};
use crate::coding::{acdc_labels, synapse_labels};
use crate::rng::KeyedRng;
use crate::scan::Orientation;

/// Side of a phantom's slices, pixels.
pub const SIZE: usize = 160;

/// A family of phantoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phantom {
    /// Eight organs in the canonical Synapse coding.
    Abdomen,
    /// Right ventricle, myocardium and left ventricle.
    Heart,
}

impl Phantom {
    /// Names of the classes.
    #[must_use]
    pub fn labels(self) -> LabelTable {
        match self {
            Self::Abdomen => synapse_labels(),
            Self::Heart => acdc_labels(),
        }
    }

    /// One phantom.
    #[must_use]
    pub fn case(self, seed: u64, index: usize) -> Case {
        let family = match self {
            Self::Abdomen => 1,
            Self::Heart => 2,
        };
        let mut rng = KeyedRng::new(seed, &[0x7068_616e, family, index as u64]);
        let slices = 10 + rng.below(5);
        let (scene, spacing_mm, name) = match self {
            Self::Abdomen => (abdomen::scene(&mut rng), [5.0, 2.0, 2.0], "abdomen"),
            Self::Heart => (heart::scene(&mut rng), [8.0, 1.5, 1.5], "heart"),
        };
        let (image, label) = scene.render(&mut rng, [slices, SIZE, SIZE]);
        Case {
            id: format!("{name}{index:03}"),
            image,
            label,
            spacing_mm,
            orientation: Orientation::default(),
        }
    }
}

/// What a phantom shows, back to front: later bodies cover earlier ones.
struct Scene {
    bodies: Vec<shape::Body>,
    /// Standard deviation of the noise.
    noise: f64,
}

impl Scene {
    fn render(&self, rng: &mut KeyedRng, dims: [usize; 3]) -> (Array3<f32>, Array3<u8>) {
        let texture = shape::Texture::new(rng, 10, 5.0);
        let bias = shape::Texture::new(rng, 3, 1.2);
        let gain = rng.range(0.9, 1.1);
        let mut image = Array3::zeros(dims);
        let mut label = Array3::zeros(dims);
        for ((slice, row, col), value) in image.indexed_iter_mut() {
            let centred = |at: usize, n: usize| 2.0 * (at as f64 + 0.5) / n as f64 - 1.0;
            let at = [centred(slice, dims[0]), centred(row, dims[1]), centred(col, dims[2])];
            let (mut gray, mut class) = (0.04, 0);
            for body in &self.bodies {
                if body.contains(at) {
                    gray = body.gray + body.roughness * texture.at(at);
                    class = body.class;
                }
            }
            let gray = gray * gain * (1.0 + 0.08 * bias.at(at)) + self.noise * rng.normal();
            *value = gray.clamp(0.0, 1.0) as f32;
            label[(slice, row, col)] = class;
        }
        (image, label)
    }
}
