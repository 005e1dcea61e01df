//! Ellipsoids that taper towards their ends along the slices, and the pose of a whole body.

use fastersam_volume::KeyedRng;

/// Cosine and sine of an angle given by the tangent of its half, without trigonometry.
pub(super) fn rotation(half_tangent: f64) -> [f64; 2] {
    let t2 = half_tangent * half_tangent;
    [(1.0 - t2) / (1.0 + t2), 2.0 * half_tangent / (1.0 + t2)]
}

/// What fills a structure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tissue {
    /// Label; 0 where the structure has none.
    pub class: u8,
    /// Mean intensity.
    pub mean: f64,
    /// Amplitude of the texture.
    pub texture: f64,
    /// Added in the outer fifth of the radius (a wall, a cortex).
    pub rim: f64,
}

/// An ellipsoid. Lengths in the plane are in half image widths, along the slices in fractions of the
/// volume's extent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ellipsoid {
    pub tissue: Tissue,
    /// Column and row at the middle of its extent along the slices.
    pub centre: [f64; 2],
    /// Radii before rotation.
    pub radius: [f64; 2],
    /// Tangent of half the angle of rotation.
    pub turn: f64,
    /// Middle and half extent along the slices.
    pub z: [f64; 2],
    /// How far the centre moves from the middle to the upper end.
    pub tilt: [f64; 2],
}

impl Ellipsoid {
    /// Moves, stretches and turns it a little, its own way in each case.
    pub(super) fn varied(mut self, rng: &mut KeyedRng, amount: f64) -> Self {
        let mut vary = |value: &mut f64, by: f64| *value += rng.range(-by, by) * amount;
        for axis in 0..2 {
            vary(&mut self.centre[axis], 0.035);
            let radius = self.radius[axis];
            vary(&mut self.radius[axis], 0.09 * radius);
            vary(&mut self.tilt[axis], 0.03);
        }
        vary(&mut self.turn, 0.12);
        vary(&mut self.z[0], 0.05);
        let extent = self.z[1];
        vary(&mut self.z[1], 0.12 * extent);
        self
    }

    /// Its cross-section at the fraction `z` of the volume, where it has one.
    pub(super) fn section(&self, z: f64) -> Option<Section> {
        let along = (z - self.z[0]) / self.z[1];
        let quartic = along * along * along * along;
        // With the fourth power the cross-section keeps its size almost to the end.
        let square = 1.0 - quartic;
        if square < 0.12 {
            return None;
        }
        let scale = square.sqrt();
        let [cos, sin] = rotation(self.turn);
        Some(Section {
            tissue: self.tissue,
            centre: [self.centre[0] + along * self.tilt[0], self.centre[1] + along * self.tilt[1]],
            inverse_radius: self.radius.map(|r| 1.0 / (r * scale)),
            cos,
            sin,
        })
    }
}

/// The ellipse where an [`Ellipsoid`] meets a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    pub tissue: Tissue,
    centre: [f64; 2],
    inverse_radius: [f64; 2],
    cos: f64,
    sin: f64,
}

impl Section {
    /// Squared distance from the centre in radii: below 1 inside.
    pub(super) fn level(&self, [x, y]: [f64; 2]) -> f64 {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let u = (self.cos * dx + self.sin * dy) * self.inverse_radius[0];
        let v = (self.cos * dy - self.sin * dx) * self.inverse_radius[1];
        u * u + v * v
    }
}

/// How the body lies in the image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    shift: [f64; 2],
    inverse_scale: [f64; 2],
    cos: f64,
    sin: f64,
}

impl Pose {
    /// Magnified, shifted by up to `shift`, turned by up to the angle with half tangent `turn`, each axis scaled by
    /// up to `1 +- scale`.
    pub(super) fn draw(rng: &mut KeyedRng, magnification: f64, shift: f64, turn: f64, scale: f64) -> Self {
        let [cos, sin] = rotation(rng.range(-turn, turn));
        let common = magnification * rng.range(1.0 - scale, 1.0 + scale);
        let aspect = rng.range(1.0 - scale / 3.0, 1.0 + scale / 3.0);
        Self {
            shift: [rng.range(-shift, shift), rng.range(-shift, shift)],
            inverse_scale: [1.0 / (common * aspect), aspect / common],
            cos,
            sin,
        }
    }

    /// The place in the body of a place in the image, both as (column, row) in half image widths.
    pub(super) fn to_body(self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (dx, dy) = (x - self.shift[0], y - self.shift[1]);
        [
            (self.cos * dx + self.sin * dy) * self.inverse_scale[0],
            (self.cos * dy - self.sin * dx) * self.inverse_scale[1],
        ]
    }
}
