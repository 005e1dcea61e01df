//! An abdomen: eight organs among unlabelled tissue that looks like them.

use super::Scene;
use super::shape::Body;
use crate::rng::KeyedRng;

/// (class, centre, radii, gray value), back to front. Classes in the canonical Synapse coding.
const ORGANS: [(u8, [f64; 3], [f64; 3], f64); 8] = [
    (5, [0.25, 0.0, -0.43], [0.85, 0.43, 0.32], 0.56),  // liver
    (8, [0.25, -0.27, 0.25], [0.70, 0.22, 0.27], 0.52), // stomach
    (7, [0.30, 0.20, 0.58], [0.70, 0.28, 0.19], 0.60),  // spleen
    (6, [-0.15, 0.02, 0.08], [0.60, 0.14, 0.30], 0.51), // pancreas
    (3, [-0.25, 0.42, 0.37], [0.75, 0.21, 0.17], 0.63), // left kidney
    (4, [-0.30, 0.42, -0.36], [0.75, 0.21, 0.17], 0.63), // right kidney
    (2, [-0.20, -0.36, -0.20], [0.55, 0.16, 0.15], 0.36), // gallbladder
    (1, [0.0, 0.31, 0.06], [1.60, 0.14, 0.14], 0.66),   // aorta
];

pub(super) fn scene(rng: &mut KeyedRng) -> Scene {
    // The whole patient moves, turns and grows.
    let shift = [rng.range(-0.06, 0.06), rng.range(-0.06, 0.06)];
    let size = rng.range(0.92, 1.06);
    let place = |mut body: Body| {
        body.centre[1] = body.centre[1] * size + shift[0];
        body.centre[2] = body.centre[2] * size + shift[1];
        body.radii[1] *= size;
        body.radii[2] *= size;
        body
    };
    let mut bodies = vec![
        place(Body::new([0.0, 0.06, 0.0], [9.0, 0.78, 0.90], 0.24, 0)), // skin and fat
        place(Body::new([0.0, 0.05, 0.0], [9.0, 0.70, 0.82], 0.44, 0)), // muscle wall
        place(Body::new([0.0, 0.02, 0.0], [9.0, 0.64, 0.76], 0.40, 0)), // the cavity
    ];
    // Bowel and vessels: as bright as organs, without a label.
    for _ in 0..9 {
        let centre = [rng.range(-0.9, 0.9), rng.range(-0.45, 0.5), rng.range(-0.6, 0.6)];
        let radii = [rng.range(0.2, 0.5), rng.range(0.07, 0.14), rng.range(0.07, 0.14)];
        let gray = rng.range(0.34, 0.68);
        bodies.push(place(Body::new(centre, radii, gray, 0).vary(rng, 0.03, 0.2)));
    }
    bodies.push(place(Body::new([0.0, 0.55, 0.0], [9.0, 0.15, 0.17], 0.88, 0))); // spine
    for (class, centre, radii, gray) in ORGANS {
        bodies.push(place(Body::new(centre, radii, gray, class).vary(rng, 0.04, 0.12)));
    }
    Scene { bodies, noise: 0.045 }
}
