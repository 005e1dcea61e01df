//! The building blocks of a phantom.

use crate::rng::KeyedRng;

/// A deformed ellipsoid. Places are (slice, row, column) in [-1, 1].
pub(super) struct Body {
    pub centre: [f64; 3],
    pub radii: [f64; 3],
    /// Turn in the plane of a slice, radians.
    pub turn: f64,
    /// Drift of the centre (row, column) from the first to the last slice.
    pub drift: [f64; 2],
    /// (amplitude, phase) of the outline's second and third harmonics.
    pub outline: [(f64, f64); 2],
    /// A part of the inside that does not belong to the body, as for a ring or a crescent.
    pub hole: Option<Box<Body>>,
    pub gray: f64,
    /// How much of the smooth texture shows.
    pub roughness: f64,
    /// 0 for what is not labelled.
    pub class: u8,
}

impl Body {
    pub fn new(centre: [f64; 3], radii: [f64; 3], gray: f64, class: u8) -> Self {
        Self {
            centre,
            radii,
            turn: 0.0,
            drift: [0.0; 2],
            outline: [(0.0, 0.0); 2],
            hole: None,
            gray,
            roughness: 0.03,
            class,
        }
    }

    /// Varies place, size, turn, outline and gray value.
    pub fn vary(mut self, rng: &mut KeyedRng, shift: f64, scale: f64) -> Self {
        for (axis, centre) in self.centre.iter_mut().enumerate() {
            *centre += rng.range(-shift, shift) * if axis == 0 { 2.0 } else { 1.0 };
        }
        let size = rng.range(1.0 - scale, 1.0 + scale);
        for radius in &mut self.radii {
            *radius *= size * rng.range(1.0 - scale / 2.0, 1.0 + scale / 2.0);
        }
        self.turn += rng.range(-0.4, 0.4);
        self.drift = [rng.range(-shift, shift), rng.range(-shift, shift)];
        let full = 2.0 * std::f64::consts::PI;
        self.outline =
            [(rng.range(0.0, 0.1), rng.range(0.0, full)), (rng.range(0.0, 0.08), rng.range(0.0, full))];
        self.gray += rng.range(-0.03, 0.03);
        self
    }

    pub fn contains(&self, at: [f64; 3]) -> bool {
        let depth = (at[0] - self.centre[0]) / self.radii[0];
        if depth.abs() >= 1.0 {
            return false;
        }
        let row = at[1] - self.centre[1] - self.drift[0] * at[0];
        let col = at[2] - self.centre[2] - self.drift[1] * at[0];
        let (sin, cos) = self.turn.sin_cos();
        let row_part = (cos * row + sin * col) / self.radii[1];
        let col_part = (-sin * row + cos * col) / self.radii[2];
        let square = row_part * row_part + col_part * col_part;
        // The outline moves by a fifth at most; most places need no angle.
        if square > 1.5 {
            return false;
        }
        let angle = row_part.atan2(col_part);
        let [(a, p), (b, q)] = self.outline;
        let edge = 1.0 + a * (2.0 * angle + p).cos() + b * (3.0 * angle + q).cos();
        // Blunt ends: a slice near the end still shows a structure of some size.
        let limit = edge * edge * (1.0 - depth.powi(4));
        square < limit && !self.hole.as_ref().is_some_and(|hole| hole.contains(at))
    }
}

/// A smooth random field with values around [-1, 1]: a sum of waves.
pub(super) struct Texture {
    waves: Vec<([f64; 3], f64)>,
}

impl Texture {
    pub fn new(rng: &mut KeyedRng, n: usize, frequency: f64) -> Self {
        let waves = (0..n)
            .map(|_| {
                let direction = std::array::from_fn(|axis| {
                    let scale = if axis == 0 { 0.4 } else { 1.0 };
                    scale * frequency * rng.range(-1.0, 1.0) * std::f64::consts::PI
                });
                (direction, rng.range(0.0, 2.0 * std::f64::consts::PI))
            })
            .collect();
        Self { waves }
    }

    pub fn at(&self, place: [f64; 3]) -> f64 {
        let sum: f64 = self
            .waves
            .iter()
            .map(|(direction, phase)| {
                (direction.iter().zip(place).map(|(d, p)| d * p).sum::<f64>() + phase).cos()
            })
            .sum();
        sum / (self.waves.len() as f64 / 2.0).sqrt().max(1.0)
    }
}
